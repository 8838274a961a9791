"""Attempts against a naive model of dictionaries: legs in two channels and on the root, arbitrary words, silence, voids.

Never both decisions, never twice, terms used up once, no ABORT for silence before its time, nothing created or lost.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.channel.deals import decided_now
from modules.channel.root_world import ISSUED, RootWorld
from traco.kernel import founding, protocol
from traco.kernel.codec import ROOT
from traco.kernel.instruction import Instruction
from traco.modules.channel.messages import ReportMissing, Resume
from traco.modules.channel.parts import LegResult, Limits, SettlementTerms
from traco.modules.channel.signing import attempt_id, terms_id
from traco.modules.leg.messages import LegContent

BLOCK_MS = 1_000
ANSWER_MS = 5_000
BLOCKS = 2
LIMITS = Limits(decision_blocks=BLOCKS, answer_ms=ANSWER_MS, attempt_ms=60_000)
MEMBERS = {"x": "abc", "y": "bd"}
POLICY = {"x": 2, "y": 2}

Word = Literal["held", "refused", "nothing"]
Kind = Literal["plain", "move", "in", "back", "across"]

kinds: st.SearchStrategy[Kind] = st.sampled_from(["plain", "move", "in", "in", "back", "across"])
said: st.SearchStrategy[Word] = st.sampled_from(["held", "held", "held", "held", "refused", "nothing"])
whole: st.SearchStrategy[list[Word]] = st.sampled_from([["held"] * 5, ["held"] * 5, ["refused"] * 2])
sayings = st.one_of(whole, whole, st.lists(said, min_size=1, max_size=5))


@dataclass
class Leg:
    """What the model knows of a leg; ``edge`` is what it moves into its ledger."""

    ledger: str
    attesters: str
    edge: int
    number: int = 0
    ordinal: int = 0
    held: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


@dataclass
class Deal:
    """Terms, and the present attempt at them, if any."""

    terms: SettlementTerms
    deadline_ms: int
    legs: list[Leg]
    content: LegContent | None
    moved: int  # on the root, from a's account
    into: int  # on the root, into b's
    status: Literal["free", "undecided", "committed"] = "free"
    attempt: bytes = b""
    height: int = 0
    due_ms: int = 0


class AttemptMachine(RuleBasedStateMachine):
    """Does something in each block, and asks the model what must have been decided."""

    def __init__(self) -> None:
        super().__init__()
        with patch.object(protocol, "NEWEST_PROTOCOL", 3), patch.object(founding, "NEWEST_PROTOCOL", 3):
            self.world = RootWorld()
        world, adjudicator = self.world, self.world.ids["e"]
        of_x = world.terms(
            *"abc", faults=1, policy=2, custody=2, vaults=world.parties("e"), limits=LIMITS, adjudicator=adjudicator
        )  # fmt: skip
        of_y = world.terms(*"bd", limits=LIMITS, adjudicator=adjudicator)
        self.channels = {"x": world.opened(of_x), "y": world.opened(of_y)}
        self.deals: list[Deal] = []
        self.votes: dict[tuple[str, int], dict[str, Word]] = {}
        self.confirmed = {"x": 0, "y": 0}
        self.missing: dict[tuple[str, int], int] = {}  # channel, number -> until
        self.imported = {"x": 0, "y": 0}
        self.at_root = {"a": ISSUED, "b": 0}
        self.expected: list[tuple[bytes, bool, str]] = []
        self.renewed: list[tuple[str, int]] = []  # in this block: channel, from which point on
        self.decisions: Counter[bytes] = Counter()

    # the model

    def undecided(self) -> list[Deal]:
        return [deal for deal in self.deals if deal.status == "undecided"]

    def leg_at(self, channel: str, ordinal: int) -> tuple[Deal, Leg] | None:
        return next(
            ((deal, leg) for deal in self.undecided() for leg in deal.legs if (leg.ledger, leg.ordinal) == (channel, ordinal)),
            None,
        )  # fmt: skip

    def available(self, channel: str) -> int:
        promised = [leg.edge for deal in self.undecided() for leg in deal.legs if leg.ledger == channel]
        return self.imported[channel] + sum(edge for edge in promised if edge < 0)

    def decide(self, deal: Deal, committed: bool, reason: str) -> None:
        self.expected.append((deal.attempt, committed, reason))
        deal.status = "committed" if committed else "free"
        if not committed:
            self.at_root["a"] += deal.moved
            return
        self.at_root["b"] += deal.into
        for leg in deal.legs:
            if leg.ledger in self.imported:
                self.imported[leg.ledger] += leg.edge

    def judge(self, deal: Deal) -> None:
        legs = [leg for leg in deal.legs if leg.ledger in POLICY]
        if any(len(leg.refused) >= POLICY[leg.ledger] for leg in legs):
            self.decide(deal, False, "refused")
        elif all(
            len(leg.held) >= POLICY[leg.ledger]
            and leg.held >= set(leg.attesters)
            and leg.ordinal <= self.confirmed[leg.ledger]
            for leg in legs
        ):
            self.decide(deal, True, "held")

    def begin_block(self, after_ms: int) -> tuple[int, int]:
        """What is due runs first; the height and the time of the block."""
        height = self.world.ledger.application.info().height + 1
        time_ms = self.world.ledger.time_ms + after_ms
        self.expected, self.renewed = [], []
        due = [(deal.due_ms, "deadline", deal, ("", 0)) for deal in self.undecided()]
        lost = [(until_ms, "missing", None, place) for place, until_ms in self.missing.items()]
        for due_ms, _, late, place in sorted([*due, *lost], key=lambda item: (item[0], item[1] != "missing")):
            if due_ms > time_ms:
                continue
            if late is None:
                self.lose(*place)
            elif late.status == "undecided":
                if height - late.height - 1 >= BLOCKS:
                    self.decide(late, False, "deadline")
                else:
                    late.due_ms = time_ms
        return height, time_ms

    def lose(self, channel: str, number: int) -> None:
        """Nobody showed a leg's payload."""
        del self.missing[channel, number]
        legs = [
            (deal, leg)
            for deal in self.deals
            for leg in deal.legs
            if (leg.ledger, leg.number) == (channel, number)
        ]
        ((deal, leg),) = legs
        if leg.ordinal > self.confirmed[channel]:
            self.renew(channel, leg.ordinal)
            if deal.status == "undecided":
                self.decide(deal, False, "voided")

    def renew(self, channel: str, ordinal: int) -> None:
        self.renewed.append((channel, ordinal))
        for place in self.votes:
            if place[0] == channel and place[1] >= ordinal:
                self.votes[place] = {}
        for deal in self.undecided():
            for leg in deal.legs:
                if leg.ledger == channel and leg.ordinal >= ordinal:
                    leg.held, leg.refused = set(), set()

    def vote(self, name: str, channel: str, ordinal: int, word: Word) -> None:
        votes = self.votes.setdefault((channel, ordinal), {})
        agreed, final = self.agreed(channel, votes), ordinal <= self.confirmed[channel]
        if (final and (name in votes or word == agreed == "nothing")) or votes.get(name) == word:
            return
        votes[name] = word
        if agreed is not None and agreed != word:
            return  # dissent
        now = self.agreed(channel, votes)
        if agreed is None and now is not None and not final:
            self.confirmed[channel] = ordinal
            for deal in self.undecided():
                self.judge(deal)
        if found := self.leg_at(channel, ordinal):
            self.hear(name, word, *found)

    def agreed(self, channel: str, votes: dict[str, Word]) -> Word | None:
        return next((word for word, n in Counter(votes.values()).items() if n >= POLICY[channel]), None)

    def hear(self, name: str, word: Word, deal: Deal, leg: Leg) -> None:
        has_spoken = name in leg.held | leg.refused
        if has_spoken and leg.ordinal <= self.confirmed[leg.ledger]:
            return
        leg.held, leg.refused = leg.held - {name}, leg.refused - {name}
        if word != "nothing":
            (leg.held if word == "held" else leg.refused).add(name)
            self.judge(deal)

    # acting

    def submit(self, name: str, instruction: Instruction) -> tuple[bool, bytes]:
        """Whether it succeeded, and the id of its transaction. What the block decided is noted."""
        signer = self.world.signer(name, instruction)
        answer = self.world.ledger.submit(instruction, keys=[signer])
        self.compare()
        return answer.failure is None, answer.identity

    def compare(self) -> None:
        found = decided_now(self.world)
        assert [(one.attempt, one.committed, one.reason) for one in found] == self.expected
        self.decisions.update(one.attempt for one in found)
        assert all(times == 1 for times in self.decisions.values())

    @rule(
        kind=kinds, channel=st.sampled_from("xy"), amount=st.sampled_from([50, 200, 600]),
        within_ms=st.sampled_from([2_000, 20_000, 60_000, 60_000]), attesters=st.sampled_from(["", "", "b", "c"]),
    )  # fmt: skip
    def agree(self, kind: Kind, channel: str, amount: int, within_ms: int, attesters: str) -> None:
        world, other = self.world, "y" if channel == "x" else "x"
        attesters = attesters if attesters in MEMBERS[channel] else ""
        content, moved, into = None, 0, 0
        legs = [Leg(channel, attesters, 0)]
        if kind == "plain":
            legs.append(Leg(other, "", 0))
        elif kind == "across":
            legs = [Leg(channel, attesters, -amount), Leg(other, "", amount)]
        elif kind == "move":
            content, moved, into = world.move(amount), amount, amount
        elif kind == "in":
            content, moved, legs = world.out(amount), amount, [Leg(channel, attesters, amount)]
        else:
            content, into, legs = world.into(amount), amount, [Leg(channel, attesters, -amount)]
        agreed = [
            world.deals.leg(
                self.channels[leg.ledger], *leg.attesters, edges=[(world.bond, leg.edge)] if leg.edge else []
            )
            for leg in legs
        ]
        if content is not None:
            legs.append(Leg("root", "", -sum(leg.edge for leg in legs)))
            agreed.append(world.root_terms(content, legs[-1].edge))
        terms = world.deals.terms(*agreed, within_ms=within_ms)
        self.deals.append(Deal(terms, terms.deadline_ms, legs, content, moved, into))
        self.order(len(self.deals) - 1)

    @precondition(lambda self: self.deals)
    @rule(pick=st.integers(0, 20))
    def try_again(self, pick: int) -> None:
        self.order(pick % len(self.deals))

    def order(self, index: int) -> None:
        world, deal = self.world, self.deals[index]
        given = [
            world.root_leg(deal.terms, deal.content, "a" if deal.moved else "b")
            if leg.ledger == ROOT and deal.content is not None
            else world.deals.sealed("b", deal.terms, leg.ledger)
            for leg in deal.terms.legs
        ]
        height, time_ms = self.begin_block(BLOCK_MS)
        used = [leg.ledger for leg in deal.legs if leg.ledger in self.channels]
        expected = (
            deal.status == "free"
            and time_ms < deal.deadline_ms
            and all(world.channel(self.channels[name]).status == "open" for name in used)
            and all(
                -leg.edge <= self.available(leg.ledger) for leg in deal.legs if leg.ledger in self.channels
            )
            and deal.moved <= self.at_root["a"]
        )
        succeeded, identity = self.submit("b", world.deals.attempt(deal.terms, *given, by="b"))
        assert succeeded == expected
        if succeeded:
            deal.status, deal.height, deal.due_ms = "undecided", height, deal.deadline_ms
            deal.attempt = attempt_id(world.network, terms_id(world.network, deal.terms), identity)
            self.at_root["a"] -= deal.moved
            record = world.keeper.attempt(world.state, deal.attempt)
            assert record is not None
            for leg, entered in zip(deal.legs, record.legs, strict=True):
                leg.number, leg.ordinal, leg.held, leg.refused = entered.number, entered.ordinal, set(), set()

    @precondition(lambda self: self.undecided())
    @rule(
        pick=st.integers(0, 20),
        words=sayings,
    )
    def speak(self, pick: int, words: list[Word]) -> None:
        """Members of one leg after the other say something of it, as many as there are words."""
        deal = self.undecided()[pick % len(self.undecided())]
        speakers = [
            (leg, name) for leg in deal.legs if leg.ledger in self.channels for name in MEMBERS[leg.ledger]
        ]
        for (leg, name), word in zip(speakers, words, strict=False):
            if deal.status == "undecided":
                self.attest(name, leg.ledger, leg.ordinal, word, deal.attempt)

    @rule(channel=st.sampled_from("xy"), name=st.integers(0, 2))
    def attest_the_newest(self, channel: str, name: int) -> None:
        ordinal = self.world.stream(self.channels[channel]).ordinal
        self.attest(MEMBERS[channel][name % len(MEMBERS[channel])], channel, ordinal, "nothing", b"")

    def attest(self, name: str, channel: str, ordinal: int, word: Word, attempt: bytes) -> None:
        world, identity = self.world, self.channels[channel]
        point = world.keeper.point(world.state, identity, ordinal)
        assert point is not None
        results = () if word == "nothing" else (LegResult(attempt, word == "held"),)
        message = world.attest(name, world.word(identity, ordinal, "true", point.generation, results))
        self.begin_block(BLOCK_MS)
        if not any(channel == renewed and ordinal >= first for renewed, first in self.renewed):
            self.vote(name, channel, ordinal, word)  # else it is a word of the generation before
        assert self.submit(name, message)[0]

    @precondition(lambda self: self.undecided())
    @rule(pick=st.integers(0, 20))
    def ask_for_a_payload(self, pick: int) -> None:
        deal = self.undecided()[pick % len(self.undecided())]
        leg = next(leg for leg in deal.legs if leg.ledger in self.channels)
        place = (leg.ledger, leg.number)
        if place not in self.missing:
            _, time_ms = self.begin_block(BLOCK_MS)
            message = ReportMissing(self.world.ids["b"], self.channels[leg.ledger], leg.number)
            if self.submit("b", message)[0]:
                self.missing[place] = time_ms + ANSWER_MS

    @rule(channel=st.sampled_from("xy"))
    def resume(self, channel: str) -> None:
        world, identity = self.world, self.channels[channel]
        if world.channel(identity).status == "suspended":
            self.begin_block(BLOCK_MS)
            self.renew(channel, self.confirmed[channel] + 1)
            assert self.submit("e", Resume((world.ids["e"],), identity))[0]

    @rule(after_ms=st.sampled_from([0, 0, 1_000, 3_000, 20_000]))
    def wait(self, after_ms: int) -> None:
        self.begin_block(after_ms)
        self.world.ledger.run_block(after_ms=after_ms)
        self.compare()

    # what holds

    @invariant()
    def every_settlement_is_as_modelled(self) -> None:
        world = self.world
        for deal in self.deals:
            found = world.keeper.settlement(world.state, terms_id(world.network, deal.terms))
            assert ("free" if found is None else found.status) == deal.status
            record = world.keeper.attempt(world.state, deal.attempt) if deal.attempt else None
            assert (record is not None) == (deal.status == "undecided")
            for leg, entered in zip(
                deal.legs, () if record is None else record.legs, strict=record is not None
            ):
                assert set(entered.held) == {world.ids[name] for name in leg.held}
                assert set(entered.refused) == {world.ids[name] for name in leg.refused}

    @invariant()
    def nothing_is_created_or_lost(self) -> None:
        world = self.world
        assert {name: world.owns(name).available for name in "ab"} == self.at_root
        for name, channel in self.channels.items():
            assert world.imported(channel)[0] == self.imported[name]
            assert world.stream(channel).confirmed == self.confirmed[name]
        leaving = sum(deal.moved for deal in self.undecided())
        assert sum(self.at_root.values()) + sum(self.imported.values()) + leaving == ISSUED
        world.check()


TestAttempts = AttemptMachine.TestCase
TestAttempts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
