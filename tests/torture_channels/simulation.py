"""One seed, one town: business of all kinds in three channels and across them, harm and scenes, until everything has ended.

The same name gives the same run, whatever machine it runs on.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from support.virtual_time import run
from torture.report import Counts, Difference, Progress
from torture_channels.auditor import Auditor
from torture_channels.deals import Deal, Desk, Square
from torture_channels.drills_members import DRILLS as OF_MEMBERS
from torture_channels.drills_settling import DRILLS as OF_SETTLEMENTS
from torture_channels.drills_settling import Drill
from torture_channels.epochs import Epochs
from torture_channels.harm import Harm
from torture_channels.ledgers import Ledgers
from torture_channels.lines import Line, Sent
from torture_channels.secrecy import Secrecy
from torture_channels.town import Town, drawn_from
from traco.kernel.errors import Halt, LedgerError
from traco.modules.channel.messages import VoteErase
from traco.modules.channel.parts import Limits, Terms

T = TypeVar("T")

STEPS: Final = 60
TWICE: Final = 0.08  # of what is sent goes to another member's node too
SCENES: Final = 3  # of each run
DRILLS: Final[dict[str, Drill]] = {**OF_SETTLEMENTS, **OF_MEMBERS}
LONGEST_MS: Final = 3_000
REST: Final = 600  # blocks until everything must have ended once nothing is wrong any more
LIMITS: Final = Limits(accept_ms=60_000, answer_ms=20_000, attempt_ms=600_000, resume_ms=3_600_000)
_LEAST, _MOST = 73 * 10**15, 99 * 10**15  # planted amounts: each has eight bytes


class Simulation:
    """One run. ``name`` is all that it is made from."""

    def __init__(
        self, name: str, counts: Counts, steps: int = STEPS, drills: Sequence[str] | None = None
    ) -> None:
        """``drills``: the scenes that are played; None draws some."""
        self.name, self.counts, self.steps = name, counts, steps
        self.random = random.Random(f"simulation {name}")
        self.sequence = ""
        self.sent: list[Sent] = []
        self.deals: list[Deal] = []
        self.lines: list[Line] = []
        self._tasks: list[asyncio.Task[None]] = []
        names = self.random.sample(list(DRILLS), SCENES) if drills is None else list(drills)
        self._scenes = {steps * (place + 1) // (len(names) + 1): name for place, name in enumerate(names)}

    def run(self, progress: Progress | None = None) -> None:
        """All of it. Raises ``Difference``."""
        with tempfile.TemporaryDirectory(prefix="traco-torture-") as folder, drawn_from(self.name):
            try:
                run(self._scene(Path(folder), progress))
            except (Halt, LedgerError, AssertionError, LookupError, ValueError) as error:
                raise Difference("fault", f"{type(error).__name__}: {error}") from error

    async def _scene(self, folder: Path, progress: Progress | None) -> None:
        # what a dead node had begun ends as it may: nobody waits for it
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        self.town = Town(self.name, folder, self.counts)
        try:
            await self._found()
            for step in range(self.steps):
                await self._step(step)
                if step in self._scenes:
                    await self.play(self._scenes[step])
                if progress is not None:
                    progress.show(self.counts)
            await self._end()
        finally:
            for task in self._tasks:
                task.cancel()
            for name in self.town.sites:
                self.town.disk_site(name).end()

    # beginning

    async def _found(self) -> None:
        town = self.town
        self.square = Square(town)
        self.square.fill()
        vaults, adjudicator = (town.ids["e"],), town.ids["e"]
        for label, names, changes in (
            ("pair", "ab", {"faults": 0, "policy": 2, "custody": 1}),
            ("three", "abc", {"faults": 1, "policy": 2, "custody": 2, "vaults": vaults}),
            ("four", "abcd", {"faults": 1, "policy": 3, "custody": 2}),
        ):
            terms = town.terms(*names, **{"adjudicator": adjudicator, "limits": LIMITS, **changes})
            amounts = [self.random.randrange(_LEAST, _MOST) for _ in range(2)]
            line = Line(town, label, await town.opened(terms), amounts)
            await line.fill()
            self.lines.append(line)
        self.auditor = Auditor(town, self.counts)
        self.ledgers = Ledgers(town, self.auditor, self.square, self.counts)
        self.secrecy = Secrecy(town, self.auditor, self.counts)
        self.harm = Harm(town, self.lines, self.random)
        self.epochs = Epochs(town, self.lines, self.random)
        self.desk = Desk(town, self.square)
        self.look()

    # going on

    async def play(self, name: str) -> None:
        """A scene."""
        await DRILLS[name](self)
        self.counts[f"disturbance: {name}"] += 1

    async def _step(self, step: int) -> None:
        for _ in range(self.random.randrange(4)):
            self.business()
        if self.random.random() < 0.3:
            self.deal()
        if self.random.random() < 0.25:
            self.harm.strike()
        if self.random.random() < 0.06:
            self._change_epoch()
        if self.random.random() < 0.1:
            self.harm.resume()
        if self.random.random() < 0.02:
            self._erase()
        jump, self.harm.jump_ms = self.harm.jump_ms, 0
        await self.tick(1_000 + jump)
        if step % 10 == 9:
            self.ledgers.total(self.lines)
            self.secrecy.guess(self.lines)
            self.secrecy.look(self.lines)

    async def tick(self, after_ms: int = 1_000) -> None:
        """A block, and everybody does what can be done; then all is looked at."""
        self.epochs.step()
        await self.town.tick(after_ms=after_ms)
        await asyncio.sleep(
            min(after_ms, LONGEST_MS) / 1_000
        )  # what waits for time gets as much as the root has
        self.counts["work: steps"] += 1
        self.look()

    def look(self) -> None:
        """What must hold all along. Raises ``Difference``."""
        self.auditor.look()
        self.ledgers.compare(self.lines)
        self.ledgers.look_at(self.sent)
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()
        if self.town.alarms or self.town.root.ledger.alarms:
            raise Difference("alarm", f"{self.town.alarms or self.town.root.ledger.alarms}")
        self.sequence = self.town.sequence()

    async def until(
        self, holds: Callable[[], bool], what: str, limit: int = 100, after_ms: int = 1_000
    ) -> None:
        """Steps until something holds. Raises ``Difference``."""
        for _ in range(limit):
            if holds():
                return
            await self.tick(after_ms)
        raise Difference("liveness", f"it never came to this: {what}")

    async def while_going_on(self, work: Coroutine[Any, Any, T]) -> T:
        """What becomes of something, while steps are made."""
        task = asyncio.ensure_future(work)
        await self.until(task.done, "something that was begun ends", limit=120)
        return task.result()

    # business

    def business(self) -> None:
        """Something is sent in a channel."""
        rng = self.random
        line = rng.choice(self.lines)
        sender, receiver = rng.sample(line.names(), 2)
        amounts = [rng.choice(line.amounts) for _ in range(2)]
        kind = rng.choices(("pay", "overdraw", "settle", "half", "freeze", "thaw"), (8, 1, 4, 1, 1, 1))[0]
        label = rng.choice(("security", "cash"))
        sent: Sent | None
        if kind == "pay":
            sent = line.pay(sender, receiver, label, amounts[0])
        elif kind == "overdraw":
            sent = line.pay(sender, receiver, label, 5 * line.funds)
        elif kind == "settle":
            sent = line.settle(sender, receiver, amounts)
        elif kind == "half":
            sent = line.half_settle(sender, receiver, amounts)
        elif kind == "freeze":
            sent = line.freeze(sender, receiver, label, amounts[0])
        else:
            sent = line.thaw(sender)
        if sent is not None:
            self.sent.append(sent)
            self.counts["work: transactions acknowledged"] += 1
            if rng.random() < TWICE:
                line.send_again(receiver)
                self.counts["work: sent at two nodes"] += 1

    def deal(self) -> None:
        """A settlement across ledgers is agreed on and begins."""
        rng, desk = self.random, self.desk
        one, two = rng.sample(self.lines, 2)
        both = [name for name in one.names() if name in two.names()]
        if len(both) < 2:
            return
        x, y = rng.sample(both, 2)
        security = desk.move(one, "security", x, y, rng.choice(one.amounts))
        cash = desk.move(two, "cash", y, x, rng.choice((*two.amounts, 5 * two.funds)))
        few = rng.randrange(1, 40_000)
        kinds = {
            "swap": (security, cash), "for cash on the root": (security, desk.move_on_root(y, x, few)),
            "import": (desk.leave_root(x, few), desk.enter(one, y, few)),
            "export": (desk.leave(one, x, few), desk.enter_root(y, few)),
            "between channels": (desk.leave(one, x, few), desk.enter(two, y, few)),
        }  # fmt: skip
        kind = rng.choices(list(kinds), (4, 2, 3, 2, 2))[0]
        self.begin(kind, desk.deal(*kinds[kind], life_ms=rng.choice((20_000, 60_000, 120_000))), x)

    def begin(self, kind: str, deal: Deal, by: str) -> None:
        """Have it sealed and ordered while everything else goes on."""
        self.deals.append(deal)
        self.counts[f"kind: deal, {kind}"] += 1
        self._tasks.append(asyncio.create_task(deal.settle(by)))

    def _change_epoch(self) -> None:
        line = self.random.choice(self.lines)
        by = self.random.choice(line.names())
        if self.random.random() < 0.3:
            kind = self.epochs.offer_wrong(line, by)
            if kind:
                self.counts[f"disturbance: {kind}"] += 1
        elif self.epochs.offer(line, by, self._next_terms(line)):
            self.counts["work: epochs offered"] += 1

    def _next_terms(self, line: Line) -> Terms | None:
        """Other members, in the channel that changes them; None: those that there are."""
        if line.label != "four" or self.random.random() < 0.3:
            return None
        town, names = self.town, line.names()
        adjudicator, vaults = town.ids["e"], (town.ids["e"],)
        if len(names) < len(line.founders):
            self.counts["disturbance: a member to be added"] += 1
            return town.terms(
                *line.founders, adjudicator=adjudicator, limits=LIMITS, faults=1, policy=3, custody=2
            )
        self.counts["disturbance: a member to be removed"] += 1
        return town.terms(
            *"abc", adjudicator=adjudicator, limits=LIMITS, faults=1, policy=2, custody=2, vaults=vaults
        )

    def _erase(self) -> None:
        """All members agree that what was sent up to the last confirmed point be destroyed."""
        line = self.random.choice(self.lines[1:])
        confirmed = self.town.stream(line.channel).confirmed
        for name in line.names():
            self.town.on_root_soon(name, VoteErase(self.town.ids[name], line.channel, confirmed))
        self.counts["work: erasures voted for"] += 1

    # the end

    async def _end(self) -> None:
        self.harm.calm()
        for _ in range(REST):
            if self.is_over():
                break
            self.harm.resume()
            await self.tick(3_000)
        else:
            raise Difference("liveness", f"it never comes to rest: {self.what_is_left()}")
        self.auditor.finish()
        self.ledgers.conclude(self.lines, self.sent, self.deals)
        self.secrecy.guess(self.lines)
        self.secrecy.look(self.lines)
        self.secrecy.look_at_disks(self.lines)
        self.counts["work: runs"] += 1

    def is_over(self) -> bool:
        """Whether everything has come to its end."""
        return not self.what_is_left()

    def what_is_left(self) -> str:
        """What has not come to its end yet; nothing where all has."""
        town = self.town
        if self._tasks or town.root.waiting:
            return "deals that are being sealed"
        for line in self.lines:
            names = line.names()
            if not line.is_open or not town.has_confirmed(line.channel, *names):
                problems = {name: town[name].running.problems.get(line.channel) for name in names}
                return f"{line.label} is not confirmed ({town.record(line.channel).status}; {problems})"
            for name in names:
                if town[name].book.due(2**52):
                    return f"{line.label} has something due"
        for each in self.sent:
            word = self.ledgers.word(each).split()[0]
            is_lost = word == "unknown" and not self.ledgers.knows(each.sender, each.line)
            if word not in ("confirmed", "refused") and not is_lost:
                return f"a transaction ({each.kind}) of {each.sender} in {each.line.label} is {word}"
        if any(deal.is_undecided() for deal in self.deals):
            return "a settlement is undecided"
        return ""


def torture_simulation(
    name: str,
    counts: Counts,
    seconds: float,
    progress: Progress,
    only: int | None,
    tell: Callable[[str], None],
) -> None:
    """Runs until the time is over, at least one; or one run by its number. Raises ``Difference``, naming the run."""
    until, number = time.monotonic() + seconds, 0 if only is None else only
    while True:
        simulation = Simulation(f"{name} {number}", counts)
        try:
            simulation.run(progress)
        except Difference as difference:
            raise Difference(difference.check, f"run {number}: {difference.text}") from difference
        tell(f"run {number}: sequence {simulation.sequence}")
        number += 1
        if only is not None or time.monotonic() > until:
            return
