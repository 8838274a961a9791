"""A ledger made again from its blocks has the same rows; one taken back by a block has those of the block before."""

from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, copytree, rmtree

import apsw
import msgspec
import pytest

from support import stored_ledger
from support.copied import snapshot_of
from support.ledger import Key, Ledger
from support.stored_ledger import StoredLedger, genesis
from traco.engine.cometbft.errors import EngineFailed
from traco.kernel.genesis import Genesis, SealTerms, write_genesis
from traco.kernel.screening import DirectScreener
from traco.modules.composition import compose
from traco.node import rollback
from traco.node.audit import audit
from traco.node.copies import CopyRefused
from traco.node.directory import NodeDirectoryError
from traco.node.rollback import rebuild, roll_back
from traco.node.transfer import export_ledger
from traco.node.verification import verify_quickly
from traco.storage import DirectoryLock, LedgerStore, StoreDamaged, StoreLocked, differences
from traco.storage.copying.shelf import Shelf, piece_file
from traco.storage.schema import SWEEP_BLOCKS


class Node:
    """A directory with a ledger, its copy of one block earlier, and perhaps snapshots."""

    def __init__(self, directory: Path, before: int, behind: int) -> None:
        self.directory = directory
        directory.mkdir()
        self.ledger = StoredLedger(directory)
        self.ledger.trade(before, 3)
        self.snapshot = snapshot_of(self.ledger, directory / "snapshots")[1].height
        self.ledger.trade(behind, 3)
        self.ledger.close()
        self.earlier = directory / "earlier.db"
        copyfile(self.ledger.path, self.earlier)
        store = LedgerStore(self.ledger.path, durable=False)
        self.ledger.store = store
        self.ledger.ledger.application._store = store
        self.ledger.trade(1, 3)
        self.ledger.close()
        self.height = self.ledger.ledger.application.info().height
        self.whole = directory / "whole.db"
        copyfile(self.ledger.path, self.whole)


def clustered() -> Genesis:
    """The genesis of a network whose one validator seals."""
    founded = genesis()
    node = {
        "member": "bank", "key": Key("bank node").public.hex(), "consensus": Key("validator").public.hex(),
        "peer": "ab" * 20, "address": "127.0.0.1:26656", "gateway": "https://localhost", "role": "validator", "power": 1,
        "placement": {"operator": "Bank", "provider": "own", "region": "eu", "zone": "1"},
    }  # fmt: skip
    modules = {**founded.modules, "network": {"nodes": [node]}}
    return msgspec.structs.replace(founded, seal=SealTerms("cometbft", ""), modules=modules)


