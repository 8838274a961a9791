"""Reads on committed state: module queries, transactions, blocks and receipts, as far as a principal sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

from traco.client.forms import from_form, to_form
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.finality import make_receipt
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.transaction import Envelope, RawTransaction, transaction_id
from traco.node.api.concerns import Concerns
from traco.node.api.history import HistoryTree
from traco.node.api.principals import LOCAL, Principal
from traco.node.api.problems import REFUSALS, Problem, failure_text
from traco.node.api.visibility import View
from traco.node.link import Sealed
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import BeforeSnapshot, CommittedLeaf, CommittedLog, LeafKind
from traco.storage.database import FOUNDING
from traco.storage.rows import StoredBlock

_ENVELOPE: Codec[Envelope] = Codec(Envelope)
_RAW: Codec[RawTransaction] = Codec(RawTransaction)
MOST_PAGES: Final = 16  # of a query, for one page of a list


class Seen(NamedTuple):
    """A snapshot, and the ledger in it as a principal sees it."""

    snapshot: ReadSnapshot
    view: View


class Reads:
    """Answers from the newest committed snapshot; nothing here touches the ledger process.

    Without ``concerns`` it answers only those who read everything.
    """

    def __init__(self, reader: SnapshotReader, registry: Registry, concerns: Concerns | None = None) -> None:
        self.reader = reader
        self.registry = registry
        self.concerns = concerns
        self._history = HistoryTree()
        self._history_base = FOUNDING
        self.errors: dict[str, type[Any]] = {**REFUSALS, **registry.errors}

    @contextmanager
    def snapshot(self) -> Iterator[ReadSnapshot]:
        """A consistent committed snapshot. Raises ``Problem`` before the ledger was founded."""
        snapshot = self.reader.snapshot()
        if snapshot is None:
            raise Problem(503, "node.starting", "the ledger is not founded yet; try again in a moment")
        with snapshot:
            yield snapshot

    @contextmanager
    def seen(self, principal: Principal) -> Iterator[Seen]:
        """The newest snapshot as a principal sees it. Raises ``Problem`` (503) while the node is starting."""
        with self.snapshot() as snapshot:
            yield Seen(snapshot, self.view(snapshot, principal))

    def view(self, snapshot: ReadSnapshot, principal: Principal) -> View:
        """A snapshot as a principal sees it. Raises ``Problem`` (503) while the node is starting."""
        if self.concerns is not None and not principal.reads_everything:
            self.concerns.require(snapshot)
        return View(principal, self.registry, State(snapshot), self.concerns)

    def log(self, snapshot: ReadSnapshot) -> CommittedLog:
        """What decodes the blocks of a snapshot."""
        return CommittedLog(self.registry, snapshot.network)

    def query(self, name: str, form: Any, principal: Principal) -> dict[str, Any]:
        """The answer of a module's query, with the height that it is as of. Raises ``Problem``, ``FormInvalid``."""
        request = from_form(self.registry.queries[name].request, form)
        with self.seen(principal) as seen:
            answer = seen.view.ask(name, request)
            return {"height": seen.snapshot.height, "answer": to_form(answer)}

    def failure(self, failure: Failure | None) -> dict[str, Any] | None:
        """A failure with its text for people."""
        if failure is None:
            return None
        text = failure_text(failure.code, failure, self.errors)
        return {"code": failure.code, "fields": to_form(dict(failure.fields)), "text": text}

    def transaction(
        self, identity: bytes, place: tuple[int, int] | None, principal: Principal
    ) -> dict[str, Any] | None:
        """A transaction, due item or envelope: what was asked, who signed, its outcome and events.

        ``place`` is its height and leaf where they are known. None where there is none, or where the principal does not see it.
        """
        with self.seen(principal) as seen:
            found = place or seen.snapshot.find_transaction(identity)
            block = None if found is None else seen.snapshot.block(found[0])
            if found is None or block is None:
                return None
            leaf = self.log(seen.snapshot).leaf(block, found[1])
            return self._leaf(leaf) if seen.view.sees_leaf(leaf) else None

    def _leaf(self, leaf: CommittedLeaf) -> dict[str, Any]:
        return {
            "id": leaf.identity.hex(), "height": leaf.height, "leaf": leaf.leaf, "time_ms": leaf.time_ms,
            "kind": leaf.kind.value, "failure": self.failure(leaf.failure), "events": to_form(leaf.events),
            **self._asked(leaf),
        }  # fmt: skip

    def _asked(self, leaf: CommittedLeaf) -> dict[str, Any]:
        """What somebody signed; None and nothing for what nobody did."""
        if leaf.transaction is None:
            return {"instructions": [], "signers": [], "valid_until": None}
        transaction = self.registry.transaction.trusted(leaf.transaction)
        return {
            "instructions": to_form(transaction.body.instructions),
            "signers": [signature.key.hex() for signature in transaction.signatures],
            "valid_until": transaction.body.valid_until,
        }  # fmt: skip

    def block(self, height: int, principal: Principal, first: int = 0, limit: int = 10_000) -> dict[str, Any]:
        """A block with its leaves from ``first`` on; of those that the principal does not see, id, place and kind."""
        with self.seen(principal) as seen:
            snapshot = seen.snapshot
            block = snapshot.block(height) if 0 <= height <= snapshot.height else None
            if 0 <= height < snapshot.first_height or 0 < height == snapshot.first_height:
                raise Problem(404, "block.before_snapshot", BeforeSnapshot(snapshot.first_height).detail)
            if block is None:
                raise Problem(
                    404, "block.unknown", f"there is no block {height}; the last one is {snapshot.height}"
                )
            leaves = list(self.log(snapshot).leaves(block))[first : first + limit]
            shown = [_brief(leaf, seen.view.sees_leaf(leaf)) for leaf in leaves]
        more = first + len(leaves) < len(block.leaves)
        return {
            **_summary(block), "state_root": block.state_root.hex(), "history_root": block.history_root.hex(),
            "leaves": shown, "next": first + len(leaves) if more else None,
        }  # fmt: skip

    def blocks_up(self, after: int, limit: int) -> dict[str, Any]:
        """A page of blocks above a height, ascending."""
        with self.snapshot() as snapshot:
            found = snapshot.blocks(after, limit)
            last = found[-1].height if found else after
            return {
                "items": [_summary(each) for each in found],
                "next": str(last) if last < snapshot.height else None,
            }

    def blocks_down(self, before: int | None, limit: int) -> dict[str, Any]:
        """A page of blocks below a height (None: from the last one on), descending."""
        with self.snapshot() as snapshot:
            above = snapshot.height + 1 if before is None else min(before, snapshot.height + 1)
            begins = snapshot.first_height + 1 if snapshot.first_height else 0
            first = max(begins, above - limit)
            found = [each for each in snapshot.blocks(first - 1, limit) if each.height < above]
            return {
                "items": [_summary(each) for each in reversed(found)],
                "next": str(first) if first > begins else None,
            }

    def page(
        self, name: str, fields: dict[str, Any], key: str, after: bytes | None, limit: int, principal: Principal
    ) -> dict[str, Any]:  # fmt: skip
        """A page of a list by a module's query; ``key`` is the field of its rows that the order is by."""
        query = self.registry.queries[name]
        rows: list[Any] = []
        with self.seen(principal) as seen:
            for _ in range(MOST_PAGES):
                wanted = min(limit - len(rows), _most_rows(query.request))
                behind = {} if after is None else {"after": after}
                request = query.request(**fields, **behind, limit=wanted)
                seen.view.require(name, request)
                if seen.view.is_filtered(name):
                    rows = seen.view.rows(name, request, limit + 1)
                    after = getattr(rows[limit - 1], key) if len(rows) > limit else None
                    rows = rows[:limit]
                    break
                found = _rows(seen.view.answer(name, request))
                rows += found
                after = getattr(found[-1], key) if len(found) == wanted else None
                if after is None or len(rows) >= limit:
                    break
        return {"items": to_form(rows), "next": None if after is None else after.hex()}

    def height_of(self, identity: bytes) -> int:
        """The height of the block that has a transaction; 0 where none has."""
        with self.snapshot() as snapshot:
            place = snapshot.find_transaction(identity)
            return 0 if place is None else place.height

    def finality(self, identity: bytes, sealed: Sealed, principal: Principal = LOCAL) -> bytes:
        """The finality receipt of a transaction as a file, under a seal that is at least as new as its block."""
        with self.seen(principal) as seen:
            snapshot = seen.snapshot
            place = snapshot.find_transaction(identity)
            block = None if place is None else snapshot.block(place.height)
            if place is None and snapshot.first_height:
                raise Problem(
                    404, "transaction.before_snapshot",
                    f"no transaction {identity.hex()} is in the blocks behind {snapshot.first_height}, with which this node "
                    "begins: it joined by a snapshot", advice="If it is older, ask a node that has the blocks before.",
                )  # fmt: skip
            if place is None or block is None or not self._is_seen(seen, block, place.leaf):
                raise Problem(404, "transaction.unknown", f"no transaction {identity.hex()} has a receipt")
            last = snapshot.block(sealed.height)
            if last is None or block.record is None or place.height > sealed.height:
                raise Problem(
                    503,
                    "receipt.not_yet",
                    "the block is not sealed yet, or sealed and not yet readable here; try again",
                )
            if snapshot.base != self._history_base:  # the ledger's file was replaced
                self._history_base = snapshot.base
                self._history = HistoryTree(snapshot.base.size, snapshot.base.frontier)
            self._history.extend(snapshot.history_hashes(self._history.size, last.history_size))
            raw = _transaction_of(block.envelopes, identity)
            return make_receipt(
                snapshot.network, raw, snapshot.leaves(place.height), place.leaf, block.record,
                self._history.proof(block.history_size - 1, last.history_size), last.state_root, sealed.seal,
            )  # fmt: skip

    def _is_seen(self, seen: Seen, block: StoredBlock, leaf: int) -> bool:
        return seen.view.may_prove(self.log(seen.snapshot).leaf(block, leaf))


