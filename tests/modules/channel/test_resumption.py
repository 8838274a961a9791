"""What becomes of a suspended channel, and who decides."""

import pytest

from modules.channel.deals import SOON_MS, Deals
from modules.channel.world import World, entries_of
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
from traco.modules.channel.entries import Closed, Resumed
from traco.modules.channel.messages import EndChannel, Resume
from traco.modules.channel.parts import Limits

RESUME_MS = 20_000


@pytest.fixture
def channel(world: World) -> bytes:
    """A channel of a and b with e as adjudicator; they differ about its point 2, while point 1 is confirmed."""
    limits = Limits(resume_ms=RESUME_MS)
    opened = world.opened(world.terms("a", "b", adjudicator=world.ids["e"], limits=limits))
    world.do("a", world.tick("a", opened))
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(opened, 1)))
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(opened, 2, name)))
    assert world.channel(opened).status == "suspended"
    return opened


def resume(world: World, channel: bytes, *names: str) -> Resume:
    return Resume(tuple(world.ids[name] for name in names), channel)


def end(world: World, channel: bytes, *names: str) -> EndChannel:
    return EndChannel(tuple(world.ids[name] for name in names), channel, "test")


def together(world: World, instruction: Instruction) -> Receipt:
    keys = [world.keys[world.names[party]] for party in instruction.actors()]
    return world.ledger.succeed(instruction, keys=keys)


def refused(world: World, instruction: Instruction) -> str:
    keys = [world.keys[world.names[party]] for party in instruction.actors()]
    return world.ledger.reject(instruction, keys=keys)


def test_the_adjudicator_resumes_at_once(world: World, channel: bytes) -> None:
    assert entries_of(together(world, resume(world, channel, "e"))) == [Resumed(1)]
    record = world.channel(channel)
    assert (record.status, record.suspended_ms, record.generation) == ("open", 0, 1)


def test_after_resuming_all_that_is_not_confirmed_is_attested_anew(world: World, channel: bytes) -> None:
    together(world, resume(world, channel, "e"))
    points = world.keeper.points(world.state, channel, 0, 9)
    assert [(ordinal, point.generation, len(point.votes)) for ordinal, point in points] == [
        (1, 0, 2), (2, 1, 0), (3, 1, 0), (4, 1, 0),
    ]  # fmt: skip
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 4, generation=1)))
    assert world.stream(channel).confirmed == 4


def test_what_was_confirmed_before_stands(world: World, channel: bytes) -> None:
    before = world.stream(channel)
    together(world, resume(world, channel, "e"))
    after = world.stream(channel)
    assert (
        (after.confirmed, after.digest)
        == (before.confirmed, before.digest)
        == (1, world.word(channel, 1).digest)
    )


def test_the_adjudicator_ends_it(world: World, channel: bytes) -> None:
    assert entries_of(together(world, end(world, channel, "e"))) == [Closed()]
    record = world.channel(channel)
    assert (record.status, record.suspended_ms) == ("closed", 0)
    assert world.stream(channel).confirmed == 1


def test_ending_ends_the_open_offer(world: World, channel: bytes) -> None:
    world.do("a", world.offer("a", channel, world.channel(channel).terms, 2))
    together(world, end(world, channel, "e"))
    assert world.keeper.offer(world.state, channel) is None


def test_the_council_decides_once_the_limit_has_passed(world: World, channel: bytes) -> None:
    until = world.channel(channel).suspended_ms + RESUME_MS
    assert refused(world, resume(world, channel, "c", "d")) == "channel.not_adjudicator"
    world.wait(until - world.ledger.time_ms - 2_000)
    assert refused(world, resume(world, channel, "c", "d")) == "channel.not_adjudicator"
    assert world.ledger.time_ms == until - 1_000
    together(world, resume(world, channel, "c", "d"))
    assert world.channel(channel).status == "open"


def test_the_council_ends_it(world: World, channel: bytes) -> None:
    world.wait(RESUME_MS)
    together(world, end(world, channel, "c", "d"))
    assert world.channel(channel).status == "closed"


def test_too_few_of_the_council_decide_nothing(world: World, channel: bytes) -> None:
    world.wait(RESUME_MS)
    assert refused(world, resume(world, channel, "c")) == "kernel.council_needed"


def test_members_do_not_decide_for_themselves(world: World, channel: bytes) -> None:
    assert refused(world, resume(world, channel, "a", "b")) == "channel.not_adjudicator"
    assert refused(world, end(world, channel, "a")) == "channel.not_adjudicator"


def test_only_a_suspended_channel_is_resumed_or_ended(world: World, channel: bytes) -> None:
    together(world, resume(world, channel, "e"))
    assert refused(world, resume(world, channel, "e")) == "channel.not_suspended"
    assert refused(world, end(world, channel, "e")) == "channel.not_suspended"


def test_a_channel_is_suspended_again_if_they_differ_again(world: World, channel: bytes) -> None:
    together(world, resume(world, channel, "e"))
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 2, name, generation=1)))
    assert world.channel(channel).status == "suspended"
    assert entries_of(together(world, resume(world, channel, "e"))) == [Resumed(2)]


def test_ending_waits_for_an_undecided_settlement(world: World, channel: bytes) -> None:
    together(world, resume(world, channel, "e"))
    deals, other = Deals(world), world.opened(world.terms("a", "d"))
    deals.try_terms(deals.terms(deals.leg(channel), deals.leg(other)))
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 2, name, generation=1)))
    assert world.channel(channel).status == "suspended"
    assert refused(world, end(world, channel, "e")) == "channel.busy"
    world.wait(SOON_MS)
    for _ in range(Limits().decision_blocks):
        world.wait(1)
    together(world, end(world, channel, "e"))
    assert world.channel(channel).status == "closed"
