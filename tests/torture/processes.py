"""A real node under load, killed at random moments and started again, until the time is over."""

import asyncio
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from torture.actions import founding_business
from torture.business import random_request
from torture.checker import Checker
from torture.determinism import child_environment
from torture.model import Intent
from torture.node_process import READY, TOLD, Ask, Told, frame, read_frame
from torture.report import Counts, Difference, Progress
from torture.requests import Desk
from torture.world import World
from traco.kernel.application import Application
from traco.kernel.errors import Failure
from traco.kernel.genesis import network_id, write_genesis
from traco.modules.composition import compose
from traco.node.audit import audit
from traco.node.directory import GENESIS_FILE, LEDGER_FILE
from traco.node.gateway import Result, Status
from traco.storage import LedgerStore, SnapshotReader

LARGEST_BATCH = 40
OUTSTANDING = 4  # batches that one client has under way
RECENT = 200
START_SECONDS = 120.0
LOG = "torture.log"


def wall_clock_ms() -> int:
    """The machine's clock in ms, UTC."""
    return time.time_ns() // 1_000_000


class Processes:
    """One ledger in a directory, through many lives of its node."""

    def __init__(self, directory: Path, seed: str, counts: Counts) -> None:
        self.directory, self.counts = directory, counts
        self.rng = random.Random(seed)
        self.world = World(wall_clock_ms())
        self.desk = Desk(self.world, self.world.books(), self.rng)
        self.checker = Checker(self.world, self.desk, counts)
        self.sent: list[Intent] = []
        self.answers: list[tuple[Intent, Result]] = []
        self.under_way: dict[int, list[Intent]] = {}
        self.number = 0
        (directory / GENESIS_FILE).write_bytes(write_genesis(self.world.genesis))

    async def live(self, until: float, kill: bool) -> None:
        """Start the node, load it, and kill or stop it; then compare what it left behind."""
        with (self.directory / LOG).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "torture.node_process", str(self.directory), env=child_environment(),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        try:
            await self._live(process, until, kill)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
                await self.reading

    async def _live(self, process: asyncio.subprocess.Process, until: float, kill: bool) -> None:
        assert process.stdout is not None
        self.under_way.clear()
        began = self.number
        self.ready = asyncio.Event()
        self.reading = asyncio.create_task(self._read_answers(process.stdout))
        during_start = kill and self.checker.height > 0 and self.rng.random() < 0.25
        if during_start:
            await asyncio.sleep(self.rng.uniform(0.0, 1.5))
        elif await self._is_ready():
            limit = self.rng.uniform(0.1, 2.5) if kill else max(0.5, until - time.monotonic())
            await self._load(process, time.monotonic() + limit)
        else:
            raise Difference("node", f"it does not start: {self._log()}")
        await self._end(process, kill)
        self._catch_up()
        if not during_start and self.number > began and began not in self.under_way:
            self.checker.check_promises()  # the first batch is answered: what the outbox held went before it
        self._compare_answers()

    async def _is_ready(self) -> bool:
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait(
            (waiting, self.reading), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        return self.ready.is_set()

    async def _load(self, process: asyncio.subprocess.Process, until: float) -> None:
        """Business until the moment has come; what is committed meanwhile is compared at once."""
        assert process.stdin is not None
        # those who got no answer ask again
        first = [self._sign(request) for request in founding_business(self.desk)] if not self.sent else []
        batch = first or [intent for intent in self.sent[-LARGEST_BATCH:] if not intent.flaw]
        self._ask(process.stdin, batch, until_final=True)
        while time.monotonic() < until or self.checker.height == 0:
            if self.reading.done():
                raise Difference("node", f"it ended by itself: {self._log()}")
            if len(self.under_way) < OUTSTANDING and self.checker.height:
                batch = [self._next() for _ in range(self.rng.randint(1, LARGEST_BATCH))]
                self._ask(process.stdin, batch, self.rng.random() < 0.5)
            await asyncio.sleep(0.005)
            self._catch_up()

    def _ask(self, writer: asyncio.StreamWriter, batch: list[Intent], until_final: bool) -> None:
        self.under_way[self.number] = batch
        writer.write(frame(Ask(self.number, until_final, tuple(intent.raw for intent in batch))))
        self.number += 1

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        while (payload := await read_frame(reader)) is not None:
            told = TOLD.decode(payload)
            if told.number == READY:
                self.ready.set()
            else:
                self._note(told)

    def _note(self, told: Told) -> None:
        for intent, (status, height, leaf, code) in zip(
            self.under_way.pop(told.number), told.results, strict=True
        ):
            failure = Failure(code, ()) if code else None
            self.answers.append((intent, Result(intent.identity, Status(status), height, leaf, failure)))

    def _next(self) -> Intent:
        if self.rng.random() < 0.1:
            self.counts["work: sent again"] += 1
            return self.rng.choice(self.sent[-RECENT:])
        return self._sign(random_request(self.desk, wall_clock_ms()))

    def _sign(self, request: object) -> Intent:
        intent = self.desk.transaction(request, wall_clock_ms())  # type: ignore[arg-type]
        self.sent.append(intent)
        return intent

    async def _end(self, process: asyncio.subprocess.Process, kill: bool) -> None:
        assert process.stdin is not None
        if kill:
            with suppress(ProcessLookupError):
                process.kill()
            self.counts["disturbance: node process killed with signal 9"] += 1
        else:
            process.stdin.close()
            self.counts["disturbance: node process stopped in order"] += 1
        await self.reading  # what it said before it ended was said; a frame that was cut off was not
        code = await process.wait()
        if not kill and code:
            raise Difference("node", f"it ended with {code}: {self._log()}")
        process.stdin.close()

    def _log(self) -> str:
        return (self.directory / LOG).read_text(encoding="utf-8", errors="replace")[-1_500:]

    def _catch_up(self) -> None:
        """Compare the blocks that were committed since the last look, from a snapshot beside the node."""
        if not (self.directory / LEDGER_FILE).exists():
            return
        reader = SnapshotReader(self.directory / LEDGER_FILE)
        snapshot = reader.snapshot()
        if snapshot is not None:
            with snapshot:
                if snapshot.height < self.checker.height:
                    text = f"block {self.checker.height} was committed, the store has {snapshot.height}"
                    raise Difference("durability", text)
                for block in snapshot.blocks(self.checker.height, 1_000):
                    self.checker.absorb(block)
        reader.close()

    def _compare_answers(self) -> None:
        for intent, result in self.answers:
            self.checker.answered(intent, result)
        self.answers.clear()

    def conclude(self) -> None:
        """The node has stopped: compare the whole state, execute everything again, look for alarms."""
        with suppress(FileNotFoundError):
            if "ALARM" in self._log():
                raise Difference("alarms", self._log())
        store = LedgerStore(self.directory / LEDGER_FILE, network_id(self.world.genesis))
        application = Application(self.world.genesis, compose(), store, self.checker.alarm)
        self.checker.compare_state(application)
        self.checker.check_invariants(application)
        store.close()
        report = audit(self.directory)
        if report.differences or report.height != self.checker.height:
            raise Difference("audit", f"{report}")
        self.counts["work: transactions executed again by the audit"] += report.transactions


def torture_processes(seed: str, counts: Counts, seconds: float, progress: Progress) -> None:
    """Kill and start until the time is over. Raises ``Difference``."""
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder), seed, counts)
        until = time.monotonic() + seconds
        kills = 0
        while kills == 0 or time.monotonic() < until:
            asyncio.run(processes.live(until, kill=True))
            kills += 1
            progress.show(counts)
        asyncio.run(processes.live(time.monotonic() + 1, kill=False))
        processes.conclude()
