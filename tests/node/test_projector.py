"""The projector's process: follows the ledger, ends with its supervisor, is started again when it fails."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.api import make_directory
from traco.kernel.genesis import network_id, parse_genesis
from traco.node import beside, projector
from traco.node.beside import keep_projector
from traco.node.child import PAUSES_SECONDS, ProjectorSettings
from traco.node.configuration import NodeConfig, ProjectionsConfig, read_config
from traco.node.projector import follow, open_projections
from traco.projections.errors import OtherLedger
from traco.projections.files import SQLITE_FILE


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_directory(tmp_path / "node")
    return tmp_path / "node"


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    near, far = socket.socketpair()
    with near, far:
        yield far


def network_of(directory: Path) -> bytes:
    return network_id(parse_genesis((directory / "genesis.json").read_bytes()))


def end_after(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Let the supervisor's end close after some looks at it."""
    left = iter([False] * looks)
    monkeypatch.setattr(projector, "_has_ended", lambda *_: next(left, True))


def test_it_writes_what_the_ledger_has(
    directory: Path, connection: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(monkeypatch, 3)
    config = read_config(directory)
    follow(directory, config, connection)
    database = open_projections(directory, network_of(directory), config)
    assert database is not None
    with database, database.reading() as (_, position):
        assert position.height == 0


def test_it_ends_when_its_supervisor_is_gone(directory: Path) -> None:
    near, far = socket.socketpair()
    near.close()
    with far:
        follow(directory, read_config(directory), far)
    assert (directory / SQLITE_FILE).exists()


def test_it_does_nothing_where_projections_are_off(directory: Path, connection: socket.socket) -> None:
    config = msgspec.structs.replace(read_config(directory), projections=ProjectionsConfig(enabled=False))
    follow(directory, config, connection)
    assert not (directory / SQLITE_FILE).exists()


def test_tables_of_another_network_end_it_with_advice(
    directory: Path, connection: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(monkeypatch, 2)
    follow(directory, read_config(directory), connection)
    make_directory(tmp_path / "other")
    (directory / SQLITE_FILE).rename(tmp_path / "other" / SQLITE_FILE)
    with pytest.raises(OtherLedger, match="traco node projections rebuild"):
        follow(tmp_path / "other", read_config(tmp_path / "other"), connection)


def test_the_password_of_the_environment_reaches_the_database_and_no_text(directory: Path) -> None:
    wanted = ProjectionsConfig(url="postgresql://traco@db.example/x", password="s3cret")
    config = msgspec.structs.replace(read_config(directory), projections=wanted)
    database = open_projections(directory, network_of(directory), config)
    assert database is not None
    with database:
        assert database.engine.url.password == "s3cret"
        assert "s3cret" not in repr(database.engine) + repr(ProjectorSettings(str(directory), config))


def test_it_is_started_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def one_life(_: ProjectorSettings) -> int:
        return 1

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            raise asyncio.CancelledError

    monkeypatch.setattr(beside, "_one_projector", one_life)
    monkeypatch.setattr("traco.node.child.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_projector(ProjectorSettings("", NodeConfig())))
    assert pauses == [*PAUSES_SECONDS, PAUSES_SECONDS[-1], PAUSES_SECONDS[-1]]


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    async def no_life(_: ProjectorSettings) -> int:
        tried.append(1)
        raise OSError("no more processes")

    async def pause(_: float) -> None:
        if len(tried) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(beside, "_one_projector", no_life)
    monkeypatch.setattr("traco.node.child.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_projector(ProjectorSettings("", NodeConfig())))


def test_no_process_is_started_where_projections_are_off() -> None:
    config = NodeConfig(projections=ProjectionsConfig(enabled=False))
    asyncio.run(keep_projector(ProjectorSettings("", config)))
