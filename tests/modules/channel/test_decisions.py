"""What becomes of attempts: all legs held commits, a refusal or the deadline aborts, and it happens once, everywhere."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from modules.channel.deals import Deals, Made, decided_now, decision
from modules.channel.world import World, entries_of, events_of
from support.ledger import Key
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import SetParameters
from traco.kernel.receipt import Receipt
from traco.modules.channel import state as stored
from traco.modules.channel.decisions import Decisions
from traco.modules.channel.entries import Decided, Leg
from traco.modules.channel.events import AttemptDecided, Entered
from traco.modules.channel.messages import OfferEpoch, ReportMissing, VoteVoid
from traco.modules.channel.parts import LegResult, Limits, SettlementTerms

QUICK = Limits(decision_blocks=2, answer_ms=5_000)


class Street(NamedTuple):
    """Securities are held among a, b and c, two of whom must agree; cash among b and d, who both must."""

    world: World
    deals: Deals
    securities: bytes
    cash: bytes

    def terms(self, *attesters: str, within_ms: int = 30_000) -> SettlementTerms:
        """Terms whose leg in securities needs these attesters."""
        return self.deals.terms(
            self.deals.leg(self.securities, *attesters), self.deals.leg(self.cash), within_ms=within_ms
        )

    def made(self, *attesters: str, within_ms: int = 30_000) -> Made:
        """An attempt at such terms."""
        return self.deals.try_terms(self.terms(*attesters, within_ms=within_ms))

    def wait(self, ms: int = 1_000) -> list[AttemptDecided]:
        """An empty block; what it decides."""
        self.world.ledger.run_block(after_ms=ms)
        return decided_now(self.world)

    def wait_until(self, made: Made) -> list[AttemptDecided]:
        """Blocks enough, and then one at the deadline; what that decides."""
        for _ in range(QUICK.decision_blocks):
            assert self.wait() == []
        return self.wait(self.deals.record(made).deadline_ms - self.world.ledger.time_ms)


@pytest.fixture
def street(world: World) -> Street:
    return street_of(world)


def street_of(world: World) -> Street:
    vault = world.parties("e")
    of_securities = world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vault, limits=QUICK)
    of_cash = world.terms("b", "d", limits=QUICK)
    return Street(world, Deals(world), world.opened(of_securities), world.opened(of_cash))


def names(street: Street, silent: tuple[bytes, ...]) -> set[str]:
    return {street.world.names[member] for member in silent}


# commit


def test_an_attempt_commits_with_the_word_that_completes_it(street: Street) -> None:
    made = street.made("b")
    street.deals.all_say(made, street.securities, "a", "b")
    receipt = street.deals.say("b", made, street.cash)
    assert decision(receipt) is None
    assert decision(street.deals.say("d", made, street.cash)) == AttemptDecided(
        made.identity, made.terms, True, "held", ()
    )


def test_a_decision_is_an_entry_of_every_channels_stream(street: Street) -> None:
    made = street.made()
    street.deals.all_say(made, street.securities)
    receipt = street.deals.all_say(made, street.cash)
    assert entries_of(receipt) == [Decided(made.identity, committed=True)] * 2
    assert [event.channel for event in events_of(receipt, Entered)] == [street.securities, street.cash]


def test_committed_terms_are_used_up(street: Street) -> None:
    terms = street.terms()
    made = street.deals.try_terms(terms)
    street.deals.all_say(made, street.securities)
    street.deals.all_say(made, street.cash)
    assert street.deals.status(made) == "committed"
    assert street.deals.refuse(street.deals.attempt(terms)) == "channel.terms_used"


def test_a_decided_attempt_waits_for_nothing_any_more(street: Street) -> None:
    made = street.made(within_ms=20_000)
    street.deals.all_say(made, street.securities)
    street.deals.all_say(made, street.cash)
    assert not street.deals.is_undecided(made)
    assert not street.world.keeper.is_undecided(street.world.state, street.cash)
    assert street.wait(30_000) == []


def test_the_policy_alone_is_not_enough_where_an_attester_is_required(street: Street) -> None:
    made = street.made("c")
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    assert street.deals.is_undecided(made)


def test_a_required_attester_may_answer_after_its_point_was_confirmed(street: Street) -> None:
    made = street.made("c")
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    found = decision(street.deals.say("c", made, street.securities))
    assert found is not None
    assert found.committed


def test_a_required_attester_may_answer_long_after_other_points_were_forgotten() -> None:
    world = World({"kept_points": 1})
    street = street_of(world)
    made = street.made("c", within_ms=60_000)
    leg = street.deals.leg_state(made, street.securities)
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    for _ in range(4):
        world.do("a", world.tick("a", street.securities))
        for name in ("a", "b"):
            world.do(
                name,
                world.attest(name, world.word(street.securities, world.stream(street.securities).ordinal)),
            )
    assert world.keeper.point(world.state, street.securities, leg.ordinal - 1) is None
    found = decision(street.deals.say("c", made, street.securities))
    assert found is not None
    assert found.committed


def test_a_leg_is_not_held_before_its_point_is_confirmed(street: Street) -> None:
    made = street.made()
    street.deals.all_say(made, street.cash)
    street.deals.say("a", made, street.securities, text="this")
    street.deals.say("b", made, street.securities, text="that")
    assert len(street.deals.leg_state(made, street.securities).held) == 2
    assert street.deals.is_undecided(made)


def test_a_later_point_that_is_confirmed_makes_what_was_said_before_count(street: Street) -> None:
    made, world = street.made(), street.world
    street.deals.all_say(made, street.cash)
    street.deals.say("a", made, street.securities, text="this")
    street.deals.say("b", made, street.securities, text="that")
    world.do("a", world.tick("a", street.securities))
    later = world.stream(street.securities).ordinal
    world.do("a", world.attest("a", world.word(street.securities, later)))
    receipt = world.do("b", world.attest("b", world.word(street.securities, later)))
    found = decision(receipt)
    assert found is not None
    assert found.committed


def test_words_of_whoever_is_no_member_of_the_leg_do_not_count(street: Street) -> None:
    first, second = street.made(), street.made()
    results = (LegResult(first.identity, True), LegResult(second.identity, True))
    world = street.world
    ordinal = street.deals.leg_state(first, street.cash).ordinal
    world.do("d", world.attest("d", world.word(street.cash, ordinal, legs=results)))
    assert street.deals.leg_state(first, street.cash).held == world.parties("d")
    assert street.deals.leg_state(first, street.securities).held == ()
    assert street.deals.leg_state(second, street.cash).held == ()  # its leg is behind the point


def test_words_about_attempts_that_are_not_there_change_nothing(street: Street) -> None:
    street.made()
    world = street.world
    unknown = (LegResult(bytes(32), True),)
    world.do("d", world.attest("d", world.word(street.cash, 2, legs=unknown)))


# members that come and go


def test_a_required_attester_that_was_removed_still_attests(street: Street) -> None:
    world, made = street.world, street.made("c", within_ms=120_000)
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    without = world.terms("a", "b", limits=QUICK)
    world.do("a", OfferEpoch(world.ids["a"], street.securities, 2, without, world.epoch_key(without, 2)))
    world.accept_all(street.securities, without, 2)
    assert world.ids["c"] not in world.channel(street.securities).terms.members
    found = decision(street.deals.say("c", made, street.securities))
    assert found is not None
    assert found.committed


def test_a_member_that_joined_later_has_no_word(street: Street) -> None:
    world, made = street.world, street.made(within_ms=120_000)
    grown = world.terms("b", "d", "e", limits=QUICK)
    world.do("b", OfferEpoch(world.ids["b"], street.cash, 2, grown, world.epoch_key(grown, 2)))
    world.accept_all(street.cash, grown, 2)
    world.do("e", street.deals.word("e", made, street.cash, ordinal=world.stream(street.cash).ordinal))
    assert street.deals.leg_state(made, street.cash).held == ()


# refusal


def test_a_leg_refused_by_the_policy_aborts_at_once(street: Street) -> None:
    made = street.made()
    street.deals.say("a", made, street.securities, held=False)
    assert decision(street.deals.say("c", made, street.securities, held=False)) == AttemptDecided(
        made.identity, made.terms, False, "refused", ()
    )


def test_an_aborted_attempt_frees_its_terms(street: Street) -> None:
    terms = street.terms()
    made = street.deals.try_terms(terms)
    street.deals.say("a", made, street.securities, held=False)
    street.deals.say("c", made, street.securities, held=False)
    assert street.deals.status(made) is None
    again = street.deals.try_terms(terms)
    assert again.identity != made.identity
    assert street.deals.status(again) == "undecided"


def test_a_required_attester_alone_refuses_nothing(street: Street) -> None:
    made = street.made("c")
    street.deals.say("c", made, street.securities, held=False)
    assert street.deals.is_undecided(made)


def test_a_member_may_change_its_word_while_the_point_is_not_confirmed(street: Street) -> None:
    made = street.made()
    street.deals.say("a", made, street.securities, held=False)
    street.deals.say("a", made, street.securities)
    leg = street.deals.leg_state(made, street.securities)
    assert (leg.held, leg.refused) == (street.world.parties("a"), ())
    street.deals.say("c", made, street.securities, held=False)
    assert street.deals.is_undecided(made)


def test_a_member_may_take_its_word_back_while_the_point_is_not_confirmed(street: Street) -> None:
    made = street.made()
    street.deals.say("a", made, street.securities)
    street.deals.say("a", made, street.securities, held=None)
    assert street.deals.leg_state(made, street.securities).held == ()


def test_a_word_on_a_confirmed_leg_stands(street: Street) -> None:
    made, world = street.made("c"), street.world
    street.deals.all_say(made, street.securities, "a", "b")
    world.do("a", world.tick("a", street.securities))
    later = world.stream(street.securities).ordinal
    for name in ("a", "b"):
        world.do(name, street.deals.word(name, made, street.securities, held=False, ordinal=later))
    assert street.deals.leg_state(made, street.securities).held == world.parties("a", "b")
    assert street.deals.is_undecided(made)


# deadline


def test_silence_leads_to_an_abort_at_the_deadline_and_not_before(street: Street) -> None:
    made = street.made()
    for _ in range(4):
        assert street.wait() == []
    deadline_ms = street.deals.record(made).deadline_ms
    assert street.wait(deadline_ms - 1 - street.world.ledger.time_ms) == []
    (found,) = street.wait(1)
    assert (found.attempt, found.committed, found.reason) == (made.identity, False, "deadline")


def test_the_deadline_counts_only_behind_so_many_whole_blocks(street: Street) -> None:
    made = street.made(within_ms=3_000)
    assert street.wait(10_000) == []  # the first block after the ordering begins, at the deadline
    assert street.wait() == []
    assert [found.attempt for found in street.wait()] == [made.identity]


def test_an_attempt_past_its_deadline_has_the_engine_make_the_next_block(street: Street) -> None:
    street.made(within_ms=3_000)
    street.wait(10_000)
    due_ms = street.world.ledger.application.next_due_ms()
    assert due_ms == street.world.ledger.time_ms


def test_blocks_without_time_between_them_bring_the_decision_too(street: Street) -> None:
    street.made(within_ms=3_000)
    street.wait(10_000)
    assert street.wait(0) == []
    assert len(street.wait(0)) == 1


def test_an_engine_makes_as_many_blocks_as_a_deadline_waits_for_and_then_rests(street: Street) -> None:
    made = street.made(within_ms=3_000)
    now_ms = street.deals.record(made).deadline_ms
    engine = EmbeddedEngine(street.world.ledger.application, Key("seal"), lambda: now_ms)  # type: ignore[arg-type]
    blocks = 0
    while engine.wants_block():
        engine.make_block()
        blocks += 1
    assert blocks == QUICK.decision_blocks + 1
    assert not street.deals.is_undecided(made)


def test_an_abort_is_an_entry_of_every_channels_stream(street: Street) -> None:
    made = street.made()
    before = [street.world.stream(channel).entries for channel in (street.securities, street.cash)]
    street.wait_until(made)
    after = [street.world.stream(channel).entries for channel in (street.securities, street.cash)]
    assert after == [entries + 1 for entries in before]


def test_a_silent_required_attester_is_named(street: Street) -> None:
    made = street.made("c")
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    (found,) = street.wait(60_000)
    assert (found.committed, found.reason) == (False, "deadline")
    assert names(street, found.silent) == {"c"}


def test_members_are_named_whose_word_was_wanting_for_the_policy(street: Street) -> None:
    made = street.made()
    street.deals.all_say(made, street.securities, "a", "b")
    street.deals.say("d", made, street.cash)
    (found,) = street.wait(60_000)
    assert names(street, found.silent) == {"b"}


def test_whoever_refused_was_not_silent(street: Street) -> None:
    made = street.made("c")
    street.deals.all_say(made, street.cash)
    street.deals.say("c", made, street.securities, held=False)
    street.deals.all_say(made, street.securities, "a", "b")
    (found,) = street.wait_until(made)
    assert found.silent == ()


def test_a_partition_healed_before_the_deadline_commits(street: Street) -> None:
    made = street.made()
    street.deals.all_say(made, street.securities)
    words = [street.world.sign(name, street.deals.word(name, made, street.cash)) for name in ("b", "d")]
    left_ms = street.deals.record(made).deadline_ms - street.world.ledger.time_ms
    street.world.ledger.run_block(words, after_ms=left_ms - 1)
    assert [found.committed for found in decided_now(street.world)] == [True]


def test_a_partition_healed_at_the_deadline_is_too_late(street: Street) -> None:
    made = street.made()
    street.deals.all_say(made, street.securities)
    words = [street.world.sign(name, street.deals.word(name, made, street.cash)) for name in ("b", "d")]
    left_ms = street.deals.record(made).deadline_ms - street.world.ledger.time_ms
    street.world.ledger.run_block(words, after_ms=left_ms)
    assert [found.committed for found in decided_now(street.world)] == [False]


def test_words_in_the_blocks_that_a_deadline_waits_for_still_count(street: Street) -> None:
    made = street.made(within_ms=3_000)
    street.wait(10_000)
    words = [
        street.world.sign(name, street.deals.word(name, made, channel))
        for channel, members in ((street.securities, "ab"), (street.cash, "bd"))
        for name in members
    ]
    street.world.ledger.run_block(words)
    assert [found.committed for found in decided_now(street.world)] == [True]


def test_words_count_no_more_past_the_deadline_though_its_item_waits_for_budget(street: Street) -> None:
    world = street.world
    limited = SetParameters(world.parties("a", "b"), "kernel", encode(KernelParameters(due_budget=1)))
    world.ledger.succeed(limited, keys=[world.keys["a"], world.keys["b"]])
    others = [street.made() for _ in range(2)]
    made = others[-1]
    street.deals.all_say(made, street.securities)
    street.deals.say("b", made, street.cash)
    last = world.sign("d", street.deals.word("d", made, street.cash))
    world.ledger.run_block([last], after_ms=40_000)
    found = decided_now(world)
    assert [(one.attempt, one.committed, one.reason) for one in found] == [
        (others[0].identity, False, "deadline"), (made.identity, False, "deadline"),
    ]  # fmt: skip


# suspended, void, generations


def suspend(street: Street) -> None:
    """The members of the channel of cash differ about its last point."""
    world = street.world
    world.do("b", world.tick("b", street.cash))
    ordinal = world.stream(street.cash).ordinal
    world.do("b", world.attest("b", world.word(street.cash, ordinal, "this")))
    world.do("d", world.attest("d", world.word(street.cash, ordinal, "that")))
    assert world.channel(street.cash).status == "suspended"


def test_a_suspended_channel_still_takes_the_decision(street: Street) -> None:
    made = street.made("c")
    street.deals.all_say(made, street.cash)
    street.deals.all_say(made, street.securities, "a", "b")
    suspend(street)
    before = street.world.stream(street.cash).entries
    receipt = street.deals.say("c", made, street.securities)
    assert decision(receipt) is not None
    assert street.world.stream(street.cash).entries == before + 1


def test_a_leg_that_nobody_can_show_aborts_its_attempt(street: Street) -> None:
    made, world = street.made(), street.world
    number = street.deals.leg_state(made, street.cash).number
    world.do("b", ReportMissing(world.ids["b"], street.cash, number))
    (found,) = street.wait(6_000)
    assert (found.attempt, found.committed, found.reason) == (made.identity, False, "voided")


def test_a_leg_that_its_members_void_aborts_its_attempt(street: Street) -> None:
    made, world = street.made(), street.world
    for name in ("b", "d"):
        world.do(name, world.attest(name, world.word(street.cash, 1)))
    leg = street.deals.leg_state(made, street.cash)
    assert leg.ordinal == 2
    world.do("b", VoteVoid(world.ids["b"], street.cash, leg.number, 0))
    found = decision(world.do("d", VoteVoid(world.ids["d"], street.cash, leg.number, 0)))
    assert found is not None
    assert found.reason == "voided"


def test_what_was_said_of_an_older_generation_counts_no_more(street: Street) -> None:
    world = street.world
    batch = world.batch("b", street.cash, b"content")
    world.do("b", batch)
    number = world.stream(street.cash).entries
    made = street.made()
    street.deals.all_say(made, street.securities)
    street.deals.say("b", made, street.cash)
    for name in ("b", "d"):
        world.do(name, world.attest(name, world.word(street.cash, 1)))
    for name in ("b", "d"):
        world.do(name, VoteVoid(world.ids[name], street.cash, number, 0))
    leg = street.deals.leg_state(made, street.cash)
    assert (leg.generation, leg.held) == (1, ())
    street.deals.say("d", made, street.cash)
    assert street.deals.is_undecided(made)
    found = decision(street.deals.say("b", made, street.cash))
    assert found is not None
    assert found.committed


def test_a_word_of_an_older_generation_counts_nowhere(street: Street) -> None:
    made, world = street.made(), street.world
    leg = street.deals.leg_state(made, street.cash)
    legs = tuple(
        replace(one, generation=1) if one.ledger == street.cash else one
        for one in street.deals.record(made).legs
    )
    stored.attempts.put(world.state, replace(street.deals.record(made), legs=legs), made.identity)
    context: Any = SimpleNamespace(
        state=world.state, block=SimpleNamespace(time_ms=0, height=0), events_left=lambda: 1_024
    )
    results = (LegResult(made.identity, True),)
    decisions = Decisions(world.keeper, None)
    decisions.attested(context, street.cash, leg.ordinal, 0, world.ids["b"], results)
    assert street.deals.leg_state(made, street.cash).held == ()
    decisions.attested(context, street.cash, leg.ordinal, 1, world.ids["b"], results)
    assert street.deals.leg_state(made, street.cash).held == world.parties("b")
    world.state.reset(committed=False)


@pytest.fixture
def three_in_one_point(street: Street, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Three attempts, ordered in one block and held in cash; there is room for the events of two decisions."""
    monkeypatch.setattr("traco.modules.channel.decisions.EVENTS_AT_ONCE", 6)
    world = street.world
    signed = [world.sign("b", street.deals.attempt(street.terms(), by="b")) for _ in range(3)]
    answers = world.ledger.run_block(signed)
    entered = [entry for answer in answers for entry in entries_of(world.ledger.receipt(answer))]
    attempts = [entry.attempt for entry in entered if isinstance(entry, Leg)][::2]
    ordinal = world.stream(street.cash).ordinal
    for name in ("b", "d"):
        world.do(name, world.attest(name, world.word(street.cash, ordinal, legs=results_of(attempts))))
    return attempts