def _summary(block: StoredBlock) -> dict[str, Any]:
    return {
        "height": block.height, "time_ms": block.time_ms, "protocol": block.protocol, "app_hash": block.app_hash.hex(),
        "leaf_count": len(block.leaves),
    }  # fmt: skip


def _brief(leaf: CommittedLeaf, is_seen: bool) -> dict[str, Any]:
    """A leaf in a block. Whoever does not see it learns neither its outcome nor what it is of."""
    known = {"id": leaf.identity.hex(), "leaf": leaf.leaf}
    if not is_seen:
        return {**known, "visible": False}
    kinds = [] if leaf.kind is LeafKind.ENVELOPE else [event.__struct_config__.tag for event in leaf.events]
    failure = leaf.failure.code if leaf.failure else None
    return {**known, "visible": True, "kind": leaf.kind.value, "failure": failure, "events": kinds}


def _rows(answer: Any) -> list[Any]:
    """The rows of a query's page, which is a list or a record with one."""
    return list(answer if isinstance(answer, list | tuple) else answer.parties)


@cache
def _most_rows(request: type[Any]) -> int:
    """The most rows that a query gives at a time, by the type of its limit."""
    hint = get_type_hints(request, include_extras=True)["limit"]
    return int(max(meta.le for meta in hint.__metadata__))


def _transaction_of(envelopes: tuple[bytes, ...], identity: bytes) -> bytes:
    for envelope in envelopes:
        for raw in _ENVELOPE.trusted(envelope).body.transactions:
            try:
                if transaction_id(bytes(_RAW.decode(raw).body)) == identity:
                    return raw
            except ValueError:
                continue  # a malformed neighbour in the envelope
    raise Problem(
        404, "receipt.no_transaction", "only transactions that somebody signed have finality receipts"
    )
