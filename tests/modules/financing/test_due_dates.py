"""When a due date is over, against the calendar of the standard library."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.modules.financing.due_dates import days_since_epoch, end_of_day_ms


@given(st.dates())
def test_days_are_those_of_the_calendar(day: date) -> None:
    assert days_since_epoch(day.isoformat()) == day.toordinal() - date(1970, 1, 1).toordinal()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2000-02-29", 11_016),
        ("2000-03-01", 11_017),
        ("2100-03-01", 47_541),
    ],
)
def test_days_around_leap_days(day: str, expected: int) -> None:
    assert days_since_epoch(day) == expected


@pytest.mark.parametrize(
    ("zone_minutes", "expected"), [(0, 86_400_000), (60, 82_800_000), (-60, 90_000_000), (1_440, 0)]
)
def test_a_day_ends_at_midnight_of_the_zone(zone_minutes: int, expected: int) -> None:
    assert end_of_day_ms("1970-01-01", zone_minutes) == expected


def test_a_day_long_past_ended_at_the_beginning_of_time() -> None:
    assert end_of_day_ms("0000-01-01", 0) == 0
