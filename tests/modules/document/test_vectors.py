"""The bytes of statements, instructions, records and events are those of ``tests/vectors/document.json``, for ever."""

import json
from pathlib import Path
from typing import Any

import pytest

from traco.kernel.codec import Codec, Record, encode
from traco.kernel.state import Table
from traco.modules.document import events, messages, state
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.statement import (
    Fingerprints,
    FingerprintStatement,
    SignedStatement,
    statement_message,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "document.json").read_text())

PARTY, OTHER, DOCUMENT, INVOICE = (bytes([number]) * 16 for number in (1, 2, 3, 4))
KEY = b"\x01" + b"\x05" * 32
PRINTS = Fingerprints(1, 2, b"\x06" * 32, (b"\x07" * 32,), (b"\x08" * 32, b"\x09" * 32))
STATEMENT = FingerprintStatement(b"\x0a" * 32, b"", KEY, b"\x0b" * 32, (PRINTS,))
ROLES = (
    messages.NamedParty("seller", PARTY),
    messages.NamedParty("buyer", None, messages.PublicIdentifier("0199", "529900T8BM49AURSDO55")),
)
PAYABLE = messages.Payable("EUR", 123_456)
CREDITS = (messages.DocumentReference("credits", INVOICE),)
MATCH = messages.Match(INVOICE, OTHER, "strong", (0, 4), True)

RECORDS: dict[str, Record] = {
    "statement": STATEMENT,
    "register": messages.RegisterDocument(
        PARTY, b"\x0c" * 16, "credit_note", "en16931-ubl", b"\x0b" * 32, SignedStatement(STATEMENT, b"\x01" * 65),
        ROLES, PAYABLE, "2026-03-01", "2026-04-01", CREDITS, DOCUMENT,
    ),
    "confirm": messages.ConfirmDocument(PARTY, DOCUMENT, 5),
    "dispute": messages.DisputeDocument(PARTY, DOCUMENT, "quality"),
    "withdraw_dispute": messages.WithdrawDispute(PARTY, DOCUMENT),
    "cancel": messages.CancelDocument(PARTY, DOCUMENT, "mistake"),
    "supersede": messages.SupersedeDocument(PARTY, DOCUMENT, INVOICE),
    "name_party": messages.NameParty(PARTY, DOCUMENT, "buyer", OTHER),
    "set_fingerprint_key": messages.SetFingerprintKey(PARTY, KEY, 1, 2, False),
    "document": state.Document(
        PARTY, "invoice", "en16931-ubl", b"\x0b" * 32, ROLES, PAYABLE, "2026-03-01", None, CREDITS, "superseded",
        None, DOCUMENT, INVOICE, (state.Confirmation(OTHER, None),), (state.Dispute(OTHER, "quality"),), None, 7,
    ),
    "prints": state.DocumentPrints(KEY, (PRINTS,), (PRINTS,)),
    "index_entry": state.IndexEntry(4),
    "present": state.Present(),
    "registrant": state.Registrant(PARTY),
    "service_keys": state.ServiceKeys((state.ServiceKey(KEY, 1, 2),)),
    "parameters": DocumentParameters(),
    "registered": events.DocumentRegistered(
        DOCUMENT, PARTY, "invoice", b"\x0b" * 32, "REDU", INVOICE, None, 1, False
    ),
    "matched": events.DocumentMatched(DOCUMENT, PARTY, MATCH),
    "confirmed": events.DocumentConfirmed(DOCUMENT, PARTY, None),
    "disputed": events.DocumentDisputed(DOCUMENT, PARTY, "quality"),
    "dispute_withdrawn": events.DisputeWithdrawn(DOCUMENT, PARTY),
    "cancelled": events.DocumentCancelled(DOCUMENT, "mistake"),
    "superseded": events.DocumentSuperseded(DOCUMENT, INVOICE),
    "party_named": events.PartyNamed(DOCUMENT, "buyer", OTHER),
    "financed_marked": events.FinancedMarked(DOCUMENT, OTHER),
    "financed_unmarked": events.FinancedUnmarked(DOCUMENT, OTHER),
    "fingerprint_key_set": events.FingerprintKeySet(KEY, 1, 2, True),
}  # fmt: skip


def test_every_vector_belongs_to_a_record() -> None:
    assert sorted(VECTORS["records"]) == sorted(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_the_bytes_of_its_vector_and_is_read_from_them(name: str) -> None:
    record = RECORDS[name]
    assert encode(record).hex() == VECTORS["records"][name]
    assert Codec[Record](type(record)).decode(encode(record)) == record


def test_the_signed_bytes_of_a_statement_are_tag_zero_byte_and_its_encoding() -> None:
    assert statement_message(STATEMENT).hex() == VECTORS["statement_message"]
    assert statement_message(STATEMENT) == b"traco/fingerprint/1\0" + encode(STATEMENT)


def test_the_id_of_a_document_follows_from_registrant_and_salt() -> None:
    assert messages.document_id(PARTY, b"\x0c" * 16).hex() == VECTORS["document_id"]


@pytest.mark.parametrize(
    ("table", "name"),
    [(state.documents, "documents"), (state.prints, "prints"), (state.index, "index"), (state.financed, "financed"),
     (state.commitments, "commitments"), (state.parties, "parties"), (state.credited, "credited")],
)  # fmt: skip
def test_a_table_stands_under_its_prefix(table: Table[Any], name: str) -> None:
    assert table.prefix.hex() == VECTORS["tables"][name]


def test_an_index_key_begins_with_strength_and_fingerprint() -> None:
    parts = {part.hex(): position for part, position in state.index_parts((PRINTS,)).items()}
    assert parts == VECTORS["index_parts"]
