"""Makes a golden node directory: a real node that has done a bit of everything, packed as it was when it stopped.

    python tools/golden.py tests/golden/NUMBER/node.tar.xz

Run it once for a release, with that release's code, and never again for the same number: see tests/golden/README.md. It
runs the story of the demonstration against a node of its own, adds what the story leaves out (holds, pledges, batches,
proposals and offers that are still open, rejections), stops the node, and packs the node's directory, the key stores of the
parties, some receipts and the names of who is who.
"""

import hashlib
import io
import lzma
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from traco.client.keystore import KeyStore
from traco.client.keystore_file import Cost
from traco.client.results import TransactionFailed
from traco.client.sdk import LedgerClient
from traco.client.signer import Ed25519Signer
from traco.demo import trade
from traco.demo.cast import Cast, Organisation
from traco.demo.network import PASSPHRASE_FILE
from traco.demo.papers import Paper
from traco.demo.stage import Stage
from traco.demo.story import Story
from traco.kernel.codec import encode
from traco.kernel.operations import Propose
from traco.modules.holding.messages import ExecuteHold, Hold, OpenAccount, Pledge, Transfer, hold_id
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl
from traco.modules.party.messages import ChangeKeys
from traco.modules.party.state import PartyKey, Policy, PolicyRule
from traco.modules.settlement.messages import (
    Affirm,
    CreateBatch,
    IntoAccount,
    OwnHolding,
    SettlementInstruction,
    batch_id,
    terms_hash,
)

PASSPHRASE: Final = "a golden passphrase"  # noqa: S105 -- of keys that protect nothing
CHEAP: Final = Cost(memory_kib=8, passes=1, lanes=1)
SECOND_KEY: Final = b"golden second key"  # of bank-two: the hash of this is its seed
LEFT_OUT: Final = ("node.log", "lock")
TRANSFERS: Final = 120
DAY_MS: Final = 86_400_000
INVOICES: Final = Path(__file__).parents[1] / "examples" / "invoices"


class GoldenStory(Story):
    """The demonstration, and then whatever should be open when the node stops."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, INVOICES, Stage())
        self.passphrase = (directory / PASSPHRASE_FILE).read_text().strip()
        self.papers: list[Paper] = []
        self.receipts: dict[str, bytes] = {}
        self.names: dict[str, Any] = {}

    def _finance(
        self, cast: Cast, bank: Organisation, papers: list[Paper], credited: dict[bytes, int]
    ) -> tuple[trade.Deal, bytes]:
        self.papers = papers
        return super()._finance(cast, bank, papers, credited)

    def _proof(self, client: LedgerClient, settlement: bytes) -> None:
        super()._proof(client, settlement)
        if self.cast is None or self.deal is None:
            raise LookupError("the story has no cast yet")
        parties = dict(self.roles())
        one, two = parties["bank-one"], parties["bank-two"]
        paid = _pay_back_and_forth(self.cast, one, two)
        refused = _pay_too_much(self.cast, one, two)
        _hold_and_pledge(self.cast, one, two)
        _open_batch(self.cast, one, two)
        _propose(self.cast, two)
        _open_offer(self.cast, two, self.deal, self.papers)
        for name, identity in (("settled", settlement), ("paid", paid), ("refused", refused)):
            self.receipts[name] = client.receipt(identity)
        self.names = {
            name: {"party": each.id.hex(), "account": each.account.hex(), "keys": self.cast.key_store(each).name}
            for name, each in parties.items()
        }  # fmt: skip
        self.names["cash"] = {currency: cash.hex() for currency, cash in self.cast.currencies()}


def _pay_back_and_forth(cast: Cast, one: Organisation, two: Organisation) -> bytes:
    """Many payments, several in each transaction's block; the id of the first."""
    cash = cast.cash("EUR")
    made = [
        cast.client.build(
            [Transfer(sender.id, cash, sender.account, receiver.account, 1 + number, b"payment %d" % number)],
            sender.party.signers,
        )
        for number in range(TRANSFERS)
        for sender, receiver in [(one, two) if number % 3 else (two, one)]
    ]
    results = [
        result
        for start in range(0, TRANSFERS, 9)
        for result in cast.client.submit_many(made[start : start + 9])
    ]
    return results[0].identity


def _pay_too_much(cast: Cast, one: Organisation, two: Organisation) -> bytes:
    """A payment that the ledger rejects; its id."""
    try:
        one.party.transact(Transfer(one.id, cast.cash("EUR"), one.account, two.account, 10**15, b"too much"))
    except TransactionFailed as failed:
        return failed.result.identity
    raise LookupError("the payment was not rejected")


