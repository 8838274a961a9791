"""Events of the root become points, and a stream that does not fit is refused."""

from typing import Any

import msgspec
import pytest

from channels.executing.desk import CHANNEL, Town
from traco.channels.executing import StreamWrong
from traco.channels.executing.points import START, Cursor, point_of, require_chain
from traco.modules.channel.entries import (
    FIRST_CHAIN,
    EpochBegun,
    PointContext,
    Tick,
    next_chain,
)
from traco.modules.channel.events import Entered

OTHER = b"o" * 32
CONTEXT = PointContext(7, 1_000, 3, 1)
FIRST, SECOND = Entered(CHANNEL, 1, CONTEXT, Tick()), Entered(CHANNEL, 2, None, Tick())


def changed(event: Entered, **fields: Any) -> Entered:
    return msgspec.structs.replace(event, **fields)


def test_a_block_makes_one_point_of_the_entries_of_a_channel() -> None:
    foreign = Entered(OTHER, 1, CONTEXT, Tick())
    point = point_of(CHANNEL, 7, [FIRST, foreign, SECOND], START)
    assert point is not None
    chain = next_chain(next_chain(FIRST_CHAIN, CONTEXT, Tick()), None, Tick())
    assert (point.context, point.first, point.entries, point.chain) == (CONTEXT, 1, (Tick(), Tick()), chain)
    assert point.end == Cursor(2, chain, 1, 7)


def test_a_block_without_entries_of_the_channel_makes_none() -> None:
    assert point_of(CHANNEL, 7, [changed(FIRST, channel=OTHER)], START) is None


@pytest.mark.parametrize(
    "events",
    [
        [SECOND],
        [changed(FIRST, number=2)],
        [FIRST, changed(SECOND, number=3)],
        [FIRST, changed(SECOND, context=CONTEXT)],
        [changed(FIRST, context=None)],
        [changed(FIRST, context=PointContext(8, 1_000, 3, 1))],
        [changed(FIRST, context=PointContext(7, 1_000, 3, 2))],
    ],
)
def test_events_that_do_not_follow_are_refused(events: list[Entered]) -> None:
    with pytest.raises(StreamWrong):
        point_of(CHANNEL, 7, events, START)


def test_a_point_comes_from_a_later_block_than_the_one_before() -> None:
    behind = Cursor(0, FIRST_CHAIN, 0, 7)
    with pytest.raises(StreamWrong):
        point_of(CHANNEL, 7, [FIRST], behind)


def test_a_chain_is_compared_with_the_roots() -> None:
    point = point_of(CHANNEL, 7, [FIRST, SECOND], START)
    assert point is not None
    require_chain(CHANNEL, point.end, 2, point.chain)
    for entries, chain in ((1, point.chain), (2, bytes(32))):
        with pytest.raises(StreamWrong):
            require_chain(CHANNEL, point.end, entries, chain)


def test_payloads_are_named_by_their_entries() -> None:
    town = Town()
    town.open()
    batch = town.batch()
    ordered = town.order(Tick(), batch, EpochBegun(2, town.terms))
    assert ordered.point.payloads() == {3: batch.payload}
