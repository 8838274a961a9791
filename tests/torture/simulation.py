"""One seed, one ledger: random business on a simulated machine that is killed, loses power, runs full or fails.

A run is a number of lives of a node over one disk. Each life has a plan, drawn from the seed: where it ends and how. The
same seed gives the same run, whatever machine it runs on.
"""

import asyncio
import random
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from faults import CutMode, Disk, Operation, PowerCut, SimulatedVFS
from support.ledger import Key
from torture.actions import founding_business
from torture.business import random_request
from torture.checker import Checker
from torture.clock import SimulatedLoop
from torture.machine import LEDGER, Death, Interruptions, SimulatedNode
from torture.model import Intent
from torture.report import Counts, Difference, Progress
from torture.requests import STRANGER, Desk
from torture.world import NODE, World
from traco.kernel.errors import Halt
from traco.kernel.genesis import write_genesis
from traco.node import gateway as gateway_module
from traco.node.audit import compare
from traco.node.gateway import GatewayStopped

LIVES = 10
STEPS = 9  # steps of a life that nothing disturbs
LARGEST_STEP = 12  # transactions
RECENT = 60
AUDIT_EVERY = 4  # runs
PAUSES_MS = (0, 0, 0, 1, 5, 40, 200, 1_000)
DOWNTIMES_MS = (0, 10, 500, 500, 5_000, 400_000, 700_000)


class End(StrEnum):
    """How a life is to end."""

    STOP = "stopped"
    KILL = "kill"
    POWER = "power cut"
    FULL = "disk full"
    ERROR = "I/O error"


class Plan(NamedTuple):
    """How a life ends. Between calls (``point`` above 0) or at an operation of the disk (``operation``)."""

    end: End
    early: bool  # armed before the node is opened, so that it may end during recovery
    point: int
    operation: int
    mode: CutMode
    kind: Operation
    free_bytes: int
    lasting: bool
    forgets: bool


ERRORS = (Operation.WRITE, Operation.SYNC, Operation.SYNC, Operation.READ, Operation.TRUNCATE)
ENDS = (End.STOP, End.KILL, End.KILL, End.POWER, End.POWER, End.POWER, End.FULL, End.ERROR)