def results_of(attempts: list[bytes], held: bool = True) -> tuple[LegResult, ...]:
    return tuple(LegResult(attempt, held) for attempt in attempts)


def attempts_decided(receipt: Receipt) -> list[bytes]:
    return [found.attempt for found in events_of(receipt, AttemptDecided)]


@pytest.mark.parametrize("held", [True, False])
def test_one_vote_decides_as_many_attempts_as_there_is_room_and_the_next_block_the_rest(
    street: Street, three_in_one_point: list[bytes], held: bool
) -> None:
    world, attempts = street.world, three_in_one_point
    vote = world.word(
        street.securities, world.stream(street.securities).ordinal, legs=results_of(attempts, held)
    )
    world.do("a", world.attest("a", vote))
    assert attempts_decided(world.do("b", world.attest("b", vote))) == attempts[:2]
    assert [(found.attempt, found.committed) for found in street.wait()] == [(attempts[2], held)]


def test_one_confirmation_decides_as_many_attempts_as_there_is_room_and_the_next_block_the_rest(
    street: Street, three_in_one_point: list[bytes]
) -> None:
    world, attempts = street.world, three_in_one_point
    ordinal = world.stream(street.securities).ordinal
    for name, text in (("a", "this"), ("b", "that")):
        vote = world.word(street.securities, ordinal, text, legs=results_of(attempts))
        world.do(name, world.attest(name, vote))
    world.do("a", world.tick("a", street.securities))
    later = world.word(street.securities, world.stream(street.securities).ordinal)
    world.do("a", world.attest("a", later))
    assert attempts_decided(world.do("b", world.attest("b", later))) == attempts[:2]
    assert [(found.attempt, found.committed) for found in street.wait()] == [(attempts[2], True)]
