"""A ledger of all modules in a node's directory, with transfers, rejections and holds that expire, made without a node."""

from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from support.founding import member_section
from support.ledger import START_MS, Key, Ledger
from traco.engine.embedded.checkpoint import sign_checkpoint
from traco.kernel.block import Answer
from traco.kernel.genesis import Genesis, SealTerms, write_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.kernel.seal import Checkpoint
from traco.modules.composition import compose
from traco.modules.holding.messages import CreateInstrument, Hold, Issue, OpenAccount, Transfer
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.modules.party.genesis import founding_member_id
from traco.node.api.reads import Reads
from traco.node.directory import GENESIS_FILE, LEDGER_FILE
from traco.node.link import Sealed
from traco.storage import LedgerStore, SnapshotReader

BANK: Final = Key("bank")
BANK_ID: Final = founding_member_id(BANK.public)
EUR: Final = instrument_id(BANK_ID, "EUR")
ACCOUNTS: Final = 12
ISSUED: Final = 1_000_000


def genesis() -> Genesis:
    """A network with one member, who is the council and issues cash."""
    return Genesis(
        name="Stored", purpose="test", time_ms=START_MS, protocol=NEWEST_PROTOCOL,
        seal=SealTerms("checkpoint", Key("seal").public.hex()),
        modules={
            "party": {
                "members": [member_section("bank", roles=["cash_operator"])],
                "council": {"threshold": 1, "members": ["bank"]},
            }
        },
    )  # fmt: skip


class SealKey:
    """The key that the genesis names for seals."""

    public_key = Key("seal").public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return Key("seal").sign(message)


class StoredLedger:
    """The ledger in ``directory``; ``close`` it before another process, or an audit, opens it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / LEDGER_FILE
        founding = genesis()
        (directory / GENESIS_FILE).write_bytes(write_genesis(founding))
        self.store = LedgerStore(self.path, durable=False)
        self.ledger = Ledger(founding, compose(), BANK_ID, Key("bank node"), self.store)
        self.accounts: list[bytes] = []
        self.answers: list[Answer] = []  # of the last block
        self._random = Random(7)
        self._set_up()

    def _set_up(self) -> None:
        terms = sha256(b"").digest()
        self._run([CreateInstrument(BANK_ID, "EUR", InstrumentKind.CASH, "EUR", 2, terms, (BANK_ID,))])
        for _ in range(ACCOUNTS):
            salt = self.ledger.salt()
            opening = OpenAccount(
                BANK_ID, BANK_ID, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
            )
            account = account_id(BANK_ID, salt)
            self._run([opening, Issue(BANK_ID, EUR, account, ISSUED, b"start")])
            self.accounts.append(account)

    def _run(self, *transactions: list[Instruction]) -> None:
        self.answers = self.ledger.run_block([self.ledger.transaction(each, BANK) for each in transactions])

    def transfer(self, amount: int) -> bytes:
        """One transfer in a block of its own; its id."""
        sender, receiver = self.accounts[:2]
        self._run([Transfer(BANK_ID, EUR, sender, receiver, amount, b"rent")])
        return self.answers[0].identity

    def trade(self, blocks: int, per_block: int) -> None:
        """Run blocks of transfers; some are rejected, some are holds that expire a few blocks later."""
        for _ in range(blocks):
            self._run(*([self._something()] for _ in range(per_block)))

    def _something(self) -> Instruction:
        sender, receiver = self._random.sample(self.accounts, 2)
        amount = self._random.randrange(1, 500)
        chance = self._random.random()
        if chance < 0.05:
            return Transfer(BANK_ID, EUR, sender, receiver, ISSUED * ACCOUNTS, b"too much")
        if chance < 0.10:
            expires_ms = self.ledger.time_ms + 4_000
            return Hold(BANK_ID, sender, EUR, amount, BANK_ID, expires_ms, b"", self.ledger.salt())
        return Transfer(BANK_ID, EUR, sender, receiver, amount, b"trade")

    def receipt(self, identity: bytes) -> bytes:
        """The finality receipt of a transaction, under a seal of the last block."""
        application = self.ledger.application
        info = application.info()
        checkpoint = Checkpoint(info.height, info.time_ms, info.app_hash)
        seal = sign_checkpoint(checkpoint, application.network, SealKey())
        reads = Reads(SnapshotReader(self.path), self.ledger.registry)
        return reads.finality(identity, Sealed(seal, info.height, info.time_ms, info.height))

    def close(self) -> None:
        """Close the store."""
        self.store.close()
