"""Four real engines: connected by the watch alone, one lost and back, one cut off that is not admitted any more."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from support.engine_nodes import EngineNode, answer, chain_of, engine_nodes, founding
from traco.engine.cometbft.install import InstalledEngine
from traco.engine.cometbft.peers import PeerWatch, WantedPeer
from traco.kernel.genesis import Genesis
from traco.kernel.light import total_power, verify_signed


class Watched:
    """An engine with a watch over its peers. ``wanted`` may be changed."""

    def __init__(self, node: EngineNode, genesis: Genesis, nodes: list[EngineNode]) -> None:
        self.node, self.cuts = node, 0
        self.wanted = {each.keys.peer: WantedPeer(each.address, 1) for each in nodes}
        self._genesis = genesis
        self.watch = PeerWatch(node.client, node.keys.peer, self._wanted, self._cut)

    def _wanted(self) -> Mapping[bytes, WantedPeer]:
        return self.wanted

    async def _cut(self, peers: Collection[bytes]) -> None:
        self.cuts += 1
        self.node.write(self._genesis)
        await self.node.process.restart("a peer is cut off")

    async def cut_count(self) -> int:
        """How often somebody was cut off."""
        return self.cuts

    async def connected(self, count: int) -> None:
        """Wait until it is connected to so many."""
        await answer(self.node.client.peers, lambda peers: len(peers) == count)


@asynccontextmanager
async def network(
    program: Path, folder: Path, validators: int, observers: int = 0
) -> AsyncIterator[list[Watched]]:
    """Engines that know each other's addresses by their watches only."""
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(engine_nodes(program, folder, validators + observers))
        genesis = founding([node.keys for node in nodes[:validators]])
        watched = [Watched(node, genesis, nodes) for node in nodes]
        for each in watched:
            each.node.write(genesis)
            await each.node.process.start()
            task = asyncio.create_task(each.watch.run())
            stack.callback(task.cancel)
        yield watched


def test_engines_meet_by_their_watches_and_agree(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with network(engine.program, tmp_path, 4) as watched:
            for each in watched:
                await each.connected(3)
            first = watched[0].node
            assert (await first.client.broadcast(b"a=b")).code == 0
            await asyncio.gather(*(each.node.reach(3) for each in watched))
            genesis = founding([each.node.keys for each in watched])
            validators = await first.client.validators(2)
            assert validators is not None
            assert total_power(validators) == 4
            for each in watched:
                signed = await each.node.client.signed_header(2)
                assert signed is not None
                verify_signed(signed, validators, chain_of(genesis))
            for each in watched:
                await each.watch.look()
                sight = each.watch.sight
                assert (sight.wanted, sight.present, sight.power, sight.power_reached) == (3, 3, 4, 4)

    asyncio.run(story())


def test_three_of_four_go_on_and_the_fourth_is_connected_again(
    engine: InstalledEngine, tmp_path: Path
) -> None:
    async def story() -> None:
        async with network(engine.program, tmp_path, 4) as watched:
            for each in watched:
                await each.connected(3)
            lost = watched[3].node
            await lost.process.stop()
            height = await watched[0].node.reach(1)
            await asyncio.gather(*(each.node.reach(height + 2) for each in watched[:3]))
            await watched[0].watch.look()
            assert watched[0].watch.sight.power_reached == 3
            await lost.process.start()
            await watched[3].connected(3)
            await lost.reach(await watched[0].node.reach(1))

    asyncio.run(story())


def test_a_node_that_is_not_admitted_any_more_is_cut_off(engine: InstalledEngine, tmp_path: Path) -> None:
    async def story() -> None:
        async with network(engine.program, tmp_path, 1, observers=1) as [validator, removed]:
            await validator.connected(1)
            await validator.node.reach(1)
            removed.wanted.clear()  # it does not dial any more: the shipped application would let it in again
            await removed.node.process.stop()
            await validator.connected(0)
            validator.wanted.clear()
            removed.node.write(founding([validator.node.keys]), (validator.node,))
            await removed.node.process.start()
            await answer(removed.node.client.status, lambda found: True)
            await answer(validator.cut_count, lambda found: found > 0)
            await answer(validator.node.client.status, lambda _: validator.node.process.starts == 2)

    asyncio.run(story())
