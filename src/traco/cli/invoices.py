"""From an invoice file to a registration, and from a registration back to the file: what ``traco doc`` does.

The file itself never leaves this machine. The ledger gets a salted commitment, and fingerprints that a service has keyed.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from traco.cli.problems import absent
from traco.client.sdk import LedgerClient
from traco.kernel.finality import verify_receipt
from traco.modules.document.messages import (
    NamedParty,
    PublicIdentifier,
    RegisterDocument,
    document_id,
)
from traco.modules.document.statement import Fingerprints
from traco.services.doc import (
    Invoice,
    TradeParty,
    check_content,
    fields_of,
    read_invoice,
    registration,
)
from traco.services.doc.registration import Registration

REGISTER_TAG: Final = str(RegisterDocument.__struct_config__.tag)
LEI_SCHEME: Final = "0199"
_PREFERRED: Final = (LEI_SCHEME, "0088", "VAT", "COMPANY")


class Slip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a lender needs beside the file: which registration it is about, and the salt of its commitment. Keep it private."""

    format: Literal["traco-document-slip/1"] = "traco-document-slip/1"
    document: str
    transaction: str
    content_salt: str


def prepare(
    client: LedgerClient, party: bytes, content: bytes, salts: tuple[bytes, bytes], named: Mapping[str, bytes],
    credited: bytes | None = None,
) -> tuple[Registration, Invoice]:  # fmt: skip
    """Read an invoice, and prepare its registration with its parties as the ledger knows them.

    ``salts``: 16 random bytes for the document's id and 32 for the commitment. ``named`` gives the party of a role where the
    identifiers in the file do not. Raises ``InvoiceUnreadable``, ``CommandProblem``, ``ClientError``.
    """
    invoice = read_invoice(content)
    roles = [("seller", invoice.seller), ("buyer", invoice.buyer)]
    if invoice.payee is not None:
        roles.append(("payee", invoice.payee))
    parties = tuple(_named_party(client, role, trade_party, named.get(role)) for role, trade_party in roles)
    return registration.prepare(
        client, party, content, invoice, parties, salts[1], salts[0], credited
    ), invoice


def _named_party(client: LedgerClient, role: str, party: TradeParty, given: bytes | None) -> NamedParty:
    """The party of a role: the one given, one registered with an identifier in the file, else that identifier."""
    if given is not None:
        return NamedParty(role, party=given)
    identifiers = sorted(party.identifiers, key=_preference)
    if party.endpoint is not None:
        identifiers.append(party.endpoint)
    for scheme, value in identifiers:
        found = _registered(client, scheme, value)
        if found is not None:
            return NamedParty(role, party=found)
    if not identifiers:
        raise absent(
            "doc.party_unknown",
            f"The {role} {party.name!r} has no identifier in the file; say who it is: --{role}",
        )
    return NamedParty(role, identifier=PublicIdentifier(*identifiers[0]))


def _preference(identifier: tuple[str, str]) -> tuple[int, tuple[str, str]]:
    scheme = identifier[0]
    return (_PREFERRED.index(scheme) if scheme in _PREFERRED else len(_PREFERRED), identifier)


def _registered(client: LedgerClient, scheme: str, value: str) -> bytes | None:
    """The one registered party with an identifier; None for several, because a guess could name the wrong one."""
    page = client.query("party.by_identifier", identifier={"scheme": scheme, "value": value}, limit=2)
    return bytes.fromhex(page["parties"][0]["id"]) if len(page["parties"]) == 1 else None


def registered(client: LedgerClient, transaction: bytes, document: bytes) -> RegisterDocument:
    """The registration of a document, out of the finality receipt of its transaction. Raises ``CommandProblem``."""
    verified = verify_receipt(client.receipt(transaction), client.genesis())
    for item in verified.body.instructions:
        if item[0] == REGISTER_TAG and verified.receipt.failure is None:
            message: RegisterDocument = msgspec.convert(item, RegisterDocument)
            if document_id(message.party, message.salt) == document:
                return message
    raise absent(
        "doc.not_registered", f"Transaction {transaction.hex()} does not register document {document.hex()}."
    )


def check_file(client: LedgerClient, caller: bytes, content: bytes, slip: Slip) -> dict[str, Any]:
    """What a lender's own software finds out about a file that it was given, against what is on the ledger.

    Raises ``ContentMismatch`` where it is another file, and ``CommandProblem`` where other facts were registered than the
    file has. The fingerprint service is asked without registering.
    """
    message = registered(client, bytes.fromhex(slip.transaction), bytes.fromhex(slip.document))
    check_content(message.content_commitment, content, bytes.fromhex(slip.content_salt))
    fields = fields_of(read_invoice(content))
    own = registration.keyed(
        client, caller, fields, message.content_commitment, register=False
    ).statement.fingerprints
    if not _agree(own, message.statement.statement.fingerprints):
        raise absent(
            "doc.other_facts", "The file is the one committed to, but it was registered with other facts."
        )
    return {"content": "matches", "facts": "match"}


def _agree(own: tuple[Fingerprints, ...], registered: tuple[Fingerprints, ...]) -> bool:
    """Whether both were keyed by a common key, and agree under every common key."""
    ours = {(entry.scheme, entry.key_version): entry for entry in own}
    common = [entry for entry in registered if (entry.scheme, entry.key_version) in ours]
    return bool(common) and all(ours[entry.scheme, entry.key_version] == entry for entry in common)
