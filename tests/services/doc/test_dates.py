"""Dates from XML and from people."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.services.doc.dates import format_102, retyped_date, xsd_date
from traco.services.doc.invoice import InvoiceUnreadable


def code_of(text: str) -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        retyped_date(text)
    return caught.value.code


@pytest.mark.parametrize("text", ["2015-01-09", "2015-01-09Z", "2015-01-09+01:00", "2015-01-09-05:00"])
def test_a_ubl_date_is_read_without_its_zone(text: str) -> None:
    assert xsd_date(text) == "2015-01-09"


@pytest.mark.parametrize(
    "text", ["", "20150109", "2015-1-9", "2015-02-29", "2015-01-09T00:00:00", "1899-12-31", "2200-01-01"]
)
def test_what_is_no_ubl_date_is_refused(text: str) -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        xsd_date(text)
    assert caught.value.code == "invoice.field_invalid"


def test_a_cii_date_is_read() -> None:
    assert format_102("20150109") == "2015-01-09"


@pytest.mark.parametrize(
    "text", ["", "2015-01-09", "20151301", "150109", "201501091200", "\u0662\u0660150109"]
)
def test_what_is_no_cii_date_is_refused(text: str) -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        format_102(text)
    assert caught.value.code == "invoice.field_invalid"


@pytest.mark.parametrize(
    "text",
    [
        "2015-01-09",
        "2015/01/09",
        "2015/1/9",
        "2015.01.09",
        "20150109",
        "09.01.2015",
        "9.1.2015",
        "9. 1. 2015",
        "9 January 2015",
        "9th January 2015",
        "9th of January 2015",
        "9. January 2015",
        "9 JAN 2015",
        "9-Jan-2015",
        "January 9, 2015",
        "Jan 9 2015",
        "Jan. 9th, 2015",
        "  9   January  2015 ",
    ],
)
def test_a_retyped_date_is_read(text: str) -> None:
    assert retyped_date(text) == "2015-01-09"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("13/01/2015", "2015-01-13"),
        ("01/13/2015", "2015-01-13"),
        ("13-01-2015", "2015-01-13"),
        ("05/05/2015", "2015-05-05"),
        ("12/12/2015", "2015-12-12"),
        ("31/12/2015", "2015-12-31"),
        ("1 sept 2015", "2015-09-01"),
        ("1 May 2015", "2015-05-01"),
        ("29/02/2016", "2016-02-29"),
        ("1900-01-01", "1900-01-01"),
        ("2199-12-31", "2199-12-31"),
    ],
)
def test_a_date_with_one_reading_is_read(text: str, date: str) -> None:
    assert retyped_date(text) == date


@pytest.mark.parametrize("text", ["01/02/2015", "12/11/2015", "1-2-2015", "1 2 2015", "09/01/2015"])
def test_a_date_with_two_readings_is_refused(text: str) -> None:
    assert code_of(text) == "invoice.date_ambiguous"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "09.01.15",
        "13/13/2015",
        "2015/01-09",
        "13.13.2015",
        "9 Januar 2015",
        "9 Ja 2015",
        "30 February 2015",
        "9 January",
        "0/0/2015",
        "1899-12-31",
        "2200-01-01",
        "soon",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    assert code_of(text) == "invoice.field_invalid"


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)))
@settings(max_examples=100)
def test_every_date_survives_each_unambiguous_way_of_writing_it(date: datetime.date) -> None:
    ways = (
        date.isoformat(),
        f"{date:%Y%m%d}",
        f"{date:%d.%m.%Y}",
        f"{date.day} {date:%B %Y}",
        f"{date:%b} {date.day}, {date.year}",
    )
    assert {retyped_date(way) for way in ways} == {date.isoformat()}
