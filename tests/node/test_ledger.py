"""The ledger part of a node: its alarms, and that it stops where its file is taken away."""

import asyncio
from pathlib import Path

import pytest

from support.api import PASSPHRASE, make_directory
from traco.client.keystore import KeyStore
from traco.kernel.errors import Halt
from traco.kernel.execution import Alarm
from traco.node import ledger
from traco.node.directory import KEYS_FILE, LEDGER_FILE, NODE_KEY, SEAL_KEY, founding_member
from traco.node.ledger import LedgerNode
from traco.node.logs import REQUEST
from traco.node.submission import Entry, Result, Status


def opened(directory: Path, alarm: Alarm) -> LedgerNode:
    genesis = make_directory(directory)
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        return LedgerNode(
            directory, genesis, founding_member(genesis), keys.signer(NODE_KEY), keys.signer(SEAL_KEY), alarm
        )


def test_an_alarm_is_told_on_behalf_of_its_request_and_counted(tmp_path: Path) -> None:
    told = list[tuple[str, str]]()
    node = opened(tmp_path / "node", lambda kind, identity, error: told.append((kind, REQUEST.get())))
    try:
        result = Result(bytes(32), Status.RECEIVED, -1, -1, None)
        node.gateway._received[bytes(32)] = Entry(result, 0.0, "the-request")
        node._alarmed("kernel.fault", bytes(32), ValueError("planted"))
        node._alarmed("kernel.fault", b"\x01" * 32, ValueError("planted"))
        assert told == [("kernel.fault", "the-request"), ("kernel.fault", "")]
        assert node.figures().alarms == (("kernel.fault", 2),)
        assert REQUEST.get() == ""
    finally:
        node.stop()


def _no_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise AssertionError(kind) from error


@pytest.mark.parametrize("taken", ["deleted", "replaced"])
def test_a_node_whose_file_is_taken_away_stops(
    tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "FILE_WATCH_S", 0.001)
    node = opened(tmp_path / "node", _no_alarm)
    file = tmp_path / "node" / LEDGER_FILE

    async def run() -> None:
        working = await node.start()
        if taken == "deleted":
            file.unlink()
        else:
            (tmp_path / "other").write_bytes(b"")
            (tmp_path / "other").replace(file)
        try:
            await working
        finally:
            await node.finish()

    try:
        with pytest.raises(Halt, match="was deleted or replaced"):
            asyncio.run(run())
    finally:
        node.stop()