class Simulation:
    """One run. ``name`` is all that it is made from."""

    def __init__(self, name: str, counts: Counts, lives: int = LIVES) -> None:
        self.rng = random.Random(
            name
        )  # a text is hashed by its own algorithm, the same under every PYTHONHASHSEED
        self.counts, self.lives = counts, lives
        self.world = World()
        self.desk = Desk(self.world, self.world.books(), self.rng)
        self.checker = Checker(self.world, self.desk, counts)
        self.disk = Disk()
        self.clock_ms = self.world.genesis.time_ms
        self.sent: list[Intent] = []

    def run(self, progress: Progress | None = None) -> None:
        """Live all lives. Raises ``Difference``."""
        with patch.object(gateway_module, "os", _Entropy(self.rng)):
            for number in range(self.lives):
                last = number == self.lives - 1
                self._live(self._plan() if not last else self._plan()._replace(end=End.STOP))
                if progress is not None:
                    progress.show(self.counts)

    def audit(self) -> None:
        """Execute everything again into a real file: every column of every table must come out as it is on the disk."""
        with tempfile.TemporaryDirectory() as folder:
            for path, content in self.disk.contents().items():
                (Path(folder) / Path(path).name).write_bytes(content)
            stored, rebuilt = Path(folder) / LEDGER.name, Path(folder) / "rebuilt.db"
            report = compare(stored, write_genesis(self.world.genesis), rebuilt)
        if report.differences or report.app_hash != self.checker.app_hash:
            raise Difference("audit", f"{report}")
        self.counts["work: transactions executed again by the audit"] += report.transactions

    def _plan(self) -> Plan:
        rng = self.rng
        early = rng.random() < 0.2
        between = rng.random() < 0.6
        reach = rng.choice((40, 400)) if not early else 60
        return Plan(
            rng.choice(ENDS), early, rng.randint(1, reach) if between else 0, rng.randint(1, reach // 2),
            rng.choice(list(CutMode)), rng.choice(ERRORS), rng.choice((0, 4_096, 60_000, 150_000)),
            rng.random() < 0.3, rng.random() < 0.3,
        )  # fmt: skip

    def _live(self, plan: Plan) -> None:
        self.clock_ms += self.rng.choice(DOWNTIMES_MS)
        with SimulatedVFS(self.disk) as machine:
            failure = self._until_end(machine, plan)
            struck = self._check_end(machine, plan, failure)
        self.counts["disturbance: node started"] += 1
        self._count_end(plan, struck)
        cut = struck and (plan.end is End.POWER or (plan.end is End.ERROR and plan.forgets))
        # what a killed process wrote is still there; what a machine without power did not sync may not be
        self.disk = self.disk.power_cut(self.rng, plan.mode) if cut else self.disk.copy()

    def _until_end(self, machine: SimulatedVFS, plan: Plan) -> BaseException | None:
        loop = SimulatedLoop()
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._life(machine, plan, loop))
        except Difference:
            raise
        except (Death, PowerCut, Exception) as error:  # noqa: BLE001  # whatever ended the node is judged later
            return error
        finally:
            self.clock_ms += loop.milliseconds
        return None

    def _check_end(self, machine: SimulatedVFS, plan: Plan, failure: BaseException | None) -> bool:
        """Whether the disturbance came about; ``Difference`` where the node ended for any other reason."""
        faults = machine.faults
        struck = isinstance(failure, Death) or faults.power_is_off
        if failure is None or struck:
            return struck
        if isinstance(failure, Halt) and plan.end is End.ERROR:
            return True
        if isinstance(failure, Halt) and plan.end is End.FULL and "full" in str(failure):
            return True
        raise Difference("node", f"it ended with {failure!r}, planned was: {plan.end}") from failure

    def _count_end(self, plan: Plan, struck: bool) -> None:
        where = "between two calls" if plan.point else "within a write"
        if plan.end is End.KILL and struck:
            self.counts[f"disturbance: kill {where}"] += 1
        elif plan.end is End.POWER and struck:
            self.counts[f"disturbance: power cut, {plan.mode.value}, {where}"] += 1
        elif plan.end is End.FULL and struck:
            self.counts["disturbance: disk full, node stopped"] += 1
        elif plan.end is End.ERROR and struck:
            self.counts[f"disturbance: I/O error at a {plan.kind.value}, node stopped"] += 1
        else:
            self.counts["disturbance: node stopped in order"] += 1

    def _arm(self, machine: SimulatedVFS, plan: Plan, interruptions: Interruptions) -> None:
        faults = machine.faults
        if plan.end is End.FULL:
            faults.disk_full_after(plan.free_bytes)
        elif plan.end is End.ERROR:
            faults.io_error_at(
                1 + plan.operation // 8, plan.kind, lasting=plan.lasting, forgets_unsynced=plan.forgets
            )
        elif plan.end in (End.KILL, End.POWER) and plan.point:
            interruptions.arm(plan.point, faults.power_off)
        elif plan.end in (End.KILL, End.POWER):
            faults.crash_at(faults.changes + plan.operation)

    async def _life(self, machine: SimulatedVFS, plan: Plan, loop: SimulatedLoop) -> None:
        started, skew = self.clock_ms, self.rng.choice((0, 0, 0, -2_000, 300))  # clocks are set back, too
        interruptions = Interruptions()

        def now_ms() -> int:
            return started + skew + loop.milliseconds

        if plan.early:
            self._arm(machine, plan, interruptions)
        node = SimulatedNode(
            self.world, machine.name, self.checker, self.rng, interruptions, now_ms, self._decoys
        )
        if not plan.early:
            self._arm(machine, plan, interruptions)
        blocks = asyncio.create_task(node.gateway.run())
        clients = asyncio.create_task(self._clients(node))
        try:
            await asyncio.wait((blocks, clients), return_when=asyncio.FIRST_COMPLETED)
            for task in (blocks, clients):
                if task.done():
                    task.result()
            if plan.end is End.STOP:
                self.checker.check_invariants(node.application)
                node.close()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            ended = await asyncio.gather(blocks, clients, return_exceptions=True)
            del ended

    async def _clients(self, node: SimulatedNode) -> None:
        """Everybody's business until the life is over."""
        while node.engine.wants_block():
            await asyncio.sleep(0)
        self.checker.check_promises()
        waiting: set[asyncio.Task[None]] = set()
        if not self.checker.height:
            await self._submit(node, [self._sign(request, node) for request in founding_business(self.desk)])
        elif self.sent:
            await self._submit(
                node, self.rng.choices(self.sent[-16:], k=8)
            )  # clients that got no answer ask again
        for _ in range(STEPS):
            if self.rng.random() < 0.2:
                self._offer_directly(node)
            batch = [self._next(node) for _ in range(self.rng.randint(1, LARGEST_STEP))]
            waiting.add(asyncio.create_task(self._submit(node, batch)))
            await asyncio.sleep(self.rng.choice(PAUSES_MS) / 1_000)
            done = {task for task in waiting if task.done()}
            waiting -= done
            for task in done:
                task.result()
        for task in waiting:
            await task

    def _next(self, node: SimulatedNode) -> Intent:
        """A new transaction, or one that was sent before."""
        if self.sent and self.rng.random() < 0.15:
            self.counts["work: sent again"] += 1
            return self.rng.choice(self.sent[-RECENT:])
        return self._sign(random_request(self.desk, node.engine.block_time_ms()), node)

    def _sign(self, request: Any, node: SimulatedNode) -> Intent:
        intent = self.desk.transaction(request, node.engine.block_time_ms())
        self.sent.append(intent)
        return intent

    async def _submit(self, node: SimulatedNode, batch: list[Intent]) -> None:
        until_final = self.rng.random() < 0.5
        try:
            results = await node.gateway.submit([intent.raw for intent in batch], until_final)
        except GatewayStopped:
            return  # no answer: they will ask again
        for intent, result in zip(batch, results, strict=True):
            self.checker.answered(intent, result)

    def _decoys(self) -> tuple[bytes, ...]:
        """Envelopes that are proposed and then not decided."""
        raws = [intent.raw for intent in self.sent[-5:]]
        return (self.desk.envelope(raws, self.checker.time_ms),)

    def _offer_directly(self, node: SimulatedNode) -> None:
        """Envelopes past the gateway: of another node of the member, of nobody, one again, and garbage."""
        time_ms = node.engine.block_time_ms()
        fresh = [self._sign(random_request(self.desk, time_ms), node) for _ in range(self.rng.randint(1, 4))]
        raws = [intent.raw for intent in (*fresh, *self.rng.choices(self.sent[-RECENT:], k=3), fresh[0])]
        honest = self.desk.envelope(raws, time_ms)
        offers = {
            NODE: (honest, ""),
            STRANGER: (self.desk.envelope(raws, time_ms, Key(STRANGER)), "envelope.node_unknown"),
            "garbage": (honest[:-1], "transaction.malformed"),
            "late": (self.desk.envelope(raws, time_ms - 60_000), "transaction.expired"),
        }
        if self.desk.nodes:
            other = self.rng.choice(self.desk.nodes)
            known = self.checker.books.member_of_node(other) == self.world.member
            sealed = self.desk.envelope(raws, time_ms, self.desk.keys[other])
            offers["other node"] = (sealed, "" if known else "envelope.node_unknown")
        for envelope, expected in offers.values():
            failure = node.engine.offer_foreign(envelope)
            code = "" if failure is None else failure.code
            if code != expected:
                raise Difference("envelopes", f"an envelope was answered with {code!r}, not {expected!r}")
            self.counts["work: envelopes offered directly"] += 1


def torture_simulation(
    seed: str, counts: Counts, seconds: float, progress: Progress, only: int | None = None
) -> None:
    """Run after run until the time is over, or the run ``only``. Raises ``Difference`` with the run's number."""
    until, number = time.monotonic() + seconds, only or 0
    while number == (only or 0) or (only is None and time.monotonic() < until):
        try:
            simulation = Simulation(f"{seed} {number}", counts, 4 + number * 7 % 20)
            simulation.run(progress)
            if number % AUDIT_EVERY == 0:
                simulation.audit()
        except Difference as difference:
            again = f"run {number}, again with --seed {seed} --run {number}"
            raise Difference(difference.check, f"{again}: {difference.text}") from difference
        counts["work: runs, each from a founding"] += 1
        number += 1


class _Entropy:
    """Stands for the operating system's randomness where the gateway makes salts: a run must be repeatable."""

    def __init__(self, rng: random.Random) -> None:
        self.urandom = rng.randbytes
