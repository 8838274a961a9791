"""A node that joined by a snapshot answers for the blocks behind it, and says so where it lacks those before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.copied import GENESIS, Copied
from support.stored_ledger import BANK_ID, SealKey
from traco.engine.embedded.checkpoint import sign_checkpoint
from traco.kernel.finality import verify_receipt
from traco.kernel.seal import Checkpoint
from traco.node.api.concerns import Concerns
from traco.node.api.events import _start
from traco.node.api.principals import LOCAL
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.link import Sealed
from traco.projections.database import ProjectionDatabase, address
from traco.projections.errors import NotSinceFounding
from traco.projections.projection import Projection
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import BeforeSnapshot, CommittedLog, Position, blocks_after, newest


class Joined:
    """The joined node's reads, with some blocks of its own; ``before`` and ``behind`` are transactions."""

    def __init__(self, folder: Path) -> None:
        self.copied = Copied(folder, 5)
        self.first = self.copied.head.height
        original = self.copied.original
        self.before = original.answers[0].identity
        self.behind = b""
        for amount in range(1, 10):
            self.behind = original.transfer(amount)
            self.copied.follow()
        self.reader = SnapshotReader(self.copied.store.path)
        self.reads = Reads(self.reader, self.copied.ledger.registry)

    def sealed(self) -> Sealed:
        info = self.copied.ledger.application.info()
        network = self.copied.ledger.application.network
        seal = sign_checkpoint(Checkpoint(info.height, info.time_ms, info.app_hash), network, SealKey())
        return Sealed(seal, info.height, info.time_ms, info.height)

    def snapshot(self) -> ReadSnapshot:
        found = self.reader.snapshot()
        assert found is not None
        return found


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    made = Joined(tmp_path_factory.mktemp("joined"))
    yield made
    made.copied.close()


def code(call: Any, *arguments: Any) -> str:
    with pytest.raises(Problem) as refused:
        call(*arguments)
    return refused.value.code


def test_a_transaction_behind_the_snapshot_has_a_receipt_that_verifies(joined: Joined) -> None:
    verified = verify_receipt(joined.reads.finality(joined.behind, joined.sealed()), GENESIS)
    assert (verified.identity, verified.sealed_height) == (joined.behind, joined.first + 9)


def test_a_transaction_before_the_snapshot_is_told_apart_from_one_that_never_was(joined: Joined) -> None:
    assert code(joined.reads.finality, joined.before, joined.sealed()) == "transaction.before_snapshot"
    whole = Reads(SnapshotReader(joined.copied.original.path), joined.copied.ledger.registry)
    assert code(whole.finality, bytes(32), joined.sealed()) == "transaction.unknown"


def test_blocks_up_to_the_snapshot_are_told_apart_from_those_that_are_not_there_yet(joined: Joined) -> None:
    for height in (0, 1, joined.first):
        assert code(joined.reads.block, height, LOCAL) == "block.before_snapshot"
    assert code(joined.reads.block, joined.first + 10, LOCAL) == "block.unknown"
    assert joined.reads.block(joined.first + 1, LOCAL)["height"] == joined.first + 1


def test_the_list_of_blocks_ends_behind_the_snapshot(joined: Joined) -> None:
    page = joined.reads.blocks_down(None, 5)
    following = joined.reads.blocks_down(int(page["next"]), 5)
    heights = [item["height"] for item in page["items"] + following["items"]]
    assert (heights, following["next"]) == ([joined.first + number for number in range(9, 0, -1)], None)


def test_events_are_read_from_behind_the_snapshot_and_refused_before_it(joined: Joined) -> None:
    log = CommittedLog(joined.copied.ledger.registry, joined.copied.head.network)
    with joined.snapshot() as snapshot:
        found = list(log.events_after(snapshot, Position(joined.first, 2**53 - 1, 0)))
        assert {event.position.height for event in found} == set(range(joined.first + 1, joined.first + 10))
        for position in (None, Position(1, 0, 0), Position(joined.first, 0, 0)):
            with pytest.raises(BeforeSnapshot):
                list(log.events_after(snapshot, position))
        for height in (-1, joined.first - 1):
            with pytest.raises(BeforeSnapshot):
                list(blocks_after(snapshot, height))
        assert len(list(blocks_after(snapshot, joined.first))) == 9


def test_a_stream_begins_where_the_node_stands_and_resumes_there(joined: Joined, tmp_path: Path) -> None:
    assert code(_start, joined.reads, f"{joined.first}.0.0") == "stream.before_snapshot"
    assert code(_start, joined.reads, "1.0.0") == "stream.before_snapshot"
    assert _start(joined.reads, "") == (joined.first + 9, 2, 0)
    fresh = Copied(tmp_path, 2)
    reads = Reads(SnapshotReader(fresh.store.path), fresh.ledger.registry)
    begun = _start(reads, "")
    assert _start(reads, str(begun)) == begun
    fresh.original.transfer(5)
    fresh.follow()
    with reads.snapshot() as snapshot:
        events = list(reads.log(snapshot).events_after(snapshot, begun))
        assert [event.position.height for event in events] == [fresh.head.height + 1] * len(events)
        assert events
        assert newest(snapshot).height == fresh.head.height + 1
    fresh.close()


def test_whom_objects_concern_is_followed_from_the_snapshot_on(joined: Joined, tmp_path: Path) -> None:
    concerns = Concerns(tmp_path / "concerns.db", joined.copied.ledger.registry)
    with joined.snapshot() as snapshot:
        concerns.require(snapshot)
        assert concerns.height == snapshot.height
    assert not concerns.has(bytes(16), BANK_ID)
    concerns.close()


def test_projections_without_the_blocks_before_are_refused(joined: Joined, tmp_path: Path) -> None:
    database = ProjectionDatabase(address(tmp_path, None, None), joined.copied.head.network)
    with database, pytest.raises(NotSinceFounding, match=r"projections\.before_snapshot"):
        Projection(joined.reader, joined.copied.ledger.registry, database).advance()


def test_projections_that_are_as_far_go_on(joined: Joined, tmp_path: Path) -> None:
    registry = joined.copied.ledger.registry
    database = ProjectionDatabase(address(tmp_path, None, None), joined.copied.head.network)
    with database:
        whole = Projection(SnapshotReader(joined.copied.original.path), registry, database)
        whole.catch_up()
        here = Projection(joined.reader, registry, database)
        here.catch_up()
        assert here.position.height == joined.first + 9
