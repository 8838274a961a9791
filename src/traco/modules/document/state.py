"""The records of documents and their indexes, and the keys under which they stand.

documents                document id -> ``Document``
prints                   document id -> ``DocumentPrints``; kept apart, so that a confirmation rewrites little
index                    strength, fingerprint, registrant, document id -> ``IndexEntry``, of registered documents
financed                 the same, of those that are financed: no number of others can crowd them out
commitments              content commitment -> the one party that registered it
parties                  party id, document id -> presence; registrants and named parties
credits                  invoice id, credit note id -> presence; of registered credit notes
service_keys  by height  () -> ``ServiceKeys``
"""

from typing import Annotated, Final

import msgspec

from traco.kernel.by_height import HeightTable
from traco.kernel.codec import Amount, Code, Hash, Height, Id, IsoDate, PublicKey, Record
from traco.kernel.state import Table
from traco.modules.document.messages import (
    DocumentReference,
    DocumentStatus,
    NamedParty,
    Payable,
)
from traco.modules.document.statement import STRENGTHS, Fingerprints, KeyVersion, SchemeVersion, Strength

PREFIX: Final = 0x04
DOCUMENTS: Final = 0x01
PRINTS: Final = 0x02
INDEX: Final = 0x03
FINANCED: Final = 0x04
COMMITMENTS: Final = 0x05
PARTIES: Final = 0x06
CREDITED: Final = 0x07
SERVICE_KEYS: Final = 0x08
REPLACED_SERVICE_KEYS: Final = 0x09

ID_BYTES: Final = 16

MATCH_BOUND: Final = 64
"""The most matches that are looked at for one fingerprint, and that are reported for one document."""


class Confirmation(Record, frozen=True):
    """A named party stands by ``amount`` of the payable amount; None: by the document in full."""

    party: Id
    amount: Amount | None


class Dispute(Record, frozen=True):
    """An open dispute of a named party."""

    party: Id
    reason: Code


class Document(Record, frozen=True, tag=1):
    """A registered document. ``payable`` is None where the amount is not disclosed.

    ``duplicate_of`` names the first registration of a duplicate, ``superseded_by`` the successor of what was
    superseded. ``financing`` is the id under which the document was marked as financed.
    """

    registrant: Id
    kind: Code
    schema: Code
    content_commitment: Hash
    roles: tuple[NamedParty, ...]
    payable: Payable | None
    issue_date: IsoDate | None
    due_date: IsoDate | None
    references: tuple[DocumentReference, ...]
    status: DocumentStatus
    duplicate_of: Id | None
    amends: Id | None
    superseded_by: Id | None
    confirmations: tuple[Confirmation, ...]
    disputes: tuple[Dispute, ...]
    financing: Id | None
    height: Height

    def party_in(self, role: str) -> bytes | None:
        """The registered party that has a role, or None."""
        return next((named.party for named in self.roles if named.role == role), None)

    def names(self, party: bytes) -> bool:
        """Whether the party has a role in the document."""
        return any(named.party == party for named in self.roles)

    def credits(self) -> bytes | None:
        """The invoice that this credit note reduces, or None."""
        return next((entry.document for entry in self.references if entry.relation == "credits"), None)


class DocumentPrints(Record, frozen=True, tag=1):
    """By which service key the document's fingerprints were stated, and what it is found by.

    ``inherited`` are the fingerprints of the documents that it supersedes.
    """

    service: PublicKey
    stated: tuple[Fingerprints, ...]
    inherited: tuple[Fingerprints, ...] = ()

    def all(self) -> tuple[Fingerprints, ...]:
        """Everything the document is found by, each once."""
        return tuple(dict.fromkeys(self.stated + self.inherited))


class IndexEntry(Record, frozen=True, tag=1):
    """At which position among the document's fingerprints of that strength this one stands."""

    position: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]


class Present(Record, frozen=True, tag=1):
    """Says only that the key is there."""


class Registrant(Record, frozen=True, tag=1):
    """The party that a content commitment belongs to."""

    party: Id


class ServiceKey(Record, frozen=True):
    """A signing key of the fingerprint service, and which version every statement must carry because of it."""

    key: PublicKey
    scheme: SchemeVersion
    from_version: KeyVersion


class ServiceKeys(Record, frozen=True, tag=1):
    """The active signing keys, in ascending order."""

    keys: tuple[ServiceKey, ...]


documents: Final[Table[Document]] = Table(PREFIX, DOCUMENTS, Document)
prints: Final[Table[DocumentPrints]] = Table(PREFIX, PRINTS, DocumentPrints)
index: Final[Table[IndexEntry]] = Table(PREFIX, INDEX, IndexEntry)
financed: Final[Table[IndexEntry]] = Table(PREFIX, FINANCED, IndexEntry)
commitments: Final[Table[Registrant]] = Table(PREFIX, COMMITMENTS, Registrant)
parties: Final[Table[Present]] = Table(PREFIX, PARTIES, Present)
credited: Final[Table[Present]] = Table(PREFIX, CREDITED, Present)
service_keys: Final[HeightTable[ServiceKeys]] = HeightTable(
    PREFIX, SERVICE_KEYS, REPLACED_SERVICE_KEYS, ServiceKeys
)

_STRENGTH_BYTE: Final = {strength: bytes((number,)) for number, strength in enumerate(STRENGTHS)}


def fingerprint_part(strength: Strength, fingerprint: bytes) -> bytes:
    """The 33 bytes under which documents with a fingerprint are indexed, before registrant and document id."""
    return _STRENGTH_BYTE[strength] + fingerprint


def index_parts(found_by: tuple[Fingerprints, ...]) -> dict[bytes, int]:
    """Each ``fingerprint_part`` of a document with its position; of a repeated one the first position."""
    parts: dict[bytes, int] = {}
    for entry in found_by:
        for strength in STRENGTHS:
            for position, fingerprint in enumerate(entry.at(strength)):
                parts.setdefault(fingerprint_part(strength, fingerprint), position)
    return parts
