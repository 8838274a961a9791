"""Whom an object concerned that the state no longer tells: ended batches, holds, pledges, attachments, proposals; and offers;
and who has named an open request for financing by its id.

Pairs (object, party), gathered from the committed events that name both, in a small database beside the ledger. It is
derived: it may be deleted at any time, and is made again from the first block where it does not fit the ledger. (Who was
invited to a document then names the request once more.) One process writes it, the API process, which follows the ledger
anyway.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import apsw

from traco.kernel.operations import Proposed
from traco.kernel.registry import Registry, tag_of
from traco.kernel.state import State
from traco.modules.financing.events import DocumentFinanced, OfferMade
from traco.modules.financing.queries import FinancingQuery
from traco.modules.holding.events import Attached, HoldPlaced, Pledged
from traco.modules.holding.queries import AccountQuery
from traco.modules.settlement.events import Affirmed, BatchCreated
from traco.node.api.problems import Problem
from traco.storage import ReadSnapshot, SnapshotReader

CONCERNS_FILE: Final = "concerns.db"
SLICE: Final = 64  # blocks in one write
FEW: Final = 256  # blocks that a request waits for; where more are missing, it is told to come back
_FINANCED: Final = b"financed"  # behind a document's id: whom it concerns as one who has financed it
_FORMAT: Final = 2
_TABLES: Final = """
CREATE TABLE followed (one INTEGER PRIMARY KEY CHECK (one = 1), height INTEGER NOT NULL, app_hash BLOB NOT NULL) STRICT;
CREATE TABLE concern (object BLOB, party BLOB, PRIMARY KEY (object, party)) STRICT, WITHOUT ROWID;
CREATE TABLE invited (document BLOB, party BLOB, financing BLOB, PRIMARY KEY (document, party, financing)) STRICT, WITHOUT ROWID;
"""
Pair = tuple[bytes, bytes]


def account_parties(registry: Registry, state: State, account: bytes) -> frozenset[bytes]:
    """Whose an account is: owner, servicer (who control it) and the owner of the account above it. Empty for none."""
    ask = registry.queries["holding.account"].answer
    record = ask(state, AccountQuery(account))
    if record is None:
        return frozenset()
    parties = {record.owner, record.servicer}
    if record.parent is not None:
        above = ask(state, AccountQuery(record.parent))
        if above is not None:
            parties.add(above.owner)
    return frozenset(parties)


class _Pairs:
    """What each kind of event says of whom an object concerns."""

    def __init__(self, registry: Registry, state: State) -> None:
        self._registry, self._state = registry, state

    def of_batch(self, event: BatchCreated) -> Iterator[Pair]:
        yield event.batch, event.requestor
        for leg in event.legs:
            yield event.batch, leg.sender
            yield event.batch, leg.receiver

    def of_affirmation(self, event: Affirmed) -> Iterator[Pair]:
        yield event.batch, event.party

    def of_hold(self, event: HoldPlaced) -> Iterator[Pair]:
        yield event.hold, event.executor
        yield from self._of_account(event.hold, event.account)

    def of_pledge(self, event: Pledged) -> Iterator[Pair]:
        yield event.pledge, event.pledgee
        yield from self._of_account(event.pledge, event.account)

    def of_attachment(self, event: Attached) -> Iterator[Pair]:
        yield event.attachment, event.authority
        yield from self._of_account(event.attachment, event.account)

    def of_proposal(self, event: Proposed) -> Iterator[Pair]:
        yield event.proposal, event.party

    def of_offer(self, event: OfferMade) -> Iterator[Pair]:
        yield event.offer, event.lender
        yield event.financing, event.lender
        view = self._registry.queries["financing.get"].answer(self._state, FinancingQuery(event.financing))
        if view is not None:
            yield view.record.document, event.lender

    def of_financed(self, event: DocumentFinanced) -> Iterator[Pair]:
        yield event.document + _FINANCED, event.lender

    def _of_account(self, identity: bytes, account: bytes) -> Iterator[Pair]:
        for party in account_parties(self._registry, self._state, account):
            yield identity, party


_SAYS: Final[dict[type[Any], Callable[[_Pairs, Any], Iterator[Pair]]]] = {
    BatchCreated: _Pairs.of_batch, Affirmed: _Pairs.of_affirmation, HoldPlaced: _Pairs.of_hold, Pledged: _Pairs.of_pledge,
    Attached: _Pairs.of_attachment, Proposed: _Pairs.of_proposal, OfferMade: _Pairs.of_offer,
    DocumentFinanced: _Pairs.of_financed,
}  # fmt: skip
_TAGS: Final = tuple(tag_of(kind).encode() for kind in _SAYS)  # a receipt without any need not be decoded


def _open(path: Path) -> apsw.Connection:
    """The database, with tables in it. Raises ``apsw.Error``."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("journal_mode", "wal")
        # a power cut may take the last pairs, which are made again; without any sync it could damage the whole file
        connection.pragma("synchronous", "NORMAL")
        if connection.pragma("user_version") != _FORMAT:
            _begin_anew(connection)
        connection.execute("SELECT * FROM followed, concern, invited LIMIT 1").fetchone()
    except apsw.Error:
        connection.close()
        raise
    return connection


