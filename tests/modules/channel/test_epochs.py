"""How epochs begin: opening, another key, other members, and what becomes of offers that too few accept."""

import pytest
from msgspec.structs import replace

from modules.channel.world import World, copy_for, entries_of, events_of
from traco.modules.channel.entries import EpochBegun
from traco.modules.channel.events import CopyGiven, OfferLapsed
from traco.modules.channel.messages import AcceptEpoch, GiveCopy, OpenChannel
from traco.modules.channel.parts import Limits
from traco.modules.channel.queries import ListChannels
from traco.modules.channel.signing import channel_id

WAIT_MS = 60_000
LIMITS = Limits(accept_ms=WAIT_MS)


def proposed(world: World, *names: str, **changes: object) -> bytes:
    """A channel that its creator, the first name, proposed and nobody accepted; its id."""
    terms = world.terms(*names, limits=LIMITS, **changes)
    salt = world.ledger.salt()
    world.do(names[0], OpenChannel(world.ids[names[0]], salt, terms, world.epoch_key(terms)))
    return channel_id(world.network, world.ids[names[0]], salt)


def accept(world: World, name: str, channel: bytes, epoch: int = 1) -> AcceptEpoch:
    return world.acceptance(name, channel, epoch)


def give(world: World, giver: str, channel: bytes, name: str, epoch: int = 1) -> GiveCopy:
    return GiveCopy(world.ids[giver], channel, epoch, world.ids[name], copy_for(name, epoch))


def test_a_channel_opens_when_its_last_member_accepts(world: World) -> None:
    channel = proposed(world, "a", "b")
    world.do("a", accept(world, "a", channel))
    assert world.channel(channel).status == "opening"
    receipt = world.do("b", accept(world, "b", channel))
    assert entries_of(receipt) == [EpochBegun(1, world.terms("a", "b", limits=LIMITS))]
    assert (world.channel(channel).status, world.channel(channel).epoch) == ("open", 1)


def test_an_opening_that_too_few_accept_lapses_and_leaves_nothing(world: World) -> None:
    channel = proposed(world, "a", "b")
    world.do("a", accept(world, "a", channel))
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.keeper.channel(world.state, channel) is None
    assert world.keeper.offer(world.state, channel) is None
    assert world.keeper.count_of(world.state, world.ids["a"]) == 0


def test_at_the_deadline_the_policy_is_enough_where_the_rest_was_given_its_copies(world: World) -> None:
    channel = proposed(world, "a", "b", "c", policy=2)
    world.do("a", accept(world, "a", channel))
    world.do("b", accept(world, "b", channel))
    given = events_of(world.do("a", give(world, "a", channel, "c")), CopyGiven)
    assert given == [CopyGiven(channel, 1, world.ids["c"], copy_for("c"))]
    assert world.channel(channel).status == "opening"
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.channel(channel).status == "open"


def test_at_the_deadline_the_policy_is_not_enough_where_the_rest_was_given_nothing(world: World) -> None:
    channel = proposed(world, "a", "b", "c", policy=2)
    world.do("a", accept(world, "a", channel))
    world.do("b", accept(world, "b", channel))
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.keeper.channel(world.state, channel) is None


def test_a_copy_that_was_not_offered_is_refused(world: World) -> None:
    channel = proposed(world, "a", "b")
    wrong = replace(give(world, "a", channel, "b"), copy=b"another")
    assert world.deny("a", wrong) == "channel.copy_wrong"


def test_a_lapse_names_who_was_silent(world: World) -> None:
    channel = proposed(world, "a", "b", "c")
    world.do("b", accept(world, "b", channel))
    world.ledger.run_block(after_ms=WAIT_MS)
    leaves = world.ledger.store.blocks[-1].leaves
    lapsed = [
        event
        for leaf in leaves
        for event in events_of(world.ledger.registry.receipt.decode(leaf.receipt), OfferLapsed)
    ]
    assert lapsed == [OfferLapsed(channel, 1, world.parties("a", "c"))]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": 1}, "two others could say otherwise"),
        ({"faults": 2, "policy": 3}, "five members at least"),
        ({"faults": 1, "policy": 3}, "the faulty one could stop it"),
        ({"faults": 1, "policy": 2, "custody": 1}, "the faulty one could hold it alone"),
        ({"faults": 1, "policy": 2, "custody": 2}, "too few custodians beside the sender"),
        ({"modules": ("settlement",)}, "settlement needs holdings"),
        ({"modules": ("network",)}, "no module of channels"),
        ({"modules": ("settlement", "holding")}, "not in order"),
    ],
)
def test_terms_that_contradict_themselves_are_refused(
    world: World, changes: dict[str, object], reason: str
) -> None:
    terms = world.terms("a", "b", "c", **changes)
    message = OpenChannel(world.ids["a"], world.ledger.salt(), terms, world.epoch_key(terms))
    assert world.deny("a", message) == "channel.terms_invalid", reason


