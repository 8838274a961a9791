"""What gets a place in a channel's stream: payloads that custodians hold, or that the root shows, each once."""

import pytest
from msgspec.structs import replace

from modules.channel.world import World, entries_of, events_of
from support.ledger import Key
from traco.modules.channel.entries import FIRST_CHAIN, Batch, Tick, next_chain
from traco.modules.channel.events import Entered
from traco.modules.channel.messages import OrderBatch
from traco.modules.channel.parts import Held, Limits
from traco.modules.channel.signing import payload_hash


@pytest.fixture
def channel(world: World) -> bytes:
    """A channel of a, b and c in which one may be faulty, with d as vault: two receipts of others than the sender."""
    terms = world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    return world.opened(terms)


def order(world: World, channel: bytes, *custodians: str) -> OrderBatch:
    return world.batch("a", channel, b"content", *(custodians or ("b", "c")))


def with_held(message: OrderBatch, **changes: object) -> OrderBatch:
    assert isinstance(message.payload, Held)
    return replace(message, payload=replace(message.payload, **changes))


def test_a_batch_with_enough_receipts_enters_the_stream(world: World, channel: bytes) -> None:
    (entry,) = entries_of(world.do("a", order(world, channel)))
    assert isinstance(entry, Batch)
    assert (entry.epoch, entry.payload.submitter, entry.payload.shown) == (1, world.ids["a"], None)


def test_a_vault_counts_as_a_custodian(world: World, channel: bytes) -> None:
    assert entries_of(world.do("a", order(world, channel, "b", "d")))


def test_too_few_receipts_are_refused(world: World, channel: bytes) -> None:
    assert world.deny("a", order(world, channel, "b")) == "channel.receipts_too_few"


def test_the_senders_own_receipt_does_not_count(world: World, channel: bytes) -> None:
    assert world.deny("a", order(world, channel, "a", "b")) == "channel.receipt_invalid"


def test_the_same_custodian_does_not_count_twice(world: World, channel: bytes) -> None:
    message = order(world, channel, "b", "c")
    assert isinstance(message.payload, Held)
    twice = (message.payload.receipts[0], message.payload.receipts[0])
    assert world.deny("a", with_held(message, receipts=twice)) == "channel.receipt_invalid"


def test_a_receipt_of_nobodys_place_is_refused(world: World, channel: bytes) -> None:
    message = order(world, channel, "b", "c")
    assert isinstance(message.payload, Held)
    foreign = (message.payload.receipts[0], replace(message.payload.receipts[1], place=9))
    assert world.deny("a", with_held(message, receipts=foreign)) == "channel.receipt_invalid"


def test_a_receipt_for_another_payload_is_refused(world: World, channel: bytes) -> None:
    message = order(world, channel)
    assert world.deny("a", with_held(message, size=8)) == "channel.receipt_invalid"
    assert world.deny("a", with_held(message, hash=bytes(32))) == "channel.receipt_invalid"


def test_a_receipt_of_another_channel_is_refused(world: World, channel: bytes) -> None:
    terms = world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    other = world.opened(terms)
    assert world.deny("a", replace(order(world, channel), channel=other)) == "channel.receipt_invalid"


def test_a_receipt_of_another_epoch_is_refused(world: World, channel: bytes) -> None:
    old = order(world, channel)
    terms = world.channel(channel).terms
    world.do("a", world.offer("a", channel, terms, 2))
    world.accept_all(channel, terms, 2)
    assert world.deny("a", old) == "channel.epoch_wrong"
    assert world.deny("a", replace(old, epoch=2)) == "channel.receipt_invalid"


def test_a_receipt_of_a_node_that_is_not_the_custodians_seat_is_refused(world: World, channel: bytes) -> None:
    message = order(world, channel)
    assert isinstance(message.payload, Held)
    first = message.payload.receipts[0]
    forged = replace(first, signature=Key("e node").sign(b"anything"))
    receipts = (forged, message.payload.receipts[1])
    assert world.deny("a", with_held(message, receipts=receipts)) == "channel.receipt_invalid"


def test_receipts_end(world: World, channel: bytes) -> None:
    message = order(world, channel)
    world.ledger.run_block(after_ms=60_000)
    assert world.deny("a", message) == "channel.receipts_expired"


