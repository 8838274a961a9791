"""Reads on committed state: module queries, transactions, blocks and receipts, from read snapshots of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from traco.client.forms import from_form, to_form
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.finality import make_receipt
from traco.kernel.receipt import Receipt
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.transaction import Envelope, RawTransaction, transaction_id
from traco.node.api.history import HistoryTree
from traco.node.api.problems import REFUSALS, Problem, failure_text
from traco.node.link import Sealed
from traco.storage import ReadSnapshot, SnapshotReader

_ENVELOPE: Codec[Envelope] = Codec(Envelope)
_RAW: Codec[RawTransaction] = Codec(RawTransaction)


class Reads:
    """Answers from the newest committed snapshot; nothing here touches the ledger process."""

    def __init__(self, reader: SnapshotReader, registry: Registry) -> None:
        self._reader = reader
        self.registry = registry
        self._history = HistoryTree()
        self.errors: dict[str, type[Any]] = {**REFUSALS, **registry.errors}

    @contextmanager
    def snapshot(self) -> Iterator[ReadSnapshot]:
        """A consistent committed snapshot. Raises ``Problem`` before the ledger was founded."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            raise Problem(503, "node.starting", "the ledger is not founded yet; try again in a moment")
        with snapshot:
            yield snapshot

    def query(self, name: str, form: Any) -> dict[str, Any]:
        """The answer of a module's query, with the height that it is as of."""
        query = self.registry.queries[name]
        request = from_form(query.request, form)
        with self.snapshot() as snapshot:
            answer = query.answer(State(snapshot), request)
            return {"height": snapshot.height, "answer": to_form(answer)}

    def failure(self, failure: Failure | None) -> dict[str, Any] | None:
        """A failure with its text for people."""
        if failure is None:
            return None
        text = failure_text(failure.code, failure, self.errors)
        return {"code": failure.code, "fields": to_form(dict(failure.fields)), "text": text}

    def receipt(self, height: int, leaf: int) -> dict[str, Any]:
        """The outcome and events of a leaf, readable."""
        with self.snapshot() as snapshot:
            receipt: Receipt = self.registry.receipt.trusted(snapshot.leaves(height)[leaf].receipt)
        return {
            "id": receipt.identity.hex(), "height": height, "leaf": leaf, "failure": self.failure(receipt.failure),
            "events": to_form(receipt.events),
        }  # fmt: skip

    def find(self, identity: bytes) -> tuple[int, int] | None:
        """Height and leaf of a transaction, envelope or due item."""
        with self.snapshot() as snapshot:
            found = snapshot.find_transaction(identity)
        return None if found is None else (found.height, found.leaf)

    def block(self, height: int) -> dict[str, Any]:
        """A block with the ids and outcomes of its leaves."""
        with self.snapshot() as snapshot:
            block = snapshot.block(height) if 0 <= height <= snapshot.height else None
            if block is None:
                raise Problem(
                    404, "block.unknown", f"there is no block {height}; the last one is {snapshot.height}"
                )
            leaves = snapshot.leaves(height)
        receipts = [self.registry.receipt.trusted(leaf.receipt) for leaf in leaves]
        return {
            "height": block.height, "time_ms": block.time_ms, "app_hash": block.app_hash.hex(),
            "state_root": block.state_root.hex(),
            "leaves": [
                {"id": receipt.identity.hex(), "failure": receipt.failure.code if receipt.failure else None}
                for receipt in receipts
            ],
        }  # fmt: skip

    def finality(self, identity: bytes, sealed: Sealed) -> bytes:
        """The finality receipt of a transaction as a file, under a seal that is at least as new as its block."""
        with self.snapshot() as snapshot:
            place = snapshot.find_transaction(identity)
            if place is None:
                raise Problem(404, "transaction.unknown", f"no transaction {identity.hex()} has a receipt")
            block = snapshot.block(place.height)
            last = snapshot.block(sealed.height)
            if block is None or last is None or block.record is None or place.height > sealed.height:
                raise Problem(503, "receipt.not_yet", "seal and snapshot are of different blocks; try again")
            self._history.extend(snapshot.history_hashes(self._history.size, last.history_size))
            raw = _transaction_of(block.envelopes, identity)
            return make_receipt(
                snapshot.network, raw, snapshot.leaves(place.height), place.leaf, block.record,
                self._history.proof(block.history_size - 1, last.history_size), last.state_root, sealed.seal,
            )  # fmt: skip


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
