import os
from pathlib import Path
from typing import Any

import pytest

from traco.demo import papers, trade
from traco.demo.papers import LARGEST, Importer, Paper, invoice_files
from traco.services.doc.normalise import fields_of
from traco.services.doc.reader import read_invoice

SAMPLES = Path(__file__).parents[2] / "examples" / "invoices"
MACHINES = (SAMPLES / "05-machines-ubl.xml").read_text()


def paper_of(text: str, outcome: str = "unique") -> Paper:
    return Paper(Path("x.xml"), text.encode(), read_invoice(text.encode()), None, None, None, outcome, ())


def test_only_files_whose_names_end_in_xml_are_invoices(tmp_path: Path) -> None:
    for name in ("b.xml", "a.XML", "c.pdf"):
        (tmp_path / name).touch()
    (tmp_path / "d.xml").mkdir()
    (tmp_path / "e.xml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "f.xml")
    assert [path.name for path in invoice_files(tmp_path)] == ["a.XML", "b.xml"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"this is not xml", "not well-formed XML"),
        (b"%PDF-1.4\n", "this is a PDF"),
        (b"<a/>", "is not an invoice that is read here"),
        (b"x" * (papers.MAX_BYTES + 1), "more than 10 MiB"),
    ],
)
def test_a_file_that_is_no_invoice_is_reported_and_nothing_is_registered(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "file.xml"
    path.write_bytes(content)
    nobody: Any = None  # a cast that fails whatever is asked of it
    paper = Importer(nobody).file(path)
    assert (paper.outcome, paper.registered, says in paper.notes[0]) == ("unreadable", False, True)


def test_a_file_that_went_away_is_reported(tmp_path: Path) -> None:
    nobody: Any = None
    paper = Importer(nobody).file(tmp_path / "gone.xml")
    assert (paper.outcome, paper.notes) == ("unreadable", ("No such file or directory",))


@pytest.mark.parametrize(
    ("amount", "financeable"),
    [("104500.00", True), ("0.00", False), ("-5.00", False), (f"{LARGEST // 100}.76", True), (f"{LARGEST // 100}.77", False)],
)  # fmt: skip
def test_an_invoice_is_financeable_where_something_is_payable_and_cash_suffices(
    amount: str, financeable: bool
) -> None:
    text = MACHINES.replace(
        '<cbc:PayableAmount currencyID="EUR">104500.00', f'<cbc:PayableAmount currencyID="EUR">{amount}'
    )
    assert paper_of(text).financeable == financeable


def test_a_duplicate_is_not_financeable() -> None:
    assert paper_of(MACHINES, "duplicate").financeable is False


@pytest.mark.parametrize("currency", ["EUR", "JPY", "BHD"])
def test_an_invoice_retyped_in_another_form_keeps_its_facts_in_every_currency(currency: str) -> None:
    text = MACHINES.replace("EUR", currency)
    if currency == "JPY":
        text = text.replace(".00<", "<")
    paper = paper_of(text)
    assert paper.invoice is not None
    original = fields_of(paper.invoice)
    same = {
        name: (fields.number, fields.issue_date, fields.amount, fields.seller, fields.buyer)
        == (original.number, original.issue_date, original.amount, original.seller, original.buyer)
        for name, fields in trade.retyped_variants(paper)
    }
    assert same == {
        "case and spaces": True, "punctuation and leading zeros": True, "another date format": True,
        "another number": False,
    }  # fmt: skip


def test_the_other_syntax_is_found_among_what_was_imported_only() -> None:
    ubl = paper_of((SAMPLES / "01-invoice-ubl.xml").read_text())
    cii = paper_of((SAMPLES / "02-same-invoice-cii.xml").read_text())
    registration: Any = object()
    assert trade.other_syntax(ubl, [ubl, cii]) is None
    registered = cii._replace(registration=registration)
    assert trade.other_syntax(ubl, [ubl, registered]) is registered
