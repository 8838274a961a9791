"""What is wrong with channels is a warning each, and never makes a node less ready."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from node.test_channel_metrics import QUIET, STUCK, figures, member
from traco.channels.seat.figures import SeatFigures
from traco.node.channel_health import CHANNEL_WARNINGS, channel_warnings
from traco.node.channels.link import ChannelsAway
from traco.node.channels.requests import FiguresAre
from traco.node.configuration import HealthConfig
from traco.node.figures import Figures, Meter, Occupancy
from traco.node.health import Watch, judge, progress, readiness

EMPTY = Occupancy(on_way=0, ready=0, ready_bytes=0, outbox=0, verifying=0, oldest_ms=0, is_full=False)


@pytest.mark.parametrize(
    ("shown", "warnings"),
    [
        (QUIET, []),
        (figures(root_height=1_010), []),
        (figures(root_height=1_011), ["channels.behind"]),
        (figures(unexecuted=1, unexecuted_ms=60_000), []),
        (figures(unexecuted=1, unexecuted_ms=60_001), ["channels.stuck"]),
        (figures(problems=(("custody.unavailable", 1), ("channel.not_ready", 1))), []),
        (figures(problems=(("channel.key_missing", 1),)), ["channels.stuck"]),
        (figures(problems=(("channel.snapshot_needed", 1),)), ["channels.stuck"]),
        (figures(problems=(("executing.stream", 1),)), ["channels.stuck"]),
        (figures(reported=1), ["channels.missing"]),
        (figures(unconfirmed=1, unconfirmed_ms=60_001), ["channels.unconfirmed"]),
        (figures(problems=(("channel.disputed", 1),)), ["channels.disputed"]),
        (figures(statuses=(("suspended", 1),)), ["channels.suspended"]),
        (member(is_silent=True, silent_ms=60_000), []),
        (member(is_silent=True, silent_ms=60_001), ["channels.member_silent"]),
        (figures(outbox_waiting=1, outbox_ms=60_001), ["channels.outbox_waiting"]),
        (figures(offers=(("ready", 1), ("waiting", 1))), []),
        (figures(offers=(("wrong", 1),)), ["channels.offer_wrong"]),
        (figures(outdated=1), ["channels.key_outdated"]),
        (figures(custody_bytes=900), []),
        (figures(custody_bytes=901), ["channels.custody_full"]),
    ],
)
def test_each_trouble_is_a_warning_of_its_own(shown: SeatFigures, warnings: list[str]) -> None:
    assert channel_warnings(shown) == warnings
    assert set(warnings) <= CHANNEL_WARNINGS.keys()


class Node:
    """The parts that are looked at; ``channels`` is what those answer, or raise."""

    def __init__(self, directory: Path, channels: SeatFigures | Exception | None) -> None:
        self._channels = channels
        asked = None if channels is None else self._figures
        limits = HealthConfig(free_bytes=1, stall_seconds=1)
        self.watch = Watch(directory, limits, self._ledger, lambda: 7, channels=asked)

    async def _ledger(self) -> Figures:
        return Meter().figures(7, 0, 3, 0, EMPTY)

    async def _figures(self) -> FiguresAre:
        if isinstance(self._channels, Exception):
            raise self._channels
        assert self._channels is not None
        return FiguresAre(self._channels, 1_000)


@pytest.mark.parametrize(
    ("channels", "warnings"),
    [
        (None, ()), (QUIET, ()), (figures(statuses=(("suspended", 1),), unexecuted_ms=61_000), ("channels.stuck", "channels.suspended")),
        (ChannelsAway("it starts"), ("channels.away",)), (TimeoutError(), ("channels.away",)),
    ],
)  # fmt: skip
def test_a_node_stays_ready_whatever_is_wrong_with_its_channels(
    tmp_path: Path, channels: SeatFigures | Exception | None, warnings: tuple[str, ...]
) -> None:
    health = asyncio.run(Node(tmp_path, channels).watch.health())
    assert (health.is_ready, health.warnings) == (True, warnings)
    assert [each["code"] for each in readiness(health)["warnings"]] == list(warnings)


def test_a_process_of_channels_that_hangs_does_not_keep_health_waiting(tmp_path: Path) -> None:
    async def for_ever() -> FiguresAre:
        await asyncio.Event().wait()
        raise AssertionError

    async def scene() -> Any:
        limits = HealthConfig(free_bytes=1, stall_seconds=0)
        node = Node(tmp_path, None)
        return await Watch(tmp_path, limits, node._ledger, lambda: 7, channels=for_ever).look()

    assert asyncio.run(scene()).channels_away


def test_progress_has_the_figures_of_channels_for_operators(tmp_path: Path) -> None:
    seen = asyncio.run(Node(tmp_path, figures(channels=(STUCK,))).watch.look())
    shown = progress(seen, judge(seen, HealthConfig()), tmp_path, 0)["channels"]
    assert shown["statuses"] == [["open", 3]]
    assert shown["channels"][0]["code"] == "channel.key_missing"
    without = asyncio.run(Node(tmp_path, None).watch.look())
    assert progress(without, judge(without, HealthConfig()), tmp_path, 0)["channels"] is None
