"""Programs that import nothing of this project sign transfers, and a live node makes them final."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from independent.judging import NODE, WITHOUT_NODE, in_javascript, install
from independent.signers import PROGRAMS, SCHEMES, make_key, run_signer, transfer
from support.live_node import CHEAP, LiveNode, free_port
from traco.client.keystore import KeyStore
from traco.client.sdk import Access, LedgerClient
from traco.client.signer import Signer
from traco.client.verify import verify
from traco.kernel.genesis import parse_genesis
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    account_id,
    instrument_id,
)
from traco.modules.party.messages import GrantRole, RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY, create, founding_member

PASSPHRASE = "words for a test"
CASH = 1_000


class Trader(NamedTuple):
    """A party whose key an independent program made; its cash account."""

    program: str
    scheme: str
    key_file: Path
    party: bytes
    account: bytes


class Market(NamedTuple):
    """A running node with a currency, an account that receives, and the traders by program and scheme."""

    client: LedgerClient
    genesis: bytes
    instrument: bytes
    receiver: bytes
    traders: dict[tuple[str, str], Trader]

    def fields(self, trader: Trader, amount: int) -> dict[str, Any]:
        """The fields of a transfer."""
        node = parse_genesis(self.genesis).modules["party"]["members"][0]["nodes"][0]
        return {
            "party": trader.party.hex(), "instrument": self.instrument.hex(), "sender": trader.account.hex(),
            "receiver": self.receiver.hex(), "amount": str(amount), "reference": b"rent".hex(), "node": node,
        }  # fmt: skip

    def cash(self, account: bytes) -> int:
        """What an account has."""
        holding = self.client.query("holding.get", instrument=self.instrument, account=account)
        return int(holding["available"])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    place = tmp_path_factory.mktemp("live")
    directory = place / "node"
    create(
        directory, PASSPHRASE, name="Independent", operator="Example Operator Ltd", purpose="test",
        time_ms=wall_clock_ms(), config=NodeConfig(port=free_port()), cost=CHEAP,
    )  # fmt: skip
    node = LiveNode(directory, PASSPHRASE)
    try:
        genesis = (directory / "genesis.json").read_bytes()
        with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
            signer = keys.signer(MEMBER_KEY)
        access = Access(founding_member(genesis), signer)
        with LedgerClient(node.ready["url"], access=access) as client:
            yield _market(client, genesis, signer, place)
    finally:
        node.kill()


def _market(client: LedgerClient, genesis: bytes, signer: Signer, place: Path) -> Market:
    bank = client.party(founding_member(genesis), signer)
    cash = instrument_id(bank.id, "EUR")
    bank.transact(GrantRole((bank.id,), bank.id, "cash_operator"))
    bank.transact(
        CreateInstrument(bank.id, "EUR", InstrumentKind.CASH, "EUR", 2, sha256(b"").digest(), (bank.id,))
    )
    receiver = _open_account(bank, bank.id, b"\0" * 16)
    traders = {}
    for number, (program, scheme) in enumerate(
        (p, s) for p in PROGRAMS for s in SCHEMES if p != "node" or NODE
    ):
        key_file, salt = place / f"{program}-{scheme}.pem", bytes([number + 1]) * 16
        key = PartyKey(make_key(program, scheme, key_file), ("sign", "administer", "read"))
        bank.transact(RegisterParty(bank.id, salt, "organisation", (key,), name=f"Trader {number}"))
        party = party_id(bank.id, salt)
        account = _open_account(bank, party, salt)
        bank.transact(Issue(bank.id, cash, account, CASH, b""))
        traders[program, scheme] = Trader(program, scheme, key_file, party, account)
    return Market(client, genesis, cash, receiver, traders)


def _open_account(bank: Any, owner: bytes, salt: bytes) -> bytes:
    kind = AccountKind.OWN
    bank.transact(OpenAccount(bank.id, owner, kind, DebitControl.OWNER, CreditControl.OPEN, None, salt))
    return account_id(bank.id, salt)


@pytest.fixture(params=[(program, scheme) for program in PROGRAMS for scheme in SCHEMES], ids="-".join)
def trader(request: pytest.FixtureRequest, market: Market) -> Trader:
    if request.param not in market.traders:
        pytest.skip(WITHOUT_NODE)
    return market.traders[request.param]


def test_a_transfer_is_final_and_proven(market: Market, trader: Trader, tmp_path: Path) -> None:
    received = market.cash(market.receiver)
    answer = transfer(trader.program, trader.key_file, market.client.url, **market.fields(trader, 250))
    assert (answer["status"], answer["failure"]) == ("final", None)
    assert market.cash(trader.account) == CASH - 250
    assert market.cash(market.receiver) == received + 250
    receipt = market.client.receipt(bytes.fromhex(answer["id"]))
    proof = verify(receipt, market.genesis)
    assert (proof["transaction"], proof["outcome"]) == (answer["id"], "success")
    assert proof["instructions"][0]["amount"] == 250
    if NODE is not None:
        verdict = in_javascript(install(tmp_path / "verifier"), [(receipt, "g")], {"g": market.genesis})[0]
        assert verdict.report is not None
        assert verdict.report["transaction"] == answer["id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"network": "00" * 32}, "transaction.wrong_network"), ({"valid_until": 1}, "transaction.expired"),
     ({"valid_until": 2**53 - 1}, "transaction.too_far_ahead")],
)  # fmt: skip
def test_a_transfer_for_another_network_or_time_is_refused(
    market: Market, trader: Trader, change: dict[str, Any], code: str
) -> None:
    answer = transfer(
        trader.program, trader.key_file, market.client.url, **market.fields(trader, 1), **change
    )
    assert (answer["status"], answer["failure"]["code"]) == ("refused", code)


def others(market: Market, trader: Trader) -> list[Trader]:
    return [other for other in market.traders.values() if other is not trader]


def test_a_transfer_of_another_party_is_refused(market: Market, trader: Trader) -> None:
    for other in others(market, trader):
        before = market.cash(other.account)
        result = market.client.submit(signed(market, trader, other, 1))
        assert result.status == "refused"
        assert result.failure is not None
        assert result.failure.code == "transaction.signature_missing"
        assert market.cash(other.account) == before


def test_a_token_for_another_party_or_node_is_refused(market: Market, trader: Trader) -> None:
    foreign = market.fields(others(market, trader)[0], 1)
    here = market.fields(trader, 1)
    without = {name: value for name, value in here.items() if name != "node"}
    for fields, code in (
        (foreign, "access.key_unknown"), ({**here, "node": "01" + "0b" * 32}, "access.other_node"), (without, "access.missing"),
    ):  # fmt: skip
        assert transfer(trader.program, trader.key_file, market.client.url, **fields)["code"] == code


def test_more_than_there_is_is_rejected(market: Market, trader: Trader) -> None:
    answer = transfer(trader.program, trader.key_file, market.client.url, **market.fields(trader, 2**63 - 1))
    assert (answer["status"], answer["failure"]["code"]) == ("rejected", "holding.insufficient")


def test_a_changed_byte_is_refused(market: Market, trader: Trader) -> None:
    raw = signed(market, trader, trader, 1)
    for position in (1, len(raw) // 2, len(raw) - 1):
        forged = bytearray(raw)
        forged[position] ^= 1
        assert market.client.submit(bytes(forged)).status == "refused"
    assert market.client.submit(raw).status == "final"


def signed(market: Market, trader: Trader, acting: Trader, amount: int) -> bytes:
    """A transfer of ``acting`` that the trader's program signed with the trader's key but did not submit."""
    status = market.client.status()
    fields = {
        **market.fields(acting, amount), "network": status.network.hex(), "salt": sha256(acting.party).hexdigest()[:32],
        "valid_until": status.time_ms + 60_000,
    }  # fmt: skip
    text = msgspec.json.encode(fields).decode()
    return bytes.fromhex(run_signer(trader.program, "transaction", str(trader.key_file), text))
