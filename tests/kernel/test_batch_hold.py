"""Batch holds: made once, ended once, every movement in its order."""

from typing import Any

import pytest

from support.counters import FixedAuthority
from traco.kernel.batch_hold import BatchHold, BatchHoldEnded, BatchHoldExists, BatchHolds, Movement
from traco.kernel.codec import Codec, encode
from traco.kernel.errors import Rejected
from traco.kernel.execution import Execution
from traco.kernel.instruction import KernelParameters
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.statetree import StateTree

HOLD, OTHER = b"h" * 32, b"o" * 32
ONE = Movement(b"i" * 16, b"a" * 16, b"b" * 16, 5, b"")
TWO = Movement(b"j" * 16, b"b" * 16, b"a" * 16, 7, b"reference")


class Refusing(Rejected):
    """The buckets refuse a reservation."""


class Recording:
    """Buckets that write down what they are asked; refuse to reserve ``refused``."""

    def __init__(self, refused: Movement | None = None) -> None:
        self.asked: list[tuple[str, Movement]] = []
        self._refused = refused

    def reserve(self, context: Any, movement: Movement) -> None:
        if movement == self._refused:
            raise Refusing
        self.asked.append(("reserve", movement))

    def execute(self, context: Any, movement: Movement) -> None:
        self.asked.append(("execute", movement))

    def release(self, context: Any, movement: Movement) -> None:
        self.asked.append(("release", movement))


def context() -> Execution:
    block = BlockContext(bytes(32), b"", 1, 1, 1)
    return Execution(
        Registry([], FixedAuthority()), Parameters({}), State(StateTree()), block, b"", (), KernelParameters()
    )


def test_making_reserves_every_movement_in_order() -> None:
    buckets, where = Recording(), context()
    holds = BatchHolds(buckets)
    holds.make(where, HOLD, "settlement", (ONE, TWO))
    assert buckets.asked == [("reserve", ONE), ("reserve", TWO)]
    assert holds.get(where.state, HOLD) == BatchHold("settlement", (ONE, TWO))
    assert holds.get(where.state, OTHER) is None


@pytest.mark.parametrize("end", ["execute", "release"])
def test_a_hold_ends_once(end: str) -> None:
    buckets, where = Recording(), context()
    holds = BatchHolds(buckets)
    holds.make(where, HOLD, "settlement", (ONE, TWO))
    getattr(holds, end)(where, HOLD)
    assert buckets.asked[2:] == [(end, ONE), (end, TWO)]
    assert holds.get(where.state, HOLD) is None
    for again in ("execute", "release"):
        with pytest.raises(BatchHoldEnded) as caught:
            getattr(holds, again)(where, HOLD)
        assert caught.value.hold == HOLD
    assert len(buckets.asked) == 4


def test_a_hold_is_made_once() -> None:
    buckets, where = Recording(), context()
    holds = BatchHolds(buckets)
    holds.make(where, HOLD, "settlement", (ONE,))
    with pytest.raises(BatchHoldExists) as caught:
        holds.make(where, HOLD, "settlement", (TWO,))
    assert (caught.value.hold, buckets.asked) == (HOLD, [("reserve", ONE)])


def test_holds_do_not_mix() -> None:
    buckets, where = Recording(), context()
    holds = BatchHolds(buckets)
    holds.make(where, HOLD, "settlement", (ONE,))
    holds.make(where, OTHER, "settlement", (TWO,))
    holds.release(where, OTHER)
    assert buckets.asked[2:] == [("release", TWO)]
    assert holds.get(where.state, HOLD) is not None


def test_a_refused_reservation_makes_no_hold() -> None:
    where = context()
    holds = BatchHolds(Recording(refused=TWO))
    with pytest.raises(Refusing):
        holds.make(where, HOLD, "settlement", (ONE, TWO))
    assert holds.get(where.state, HOLD) is None


def test_a_movement_moves_something() -> None:
    codec: Codec[Movement] = Codec(Movement)
    assert codec.decode(encode(ONE)) == ONE
    with pytest.raises(ValueError):
        codec.decode(encode(Movement(b"i" * 16, b"a" * 16, b"b" * 16, 0, b"")))
