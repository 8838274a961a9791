"""A ledger of many holdings, made by real instructions through the real kernel and store, and signed loads on it."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from traco.client.signer import Ed25519Signer, Signer
from traco.kernel.application import Application
from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import Genesis, SealTerms, write_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.screening import DirectScreener, encode_transaction
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    Signature,
    envelope_id,
    envelope_signing_message,
    signing_message,
    transaction_id,
)
from traco.modules.composition import compose
from traco.modules.holding.messages import CreateInstrument, Issue, OpenAccount
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.clock import wall_clock_ms
from traco.node.directory import LEDGER_FILE
from traco.storage import LedgerStore

T = TypeVar("T")

OWNERS: Final = 100
START_AMOUNT: Final = 10**12
ROLES: Final = ("sign", "administer", "read")
PER_TRANSACTION: Final = 64
TRANSACTIONS_PER_BLOCK: Final = 100
EMPTY_BLOCKS: Final = 60  # until what the store keeps of the last blocks is that of ordinary ones
DONE_FILE: Final = "market.json"


class Market(NamedTuple):
    """Who owns what: account ``number`` belongs to owner ``number % OWNERS`` and holds both instruments."""

    genesis: bytes
    network: bytes
    member: bytes
    cash: bytes
    security: bytes
    owners: tuple[bytes, ...]
    signers: tuple[Signer, ...]
    member_signer: Signer
    node_signer: Signer
    seal_signer: Signer
    accounts: int

    def account(self, number: int) -> bytes:
        """The id of an account by its number."""
        return account_id(self.member, number.to_bytes(16, "big"))


def signer(name: str) -> Ed25519Signer:
    """A key of the benchmark: the same name, the same key."""
    return Ed25519Signer.from_seed(sha256(b"bench " + name.encode()).digest())


def genesis_of() -> Genesis:
    """The founding document of the benchmark's network."""
    member = {
        "name": "Operator", "keys": [{"key": signer("member").public_key.hex(), "roles": list(ROLES)}],
        "nodes": [signer("node").public_key.hex()], "roles": ["cash_operator"],
    }  # fmt: skip
    return Genesis(
        name="bench", purpose="test", time_ms=wall_clock_ms(),
        seal=SealTerms("checkpoint", signer("seal").public_key.hex()),
        modules={"party": {"members": [member], "council": {"threshold": 1, "members": ["Operator"]}}},
    )  # fmt: skip


def describe(genesis: bytes, network: bytes, accounts: int) -> Market:
    """The market over a genesis; nothing is looked up, all ids follow from it."""
    member = founding_member_id(signer("member").public_key)
    owners = tuple(party_id(member, number.to_bytes(16, "big")) for number in range(OWNERS))
    return Market(
        genesis, network, member, instrument_id(member, "BENCH-CASH"), instrument_id(member, "BENCH-SECURITY"), owners,
        tuple(signer(f"owner {number}") for number in range(OWNERS)), signer("member"), signer("node"), signer("seal"),
        accounts,
    )  # fmt: skip


def instructions_of(market: Market) -> Iterator[Instruction]:
    """Everything that fills the market: parties, instruments, accounts and two holdings in each account."""
    member = market.member
    for number in range(OWNERS):
        key = PartyKey(market.signers[number].public_key, ROLES)
        yield RegisterParty(member, number.to_bytes(16, "big"), "organisation", (key,), f"Owner {number}")
    for code, kind, currency in (
        ("BENCH-CASH", InstrumentKind.CASH, "EUR"),
        ("BENCH-SECURITY", InstrumentKind.SECURITY, None),
    ):
        yield CreateInstrument(member, code, kind, currency, 2, bytes(32), (member,))
    for number in range(market.accounts):
        yield OpenAccount(
            member, market.owners[number % OWNERS], AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None,
            number.to_bytes(16, "big"),
        )  # fmt: skip
        account = market.account(number)
        yield Issue(member, market.cash, account, START_AMOUNT, b"")
        yield Issue(member, market.security, account, START_AMOUNT, b"")


def signed(
    network: bytes, instructions: Sequence[Instruction], signers: Sequence[Signer], valid_until: int, salt: bytes,
    ledger: bytes = ROOT,
) -> bytes:  # fmt: skip
    """The wire form of a signed transaction."""
    body = encode(Body(network, ledger, valid_until, salt, tuple(instructions)))
    message = signing_message(transaction_id(body))
    return encode_transaction(body, tuple(Signature(one.public_key, one.sign(message)) for one in signers))


def fill(directory: Path, holdings: int, progress: Callable[[int, int], None]) -> None:
    """Make a ledger with so many holdings in ``directory``, unless it is there already."""
    done = directory / DONE_FILE
    if done.exists():
        return
    shutil.rmtree(directory, ignore_errors=True)  # half filled, by a run that was stopped
    directory.mkdir(parents=True)
    genesis = genesis_of()
    registry = compose()
    store = LedgerStore(directory / LEDGER_FILE)
    screener = DirectScreener(registry.body, genesis.kernel_parameters())
    application = Application(genesis, registry, store, _no_alarm, screener)
    application.init_chain()
    market = describe(write_genesis(genesis), application.network, holdings // 2)
    total = OWNERS + 2 + 3 * market.accounts
    ordered = 0
    for block in _chunks(_chunks(instructions_of(market), PER_TRANSACTION), TRANSACTIONS_PER_BLOCK):
        _order(application, market, block)
        ordered += sum(map(len, block))
        progress(ordered, total)
    for _ in range(EMPTY_BLOCKS):
        application.finalize_block(application.info().height + 1, wall_clock_ms(), ())
        application.commit()
    store.close()
    done.write_bytes(msgspec.json.encode({"genesis": genesis, "accounts": market.accounts}))


def opened(directory: Path) -> tuple[bytes, int]:
    """The genesis and the number of accounts of a filled directory."""
    found = msgspec.json.decode((directory / DONE_FILE).read_bytes())
    genesis = write_genesis(msgspec.convert(found["genesis"], Genesis))
    return genesis, found["accounts"]


def _order(application: Application, market: Market, block: Sequence[Sequence[Instruction]]) -> None:
    time_ms = max(wall_clock_ms(), application.info().time_ms)
    until, height = time_ms + 60_000, application.info().height + 1
    transactions = tuple(
        signed(market.network, instructions, (market.member_signer,), until, height.to_bytes(8, "big") + index.to_bytes(8, "big"))
        for index, instructions in enumerate(block)
    )  # fmt: skip
    body = EnvelopeBody(market.network, ROOT, market.member, until, height.to_bytes(16, "big"), transactions)
    key = market.node_signer
    signature = Signature(
        key.public_key, key.sign(envelope_signing_message(envelope_id(body), key.public_key))
    )
    finalized = application.finalize_block(height, time_ms, [encode(Envelope(body, signature))])
    failed = [answer for envelope in finalized.answers for answer in envelope.transactions if answer.failure]
    if failed or finalized.answers[0].failure:
        raise RuntimeError(f"filling failed: {failed[:1] or finalized.answers[0]}")
    application.commit()


def _no_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise RuntimeError(f"{kind} while filling") from error


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
