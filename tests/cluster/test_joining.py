"""A node joins a running network by a snapshot, follows it, and goes back a block and forward again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import CommandLine
from support.running import wait_until
from traco.node.configuration import CONFIG_FILE, encode_config, read_config
from traco.node.directory import SNAPSHOTS_FOLDER
from traco.node.founding.local import read_local
from traco.node.founding.operation import look, start_all, stop_all
from traco.storage import SnapshotReader
from traco.storage.copying.shelf import Shelf

INTERVAL = 5


@pytest.fixture
def traco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", monkeypatch, capfd)


@pytest.fixture
def directory(traco: CommandLine, tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "net"
    assert traco("network", "local", "1", "--observers", "1", made, "--json").code == 0
    for name, changes in (("node1", {}), ("node2", {"state_sync": True})):
        config = read_config(made / name)
        engine = msgspec.structs.replace(config.engine, snapshot_interval_blocks=INTERVAL, **changes)
        (made / name / CONFIG_FILE).write_bytes(encode_config(msgspec.structs.replace(config, engine=engine)))
    try:
        yield made
    finally:
        stop_all(made, read_local(made).nodes)


def start(directory: Path, *numbers: int) -> None:
    nodes = read_local(directory).nodes
    assert start_all(directory, [nodes[number] for number in numbers], 120.0, lambda states: None) == []


def heights(directory: Path) -> list[int]:
    return [state.height for state in look(directory, read_local(directory))]


def ledger(node: Path) -> tuple[int, int, bytes]:
    """The first height that a node has, the last, and the app hash there."""
    snapshot = SnapshotReader(node / "ledger.db").snapshot()
    assert snapshot is not None
    with snapshot:
        return snapshot.first_height, snapshot.height, snapshot.app_hash


@pytest.mark.slow
def test_a_node_joins_by_a_snapshot_follows_and_goes_back_a_block_and_forward(
    traco: CommandLine, directory: Path
) -> None:
    def do(*arguments: str | Path) -> Any:
        printed = traco(*arguments, "--passphrase-file", directory / "passphrase", "--json")
        assert printed.code == 0, printed.err
        return printed.document

    start(directory, 0)
    do("key", "create", "buyer")
    registered = do("party", "register", "buyer", "--legal-name", "Buyer Ltd", "--as", "@org1")
    taken = Shelf(directory / "node1" / SNAPSHOTS_FOLDER)
    wait_until(lambda: bool(taken.heights()) and taken.heights()[0] > registered["height"])

    start(directory, 1)
    joined = directory / "node2"
    wait_until(lambda: ledger(joined)[0] > 0)
    first = ledger(joined)[0]
    assert (first % INTERVAL, first >= registered["height"]) == (0, True)
    height = heights(directory)[0]
    wait_until(lambda: heights(directory)[1] > height)
    assert len({state.app_hash for state in look(directory, read_local(directory))}) == 1

    stop_all(directory, [read_local(directory).nodes[1]])
    stood = ledger(joined)[1]
    assert traco("node", "rollback", joined, "--json").document["height"] == stood - 1
    assert ledger(joined)[:2] == (first, stood - 1)
    start(directory, 1)
    wait_until(lambda: ledger(joined)[1] > stood)
    compared = traco("node", "compare", joined, directory / "node1", "--json")
    assert (compared.code, compared.document["height"]) == (0, None)
