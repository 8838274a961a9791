"""Whether a node is well: judged by the API process from what it can see itself, never from what was true a while ago.

    live    the process answers                                    no more than that
    ready   it can take and answer business now                    200, or 503 with a code for each reason
    progress   where everything stands, for operators

A warning is something people must look at while the node goes on.
"""

import asyncio
import shutil
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from traco.client.forms import to_form
from traco.kernel.errors import Halt
from traco.node.channel_health import AWAY, CHANNEL_WARNINGS, channel_warnings
from traco.node.channels.link import ChannelsAway
from traco.node.channels.requests import FiguresAre
from traco.node.configuration import HealthConfig
from traco.node.figures import EngineFigures, Figures
from traco.node.link import LedgerGone

REASONS: Final = {
    "ledger.gone": "The ledger process has ended; see node.log.",
    "ledger.silent": "The ledger process gave no answer in time: it is stopped, or one block takes too long.",
    "ledger.stalled": "Transactions wait, and no block has been made for too long.",
    "outbox.full": "As many transactions wait as the node takes in; it takes more when blocks are made.",
    "storage.unreadable": "The ledger's file cannot be read; check the disk, and see node.log.",
    "disk.low": "The disk has less free space than health.free_bytes; make space before the node has to stop.",
    "engine.failed": "The engine cannot go on, and the node stops; node.log says why and what to do.",
    "engine.down": "The engine's process does not run or does not answer; see engine.log.",
    "engine.behind": "The node is behind the network and catches up; it takes business when it has.",
    "engine.no_peers": "Nodes with a third of the voting power or more are out of reach: the network makes no blocks.",
    "engine.stalled": "The network has made no block for too long, though enough nodes are in reach.",
}
"""Why a node is not ready, by stable code."""

ENGINE_SILENT_MS: Final = 5_000
"""An engine that is started again answers sooner than that."""
ENGINE_LAG_BLOCKS: Final = 3
"""The ledger takes each of the engine's blocks at once; so many more, and it does not."""

CATCH_UP_MS: Final = 60_000
"""Since the last block, by when projections have it unless something is wrong."""

WARNINGS: Final = {
    "ledger.alarm": "The kernel raised an alarm since the start; see node.log, and report it.",
    "protocol.missing": "A protocol is scheduled that this release lacks; the node stops before that block. Install a release that has it.",
    "projections.behind": "Projections are behind by more than health.projections_lag_blocks, or do not catch up; see node.log.",
    "projections.before_snapshot": "The node joined by a snapshot; projections need the blocks before it. Restore a backup of them, or switch them off.",
    "projections.unknown": "Where the projections stand cannot be read; see node.log.",
    "engine.peers_missing": "Some nodes of the network are out of reach, and dialled again and again; see traco node status.",
    "engine.settings_differ": "The ledger's parameters for the engine were changed since it started. Start the nodes again, one after the other.",
    "snapshots.failing": "The last snapshot for nodes that join was not made; node.log says why. The next one is tried in time.",
    **CHANNEL_WARNINGS,
}
"""What does not stop a node, by stable code."""


BEFORE_SNAPSHOT: Final = -2


class Seen(NamedTuple):
    """What was seen at one moment. ``figures`` is None where the ledger process did not answer: ``ledger`` says how.

    ``projected``: the height up to which projections are complete; None where they are off, -1 where it cannot be read,
    ``BEFORE_SNAPSHOT`` where they need blocks that this node does not have. ``channels`` is None where no channel business is
    done, and where the process that does it is ``channels_away``.
    """

    figures: Figures | None
    ledger: str
    readable: bool
    free_bytes: int
    projected: int | None
    channels: FiguresAre | None = None
    channels_away: bool = False


