"""Electronic invoices in both syntaxes: what is read, and what is refused."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from traco.kernel.identifiers import check_gln, check_lei
from traco.services.doc import (
    Invoice,
    InvoiceKind,
    InvoiceUnreadable,
    PrecedingInvoice,
    Syntax,
    TradeParty,
    not_financeable_because,
    read_invoice,
    warnings,
)
from traco.services.doc.invoice import KINDS

Change = Callable[[str, str, str], bytes]


def code_of(content: bytes) -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        read_invoice(content)
    return caught.value.code


SELLER = TradeParty(
    name="Example Seller Ltd.",
    identifiers=(("0199", "TRACOTESTSELLER00122"), ("COMPANY", "000412"), ("VAT", "IE0000001T")),
    endpoint=("0088", "9520000000011"),
)
BUYER = TradeParty(
    name="Example Buyer plc",
    identifiers=(("0199", "TRACOTESTBUYER000198"), ("COMPANY", "000777"), ("VAT", "IE0000002T")),
    endpoint=("0088", "9520000000028"),
)


def expected(syntax: Syntax) -> Invoice:
    return Invoice(
        syntax=syntax,
        type_code="380",
        kind=InvoiceKind.INVOICE,
        number="INV-004711",
        issue_date="2026-03-09",
        due_date="2026-06-08",
        currency="EUR",
        payable_amount=10324620,
        total_with_vat=10324620,
        seller=SELLER,
        buyer=BUYER,
    )


def test_a_ubl_invoice_is_read(ubl: str) -> None:
    assert read_invoice(ubl.encode()) == expected(Syntax.UBL_INVOICE)


def test_a_cii_invoice_is_read(cii: str) -> None:
    assert read_invoice(cii.encode()) == expected(Syntax.CII)


def test_a_ubl_credit_note_is_read(credit_note: str) -> None:
    assert read_invoice(credit_note.encode()) == Invoice(
        syntax=Syntax.UBL_CREDIT_NOTE,
        type_code="381",
        kind=InvoiceKind.CREDIT_NOTE,
        number="CN-000093",
        issue_date="2026-04-02",
        due_date=None,
        currency="EUR",
        payable_amount=60516,
        total_with_vat=60516,
        seller=SELLER,
        buyer=BUYER,
        preceding=(PrecedingInvoice(number="INV-004711", issue_date="2026-03-09"),),
    )


def test_a_factored_invoice_names_its_payee(samples: Path) -> None:
    invoice = read_invoice((samples / "04-factored-ubl.xml").read_bytes())
    assert invoice.payee == TradeParty(
        name="Example Factoring AG",
        identifiers=(("0199", "TRACOTESTFACTORING02"), ("COMPANY", "000900")),
    )


def test_an_amount_in_a_currency_without_decimals_is_read(samples: Path) -> None:
    assert read_invoice((samples / "06-shipyard-cii.xml").read_bytes()).payable_amount == 182_500_000


def test_a_file_that_was_cut_off_is_refused(samples: Path) -> None:
    assert code_of((samples / "08-cut-off-ubl.xml").read_bytes()) == "invoice.not_xml"


def test_the_identifiers_of_the_samples_have_right_check_digits(samples: Path) -> None:
    for path in sorted(samples.glob("0[1-7]*.xml")):
        invoice = read_invoice(path.read_bytes())
        for party in (invoice.seller, invoice.buyer, invoice.payee):
            for scheme, value in [] if party is None else party.identifiers:
                if scheme == "0199":
                    check_lei(value)
            if party is not None and party.endpoint is not None and party.endpoint[0] == "0088":
                check_gln(party.endpoint[1])


@pytest.mark.parametrize("length", range(0, 5000, 97))
def test_no_truncation_of_an_invoice_is_read(ubl: str, length: int) -> None:
    assert code_of(ubl.encode()[:length]) in {"invoice.empty", "invoice.not_xml"}


def test_damaged_invoices_give_no_other_error(ubl: str, cii: str, credit_note: str) -> None:
    seeded = random.Random(20260309)
    for document in (ubl, cii, credit_note):
        for _ in range(300):
            content = bytearray(document.encode())
            for _ in range(seeded.randint(1, 4)):
                start = seeded.randrange(len(content))
                content[start : start + seeded.randint(0, 30)] = seeded.randbytes(seeded.randint(0, 3))
            # Anything but an InvoiceUnreadable fails the test by itself.
            with contextlib.suppress(InvoiceUnreadable):
                read_invoice(bytes(content))


UBL_ELEMENTS = [
    "cbc:ID>INV-004711",
    "cbc:IssueDate",
    "cbc:InvoiceTypeCode",
    "cbc:DocumentCurrencyCode",
    "cac:AccountingSupplierParty",
    "cac:AccountingCustomerParty",
    "cac:LegalMonetaryTotal",
    "cbc:PayableAmount",
    "cbc:TaxInclusiveAmount",
]
CII_ELEMENTS = [
    "ram:ID>INV-004711",
    "ram:TypeCode>380",
    "ram:IssueDateTime",
    "ram:InvoiceCurrencyCode",
    "ram:SellerTradeParty",
    "ram:BuyerTradeParty",
    "ram:ApplicableHeaderTradeAgreement",
    "ram:ApplicableHeaderTradeSettlement",
    "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
    "ram:DuePayableAmount",
    "ram:GrandTotalAmount",
    "rsm:ExchangedDocument>",
    "rsm:SupplyChainTradeTransaction",
]


def element_of(document: str, start: str) -> str:
    """The whole element that begins with `<start`, which must not contain another of its name."""
    name = start.partition(">")[0]
    begin = document.index(f"<{start}")
    return document[begin : document.index(f"</{name}>", begin)] + f"</{name}>"


@pytest.mark.parametrize("start", UBL_ELEMENTS)
def test_a_ubl_invoice_without_a_required_element_is_refused(ubl: str, changed: Change, start: str) -> None:
    assert code_of(changed(ubl, element_of(ubl, start), "")) == "invoice.field_missing"


@pytest.mark.parametrize("start", [*UBL_ELEMENTS, "cbc:DueDate", "cac:PartyLegalEntity", "cbc:EndpointID"])
def test_a_ubl_invoice_with_a_single_element_twice_is_refused(ubl: str, changed: Change, start: str) -> None:
    element = element_of(ubl, start)
    assert code_of(changed(ubl, element, element + element)) == "invoice.field_repeated"


@pytest.mark.parametrize("start", CII_ELEMENTS)
def test_a_cii_invoice_without_a_required_element_is_refused(cii: str, changed: Change, start: str) -> None:
    assert code_of(changed(cii, element_of(cii, start), "")) == "invoice.field_missing"


@pytest.mark.parametrize(
    "start", [*CII_ELEMENTS, "ram:DueDateDateTime", "ram:SpecifiedLegalOrganization", "ram:Name>Example"]
)
def test_a_cii_invoice_with_a_single_element_twice_is_refused(cii: str, changed: Change, start: str) -> None:
    element = element_of(cii, start)
    assert code_of(changed(cii, element, element + element)) == "invoice.field_repeated"


@pytest.mark.parametrize(
    "document",
    [
        b"<Invoice/>",
        b"<Invoice xmlns='urn:oasis:names:specification:ubl:schema:xsd:Invoice-1'/>",
        b"<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'/>",
        b"<CrossIndustryDocument xmlns='urn:ferd:CrossIndustryDocument:invoice:1p0'/>",
        b"<InvoiceLine xmlns='urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2'/>",
    ],
)
def test_another_document_is_refused(document: bytes) -> None:
    assert code_of(document) == "invoice.unknown_syntax"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('EUR">103246.20</cbc:Payable', 'USD">103246.20</cbc:Payable', "invoice.currency_mixed"),
        ('EUR">103246.20</cbc:Payable', 'EUR">1.0e5</cbc:Payable', "invoice.field_invalid"),
        ('EUR">103246.20</cbc:Payable', 'EUR">1.001</cbc:Payable', "invoice.amount_precision"),
        ('EUR">103246.20</cbc:Payable', 'EUR">99999999999999999999</cbc:Payable', "invoice.amount_too_large"),
        (">EUR</cbc:DocumentCurrencyCode", ">EUX</cbc:DocumentCurrencyCode", "invoice.currency_unknown"),
        (">380<", ">999<", "invoice.type_unknown"),
        (">380<", "><", "invoice.field_missing"),
        ("2026-03-09", "2026-02-30", "invoice.field_invalid"),
        ("2026-06-08", "08.06.2026", "invoice.field_invalid"),
        (
            "<cbc:DueDate>",
            "<cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode><cbc:DueDate>",
            "invoice.field_invalid",
        ),
        ("<cbc:ID>INV-004711</cbc:ID>", "<cbc:ID>INV<x/></cbc:ID>", "invoice.field_invalid"),
        ("<cbc:ID>INV-004711", "<cbc:ID>" + "9" * 501, "invoice.field_invalid"),
        ("<cbc:ID>INV-004711", "<ID xmlns='urn:other'>1</ID><cbc:ID>INV-004711", "invoice.field_invalid"),
    ],
)
def test_a_wrong_value_in_ubl_is_refused(ubl: str, changed: Change, old: str, new: str, code: str) -> None:
    assert code_of(changed(ubl, old, new)) == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<ram:DuePayableAmount>", '<ram:DuePayableAmount currencyID="USD">', "invoice.currency_mixed"),
        (">EUR</ram:InvoiceCurrencyCode", ">eur</ram:InvoiceCurrencyCode", "invoice.currency_unknown"),
        (">380<", ">380a<", "invoice.type_unknown"),
        ('format="102">20260309', 'format="203">202603090000', "invoice.field_invalid"),
        ('<udt:DateTimeString format="102">', "<udt:DateTimeString>", "invoice.field_invalid"),
        ("20260309", "2026-03-09", "invoice.field_invalid"),
    ],
)
def test_a_wrong_value_in_cii_is_refused(cii: str, changed: Change, old: str, new: str, code: str) -> None:
    assert code_of(changed(cii, old, new)) == code


def test_two_different_due_dates_in_cii_are_refused(cii: str, changed: Change) -> None:
    terms = element_of(cii, "ram:SpecifiedTradePaymentTerms")
    assert (
        code_of(changed(cii, terms, terms + terms.replace("20260608", "20260609")))
        == "invoice.field_repeated"
    )


def test_the_same_due_date_twice_in_cii_is_one(cii: str, changed: Change) -> None:
    terms = element_of(cii, "ram:SpecifiedTradePaymentTerms")
    assert read_invoice(changed(cii, terms, terms + terms)).due_date == "2026-06-08"


@pytest.mark.parametrize("syntax", ["ubl", "cii"])
def test_an_invoice_without_due_date_is_read(ubl: str, cii: str, changed: Change, syntax: str) -> None:
    document, start = (ubl, "cbc:DueDate") if syntax == "ubl" else (cii, "ram:SpecifiedTradePaymentTerms")
    assert read_invoice(changed(document, element_of(document, start), "")).due_date is None


def test_the_due_date_of_a_credit_note_stands_in_the_payment_means(credit_note: str, changed: Change) -> None:
    content = changed(
        credit_note, "<cbc:PaymentID>", "<cbc:PaymentDueDate>2026-05-01</cbc:PaymentDueDate><cbc:PaymentID>"
    )
    assert read_invoice(content).due_date == "2026-05-01"


def test_two_different_due_dates_of_a_credit_note_are_refused(credit_note: str, changed: Change) -> None:
    means = element_of(credit_note, "cac:PaymentMeans")
    first, second = (
        means.replace(
            "<cbc:PaymentID>", f"<cbc:PaymentDueDate>2026-05-0{day}</cbc:PaymentDueDate><cbc:PaymentID>"
        )
        for day in (1, 2)
    )
    assert code_of(changed(credit_note, means, first + second)) == "invoice.field_repeated"


def test_a_credit_note_with_the_code_of_an_invoice_is_refused(credit_note: str, changed: Change) -> None:
    assert code_of(changed(credit_note, ">381<", ">380<")) == "invoice.field_invalid"


def test_an_invoice_with_the_code_of_a_credit_note_is_a_credit_note(ubl: str, changed: Change) -> None:
    assert read_invoice(changed(ubl, ">380<", ">381<")).kind == InvoiceKind.CREDIT_NOTE


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("380", InvoiceKind.INVOICE),
        ("381", InvoiceKind.CREDIT_NOTE),
        ("261", InvoiceKind.CREDIT_NOTE),
        ("383", InvoiceKind.DEBIT_NOTE),
        ("384", InvoiceKind.CORRECTED_INVOICE),
        ("386", InvoiceKind.PREPAYMENT_INVOICE),
        ("389", InvoiceKind.SELF_BILLED_INVOICE),
        ("393", InvoiceKind.FACTORED_INVOICE),
        ("751", InvoiceKind.NOT_A_CLAIM),
    ],
)
def test_a_type_code_has_its_kind_in_cii(cii: str, changed: Change, code: str, kind: InvoiceKind) -> None:
    assert read_invoice(changed(cii, ">380<", f">{code}<")).kind == kind


def test_every_type_code_is_two_or_three_digits() -> None:
    assert [code for code in KINDS if not (code.isdigit() and 2 <= len(code) <= 3)] == []


def test_a_preceding_invoice_is_read_from_cii(cii: str, changed: Change) -> None:
    reference = (
        "<ram:InvoiceReferencedDocument><ram:IssuerAssignedID>A 1</ram:IssuerAssignedID><ram:FormattedIssueDateTime>"
        '<q:DateTimeString xmlns:q="urn:un:unece:uncefact:data:standard:QualifiedDataType:100" format="102">20260101'
        "</q:DateTimeString></ram:FormattedIssueDateTime></ram:InvoiceReferencedDocument>"
    )
    content = changed(
        cii, "</ram:ApplicableHeaderTradeSettlement>", reference + "</ram:ApplicableHeaderTradeSettlement>"
    )
    assert read_invoice(content).preceding == (PrecedingInvoice(number="A 1", issue_date="2026-01-01"),)


def test_a_preceding_invoice_may_lack_its_date(credit_note: str, changed: Change) -> None:
    content = changed(credit_note, "<cbc:IssueDate>2026-03-09</cbc:IssueDate>", "")
    assert read_invoice(content).preceding == (PrecedingInvoice(number="INV-004711"),)


def test_the_trading_name_stands_in_for_a_missing_registered_name_alike(
    ubl: str, cii: str, changed: Change
) -> None:
    from_ubl = read_invoice(
        changed(ubl, "<cbc:RegistrationName>Example Seller Ltd.</cbc:RegistrationName>", "")
    )
    from_cii = read_invoice(changed(cii, "<ram:Name>Example Seller Ltd.</ram:Name>", ""))
    assert (from_ubl.seller.name, from_cii.seller.name) == ("Example Seller", "Example Seller")


def test_a_party_without_any_name_is_refused(ubl: str, changed: Change) -> None:
    content = changed(ubl, "<cbc:RegistrationName>Example Buyer plc</cbc:RegistrationName>", "")
    assert code_of(content) == "invoice.field_missing"


def test_a_creditor_reference_is_no_identifier(ubl: str, changed: Change) -> None:
    content = changed(
        ubl,
        "<cac:PartyIdentification>",
        '<cac:PartyIdentification><cbc:ID schemeID="SEPA">X1</cbc:ID></cac:PartyIdentification><cac:PartyIdentification>',
    )
    assert read_invoice(content).seller == SELLER


def test_a_number_without_scheme_is_an_assigned_one(ubl: str, changed: Change) -> None:
    content = changed(ubl, '<cbc:ID schemeID="0199">', "<cbc:ID>")
    assert read_invoice(content).seller.identifiers[0] == ("ASSIGNED", "TRACOTESTSELLER00122")


def test_too_many_identifiers_are_refused(cii: str, changed: Change) -> None:
    more = "".join(f"<ram:ID>{number}</ram:ID>" for number in range(40))
    assert (
        code_of(changed(cii, "<ram:SellerTradeParty>", "<ram:SellerTradeParty>" + more))
        == "invoice.too_complex"
    )


@pytest.mark.parametrize(("amount", "minor"), [("0.00", 0), ("-50.00", -5000)])
def test_nothing_payable_is_read_and_cannot_be_financed(
    ubl: str, changed: Change, amount: str, minor: int
) -> None:
    invoice = read_invoice(changed(ubl, ">103246.20</cbc:Payable", f">{amount}</cbc:Payable"))
    assert (invoice.payable_amount, not_financeable_because(invoice)) == (minor, "invoice.nothing_payable")


def test_a_credit_note_cannot_be_financed(credit_note: str) -> None:
    assert not_financeable_because(read_invoice(credit_note.encode())) == "invoice.credit_note"


def test_a_pro_forma_invoice_cannot_be_financed(ubl: str, changed: Change) -> None:
    assert not_financeable_because(read_invoice(changed(ubl, ">380<", ">325<"))) == "invoice.not_a_claim"


def test_an_invoice_can_be_financed(ubl: str) -> None:
    assert not_financeable_because(read_invoice(ubl.encode())) is None


@pytest.mark.parametrize(
    ("old", "new", "expected_warnings"),
    [
        (">380<", ">380<", ()),
        (">380<", ">393<", ("invoice.marked_factored",)),
        (">380<", ">384<", ("invoice.corrects_another",)),
        (">380<", ">472<", ("invoice.marked_factored", "invoice.corrects_another")),
    ],
)
def test_a_lender_is_warned(
    ubl: str, changed: Change, old: str, new: str, expected_warnings: tuple[str, ...]
) -> None:
    assert warnings(read_invoice(changed(ubl, old, new))) == expected_warnings


def test_another_payee_is_a_warning(samples: Path) -> None:
    assert warnings(read_invoice((samples / "04-factored-ubl.xml").read_bytes())) == (
        "invoice.names_other_payee",
    )


def test_the_seller_as_payee_is_no_warning(ubl: str, changed: Change) -> None:
    payee = "<cac:PayeeParty><cac:PartyName><cbc:Name>EXAMPLE SELLER LTD.</cbc:Name></cac:PartyName></cac:PayeeParty>"
    assert warnings(read_invoice(changed(ubl, "<cac:PaymentMeans>", payee + "<cac:PaymentMeans>"))) == ()