@pytest.fixture(autouse=True)
def as_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories have a ledger and nothing else."""
    monkeypatch.setattr(rollback, "require_complete", lambda directory: None)
    monkeypatch.setattr(stored_ledger, "genesis", clustered)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node", 4, 10)


@pytest.fixture
def older(tmp_path: Path) -> Node:
    return Node(tmp_path / "node", 4, SWEEP_BLOCKS + 2)


def at(height: int) -> Callable[[], int]:
    """An engine that goes back to a height."""
    return lambda: height


def changed(node: Node, statement: str) -> None:
    connection = apsw.Connection(str(node.ledger.path))
    connection.execute(statement)
    connection.close()


def test_a_ledger_made_again_has_the_same_rows(node: Node) -> None:
    changed(node, "UPDATE state SET value = x'00' WHERE slot = 3")
    assert len(differences(node.whole, node.ledger.path)) == 1
    done = rebuild(node.directory, processes=0)
    assert (done.height, done.base, done.app_hash) == (
        node.height, 0, node.ledger.ledger.application.info().app_hash,
    )  # fmt: skip
    assert differences(node.whole, node.ledger.path) == []


def test_a_ledger_taken_back_from_the_founding_has_the_rows_of_the_block_before(node: Node) -> None:
    done = roll_back(node.directory, at(node.height - 1), processes=0)
    assert (done.height, done.base) == (node.height - 1, 0)
    assert differences(node.earlier, node.ledger.path) == []


def test_a_ledger_taken_back_from_a_snapshot_has_the_rows_of_the_block_before(older: Node) -> None:
    done = roll_back(older.directory, at(older.height - 1), processes=0)
    assert (done.height, done.base) == (older.height - 1, older.snapshot)
    assert differences(older.earlier, older.ledger.path) == []


def test_blocks_are_taken_back_one_by_one_and_snapshots_above_go(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", 4, 0)
    for back, kept in ((1, [node.snapshot]), (2, []), (3, [])):
        target = node.height - back
        assert roll_back(node.directory, at(target), processes=0).height == target
        assert Shelf(node.directory / "snapshots").heights() == kept


def test_signatures_are_checked_by_other_processes(node: Node) -> None:
    assert rebuild(node.directory, processes=1).height == node.height


def test_an_engine_that_cannot_go_back_leaves_the_ledger_as_it_was(node: Node) -> None:
    def fail() -> int:
        raise EngineFailed("engine.rollback_failed", "no")

    with pytest.raises(EngineFailed):
        roll_back(node.directory, fail, processes=0)
    assert differences(node.whole, node.ledger.path) == []
    assert sorted(path.name for path in node.directory.iterdir() if path.name.startswith("rebuild")) == []


def test_an_engine_at_another_height_is_told(node: Node) -> None:
    with pytest.raises(CopyRefused, match=r"rollback\.other_height"):
        roll_back(node.directory, at(node.height), processes=0)
    assert differences(node.whole, node.ledger.path) == []


def test_the_engine_goes_back_only_when_the_ledger_can(node: Node) -> None:
    changed(node, "UPDATE blocks SET app_hash = zeroblob(32) WHERE height = 7")

    def fail() -> int:
        raise AssertionError("the engine was asked")

    with pytest.raises(CopyRefused, match=r"rebuild\.different_result.*block 7"):
        roll_back(node.directory, fail, processes=0)
    with pytest.raises(CopyRefused, match=r"rebuild\.different_result.*block 7"):
        rebuild(node.directory, processes=0)


def test_the_founding_is_not_taken_back(tmp_path: Path) -> None:
    founding = clustered()
    (tmp_path / "genesis.json").write_bytes(write_genesis(founding))
    store = LedgerStore(tmp_path / "ledger.db")
    Ledger(founding, compose(), stored_ledger.BANK_ID, Key("bank node"), store)
    store.close()
    with pytest.raises(CopyRefused, match=r"rollback\.nothing"):
        roll_back(tmp_path, at(0))


def test_what_one_machine_sealed_is_not_taken_back(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored_ledger, "genesis", genesis)
    sealed = Node(tmp_path / "sealed", 1, 1)
    with pytest.raises(CopyRefused, match=r"rollback\.sealed"):
        roll_back(sealed.directory, at(0))
    assert rebuild(sealed.directory, processes=0).height == sealed.height


def test_a_node_that_runs_is_left_alone(node: Node) -> None:
    with DirectoryLock(node.directory), pytest.raises(StoreLocked):
        rebuild(node.directory)


def test_a_damaged_snapshot_is_told(older: Node) -> None:
    piece = older.directory / "snapshots" / str(older.snapshot) / piece_file(0)
    piece.write_bytes(piece.read_bytes()[:-1])
    with pytest.raises(CopyRefused, match=r"rebuild\.snapshot_damaged"):
        roll_back(older.directory, at(older.height - 1), processes=0)


def test_blocks_that_do_not_lead_to_the_snapshot_are_told(older: Node) -> None:
    changed(older, "UPDATE history SET record_hash = zeroblob(32) WHERE position = 1")
    with pytest.raises(StoreDamaged):
        roll_back(older.directory, at(older.height - 1), processes=0)


# A node that joined by a snapshot


@pytest.fixture
def joined(older: Node, tmp_path: Path) -> Node:
    """A node that joined by the snapshot of the other, and followed it."""
    made = Node.__new__(Node)
    made.directory, made.height, made.snapshot = tmp_path / "joined", older.height, older.snapshot
    made.directory.mkdir()
    copyfile(older.directory / "genesis.json", made.directory / "genesis.json")
    copytree(older.directory / "snapshots", made.directory / "snapshots")
    made.ledger = StoredLedger.__new__(StoredLedger)
    made.ledger.path = made.directory / "ledger.db"
    base = rollback._stored(older.directory)._replace(first_height=older.snapshot)
    limits = clustered().kernel_parameters()
    rollback._begin_from(older.directory, base, older.snapshot, made.ledger.path, lambda _: None)
    screener = DirectScreener(compose().body, limits)
    for target, name in ((made.height - 1, "earlier.db"), (made.height, "whole.db")):
        start = older.snapshot if name == "earlier.db" else target - 1
        rollback._execute(base, start, target, made.ledger.path, screener, lambda _: None)
        copyfile(made.ledger.path, made.directory / name)
    made.earlier, made.whole = made.directory / "earlier.db", made.directory / "whole.db"
    return made


def test_a_node_that_joined_is_made_again_from_its_snapshot(joined: Node) -> None:
    done = rebuild(joined.directory, processes=0)
    assert (done.height, done.base) == (joined.height, joined.snapshot)
    assert differences(joined.whole, joined.ledger.path) == []


def test_a_node_that_joined_is_taken_back(joined: Node) -> None:
    done = roll_back(joined.directory, at(joined.height - 1), processes=0)
    assert (done.height, done.base) == (joined.height - 1, joined.snapshot)
    assert differences(joined.earlier, joined.ledger.path) == []


def test_a_node_that_joined_and_has_no_snapshot_left_is_told_what_to_do(joined: Node) -> None:
    rmtree(joined.directory / "snapshots")
    with pytest.raises(CopyRefused, match=r"rebuild\.no_base"):
        rebuild(joined.directory)
    with pytest.raises(CopyRefused, match=r"rebuild\.no_base"):
        roll_back(joined.directory, at(0))


def test_a_ledger_that_begins_with_a_snapshot_is_not_audited_or_exported_and_says_why(joined: Node) -> None:
    for call in (
        lambda: audit(joined.directory),
        lambda: export_ledger(joined.directory, joined.directory / "file"),
    ):
        with pytest.raises(NodeDirectoryError, match=r"ledger\.before_snapshot"):
            call()


def test_a_ledger_that_begins_with_a_snapshot_is_verified_from_there(joined: Node) -> None:
    genesis_bytes = (joined.directory / "genesis.json").read_bytes()
    found = verify_quickly(joined.ledger.path, genesis_bytes)
    assert found.height == joined.height
    changed(joined, "UPDATE history SET record_hash = zeroblob(32)")
    with pytest.raises(CopyRefused, match=r"ledger\.unsound"):
        verify_quickly(joined.ledger.path, genesis_bytes)