class Health(NamedTuple):
    """The judgement: ``reasons`` and ``warnings`` are codes. Ready exactly if there are no reasons."""

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether the node can take and answer business."""
        return not self.reasons


def judge(seen: Seen, limits: HealthConfig) -> Health:
    """Whether the node is ready, and what people must look at."""
    reasons: list[str] = []
    warnings: list[str] = []
    if seen.figures is None:
        reasons.append(seen.ledger)
    else:
        occupancy, stall_ms = seen.figures.occupancy, limits.stall_seconds * 1000
        if occupancy.oldest_ms > stall_ms and seen.figures.idle_ms > stall_ms:
            reasons.append("ledger.stalled")
        if occupancy.is_full:
            reasons.append("outbox.full")
        if seen.figures.alarms:
            warnings.append("ledger.alarm")
        if seen.figures.stops_at:
            warnings.append("protocol.missing")
        if seen.figures.engine is not None:
            _judge_engine(seen.figures, seen.figures.engine, stall_ms, reasons, warnings)
    if not seen.readable:
        reasons.append("storage.unreadable")
    if seen.free_bytes < limits.free_bytes:
        reasons.append("disk.low")
    _judge_projections(seen, limits, warnings)
    if seen.channels_away:
        warnings.append(AWAY)
    elif seen.channels is not None:
        warnings += channel_warnings(seen.channels.figures)
    return Health(tuple(reasons), tuple(warnings))


def _judge_projections(seen: Seen, limits: HealthConfig, warnings: list[str]) -> None:
    if seen.projected == BEFORE_SNAPSHOT:
        warnings.append("projections.before_snapshot")
    elif seen.projected is not None and seen.projected < 0:
        warnings.append("projections.unknown")
    elif lag(seen) > limits.projections_lag_blocks or _does_not_catch_up(seen):
        warnings.append("projections.behind")


def _judge_engine(
    figures: Figures, engine: EngineFigures, stall_ms: int, reasons: list[str], warnings: list[str]
) -> None:
    """What is wrong with the engine. Its own word for being well is worth nothing after a consensus failure; blocks are."""
    if engine.failure:
        reasons.append("engine.failed")
    elif engine.silent_ms > ENGINE_SILENT_MS:
        reasons.append("engine.down")
    elif engine.is_catching_up or engine.height > figures.height + ENGINE_LAG_BLOCKS:
        reasons.append("engine.behind")
    elif 3 * engine.power_reached <= 2 * engine.power:
        reasons.append("engine.no_peers")
    elif figures.idle_ms > stall_ms + engine.empty_block_ms:
        reasons.append("engine.stalled")
    if engine.peers_present < engine.peers_wanted:
        warnings.append("engine.peers_missing")
    if engine.settings_differ:
        warnings.append("engine.settings_differ")
    if engine.snapshot_problem:
        warnings.append("snapshots.failing")


def lag(seen: Seen) -> int:
    """How many blocks projections are behind; 0 where they are off, or nobody knows."""
    if seen.figures is None or seen.projected is None or seen.projected < 0:
        return 0
    return max(0, seen.figures.height - seen.projected)


def _does_not_catch_up(seen: Seen) -> bool:
    """Whether projections are behind though no block was made for long: by however few, statements lack them for ever."""
    return seen.figures is not None and lag(seen) > 0 and seen.figures.idle_ms > CATCH_UP_MS


class Watch:
    """Looks at the parts of a node. ``figures`` asks the ledger process; ``height`` reads the store's newest block.

    ``projected`` reads up to which height projections are complete, -1 where that cannot be read; None: they are off.
    ``channels`` asks the channels' process, and raises ``ChannelsAway``; None: no channel business is done here.
    """

    def __init__(
        self, directory: Path, limits: HealthConfig, figures: Callable[[], Awaitable[Figures]],
        height: Callable[[], int], projected: Callable[[], int] | None = None,
        channels: Callable[[], Awaitable[FiguresAre]] | None = None,
    ) -> None:  # fmt: skip
        self.directory, self.limits = directory, limits
        self._figures, self._height, self._projected = figures, height, projected
        self._channels = channels
        self._asking: asyncio.Future[int] | None = None

    async def look(self) -> Seen:
        """See how everything is now. Answers within ``health.stall_seconds`` even if the ledger process does not."""
        (figures, ledger), projected, (channels, is_away) = await asyncio.gather(
            self._of_ledger(), self._projected_height(), self._of_channels()
        )
        return Seen(
            figures, ledger, self._is_readable(), free_bytes(self.directory), projected, channels, is_away
        )

    async def _of_ledger(self) -> tuple[Figures | None, str]:
        """Its figures, or why there are none."""
        try:
            async with asyncio.timeout(self.limits.stall_seconds):
                return await self._figures(), ""
        except TimeoutError:
            return None, "ledger.silent"
        except LedgerGone:
            return None, "ledger.gone"

    async def _of_channels(self) -> tuple[FiguresAre | None, bool]:
        """Their figures, and whether there should be some and are not."""
        if self._channels is None:
            return None, False
        try:
            async with asyncio.timeout(self.limits.stall_seconds):
                return await self._channels(), False
        except (TimeoutError, ChannelsAway):
            return None, True

    async def _projected_height(self) -> int | None:
        """Asked in a thread, because the database may be another machine's; in one, because it may hang, and streams need threads."""
        if self._projected is None:
            return None
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._projected))
        try:
            async with asyncio.timeout(self.limits.stall_seconds):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            return -1

    async def health(self) -> Health:
        """Look, and judge."""
        return judge(await self.look(), self.limits)

    def _is_readable(self) -> bool:
        try:
            self._height()
        except (Halt, OSError):
            return False
        return True


