"""Holds the nodes against each other, against an undisturbed ledger in memory, and against what clients were told."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from support.memory_store import MemoryStore
from torture.report import Counts, Difference
from torture_cluster.journal import SETTLED, Journal, Told
from torture_cluster.load import START_AMOUNT, Books
from torture_cluster.network import Network
from torture_cluster.sites import BLOCKS_AT_ONCE, Site
from traco.kernel.application import Application
from traco.kernel.codec import Codec, encode
from traco.kernel.receipt import Receipt
from traco.modules.composition import compose
from traco.modules.holding.queries import HoldingQuery, InstrumentQuery
from traco.storage.rows import StoredBlock

_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)
KNOWN_REFUSALS: Final[frozenset[str]] = frozenset()
"""Codes with which a payment of the load may be refused: none, since each is well-formed, signed and in time."""


class Place(NamedTuple):
    """Where a transaction is on the ledger, and the code of its rejection or nothing."""

    height: int
    leaf: int
    code: str


class Comparison:
    """Follows all nodes through a torture. Everything raises ``Difference``."""

    def __init__(self, network: Network, books: Books, journal: Journal, counts: Counts) -> None:
        self.network, self.books, self.journal, self.counts = network, books, journal, counts
        self.places: dict[bytes, Place] = {}
        self.alarms: list[str] = []
        self.base = 0  # the height at which all accounts were filled
        self._digests: dict[int, bytes] = {}
        self._looked_at: dict[str, int] = {}
        self._newer: list[tuple[bytes, Told]] = []
        self._twin = Application(network.genesis, compose(), MemoryStore(), self._alarm)
        self._twin.init_chain()

    @property
    def height(self) -> int:
        """The last block that any node was seen to have."""
        return self._twin.info().height

    def _alarm(self, kind: str, identity: bytes, error: BaseException) -> None:
        self.alarms.append(f"{kind} in {identity.hex()}: {error!r}")

    # the nodes against each other and the twin

    def absorb(self, sites: Iterable[Site] | None = None) -> None:
        """Look at all blocks that honest nodes have committed since the last look."""
        for site in self.network.sites if sites is None else sites:
            while blocks := site.blocks(self._looked_at.get(site.name, 0)):
                for block in blocks:
                    self._compare(site, block)
                if len(blocks) < BLOCKS_AT_ONCE:
                    break
        if self.alarms:
            raise Difference("alarms", "; ".join(self.alarms))

    def forget(self, site: Site) -> None:
        """A node begins anew or goes back: all its blocks are compared again."""
        self._looked_at.pop(site.name, None)

    def _compare(self, site: Site, block: StoredBlock) -> None:
        before = self._looked_at.get(site.name, 0)
        if block.height != before + 1:
            raise Difference("blocks", f"{site.name} has block {block.height} behind block {before}")
        if block.height > self.height:
            self._execute(site, block)
        found, wanted = _digest(block), self._digests[block.height]
        if found != wanted:
            raise Difference(
                "roots",
                f"{site.name} has another block {block.height} (app hash {block.app_hash.hex()}) than the others",
            )
        self._looked_at[site.name] = block.height
        self.counts["work: blocks compared"] += 1

    def _execute(self, site: Site, block: StoredBlock) -> None:
        """The twin executes the block; what came out must be what the node has."""
        twin = self._twin.finalize_block(block.height, block.time_ms, block.envelopes).block
        self._twin.commit()
        if twin.app_hash != block.app_hash or twin.leaves != block.leaves or twin.used != block.used:
            raise Difference(
                "execution", f"block {block.height} of {site.name} has the app hash {block.app_hash.hex()}, undisturbed "
                f"{twin.app_hash.hex()}",
            )  # fmt: skip
        self._digests[block.height] = _digest(block)
        self.counts["work: blocks"] += 1
        for index, leaf in enumerate(block.leaves):
            receipt = _RECEIPT.trusted(leaf.receipt)
            if leaf.identity in self.places:
                raise Difference(
                    "twice",
                    f"{leaf.identity.hex()} is in blocks {self.places[leaf.identity].height} and {block.height}",
                )
            code = "" if receipt.failure is None else receipt.failure.code
            self.places[leaf.identity] = Place(block.height, index, code)
            if leaf.identity in self.journal.made:
                self.counts[f"outcome: {code or 'success'}"] += 1

    # what clients were told

    def check_durable(self, site: Site) -> None:
        """Right after a node was killed: every block that it told clients of is in its ledger."""
        told, kept = self.journal.highest.get(site.name, 0), site.height()
        if kept < told:
            raise Difference(
                "durability", f"{site.name} told of block {told}, and its ledger ends with block {kept}"
            )
        self.counts["work: ledgers looked at after a kill"] += 1

    def check_told(self) -> None:
        """Every outcome that a client was told of a block that was compared is that of the ledger; newer ones wait."""
        for identity, told in self.journal.take_told():
            if told.status == "refused" and told.code not in KNOWN_REFUSALS:
                place = self.places.get(identity)
                raise Difference("answers", f"{identity.hex()} was refused: {told}; on the ledger: {place}")
            if told.status in SETTLED and told.height > self.height:
                self._newer.append((identity, told))
            elif told.status in SETTLED:
                self._check_settled(identity, told)
            self.counts["work: answers compared"] += 1
        waiting, self._newer = self._newer, []
        for identity, told in waiting:
            if told.height > self.height:
                self._newer.append((identity, told))
            else:
                self._check_settled(identity, told)

    def check_all_told(self) -> None:
        """As ``check_told`` when nothing is under way any more."""
        self.check_told()
        for identity, told in self._newer:
            text = f"{identity.hex()} was answered {told}, and the last block is {self.height}"
            raise Difference("answers", text)

    def _check_settled(self, identity: bytes, told: Told) -> None:
        place = self.places.get(identity)
        if place is None:
            raise Difference("lost", f"{identity.hex()} was answered {told} and is not on the ledger")
        if place != (told.height, told.leaf, told.code):
            raise Difference("answers", f"{identity.hex()} was answered {told}; the ledger has {place}")
        self.journal.settle(identity)

    def overdue(self) -> list[bytes]:
        """Transactions that a gateway has acknowledged as durable and that are not on the ledger so far."""
        for identity in list(self.journal.acknowledged):
            if identity in self.places:
                self.journal.settle(identity)
        return list(self.journal.acknowledged)

    def await_promises(self, sites: Sequence[Site], seconds: float) -> None:
        """Wait until everything that was acknowledged is on the ledger."""

        def kept() -> bool:
            self.absorb(sites)
            return not self.overdue()

        self.network.await_true(kept, seconds, self._lost, "lost")

    def _lost(self) -> str:
        return f"acknowledged and lost: {[(each.hex(), self.journal.acknowledged[each]) for each in self.overdue()[:3]]}"

    # money

    def check_money(self) -> None:
        """Every balance is what the payments on the ledger make of it; the sum is what was issued; all invariants hold."""
        balances = [START_AMOUNT] * len(self.books.accounts)
        for identity, made in list(self.journal.made.items()):
            place = self.places.get(identity)
            if place is not None and not place.code:
                balances[made.payment.sender] -= made.payment.amount
                balances[made.payment.receiver] += made.payment.amount
        for number, account in enumerate(self.books.accounts):
            held = self._twin.query("holding.get", HoldingQuery(self.books.instrument, account))
            if held.available != balances[number]:
                raise Difference(
                    "money", f"account {number} holds {held.available}, its payments make {balances[number]}"
                )
        supply = self._twin.query("holding.supply", InstrumentQuery(self.books.instrument))
        if supply.issued - supply.redeemed != sum(balances):
            raise Difference("money", f"{supply.issued} was issued, {sum(balances)} is held")
        for name, check in self._twin.registry.ledger_invariants:
            if broken := check(self._twin.state):
                raise Difference("invariants", f"{name} after block {self.height}: {broken}")
        self.counts["work: balances compared"] += len(balances)


def _digest(block: StoredBlock) -> bytes:
    """Everything that must be the same on all nodes, in short."""
    parts = (
        block.height, block.time_ms, block.protocol, block.app_hash, block.state_root, block.history_root,
        block.history_size, block.envelopes, tuple(map(tuple, block.leaves)), tuple(map(tuple, block.refusals)), block.used,
    )  # fmt: skip
    return sha256(encode(parts)).digest()
