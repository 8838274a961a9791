"""Payloads that cannot be had: asking on the root, answering, and what silence leads to."""

import pytest

from modules.channel.world import World, entries_of, events_of
from traco.kernel.instruction import Event
from traco.modules.channel.entries import Entry, Voided
from traco.modules.channel.events import CustodyFailed, Entered, MissingReported, Supplied
from traco.modules.channel.messages import ReportMissing, Supply
from traco.modules.channel.parts import Limits

ANSWER_MS = 5_000
CONTENT = b"what a batch is"
NUMBER = 2  # of the batch: the opening is entry 1


@pytest.fixture
def channel(world: World) -> bytes:
    """A channel of a, b and c in which two confirm and one may be faulty, with d as vault. Its point 2 is a batch of a's."""
    return with_batch(world)


def with_batch(world: World) -> bytes:
    terms = world.terms(
        "a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"), limits=Limits(answer_ms=ANSWER_MS)
    )  # fmt: skip
    channel = world.opened(terms)
    world.do("a", world.batch("a", channel, CONTENT, "b", "d"))
    return channel


def report(world: World, name: str, channel: bytes, number: int = NUMBER) -> ReportMissing:
    return ReportMissing(world.ids[name], channel, number)


def supply(world: World, name: str, channel: bytes, content: bytes = CONTENT) -> Supply:
    return Supply(world.ids[name], channel, NUMBER, content)


def confirm(world: World, channel: bytes, ordinal: int) -> None:
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, ordinal)))


def entered(events: list[Event]) -> list[Entry]:
    return [event.entry for event in events if isinstance(event, Entered)]


def failed(events: list[Event]) -> list[CustodyFailed]:
    return [event for event in events if isinstance(event, CustodyFailed)]


def is_void(world: World, channel: bytes) -> bool:
    found = world.keeper.entry(world.state, channel, NUMBER)
    assert found is not None
    return found.voided


# asking


def test_a_report_names_the_signers_and_sets_a_clock(world: World, channel: bytes) -> None:
    (event,) = events_of(world.do("c", report(world, "c", channel)), MissingReported)
    signers = tuple(world.ids[name] for name in ("b", "d"))
    until_ms = world.ledger.time_ms + ANSWER_MS
    assert event == MissingReported(channel, NUMBER, world.ids["c"], signers, until_ms)


def test_a_later_report_joins_the_clock_of_the_first(world: World, channel: bytes) -> None:
    (first,) = events_of(world.do("c", report(world, "c", channel)), MissingReported)
    (second,) = events_of(world.do("b", report(world, "b", channel)), MissingReported)
    assert second.until_ms == first.until_ms


