"""What events of holdings do to positions, apart from any database."""

import pytest

from traco.kernel.batch_hold import EDGE
from traco.modules.holding.events import Issued, Redeemed, ReservationReleased, Reserved
from traco.projections.movements import AVAILABLE, BUCKET, INCOMING, OWNED, Movements
from traco.projections.registers import Place

BOND, ACCOUNT = b"bond".ljust(16, b"\1"), b"account".ljust(16, b"\1")
PLACE = Place(1, 0, 0, 0, b"t" * 32)


def parts(movements: Movements) -> tuple[int, int, int, int]:
    """Owned, available, in the bucket, and awaited, of the one account."""
    found = movements.parts_of(BOND, ACCOUNT)
    return found[OWNED], found[AVAILABLE], found[BUCKET], found[INCOMING]


def test_what_comes_over_the_edge_is_awaited_and_then_issued() -> None:
    movements = Movements()
    movements.apply(Reserved(BOND, EDGE, ACCOUNT, 30, b""), PLACE)
    assert parts(movements) == (0, 0, 0, 30)
    movements.apply(ReservationReleased(BOND, EDGE, ACCOUNT, 30, b""), PLACE)
    movements.apply(Issued(BOND, ACCOUNT, 30, b""), PLACE)
    assert parts(movements) == (30, 30, 0, 0)


def test_what_goes_over_the_edge_stands_in_the_bucket_and_is_then_redeemed() -> None:
    movements = Movements()
    movements.apply(Issued(BOND, ACCOUNT, 100, b""), PLACE)
    movements.apply(Reserved(BOND, ACCOUNT, EDGE, 30, b""), PLACE)
    assert parts(movements) == (100, 70, 30, 0)
    movements.apply(ReservationReleased(BOND, ACCOUNT, EDGE, 30, b""), PLACE)
    movements.apply(Redeemed(BOND, ACCOUNT, 30, b""), PLACE)
    assert parts(movements) == (70, 70, 0, 0)


@pytest.mark.parametrize("ends", [(EDGE, ACCOUNT), (ACCOUNT, EDGE)])
def test_the_edge_itself_has_no_position(ends: tuple[bytes, bytes]) -> None:
    movements = Movements()
    movements.apply(Reserved(BOND, *ends, 30, b""), PLACE)
    movements.apply(ReservationReleased(BOND, *ends, 30, b""), PLACE)
    assert [account for _, account in movements.parts] == [ACCOUNT]