def free_bytes(directory: Path) -> int:
    """Free space for this user on the directory's disk; 0 where the directory cannot be reached."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 0


def used_bytes(directory: Path) -> dict[str, int]:
    """Sizes of the files in a node's directory, by name; without locks, which are empty."""
    sizes: dict[str, int] = {}
    for path in directory.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue  # it went away meanwhile
        if stat.S_ISREG(status.st_mode) and not path.name.endswith("lock"):
            sizes[path.name] = status.st_size
    return sizes


def readiness(health: Health) -> dict[str, Any]:
    """The answer of ``/v1/health/ready``."""
    return {
        "ready": health.is_ready,
        "reasons": [{"code": code, "detail": REASONS[code]} for code in health.reasons],
        "warnings": [{"code": code, "detail": WARNINGS[code]} for code in health.warnings],
    }


def progress(seen: Seen, health: Health, directory: Path, streams: int) -> dict[str, Any]:
    """The answer of ``/v1/health/progress``: where everything stands."""
    figures = seen.figures
    ledger: dict[str, Any] | None = None
    if figures is not None:
        alarm = figures.last_alarm
        ledger = {
            "height": figures.height, "block_time_ms": figures.block_time_ms, "time_ms": figures.now_ms,
            "started_ms": figures.started_ms, "idle_ms": figures.idle_ms, "blocks": figures.blocks,
            "state_keys": figures.state_keys, "recovered_envelopes": figures.recovered,
            "memory_bytes": figures.memory_bytes, "transactions": dict(figures.outcomes), "rejected": dict(figures.rejected),
            "refused": dict(figures.refused), "alarms": dict(figures.alarms),
            "last_alarm": None if alarm is None else {"kind": alarm.kind, "transaction": alarm.transaction, "time_ms": alarm.time_ms},
            "queue": {
                "on_way": figures.occupancy.on_way, "ready": figures.occupancy.ready, "ready_bytes": figures.occupancy.ready_bytes,
                "verifying": figures.occupancy.verifying, "outbox_envelopes": figures.occupancy.outbox,
                "oldest_ms": figures.occupancy.oldest_ms, "is_full": figures.occupancy.is_full,
            },
            "engine": None if figures.engine is None else msgspec.structs.asdict(figures.engine),
        }  # fmt: skip
    return {
        **readiness(health), "ledger": ledger, "projected_height": seen.projected, "projections_lag_blocks": lag(seen),
        "channels": None if seen.channels is None else to_form(seen.channels.figures), "streams": streams, "free_bytes": seen.free_bytes, "files": used_bytes(directory),
    }  # fmt: skip