def test_a_member_reports_an_entry_once(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    assert world.deny("c", report(world, "c", channel)) == "channel.reported_before"


def test_only_members_report(world: World, channel: bytes) -> None:
    assert world.deny("d", report(world, "d", channel)) == "channel.not_member"
    assert world.deny("e", report(world, "e", channel)) == "channel.not_member"


def test_an_entry_without_payload_is_not_missing(world: World, channel: bytes) -> None:
    assert world.deny("c", report(world, "c", channel, 1)) == "channel.entry_unknown"
    assert world.deny("c", report(world, "c", channel, 9)) == "channel.entry_unknown"


def test_a_payload_that_the_root_carries_is_not_missing(world: World, channel: bytes) -> None:
    world.do("a", world.shown("a", channel, b"shown"))
    assert world.deny("c", report(world, "c", channel, 3)) == "channel.entry_unknown"


def test_a_void_entry_is_not_missing(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    world.wait(ANSWER_MS)
    assert world.deny("c", report(world, "c", channel)) == "channel.entry_unknown"


def test_a_member_waits_for_so_many_answers_only() -> None:
    world = World({"max_missing": 1})
    channel = with_batch(world)
    world.do("a", world.batch("a", channel, b"another", "b", "d"))
    world.do("c", report(world, "c", channel))
    assert world.deny("c", report(world, "c", channel, 3)) == "channel.too_many_missing"
    world.do("b", report(world, "b", channel, 3))
    world.do("a", supply(world, "a", channel))
    world.do("c", report(world, "c", channel, 3))
    world.check()


# answering


def test_the_bytes_end_it_and_everybody_has_them(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    (event,) = events_of(world.do("b", supply(world, "b", channel)), Supplied)
    assert event == Supplied(channel, NUMBER, world.ids["b"], CONTENT)
    assert failed(world.wait(ANSWER_MS)) == []
    assert not is_void(world, channel)


def test_any_member_of_the_network_answers(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    world.do("e", supply(world, "e", channel))


def test_supplied_wrong_bytes_are_refused(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    assert world.deny("b", supply(world, "b", channel, b"something else")) == "channel.content_wrong"
    assert world.keeper.missing(world.state, channel, NUMBER) is not None


def test_nothing_is_supplied_that_nobody_asked_for(world: World, channel: bytes) -> None:
    assert world.deny("b", supply(world, "b", channel)) == "channel.not_missing"


def test_an_answer_in_the_block_in_which_the_clock_ends_is_too_late(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    late = world.sign("b", supply(world, "b", channel))
    (answer,) = world.ledger.run_block([late], after_ms=ANSWER_MS)
    assert answer.failure is not None
    assert answer.failure.code == "channel.not_missing"


def test_a_payload_that_was_supplied_is_not_asked_for_again(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    world.do("b", supply(world, "b", channel))
    for name in ("b", "c"):
        assert world.deny(name, report(world, name, channel)) == "channel.entry_unknown"


def test_a_payload_is_supplied_though_its_entry_was_forgotten_meanwhile() -> None:
    world = World({"kept_points": 1})
    channel = with_batch(world)
    world.do("c", report(world, "c", channel))
    world.do("a", world.tick("a", channel))
    confirm(world, channel, 3)
    world.do("b", supply(world, "b", channel))
    assert failed(world.wait(ANSWER_MS)) == []
    world.check()


# silence


def test_an_unanswered_payload_names_its_signers_and_is_void(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    assert failed(world.wait(ANSWER_MS - 1)) == []
    events = world.wait(1)
    assert failed(events) == [CustodyFailed(channel, NUMBER, tuple(world.ids[name] for name in ("b", "d")))]
    assert entered(events) == [Voided(NUMBER, 1)]
    assert (is_void(world, channel), world.channel(channel).generation) == (True, 1)


def test_a_void_entry_drops_the_votes_from_its_point_on_and_no_others(world: World, channel: bytes) -> None:
    world.do("a", world.tick("a", channel))
    world.do("a", world.attest("a", *(world.word(channel, ordinal) for ordinal in (1, 2, 3))))
    world.do("c", report(world, "c", channel))
    world.wait(ANSWER_MS)
    points = world.keeper.points(world.state, channel, 0, 9)
    assert [(ordinal, point.generation, len(point.votes)) for ordinal, point in points] == [
        (1, 0, 1), (2, 1, 0), (3, 1, 0), (4, 1, 0),
    ]  # fmt: skip


def test_points_behind_a_void_entry_are_confirmed_in_the_new_generation(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    world.wait(ANSWER_MS)
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 3, generation=0)))
    assert world.stream(channel).confirmed == 0
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 3, generation=1)))
    assert world.stream(channel).confirmed == 3


def test_a_confirmed_entry_is_asked_for_and_never_voided(world: World, channel: bytes) -> None:
    confirm(world, channel, 2)
    world.do("c", report(world, "c", channel))
    events = world.wait(ANSWER_MS)
    assert len(failed(events)) == 1
    assert entered(events) == []
    assert (is_void(world, channel), world.channel(channel).generation) == (False, 0)


def test_an_entry_confirmed_while_the_clock_runs_is_not_voided(world: World, channel: bytes) -> None:
    world.do("c", report(world, "c", channel))
    confirm(world, channel, 2)
    assert entered(world.wait(ANSWER_MS)) == []


def test_the_signers_of_an_entry_that_was_forgotten_meanwhile_are_named_still() -> None:
    world = World({"kept_points": 1})
    channel = with_batch(world)
    world.do("c", report(world, "c", channel))
    world.do("a", world.tick("a", channel))
    confirm(world, channel, 3)
    assert world.keeper.entry(world.state, channel, NUMBER) is None
    (event,) = failed(world.wait(ANSWER_MS))
    assert event.signers == tuple(world.ids[name] for name in ("b", "d"))
    world.check()


def test_two_entries_that_nobody_shows_are_void_one_after_the_other(world: World, channel: bytes) -> None:
    world.do("a", world.batch("a", channel, b"another", "b", "d"))
    for number in (NUMBER, 3):
        world.do("c", report(world, "c", channel, number))
    events = world.wait(ANSWER_MS)
    assert entered(events) == [Voided(NUMBER, 1), Voided(3, 2)]


def test_a_suspended_channel_is_still_repaired(world: World, channel: bytes) -> None:
    for name in ("a", "b", "c"):
        world.do(name, world.attest(name, world.word(channel, 1, name)))
    assert world.channel(channel).status == "suspended"
    world.do("c", report(world, "c", channel))
    assert entered(world.wait(ANSWER_MS)) == [Voided(NUMBER, 1)]
    assert world.channel(channel).status == "suspended"


def test_a_void_payload_is_not_ordered_again_while_its_receipts_are_good(
    world: World, channel: bytes
) -> None:
    message = world.batch("a", channel, CONTENT, "b", "d")
    world.do("c", report(world, "c", channel))
    world.wait(ANSWER_MS)
    assert world.deny("a", message) == "channel.payload_repeated"
    assert entries_of(world.do("a", world.batch("a", channel, b"sealed anew", "b", "d")))