def test_with_a_vault_three_members_bear_a_faulty_one(world: World) -> None:
    terms = world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    channel = world.opened(terms)
    found = world.ledger.query("channel.list", ListChannels(world.ids["d"])).channels
    assert [(listed.channel, listed.role) for listed in found] == [(channel, "vault")]


def test_another_epoch_begins_when_all_accept_its_key(world: World) -> None:
    terms = world.terms("a", "b")
    channel = world.opened(terms)
    world.do("b", world.offer("b", channel, terms, 2))
    world.accept_all(channel, terms, 2)
    assert (world.channel(channel).epoch, world.stream(channel).entries) == (2, 2)


def test_a_member_is_removed_without_its_vote(world: World) -> None:
    terms = world.terms("a", "b", "c", policy=2)
    channel = world.opened(terms)
    fewer = world.terms("a", "b")
    world.do("a", world.offer("a", channel, fewer, 2))
    assert world.deny("c", accept(world, "c", channel, 2)) == "channel.not_member"
    world.accept_all(channel, fewer, 2)
    assert world.channel(channel).terms == fewer


def test_a_member_is_not_removed_by_fewer_than_the_policy(world: World) -> None:
    terms = world.terms("a", "b", "c")  # all must agree
    channel = world.opened(terms)
    fewer = world.terms("a", "b", limits=LIMITS)
    world.do("a", world.offer("a", channel, fewer, 2))
    world.accept_all(channel, fewer, 2)
    assert world.channel(channel).epoch == 1
    world.ledger.run_block(after_ms=WAIT_MS)
    assert (world.channel(channel).epoch, world.keeper.offer(world.state, channel)) == (1, None)


def test_newcomers_alone_cannot_take_a_channel_over(world: World) -> None:
    channel = world.opened(world.terms("a", "b", "c", policy=2))
    others = world.terms("a", "d", "e", policy=2, limits=LIMITS)
    world.do("a", world.offer("a", channel, others, 2))
    world.accept_all(channel, others, 2)  # of the present members one accepted, two must
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.channel(channel).epoch == 1


def test_a_new_epoch_takes_no_module_away(world: World) -> None:
    channel = world.opened(world.terms("a", "b"))
    fewer = world.terms("a", "b", modules=("holding",))
    assert world.deny("a", world.offer("a", channel, fewer, 2)) == "channel.terms_invalid"


def test_a_payload_that_no_root_transaction_could_show_is_no_limit(world: World) -> None:
    terms = world.terms("a", "b", limits=Limits(max_payload_bytes=65_536))
    message = OpenChannel(world.ids["a"], world.ledger.salt(), terms, world.epoch_key(terms))
    assert world.deny("a", message) == "channel.terms_invalid"


def test_an_outsider_offers_nothing(world: World) -> None:
    terms = world.terms("a", "b")
    channel = world.opened(terms)
    assert world.deny("c", world.offer("c", channel, terms, 2)) == "channel.not_member"


def test_two_offers_are_not_open_at_once(world: World) -> None:
    terms = world.terms("a", "b")
    channel = world.opened(terms)
    world.do("a", world.offer("a", channel, terms, 2))
    assert world.deny("b", world.offer("b", channel, terms, 2)) == "channel.offer_open"


def test_an_offer_is_for_the_next_epoch(world: World) -> None:
    terms = world.terms("a", "b")
    channel = world.opened(terms)
    assert world.deny("a", world.offer("a", channel, terms, 3)) == "channel.epoch_wrong"


@pytest.mark.parametrize(
    "changes",
    [
        {"node": b"\x01" + bytes(32)},
        {"box": bytes(32)},
        {"box": (1).to_bytes(32, "little")},
        {"box": (2**255 - 19).to_bytes(32, "little")},
        {"box": (2**256 - 20).to_bytes(32, "little")},
        {"box": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")},
        {"address": "http://a.example"},
        {"address": "https://a.example", "certificate": b""},
        {"address": "", "certificate": b"x"},
    ],
)
def test_a_seat_that_nobody_could_use_is_refused(world: World, changes: dict[str, object]) -> None:
    assert world.deny("a", world.seat("a", **changes)) == "channel.seat_invalid"


def test_an_organisation_without_a_seat_is_in_no_channel() -> None:
    world = World(seats=("a", "b"))
    terms = world.terms("a", "c")
    message = OpenChannel(world.ids["a"], world.ledger.salt(), terms, world.epoch_key(terms))
    assert world.deny("a", message) == "channel.seat_missing"


def test_the_number_of_channels_that_an_organisation_proposes_is_limited() -> None:
    world = World({"max_channels_of_member": 1})
    proposed(world, "a", "b")
    terms = world.terms("a", "c")
    message = OpenChannel(world.ids["a"], world.ledger.salt(), terms, world.epoch_key(terms))
    assert world.deny("a", message) == "channel.too_many"


def test_channels_that_others_propose_leave_an_organisation_its_own() -> None:
    world = World({"max_channels_of_member": 1})
    world.opened(world.terms("a", "d", policy=2, vaults=world.parties("b")), "a")
    world.opened(world.terms("b", "c"), "b")
