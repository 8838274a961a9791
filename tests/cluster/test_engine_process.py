"""Real engines: started, asked, killed, started again, stopped; never two with one key; none outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.engine_nodes import EngineNode, answer, chain_of, engine_nodes, founding
from traco.engine.cometbft.errors import EngineRefused, KeyInUse, KnownTransaction
from traco.engine.cometbft.install import InstalledEngine
from traco.engine.cometbft.process import STOP_SECONDS, EngineProcess, EngineWatch
from traco.kernel.light import in_order, verify_signed

PARENT = """
import asyncio, sys
from pathlib import Path
from traco.engine.cometbft.process import EngineProcess, EngineWatch

async def main():
    watch = EngineWatch(lambda line: None, lambda failure: None, lambda: 0)
    process = EngineProcess(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), watch)
    await process.start()
    while process.pid is None:
        await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_an_engine_orders_transactions_and_its_commits_are_verified(
    engine: InstalledEngine, tmp_path: Path
) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            genesis = founding([node.keys])
            node.write(genesis)
            await node.process.start()
            await node.reach(1)
            answered = await node.client.broadcast(b"name=satoshi")
            assert answered.code == 0
            with pytest.raises(KnownTransaction):
                await node.client.broadcast(b"name=satoshi")
            assert (await node.client.broadcast(b"malformed")).code != 0
            with pytest.raises(EngineRefused):
                await node.client.broadcast(b"x" * 5_000_000)
            height = await node.reach(3)
            for number in range(1, height + 1):
                signed = await node.client.signed_header(number)
                validators = await node.client.validators(number)
                assert signed is not None
                assert validators is not None
                verify_signed(signed, validators, chain_of(genesis))
                assert [each.key for each in validators] == [node.keys.consensus]
                assert in_order(validators) == validators

    asyncio.run(story())


def test_what_an_engine_does_not_have_is_none(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            await node.process.start()
            await node.reach(1)
            far = 10_000
            assert await node.client.signed_header(far) is None
            assert await node.client.validators(far) is None
            assert await node.client.consensus_params(far) is None
            found = await node.client.consensus_params(1)
            assert found is not None
            assert found["block"]["max_bytes"] == str(4_194_304 + 131_072 + 262_144)

    asyncio.run(story())


def test_a_killed_engine_is_started_again_and_goes_on(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            await node.process.start()
            before = await node.reach(2)
            first = node.process.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            begun = time.monotonic()
            await answer(node.client.status, lambda found: node.process.pid not in (None, first))
            assert await node.reach(before) >= before
            assert time.monotonic() - begun < 30
            assert node.process.starts == 2
            assert node.failures == []

    asyncio.run(story())


@pytest.mark.parametrize("point", [0, 5, 9])
def test_an_engine_that_ends_between_two_steps_of_a_block_goes_on(
    engine: InstalledEngine, tmp_path: Path, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL_TEST_INDEX", str(point))  # the engine's own crash points

    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            await node.process.start()
            await node.reach(3)
            assert node.process.starts == 2
            assert node.failures == []

    asyncio.run(story())


def test_an_engine_that_is_told_to_stop_ends_in_order(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            await node.process.start()
            await node.reach(1)
            begun = time.monotonic()
            await node.process.stop()
            assert time.monotonic() - begun < STOP_SECONDS  # it was not killed
            assert not node.process.is_running
            assert [line for line in node.lines if "captured terminated, exiting" in line] != []

    asyncio.run(story())


def test_a_restart_takes_up_what_was_written_meanwhile(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 2) as [node, other]:
            genesis = founding([node.keys])
            for each in (node, other):
                each.write(genesis)
                await each.process.start()
            await node.reach(1)
            assert await node.client.peers() == ()
            node.write(genesis, (other,))
            await node.process.restart("another peer")
            found = await answer(node.client.peers, lambda peers: len(peers) == 1)
            assert found[0].peer == other.keys.peer
            await other.reach(2)

    asyncio.run(story())


def test_two_engines_with_one_validator_key_do_not_run(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            await node.process.start()
            await node.reach(1)
            copy = EngineProcess(
                engine.program, node.home, node.runtime.rpc_socket, EngineWatch(print, print, lambda: 0)
            )
            with pytest.raises(KeyInUse):
                await copy.start()
            await node.process.stop()
            await copy.start()
            await copy.stop()

    asyncio.run(story())


def test_an_engine_ends_with_its_parent_however_that_ends(engine: InstalledEngine, tmp_path: Path) -> None:
    async def prepare() -> EngineNode:
        async with engine_nodes(engine.program, tmp_path, 1) as [node]:
            node.write(founding([node.keys]))
            return node

    node = asyncio.run(prepare())
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(engine.program), str(node.home), str(tmp_path / "rpc")],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert has_process(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while has_process(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_process(pid: int) -> bool:
    """Whether a process lives; one that only waits to be collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
