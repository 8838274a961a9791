"""From a file and its reading to the instruction that registers it, with a real fingerprint service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from traco.client.forms import to_form
from traco.client.signer import Ed25519Signer
from traco.kernel import crypto
from traco.modules.document.messages import BUYER, SELLER, DocumentReference, NamedParty, document_id
from traco.modules.document.statement import statement_message
from traco.services.doc import FingerprintService, InvoiceFields, check_content, fields_of, read_invoice
from traco.services.doc.fingerprint import FingerprintKey
from traco.services.doc.registration import Registration, keyed, kind_of, prepare
from traco.services.doc.service import RateLimit, RequestLog

SAMPLES = Path(__file__).parents[3] / "examples" / "invoices"
NETWORK, REGISTRANT = b"\x01" * 32, b"\x02" * 16
CONTENT_SALT, SALT = b"\x03" * 32, b"\x04" * 16
ROLES = (NamedParty(SELLER, REGISTRANT), NamedParty(BUYER, b"\x05" * 16))
SIGNER = Ed25519Signer.from_seed(b"\x06" * 32)


class Service:
    """A fingerprint service as a client sees it: answers are forms."""

    def __init__(self, log: RequestLog) -> None:
        self._service = FingerprintService(
            network=NETWORK, keys=[FingerprintKey(1, b"\x07" * 32)], signer=SIGNER, clock_ms=lambda: 0,
            limit=RateLimit(100, 1), overall=RateLimit(100, 1), log=log,
        )  # fmt: skip

    def fingerprints(
        self, caller: str, fields: InvoiceFields, content_commitment: bytes, *, register: bool
    ) -> dict[str, Any]:
        form: dict[str, Any] = to_form(self._service.key_fields(caller, fields, content_commitment, register))
        return form


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    log = RequestLog(tmp_path / "fingerprints.log")
    yield Service(log)
    log.close()


def prepared(service: Service, name: str, credited: bytes | None = None) -> tuple[bytes, Registration]:
    content = (SAMPLES / name).read_bytes()
    invoice = read_invoice(content)
    return content, prepare(service, REGISTRANT, content, invoice, ROLES, CONTENT_SALT, SALT, credited)


def test_the_commitment_opens_with_the_salt_and_the_file(service: Service) -> None:
    content, registration = prepared(service, "01-invoice-ubl.xml")
    check_content(registration.message.content_commitment, content, registration.content_salt)


def test_the_statement_is_signed_by_the_service_over_that_commitment(service: Service) -> None:
    signed = prepared(service, "01-invoice-ubl.xml")[1].message.statement
    crypto.verify(SIGNER.public_key, statement_message(signed.statement), signed.signature)
    assert (
        signed.statement.content_commitment
        == prepared(service, "01-invoice-ubl.xml")[1].message.content_commitment
    )


def test_the_documents_id_is_known_before_it_is_ordered(service: Service) -> None:
    assert prepared(service, "01-invoice-ubl.xml")[1].document == document_id(REGISTRANT, SALT)


def test_what_is_disclosed_is_what_the_file_says(service: Service) -> None:
    message = prepared(service, "01-invoice-ubl.xml")[1].message
    assert (message.kind, message.schema) == ("invoice", "ubl.invoice")
    assert message.payable is not None
    assert (message.payable.currency, message.payable.amount) == ("EUR", 10_324_620)


def test_two_syntaxes_of_one_invoice_have_one_exact_fingerprint(service: Service) -> None:
    one = prepared(service, "01-invoice-ubl.xml")[1].message.statement.statement.fingerprints[0]
    other = prepared(service, "02-same-invoice-cii.xml")[1].message.statement.statement.fingerprints[0]
    assert one.exact == other.exact


def test_a_credit_note_refers_to_the_invoice_that_it_reduces(service: Service) -> None:
    message = prepared(service, "03-credit-note-ubl.xml", credited=b"\x08" * 16)[1].message
    assert (message.kind, message.references) == (
        "credit_note",
        (DocumentReference("credits", b"\x08" * 16),),
    )


def test_checking_a_file_gives_what_was_registered(service: Service) -> None:
    content, registration = prepared(service, "01-invoice-ubl.xml")
    fields = fields_of(read_invoice(content))
    checked = keyed(service, b"\x09" * 16, fields, registration.message.content_commitment, register=False)
    assert checked == registration.message.statement


def test_what_is_no_claim_is_not_registered_as_an_invoice() -> None:
    invoice = read_invoice((SAMPLES / "01-invoice-ubl.xml").read_bytes().replace(b">380<", b">325<"))
    assert kind_of(invoice) == "not_a_claim"
