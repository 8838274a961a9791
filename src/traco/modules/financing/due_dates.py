"""When a business day ends, as a time stamp. Pure integer arithmetic: the kernel has no calendar."""

from typing import Final

DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_DAYS_TO_EPOCH: Final = 719_468  # from 1 March of the year 0 to 1 January 1970


def days_since_epoch(date: str) -> int:
    """Days from 1970-01-01 to an ISO date of the proleptic Gregorian calendar; negative before.

    Years are counted from March, so that the leap day is the last day of a year.
    """
    year, month, day = int(date[:4]), int(date[5:7]), int(date[8:10])
    shifted, year = (month + 9) % 12, year - (month <= 2)
    day_of_year = (153 * shifted + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - _DAYS_TO_EPOCH


def end_of_day_ms(date: str, zone_minutes: int) -> int:
    """The time (ms) at which the day is over in a zone ``zone_minutes`` east of UTC; 0 at the least."""
    return max(0, (days_since_epoch(date) + 1) * DAY_MS - zone_minutes * _MINUTE_MS)
