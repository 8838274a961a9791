"""The channels' process: kept running by the supervisor, waiting for its keys, ending with the ledger."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from support.api import CHEAP, PASSPHRASE
from support.channel_town import make_members, member_of
from traco.client.keystore import KeyStore
from traco.kernel.crypto import Scheme
from traco.node import beside
from traco.node.beside import keep_channels
from traco.node.channels import process
from traco.node.channels.keyring import SEATS_FILE, make_seat, read_seats
from traco.node.channels.process import _live
from traco.node.channels.settings import ChannelsConfig
from traco.node.child import PAUSES_SECONDS, ChannelsSettings
from traco.node.configuration import NodeConfig
from traco.node.directory import NodeDirectoryError

BANK = member_of("bank")
ENABLED = NodeConfig(channels=ChannelsConfig(enabled=True))


def settings(directory: Path, config: NodeConfig = ENABLED) -> ChannelsSettings:
    return ChannelsSettings(str(directory), PASSPHRASE, config)


def pauses_of(monkeypatch: pytest.MonkeyPatch, codes: list[int | None]) -> list[float]:
    """The pauses after processes that end at once with these codes; None: it could not be started."""
    pauses: list[float] = []
    left = iter(codes)

    async def one_life(*_: Any) -> int:
        code = next(left)
        if code is None:
            raise OSError("no more processes")
        return code

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(codes):
            raise asyncio.CancelledError

    monkeypatch.setattr(beside, "_one_channels", one_life)
    monkeypatch.setattr("traco.node.child.asyncio.sleep", pause)
    node: Any = None
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_channels(node, settings(Path())))
    return pauses


def test_it_is_started_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses_of(monkeypatch, [1, None, -9, 1, 1, 1]) == [*PAUSES_SECONDS, PAUSES_SECONDS[-1]]


def test_one_that_ended_for_other_keys_is_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses_of(monkeypatch, [1, 1, 0, 0]) == [*PAUSES_SECONDS[:2], PAUSES_SECONDS[0], PAUSES_SECONDS[0]]


def test_it_is_not_started_where_nobody_wants_it() -> None:
    async def scene() -> None:
        node: Any = None
        kept = asyncio.create_task(keep_channels(node, settings(Path(), NodeConfig())))
        await asyncio.sleep(0)
        assert not kept.done()
        kept.cancel()

    asyncio.run(scene())


def test_it_waits_for_keys_and_ends_with_the_ledger(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_members(tmp_path / "node")
    begun: list[Any] = []

    async def work(directory: Path, config: NodeConfig, seats: Any, *_: Any) -> None:
        begun.append(list(seats))

    async def scene() -> None:
        near, far = socket.socketpair()
        living = asyncio.create_task(_live(far, settings(tmp_path / "node")))
        while "traco channel seat DIR" not in caplog.text:
            await asyncio.sleep(0)
        with KeyStore.create(tmp_path / "node" / SEATS_FILE, PASSPHRASE, CHEAP) as store:
            make_seat(store, BANK)
        await living
        near.close()

    monkeypatch.setattr(process, "_work", work)
    monkeypatch.setattr(process, "LOOK_S", 0.01)
    asyncio.run(scene())
    assert begun == [[BANK]]


def test_keys_that_come_while_the_old_ones_are_read_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_members(tmp_path / "node")
    file, noticed = tmp_path / "node" / SEATS_FILE, list[bool]()
    with KeyStore.create(file, PASSPHRASE, CHEAP) as store:
        make_seat(store, BANK)

    def slowly(*given: Any) -> Any:
        found = read_seats(*given)
        with KeyStore.open(file, PASSPHRASE) as store:
            make_seat(store, BANK, renew_box=True)
        return found

    async def work(directory: Path, config: NodeConfig, seats: Any, keys: Any, *_: Any) -> None:
        noticed.append(process._content(directory) != keys)

    async def scene() -> None:
        near, far = socket.socketpair()
        await _live(far, settings(tmp_path / "node"))
        near.close()

    monkeypatch.setattr(process, "read_seats", slowly)
    monkeypatch.setattr(process, "_work", work)
    asyncio.run(scene())
    assert noticed == [True]


def test_keys_that_are_written_in_several_steps_are_noticed_whatever_number_their_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_members(tmp_path / "node")
    begun = asyncio.Event()

    async def work(directory: Path, config: NodeConfig, seats: Any, *_: Any) -> None:
        assert list(seats) == [BANK]
        begun.set()

    async def scene() -> None:
        near, far = socket.socketpair()
        with KeyStore.create(tmp_path / "node" / SEATS_FILE, PASSPHRASE, CHEAP) as store:
            store.generate(f"{BANK.hex()}.node", Scheme.ED25519, ("seat",))
            living = asyncio.create_task(_live(far, settings(tmp_path / "node")))
            for _ in range(3):  # it has read the file, and sleeps
                await asyncio.sleep(0)
            make_seat(
                store, BANK
            )  # two writings: many a file system has the first one's number free for the second
        await asyncio.wait_for(living, 120)
        near.close()

    monkeypatch.setattr(process, "_work", work)
    monkeypatch.setattr(process, "LOOK_S", 0.01)
    asyncio.run(scene())
    assert begun.is_set()


def test_it_ends_where_the_ledger_is_gone_before_there_are_keys(tmp_path: Path) -> None:
    make_members(tmp_path / "node")

    async def scene() -> None:
        near, far = socket.socketpair()
        near.close()
        await _live(far, settings(tmp_path / "node"))

    asyncio.run(scene())


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NodeDirectoryError, match=r"channels\.listen") as caught:
            process._listen(address)
    assert caught.value.code == "node.port_in_use"