def _begin_anew(connection: apsw.Connection) -> None:
    with connection:
        connection.execute(
            "DROP TABLE IF EXISTS followed; DROP TABLE IF EXISTS concern; DROP TABLE IF EXISTS invited;"
            + _TABLES
        )
        connection.pragma("user_version", _FORMAT)


class Concerns:
    """The pairs of one ledger. For several threads."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()  # of the database
        self._following = threading.Lock()
        try:
            self._connection = _open(path)
        except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
            # it is derived: a damaged file must not keep the node from starting
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = _open(path)
        row = self._connection.execute("SELECT height, app_hash FROM followed").fetchone()
        self._height, self._app_hash = (-1, b"") if row is None else (int(row[0]), bytes(row[1]))
        self._checked = row is None

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @property
    def height(self) -> int:
        """Up to which block it is complete."""
        return self._height

    def has(self, identity: bytes, party: bytes) -> bool:
        """Whether an object concerned a party."""
        with self._lock:
            found = self._connection.execute(
                "SELECT 1 FROM concern WHERE object = ? AND party = ?", (identity, party)
            ).fetchone()
        return found is not None

    def has_financed(self, document: bytes, lender: bytes) -> bool:
        """Whether a lender has financed a document, or a part of it."""
        return self.has(document + _FINANCED, lender)

    def invite(self, document: bytes, party: bytes, financing: bytes) -> None:
        """Remember that a party named a request for financing of a document."""
        if financing in self.invitations(document, party):
            return
        with self._lock:
            self._connection.execute(
                "INSERT OR IGNORE INTO invited VALUES (?, ?, ?)", (document, party, financing)
            )

    def invitations(self, document: bytes, party: bytes) -> tuple[bytes, ...]:
        """The requests for financing of a document that a party has named."""
        with self._lock:
            found = self._connection.execute(
                "SELECT financing FROM invited WHERE document = ? AND party = ?", (document, party)
            ).fetchall()
        return tuple(row[0] for row in found if isinstance(row[0], bytes))

    def require(self, snapshot: ReadSnapshot) -> None:
        """Be complete up to a snapshot. Raises ``Problem`` (503) where that would take long."""
        reached = max(self._height, snapshot.first_height)
        if snapshot.height - reached > FEW:
            raise Problem(
                503, "node.starting", f"the node has read its ledger up to block {reached} of {snapshot.height}",
                advice="Try again in a moment.", headers={"Retry-After": "2"},
            )  # fmt: skip
        while self.follow(snapshot):
            continue

    def catch_up(self, reader: SnapshotReader, stopping: threading.Event) -> None:
        """Be complete up to the newest block; for a thread of its own at the start of a node."""
        more = True
        while more and not stopping.is_set():
            snapshot = reader.snapshot()
            if snapshot is None:
                return
            with snapshot:
                more = self.follow(snapshot)

    def follow(self, snapshot: ReadSnapshot) -> bool:
        """Take in the next blocks of a snapshot; whether there are more."""
        with self._following:
            self._check(snapshot)
            self._skip(snapshot)
            last = min(self._height + SLICE, snapshot.height)
            if last <= self._height:
                return False
            block = snapshot.block(last)
            if block is None:
                return False
            pairs: set[Pair] = set()
            names = _Pairs(self._registry, State(snapshot))
            for height in range(self._height + 1, last + 1):
                for leaf in snapshot.leaves(height):
                    if any(tag in leaf.receipt for tag in _TAGS):
                        for event in self._registry.receipt.trusted(leaf.receipt).events:
                            says = _SAYS.get(type(event))
                            if says is not None:
                                pairs.update(says(names, event))
            self._write(last, block.app_hash, pairs)
            return last < snapshot.height

    def _check(self, snapshot: ReadSnapshot) -> None:
        """Begin anew where the ledger is another one, or was restored to an earlier state."""
        if self._checked:
            return
        block = snapshot.block(self._height) if self._height <= snapshot.height else None
        if block is None or block.app_hash != self._app_hash:
            with self._lock:
                _begin_anew(self._connection)
            self._height, self._app_hash = -1, b""
        self._checked = True

    def _skip(self, snapshot: ReadSnapshot) -> None:
        """A node that joined by a snapshot has no earlier blocks: of what ended before it, only those who read everything
        are told."""
        if self._height < snapshot.first_height > 0:
            block = snapshot.block(snapshot.first_height)
            self._write(snapshot.first_height, b"" if block is None else block.app_hash, set())

    def _write(self, height: int, app_hash: bytes, pairs: set[Pair]) -> None:
        with self._lock, self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO concern VALUES (?, ?)", sorted(pairs))
            self._connection.execute("INSERT OR REPLACE INTO followed VALUES (1, ?, ?)", (height, app_hash))
        self._height, self._app_hash = height, app_hash