def _hold_and_pledge(cast: Cast, one: Organisation, two: Organisation) -> None:
    """A hold executed in part, one that expires tomorrow, one in a month; a pledge."""
    cash, now = cast.cash("EUR"), cast.client.status().time_ms
    for days in (1, 7, 30):
        salt = os.urandom(16)
        one.party.transact(Hold(one.id, one.account, cash, 5_000, two.id, now + days * DAY_MS, b"held", salt))
        if days == 7:
            held = hold_id(one.id, salt)
            two.party.transact(ExecuteHold(two.id, held, cash, two.account, 2_000, False, b"in part"))
    one.party.transact(Pledge(one.id, one.account, cash, 700, two.id, b"collateral", os.urandom(16)))


def _open_batch(cast: Cast, one: Organisation, two: Organisation) -> None:
    """A batch that one side has affirmed and the other has not."""
    cash, salt, deadline = cast.cash("EUR"), os.urandom(16), cast.client.status().time_ms + 2 * DAY_MS
    legs = (
        SettlementInstruction(one.id, two.id, cash, 300),
        SettlementInstruction(two.id, one.id, cash, 200),
    )
    terms = terms_hash(legs, (), True, deadline)
    one.party.transact(
        CreateBatch(one.id, legs, (), True, deadline, salt),
        Affirm(
            one.id,
            batch_id(one.id, salt),
            terms,
            ((0, OwnHolding(one.account)),),
            ((1, IntoAccount(one.account)),),
        ),
    )


def _propose(cast: Cast, two: Organisation) -> None:
    """An account that two keys must open, proposed by one."""
    second = Ed25519Signer.from_seed(hashlib.sha256(SECOND_KEY).digest())
    policy = Policy(rules=(PolicyRule("setup", 2),))
    two.party.transact(ChangeKeys(two.id, (PartyKey(second.public_key, ("sign",)),), policy=policy))
    opening = OpenAccount(
        two.id, two.id, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, os.urandom(16)
    )
    expires = cast.client.status().time_ms + 3 * DAY_MS
    two.party.transact(Propose(two.id, encode((opening,)), expires, os.urandom(16)))


def _open_offer(cast: Cast, bank: Organisation, financed: trade.Deal, papers: list[Paper]) -> None:
    """Another invoice with an offer that its seller has not answered."""
    paper = next(one for one in papers if one.financeable and one is not financed.paper)
    if paper.invoice is None:
        raise LookupError("a financeable paper was read")
    face = paper.invoice.payable_amount
    cast.fund(bank, paper.invoice.currency, face)
    trade.offer(cast, bank, paper, trade.request(cast, paper, face), face, unconfirmed=True)


def pack(folder: Path, target: Path) -> None:
    """Everything below ``folder`` in one archive: names in order, no times, no owners, mode 0600."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size, entry.mode = path.stat().st_size, 0o600
                with path.open("rb") as file:
                    archive.addfile(entry, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress(content.getvalue(), preset=9))


def make(target: Path) -> None:
    """Tell the story in a scratch directory and pack what it leaves."""
    with tempfile.TemporaryDirectory() as scratch:
        directory, packed = Path(scratch) / "story", Path(scratch) / "packed"
        directory.mkdir()
        story = GoldenStory(directory)
        story.tell()
        for name in ("node", "keys", "receipts"):
            (packed / name).mkdir(parents=True)
        for path in (directory / "node").iterdir():
            if path.name not in LEFT_OUT and not path.name.endswith(".lock"):
                (packed / "node" / path.name).write_bytes(path.read_bytes())
        for path in (directory / "keys").glob("*.keys"):
            (packed / "keys" / path.name).write_bytes(path.read_bytes())
        for path in packed.rglob("*.keys"):
            path.chmod(0o600)
            with KeyStore.open(path, story.passphrase) as keys:
                keys.change_passphrase(PASSPHRASE, CHEAP)
            path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        for name, content in story.receipts.items():
            (packed / "receipts" / f"{name}.receipt").write_bytes(content)
        names = msgspec.json.format(msgspec.json.encode(story.names, order="sorted"), indent=2)
        (packed / "names.json").write_bytes(names + b"\n")
        pack(packed, target)


if __name__ == "__main__":
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        sys.exit("usage: python tools/golden.py NEW-FILE  (what exists is never made again)")
    make(Path(sys.argv[1]))
