"""Attesting, voiding, suspending and resuming against a naive model of dictionaries, over arbitrary sequences."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.channel.world import World, events_of
from traco.kernel import founding, protocol
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
from traco.modules.channel.events import Dissented
from traco.modules.channel.messages import ReportMissing, Resume, Supply, VoteVoid
from traco.modules.channel.parts import Limits, Terms

BLOCK_MS = 1_000
ANSWER_MS = 8_000
LAST_POINT = 50  # fewer than are kept
LAST_EPOCH = 3

# members, how many must agree, how many may be faulty; d is a vault where one may be
SHAPES: tuple[tuple[str, int, int], ...] = (("abc", 2, 1), ("abc", 3, 0), ("ab", 2, 0), ("bce", 2, 1))

names = st.sampled_from("abce")
shapes = st.sampled_from(SHAPES)
words = st.sampled_from(["true", "true", "true", "true", "lie", "other"])
back = st.integers(0, 3)
rarely = st.sampled_from([False, False, False, True])
mostly = st.sampled_from([True, True, True, False])


@dataclass
class Spot:
    """What the model knows of a point."""

    height: int
    shape: tuple[str, int, int]
    generation: int
    entries: list[int]
    votes: dict[str, str] = field(default_factory=dict)

    def agreed(self) -> str | None:
        return next((word for word, n in Counter(self.votes.values()).items() if n >= self.shape[1]), None)

    def stuck(self) -> bool:
        silent = len(set(self.shape[0]) - set(self.votes))
        return max(Counter(self.votes.values()).values(), default=0) + silent < self.shape[1]

    def odd(self) -> list[str]:
        """Who says something else than most, or everybody where there is no most."""
        counts = Counter(self.votes.values()).most_common()
        tied = len(counts) > 1 and counts[0][1] == counts[1][1]
        return [name for name, word in self.votes.items() if tied or word != counts[0][0]]


@dataclass
class Model:
    """A channel, naively. Every call to it stands for one block."""

    shape: tuple[str, int, int]
    spots: list[Spot] = field(default_factory=list)
    entries: int = 0
    confirmed: int = 0
    generation: int = 0
    suspended: bool = False
    batches: dict[int, int] = field(default_factory=dict)  # number -> ordinal
    voided: set[int] = field(default_factory=set)
    asked: dict[int, tuple[set[str], int]] = field(default_factory=dict)
    supplied: set[int] = field(default_factory=set)
    void_votes: dict[str, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)

    def enter(self, height: int) -> None:
        self.entries += 1
        if not self.spots or self.spots[-1].height != height:
            self.spots.append(Spot(height, self.shape, self.generation, []))
        self.spots[-1].entries.append(self.entries)

    def begin_block(self, height: int, time_ms: int) -> None:
        self.named = []
        for number in sorted(self.asked):
            if self.asked[number][1] <= time_ms:
                del self.asked[number]
                if self.batches[number] > self.confirmed:
                    self.void(number, height)

    def void(self, number: int, height: int) -> None:
        self.asked.pop(number, None)
        self.voided.add(number)
        self.anew(self.batches[number])
        self.enter(height)

    def anew(self, ordinal: int) -> None:
        self.generation += 1
        self.void_votes = {}
        for spot in self.spots[ordinal - 1 :]:
            spot.generation, spot.votes = self.generation, {}

    def attest(self, name: str, items: list[tuple[int, int, str]], height: int) -> bool:
        """Whether it is taken; items are (ordinal, generation, word)."""
        heard = [item for item in items if 1 <= item[0] <= len(self.spots)]
        if any(name not in self.spots[item[0] - 1].shape[0] + self.shape[0] for item in heard):
            return False
        counted = [item[0] for item in heard if self.count(name, *item)]
        for ordinal in sorted(set(counted)):
            spot = self.spots[ordinal - 1]
            if not self.suspended and ordinal > self.confirmed and spot.stuck():
                self.suspended = True
                self.named += spot.odd()
                self.enter(height)
        return True

    def count(self, name: str, ordinal: int, generation: int, word: str) -> bool:
        spot = self.spots[ordinal - 1]
        if generation != spot.generation or name not in spot.shape[0]:
            return False
        agreed = spot.agreed()
        if ordinal <= self.confirmed and (name in spot.votes or word == agreed):
            return False
        if spot.votes.get(name) == word:
            return False
        spot.votes[name] = word
        now = spot.agreed()
        if agreed is not None:
            self.named += [name]
        elif now is not None:
            self.named += [voter for voter, said in spot.votes.items() if said != now]
            if ordinal > self.confirmed:
                self.confirmed = ordinal
                self.void_votes = {}
        return True

    def report(self, name: str, number: int, time_ms: int) -> bool:
        reporters, until_ms = self.asked.get(number, (set(), time_ms + ANSWER_MS))
        if name not in self.shape[0] or number not in self.batches or number in self.voided:
            return False
        if name in reporters or number in self.supplied:
            return False
        self.asked[number] = (reporters | {name}, until_ms)
        return True

    def vote_void(self, name: str, number: int, generation: int, height: int) -> bool:
        if name not in self.shape[0] or generation != self.generation or number in self.voided:
            return False
        if self.batches.get(number) != self.confirmed + 1 or self.void_votes.get(name) == number:
            return False
        self.void_votes = {voter: on for voter, on in self.void_votes.items() if voter in self.shape[0]}
        self.void_votes[name] = number
        if sum(on == number for on in self.void_votes.values()) >= self.shape[1]:
            self.void(number, height)
        return True

    def resume(self, height: int) -> bool:
        if not self.suspended:
            return False
        self.suspended = False
        self.anew(self.confirmed + 1)
        self.enter(height)
        return True


class ChannelMachine(RuleBasedStateMachine):
    """Submits, and asks the model whether it had to succeed."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch.object(module, "NEWEST_PROTOCOL", 3) for module in (protocol, founding)]
        for patched in self.patches:
            patched.start()
        self.world = World()
        self.model = Model(SHAPES[0])
        self.epoch = 1
        self.channel = self.world.opened(self.terms(SHAPES[0]))
        self.model.enter(self.height)
        self.contents: dict[int, bytes] = {}

    def teardown(self) -> None:
        for patched in self.patches:
            patched.stop()

    def terms(self, shape: tuple[str, int, int]) -> Terms:
        members, policy, faults = shape
        return self.world.terms(
            *members, policy=policy, faults=faults, custody=1 + faults, vaults=self.world.parties("d") if faults else (),
            limits=Limits(answer_ms=ANSWER_MS), adjudicator=self.world.ids["d"],
        )  # fmt: skip

    @property
    def height(self) -> int:
        return self.world.ledger.application.info().height

    @property
    def time_ms(self) -> int:
        return self.world.ledger.time_ms

    def next_block(self) -> int:
        """Tell the model that a block begins; its height."""
        self.model.begin_block(self.height + 1, self.time_ms + BLOCK_MS)
        return self.height + 1

    def submit(self, name: str, instruction: Instruction, expected: bool) -> Receipt | None:
        world = self.world
        answer = world.ledger.submit(instruction, keys=[world.signer(name, instruction)])
        assert (answer.failure is None) == expected, answer.failure
        return world.ledger.receipt(answer) if expected else None

    def unfinished(self) -> bool:
        return len(self.model.spots) < LAST_POINT

    @precondition(unfinished)
    @rule(count=st.sampled_from([0, 1, 1, 2]))
    def order(self, count: int) -> None:
        """A tick, or some batches in one block."""
        world, model = self.world, self.model
        name = model.shape[0][0]
        transactions = [world.sign(name, world.tick(name, self.channel))]
        contents: list[bytes] = []
        if count:
            contents = [b"batch %d %d" % (self.height, n) for n in range(count)]
            others = [other for other in model.shape[0] if other != name] + ["d"] * (model.shape[2] > 0)
            custodians = others[: 1 + model.shape[2]]
            transactions = [
                world.sign(name, world.batch(name, self.channel, content, *custodians))
                for content in contents
            ]
        height = self.next_block()
        ordered = not model.suspended
        # a tick is refused where what fell due has put an entry into the block
        taken = ordered and (count > 0 or model.spots[-1].height != height)
        for n in range(max(count, 1)) if taken else ():
            model.enter(height)
            if count:
                model.batches[model.entries] = len(model.spots)
                self.contents[model.entries] = contents[n]
        answers = world.ledger.run_block(transactions)
        assert [answer.failure is None for answer in answers] == [taken] * len(transactions)

    @rule(name=names, first=back, count=st.integers(1, 3), old=rarely, word=words, newest=mostly)
    def attest(self, name: str, first: int, count: int, old: bool, word: str, newest: bool) -> None:
        start = len(self.model.spots) - first if newest else self.model.confirmed + 1 - first
        self.attest_one(name, [(n, word) for n in range(start, start + count) if n >= 1], old=old)

    @rule(pick=back, said=st.lists(words, min_size=3, max_size=3))
    def attest_in_turn(self, pick: int, said: list[str]) -> None:
        """The members of a point, each with its word."""
        ordinal = max(1, len(self.model.spots) - pick)
        for name, word in zip(self.model.spots[ordinal - 1].shape[0], said, strict=False):
            self.attest_one(name, [(ordinal, word)])

    def attest_one(self, name: str, said: list[tuple[int, str]], *, old: bool = False) -> None:
        height = self.next_block()
        items = [
            (n, self.generation_of(n, not old), word)
            for n, word in said
            if not self.is_of_this_block(n, height)
        ] or [(99, 0, "nothing")]
        words_said = [self.world.word(self.channel, n, text, generation) for n, generation, text in items]
        expected = self.model.attest(name, items, height)
        receipt = self.submit(name, self.world.attest(name, *words_said), expected)
        if receipt is not None:
            told = [self.world.names[event.member] for event in events_of(receipt, Dissented)]
            assert sorted(told) == sorted(self.model.named)

    def generation_of(self, ordinal: int, present: bool) -> int:
        known = 1 <= ordinal <= len(self.model.spots)
        generation = self.model.spots[ordinal - 1].generation if known else 0
        return generation if present else max(0, generation - 1)

    def is_of_this_block(self, ordinal: int, height: int) -> bool:
        return 1 <= ordinal <= len(self.model.spots) and self.model.spots[ordinal - 1].height == height

    @rule(name=names, pick=back, willing=mostly)
    def report(self, name: str, pick: int, willing: bool) -> None:
        self.next_block()
        number = self.batch_number(pick, willing)
        expected = self.model.report(name, number, self.time_ms + BLOCK_MS)
        self.submit(name, ReportMissing(self.world.ids[name], self.channel, number), expected)

    @rule(name=names, pick=back, right=mostly)
    def supply(self, name: str, pick: int, right: bool) -> None:
        self.next_block()
        asked = sorted(self.model.asked)
        number = asked[pick % len(asked)] if asked else self.batch_number(pick, willing=True)
        content = self.contents.get(number, b"nothing") if right else b"something else"
        expected = number in self.model.asked and right
        if expected:
            del self.model.asked[number]
            self.model.supplied.add(number)
        self.submit(name, Supply(self.world.ids[name], self.channel, number, content), expected)

    @rule(name=names, pick=back, willing=mostly, present=mostly)
    def vote_void(self, name: str, pick: int, willing: bool, present: bool) -> None:
        height = self.next_block()
        model, waiting = self.model, self.waiting()
        number = waiting[pick % len(waiting)] if willing and waiting else self.batch_number(pick, willing)
        generation = model.generation if present else model.generation + 1
        expected = model.vote_void(name, number, generation, height)
        self.submit(name, VoteVoid(self.world.ids[name], self.channel, number, generation), expected)

    def waiting(self) -> list[int]:
        """Batches of the first point that is not confirmed."""
        model = self.model
        first = [n for n, ordinal in model.batches.items() if ordinal == model.confirmed + 1]
        return [n for n in first if n not in model.voided]

    @precondition(lambda self: bool(self.waiting()))
    @rule(pick=back, voters=st.integers(1, 3))
    def vote_void_in_turn(self, pick: int, voters: int) -> None:
        """Some members after one another vote the same batch void; each as it finds the channel."""
        number = self.waiting()[pick % len(self.waiting())]
        for name in self.model.shape[0][:voters]:
            height = self.next_block()
            generation = self.model.generation
            expected = self.model.vote_void(name, number, generation, height)
            self.submit(name, VoteVoid(self.world.ids[name], self.channel, number, generation), expected)

    def batch_number(self, pick: int, willing: bool) -> int:
        numbers = sorted(self.model.batches)
        return numbers[-1 - pick % len(numbers)] if willing and numbers else pick + 1

    @precondition(lambda self: self.model.suspended)
    @rule()
    def resume(self) -> None:
        height = self.next_block()
        expected = self.model.resume(height)
        resume = Resume((self.world.ids["d"],), self.channel)
        answer = self.world.ledger.submit(resume, keys=[self.world.keys["d"]])
        assert (answer.failure is None) == expected

    @precondition(lambda self: self.unfinished() and self.epoch < LAST_EPOCH)
    @rule(shape=shapes)
    def change_members(self, shape: tuple[str, int, int]) -> None:
        """Another epoch with other members or another policy, where enough of the present ones stay."""
        model, world = self.model, self.world
        if len(set(shape[0]) & set(model.shape[0])) < model.shape[1] or shape == model.shape:
            return
        self.epoch += 1
        terms = self.terms(shape)
        proposer = model.shape[0][0]
        self.next_block()
        self.submit(proposer, world.offer(proposer, self.channel, terms, self.epoch), expected=True)
        for name in shape[0]:
            height, step = self.next_block(), world.acceptance(name, self.channel, self.epoch)
            if name == shape[0][-1]:
                model.shape = shape
                model.enter(height)
                model.spots[-1].shape = shape
            self.submit(name, step, expected=True)

    @precondition(lambda self: bool(self.model.asked))
    @rule(blocks=st.integers(1, 4))
    def wait(self, blocks: int) -> None:
        for _ in range(blocks):
            self.next_block()
            self.world.ledger.run_block()

    @invariant()
    def everything_is_as_modelled(self) -> None:
        world, model = self.world, self.model
        stream, record = world.stream(self.channel), world.channel(self.channel)
        assert (stream.entries, stream.ordinal) == (model.entries, len(model.spots))
        assert stream.confirmed == model.confirmed
        assert (record.status, record.generation) == (
            "suspended" if model.suspended else "open",
            model.generation,
        )
        assert dict(self.points_as_modelled()) == {
            n: (spot.generation, spot.entries[0], spot.entries[-1], self.votes_of(n, spot))
            for n, spot in enumerate(model.spots, 1)
        }
        found = {number: world.keeper.entry(world.state, self.channel, number) for number in model.batches}
        assert {number for number, entry in found.items() if entry is None or entry.voided} == model.voided
        asked = dict(world.keeper.all_missing(world.state, self.channel))
        assert {
            number: (self.names_of(one.reporters), one.until_ms) for number, one in asked.items()
        } == model.asked
        world.check()

    def points_as_modelled(self) -> Iterator[tuple[int, tuple[int, int, int, dict[bytes, bytes]]]]:
        for ordinal, point in self.world.keeper.points(self.world.state, self.channel, 0, LAST_POINT * 2):
            votes = {vote.member: vote.digest for vote in point.votes}
            yield ordinal, (point.generation, point.first, point.last, votes)

    def votes_of(self, ordinal: int, spot: Spot) -> dict[bytes, bytes]:
        world = self.world
        return {
            world.ids[name]: world.word(self.channel, ordinal, word).digest
            for name, word in spot.votes.items()
        }

    def names_of(self, parties: tuple[bytes, ...]) -> set[str]:
        return {self.world.names[party] for party in parties}


TestChannel = ChannelMachine.TestCase
TestChannel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
