"""Calendar dates as invoices and people write them, to ISO 8601. Not for times or zones."""

import datetime
import re
from typing import Final

from traco.services.doc.invoice import InvoiceUnreadable

EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 2199

_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_XSD_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_FORMAT_102: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})([-/. ])([0-9]{1,2})\2([0-9]{1,2})")
_DOTS: Final = re.compile(r"([0-9]{1,2})\. ?([0-9]{1,2})\. ?([0-9]{4})")
_MARKS: Final = re.compile(r"([0-9]{1,2})([-/ ])([0-9]{1,2})\2([0-9]{4})")
_DAY_MONTH_NAME: Final = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th)?[. -]+(?:of )?([a-z]{3,9})[., -]+([0-9]{4})"
)
_MONTH_NAME_DAY: Final = re.compile(r"([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})")


def xsd_date(text: str) -> str:
    """The ISO date of an XML Schema date (UBL). A zone is dropped: EN 16931 dates are calendar dates."""
    match = _XSD_DATE.fullmatch(text)
    if match is None:
        raise _not_a_date(text, "2015-01-09")
    return _calendar(text, match[1], match[2], match[3])


def format_102(text: str) -> str:
    """The ISO date of a CII date string with format 102 (UNTDID 2379: CCYYMMDD), the only one EN 16931 allows."""
    match = _FORMAT_102.fullmatch(text)
    if match is None:
        raise _not_a_date(text, "20150109")
    return _calendar(text, match[1], match[2], match[3])


def retyped_date(text: str) -> str:
    """The ISO date of what a person typed: `2015-01-09`, `2015/1/9`, `20150109`, `09.01.2015`, `9 January 2015`.

    With points the day comes first, as everywhere points are used. With slashes or dashes and the year last, day
    or month may come first: `13/01/2015` has one reading, `01/02/2015` has two and is refused as
    `invoice.date_ambiguous`. Two-digit years are refused.
    """
    typed = " ".join(text.lower().split())
    if match := _FORMAT_102.fullmatch(typed):
        return _calendar(text, match[1], match[2], match[3])
    if match := _YEAR_FIRST.fullmatch(typed):
        return _calendar(text, match[1], match[3], match[4])
    if match := _DOTS.fullmatch(typed):
        return _calendar(text, match[3], match[2], match[1])
    if match := _MARKS.fullmatch(typed):
        return _either_order(text, match[1], match[3], match[4])
    if match := _DAY_MONTH_NAME.fullmatch(typed):
        return _calendar(text, match[3], _month(text, match[2]), match[1])
    if match := _MONTH_NAME_DAY.fullmatch(typed):
        return _calendar(text, match[3], _month(text, match[1]), match[2])
    raise _not_a_date(text, "2015-01-09 or 9 January 2015")


def _either_order(text: str, first: str, second: str, year: str) -> str:
    if int(first) > 12:
        return _calendar(text, year, second, first)
    if int(second) > 12 or int(first) == int(second):
        return _calendar(text, year, first, second)
    raise InvoiceUnreadable(
        "invoice.date_ambiguous",
        f"{text.strip()[:30]!r} could be two dates, day or month first; write it as year-month-day.",
    )


def _month(text: str, name: str) -> str:
    abbreviated = "sep" if name == "sept" else name
    found = [number for number, month in enumerate(_MONTHS, start=1) if abbreviated in (month, month[:3])]
    if not found:
        raise _not_a_date(text, "9 January 2015")
    return str(found[0])


def _calendar(text: str, year: str, month: str, day: str) -> str:
    try:
        date = datetime.date(int(year), int(month), int(day))
    except ValueError:
        raise _not_a_date(text, "2015-01-09") from None
    if not EARLIEST_YEAR <= date.year <= LATEST_YEAR:
        raise InvoiceUnreadable(
            "invoice.field_invalid", f"the year of {text.strip()[:30]!r} is out of range; correct the date."
        )
    return date.isoformat()


def _not_a_date(text: str, example: str) -> InvoiceUnreadable:
    return InvoiceUnreadable(
        "invoice.field_invalid",
        f"{text.strip()[:30]!r} is not a date that can be read; write it as in {example}.",
    )
