"""``make bench-channels``: what confidential channels do on a network of four validators on this machine.

Everything is measured in one run, and held against what the root of that network does: signed transfers per second, deliveries
against payment per second, and how long one block takes when nothing else goes on.
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench import channel_rebuild
from bench.channel_crossing import crossed, crossed_together, idle_crossing
from bench.channel_idle import Resting, resting
from bench.channel_market import (
    Floor,
    Latency,
    deliveries,
    furnished,
    idle_latency,
    overhead_bytes,
    pairs,
    settled,
)
from bench.channel_nodes import ChannelNodes
from bench.cluster import idle_ms, loaded
from bench.cluster_market import fill, market_of, transfers, valid_until
from bench.market import Market
from bench.settlements import Place, Side, delivery
from traco.channels.seat.replicas import REST_MS
from traco.kernel.codec import ROOT
from traco.node.channels.deal_requests import MAX_TOGETHER

VALIDATORS: Final = 4
CHANNELS: Final = 10
HOLDINGS: Final = 10_000
ROUNDS: Final = 5  # of a hundred transactions in each channel, where bytes are counted
TIMES: Final = 40  # where latency is measured
AT_ONCE: Final = 100  # channels that are opened together
TOGETHER: Final = 4  # times more settlements where clients hand over many at a time
BUNDLED: Final = 50  # deliveries that two members settle at once; a leg has room for 64 movements
BUNDLES: Final = 5  # times fewer settlements then
QUIET_S: Final = 5.0
console = Console(highlight=False)


class Sizes(msgspec.Struct, frozen=True):
    """How much is done: deliveries on the root, and in each channel; settlements of each couple of channels; channels that
    rest; transactions of the channel that is rebuilt.
    """

    transfers: int = 8_000
    root: int = 4_000
    inside: int = 800
    across: int = 100
    resting: int = 1_000
    rebuilt: int = 100_000


def root_deliveries(market: Market, count: int, until: int, seed: int) -> list[bytes]:
    """Signed deliveries on the root between random accounts of different owners."""
    choose, made = random.Random(seed).randrange, list[bytes]()
    place = Place(market.network, ROOT, market.cash, market.security)

    def side(number: int) -> Side:
        owner = number % len(market.owners)
        return Side(market.owners[owner], market.account(number), market.signers[owner])

    while len(made) < count:
        buyer, seller = choose(market.accounts), choose(market.accounts)
        if buyer % len(market.owners) != seller % len(market.owners):
            made.append(delivery(place, side(buyer), side(seller), 1 + choose(1_000), until))
    return made


async def of_root(nodes: ChannelNodes, market: Market, sizes: Sizes, seed: int) -> dict[str, float]:
    """What everything is held against."""
    rate, transfer = await loaded(nodes, transfers(market, sizes.transfers, await valid_until(nodes), seed))
    made = root_deliveries(market, sizes.root, await valid_until(nodes), seed)
    dvp, processor = await loaded(nodes, made)
    return {
        "root_transfers": rate, "root_transfer_processor_us": transfer * 1e6,
        "root_dvp": dvp, "root_dvp_processor_us": processor * 1e6,
    }  # fmt: skip


async def of_business(nodes: ChannelNodes, market: Market, sizes: Sizes) -> dict[str, float]:
    """Rates and latencies of ten channels of two members, between two measurements of the root."""
    floors = await furnished(nodes, pairs(nodes.members, CHANNELS))
    before = await of_root(nodes, market, sizes, 1)
    until = await valid_until(nodes)
    inside = await settled(
        nodes, [deliveries(floor, sizes.inside, until, seed) for seed, floor in enumerate(floors)]
    )
    across = await crossed(nodes, floors, sizes.across)
    together = await crossed_together(nodes, floors, TOGETHER * sizes.across)
    bundled = await crossed(nodes, floors, max(1, sizes.across // BUNDLES), BUNDLED)
    after = await of_root(nodes, market, sizes, 2)
    root = {name: statistics.mean((before[name], after[name])) for name in before}
    await asyncio.sleep(QUIET_S)
    commit = statistics.median(await idle_ms(nodes, market, TIMES))
    return root | {
        "dvp_inside": inside.per_second, "dvp_inside_processor_us": inside.processor * 1e6,
        "dvp_inside_of_root_dvp": inside.per_second / root["root_dvp"],
        "dvp_inside_processor_of_root_dvp": inside.processor * 1e6 / root["root_dvp_processor_us"],
        "dvp_across": across.per_second, "dvp_across_processor_us": across.processor * 1e6,
        "dvp_across_of_inside": across.per_second / inside.per_second,
        "dvp_together": together.per_second, "dvp_together_processor_us": together.processor * 1e6,
        "dvp_together_of_inside": together.per_second / inside.per_second,
        "dvp_bundled": bundled.per_second, "dvp_bundled_processor_us": bundled.processor * 1e6,
        "dvp_bundled_of_inside": bundled.per_second / inside.per_second,
        "root_commit_ms": commit,
        **_latency("confirmed_idle", await idle_latency(nodes, floors[0], TIMES), commit),
        **_latency("crossing_idle", await idle_crossing(nodes, floors, TIMES), commit),
    }  # fmt: skip


def _latency(name: str, found: Sequence[Latency], commit_ms: float) -> dict[str, float]:
    taken = statistics.median(each.ms for each in found)
    return {
        f"{name}_p50_ms": taken, f"{name}_p50_blocks": statistics.median(each.blocks for each in found),
        f"{name}_p50_in_root_commits": taken / commit_ms,
    }  # fmt: skip


async def of_bytes(nodes: ChannelNodes) -> dict[str, float]:
    """What a transaction takes on the root, in one channel of four members and in ten beside each other."""
    floors: list[Floor] = await furnished(nodes, [nodes.members] * CHANNELS)
    return {
        "root_bytes_one_channel": await overhead_bytes(nodes, floors[:1], ROUNDS),
        "root_bytes": await overhead_bytes(nodes, floors, ROUNDS),
    }


async def of_rest(nodes: ChannelNodes, count: int) -> dict[str, float]:
    """What so many channels in which nothing happens cost a node that is a member of all."""
    node, group = nodes.members[0].node, nodes.members[:2]
    before = await resting(nodes, node)
    for at in range(0, count, AT_ONCE):
        await nodes.opened([group] * min(AT_ONCE, count - at))
    after = await resting(nodes, node, 2 * REST_MS / 1_000 + QUIET_S)
    return {
        "resting_channels": count, "resting_share_before": before.share, "resting_share": after.share,
        "resting_kib_each": (after.memory_kib - before.memory_kib) / count,
        **_files("resting", before, after),
    }  # fmt: skip


def _files(name: str, before: Resting, after: Resting) -> dict[str, float]:
    return {
        f"{name}_open_files_before": before.open_files, f"{name}_open_files": after.open_files,
        f"{name}_files": after.files - before.files,
    }  # fmt: skip


async def of_rebuild(nodes: ChannelNodes, count: int) -> dict[str, float]:
    """A channel of many transactions on a node that lost it."""
    (floor,) = await furnished(nodes, [nodes.members[:2]])
    points = await channel_rebuild.filled(nodes, floor, count)
    replayed = await channel_rebuild.replayed(nodes, floor) * count / points
    rebuilt = await channel_rebuild.rebuilt(nodes, floor) * count / points
    return {
        "rebuilt_transactions": count, "replayed": replayed, "rebuilt": rebuilt,
        "rebuilt_of_replayed": rebuilt / replayed,
    }  # fmt: skip


async def _network(base: Path, name: str, accounts: int, keys: ExitStack) -> tuple[ChannelNodes, Market]:
    nodes = ChannelNodes(base / name, VALIDATORS)
    return nodes, market_of(nodes, accounts, keys)


async def all_figures(base: Path, sizes: Sizes) -> dict[str, float]:
    """Everything, one after the other; what leaves many channels behind on networks of its own."""
    figures: dict[str, float] = {}
    with ExitStack() as keys:
        nodes, market = await _network(base, "business", HOLDINGS // 2, keys)
        async with nodes:
            await fill(nodes, market, keys)
            await nodes.seat(keys)
            with console.status("deliveries and latency"):
                figures |= await of_business(nodes, market, sizes)
            with console.status("bytes on the root"):
                figures |= await of_bytes(nodes)
    for name, count in (("resting", sizes.resting), ("rebuilt", sizes.rebuilt)):
        if count:
            with ExitStack() as keys:
                nodes, market = await _network(base, name, 1, keys)
                async with nodes:
                    await fill(nodes, market, keys)
                    await nodes.seat(keys)
                    with console.status(f"{count:,} {'channels' if name == 'resting' else 'transactions'}"):
                        figures |= await (of_rest if name == "resting" else of_rebuild)(nodes, count)
    rates = ("dvp_inside", "dvp_across", "replayed", "rebuilt")
    return figures | {
        f"{name}_of_root_transfers": figures[name] / figures["root_transfers"]
        for name in rates
        if name in figures
    }


WANTED: Final = (
    ("DvP per second inside 10 channels, of the root's DvP", "dvp_inside_of_root_dvp", "1"),
    ("DvP per second inside 10 channels, of root transfers", "dvp_inside_of_root_transfers", ""),
    ("its processor time, of that of a DvP on the root", "dvp_inside_processor_of_root_dvp", ""),
    ("DvP per second across two channels, of the above, 64 clients one by one", "dvp_across_of_inside", "0.5"),
    (f"the same, by clients that hand over {MAX_TOGETHER} at a time", "dvp_together_of_inside", "0.5"),
    (f"the same, {BUNDLED} DvP of two members in one settlement", "dvp_bundled_of_inside", ""),
    ("DvP per second across two channels, of root transfers", "dvp_across_of_root_transfers", ""),
    ("confirmed, idle, p50, root commits", "confirmed_idle_p50_blocks", "3"),
    ("confirmed, idle, p50, of one transfer's time on the root", "confirmed_idle_p50_in_root_commits", ""),
    ("confirmed, idle, p50, ms", "confirmed_idle_p50_ms", ""),
    ("across, decided, idle, p50, root commits", "crossing_idle_p50_blocks", "5"),
    ("across, decided, idle, p50, of one transfer's time on the root", "crossing_idle_p50_in_root_commits", ""),
    ("across, decided, idle, p50, ms", "crossing_idle_p50_ms", ""),
    ("root bytes per transaction, 4 members, batches of 100, 10 channels", "root_bytes", "20"),
    ("the same with one channel", "root_bytes_one_channel", ""),
    ("rebuilt from custodians, of replaying", "rebuilt_of_replayed", "0.8"),
    ("rebuilt, transactions per second, of root transfers", "rebuilt_of_root_transfers", ""),
    ("idle channels: share of a core", "resting_share", ""),
    ("the same before there was any", "resting_share_before", ""),
    ("idle channels: KiB each", "resting_kib_each", "100"),
    ("idle channels: open files", "resting_open_files", ""),
)  # fmt: skip


def main() -> None:
    """Run everything, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.channels", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench-channels.json"))
    for name, value in msgspec.structs.asdict(Sizes()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = vars(parser.parse_args())
    output: Path = arguments.pop("output")
    figures = asyncio.run(all_figures(output.parent / "bench-channels", Sizes(**arguments)))
    output.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    table = Table("figure", "measured", "to reach")
    for title, name, wanted in WANTED:
        if name in figures:
            table.add_row(title, f"{figures[name]:,.3g}", wanted)
    console.print(table)
    console.print(
        f"root: {figures['root_transfers']:,.0f} transfers and {figures['root_dvp']:,.0f} DvP per second, "
        f"{figures['root_commit_ms']:.0f} ms for one transfer when idle; channels: {figures['dvp_inside']:,.0f} DvP per second "
        f"inside, {figures['dvp_across']:,.1f} and {figures['dvp_together']:,.1f} across; written to {output}"
    )


if __name__ == "__main__":
    main()