def test_receipts_that_end_too_far_ahead_are_refused(world: World, channel: bytes) -> None:
    far = world.ledger.time_ms + 2 * 86_400_000
    assert world.deny("a", with_held(order(world, channel), order_by=far)) == "channel.receipts_expired"


def test_a_payload_is_ordered_once(world: World, channel: bytes) -> None:
    message = order(world, channel)
    world.do("a", message)
    assert world.deny("a", message) == "channel.payload_repeated"
    assert world.deny("a", order(world, channel, "b", "d")) == "channel.payload_repeated"


def test_the_hash_of_a_payload_is_forgotten_when_its_receipts_end(world: World, channel: bytes) -> None:
    message = order(world, channel)
    world.do("a", message)
    assert isinstance(message.payload, Held)
    assert world.keeper.ordered(world.state, channel, message.payload.hash) == 2
    world.ledger.run_block(after_ms=60_000)
    assert world.keeper.ordered(world.state, channel, message.payload.hash) is None


def test_an_outsider_orders_nothing(world: World, channel: bytes) -> None:
    message = replace(order(world, channel), party=world.ids["e"])
    assert world.deny("e", message) == "channel.not_member"


def test_a_vault_orders_nothing(world: World, channel: bytes) -> None:
    message = replace(order(world, channel, "b", "c"), party=world.ids["d"])
    assert world.deny("d", message) == "channel.not_member"


def test_a_member_signs_orders_with_its_nodes_key_alone(world: World, channel: bytes) -> None:
    assert (
        world.ledger.reject(order(world, channel), keys=[world.keys["a"]]) == "transaction.signature_missing"
    )


def test_a_payload_shown_on_the_root_needs_no_receipts(world: World, channel: bytes) -> None:
    (entry,) = entries_of(world.do("a", world.shown("a", channel, b"ciphertext")))
    assert isinstance(entry, Batch)
    assert (entry.payload.hash, entry.payload.shown) == (payload_hash(b"ciphertext"), b"ciphertext")


def test_a_payload_above_the_channels_limit_is_refused(world: World) -> None:
    channel = world.opened(world.terms("a", "b", limits=Limits(max_payload_bytes=10)))
    assert world.deny("a", world.shown("a", channel, b"eleven byte")) == "channel.payload_too_large"
    assert world.deny("a", world.batch("a", channel, b"eleven byte")) == "channel.payload_too_large"


def test_a_channel_that_nobody_attests_takes_no_more_than_so_many_points() -> None:
    world = World({"max_points": 16})
    channel = world.opened(world.terms("a", "b"))
    for number in range(15):
        world.do("a", world.shown("a", channel, b"%d" % number))
    assert world.deny("a", world.shown("a", channel, b"more")) == "channel.too_far_behind"


def test_a_tick_moves_a_channels_time_on_once_in_a_block(world: World, channel: bytes) -> None:
    first, second = (world.sign(name, world.tick(name, channel)) for name in ("a", "b"))
    answers = world.ledger.run_block([first, second])
    assert [None if answer.failure is None else answer.failure.code for answer in answers] == [
        None, "channel.tick_repeated",
    ]  # fmt: skip


def test_entries_of_one_block_are_one_point_and_chain_from_the_first(world: World, channel: bytes) -> None:
    orders = [world.sign("a", world.shown("a", channel, b"%d" % number)) for number in range(2)]
    before = world.stream(channel)
    answers = world.ledger.run_block(orders)
    entered = [event for answer in answers for event in events_of(world.ledger.receipt(answer), Entered)]
    assert [event.number for event in entered] == [before.entries + 1, before.entries + 2]
    assert entered[0].context is not None
    assert (entered[0].context.ordinal, entered[1].context) == (before.ordinal + 1, None)
    chain = before.chain
    for event in entered:
        chain = next_chain(chain, event.context, event.entry)
    assert world.stream(channel).chain == chain
    point = world.keeper.point(world.state, channel, before.ordinal + 1)
    assert point is not None
    assert (point.first, point.last) == (before.entries + 1, before.entries + 2)


def test_the_chain_tells_streams_apart() -> None:
    assert next_chain(FIRST_CHAIN, None, Tick()) != next_chain(bytes([1] * 32), None, Tick())
