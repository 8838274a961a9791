"""What happened to documents, as receipts and projections carry it: together the history of a document's status."""

from typing import Annotated, Literal

import msgspec

from traco.kernel.codec import Amount, Code, Hash, Id, PublicKey
from traco.kernel.instruction import Event
from traco.modules.document.messages import Match
from traco.modules.document.statement import KeyVersion, SchemeVersion

Outcome = Literal["REGU", "REDU"]
"""Registered unique, or registered duplicate; what is already financed (DFIN) is refused and has no event."""


class DocumentRegistered(Event, frozen=True, tag="document.registered/1"):
    """A document was registered. ``matched`` documents are reported by an event each; ``truncated``: not all of them."""

    document: Id
    registrant: Id
    kind: Code
    content_commitment: Hash
    outcome: Outcome
    duplicate_of: Id | None
    amends: Id | None
    matched: Annotated[int, msgspec.Meta(ge=0)]
    truncated: bool


class DocumentMatched(Event, frozen=True, tag="document.matched/1"):
    """A document just registered has facts in common with another: for both registrants, and for whoever lends."""

    document: Id
    registrant: Id
    match: Match


class DocumentConfirmed(Event, frozen=True, tag="document.confirmed/1"):
    """A named party stands by a document: in full, or by ``amount`` of what is payable."""

    document: Id
    party: Id
    amount: Amount | None


class DocumentDisputed(Event, frozen=True, tag="document.disputed/1"):
    """A named party disputes a document."""

    document: Id
    party: Id
    reason: Code


class DisputeWithdrawn(Event, frozen=True, tag="document.dispute_withdrawn/1"):
    """A party took its dispute back."""

    document: Id
    party: Id


class DocumentCancelled(Event, frozen=True, tag="document.cancelled/1"):
    """The registrant cancelled a document."""

    document: Id
    reason: Code


class DocumentSuperseded(Event, frozen=True, tag="document.superseded/1"):
    """A document is replaced by its successor."""

    document: Id
    successor: Id


class PartyNamed(Event, frozen=True, tag="document.party_named/1"):
    """A role of a document is linked to a registered party."""

    document: Id
    role: Code
    party: Id


class FinancedMarked(Event, frozen=True, tag="document.financed_marked/1"):
    """A document counts as financed: the same facts cannot be registered or financed again."""

    document: Id
    financing: Id


class FinancedUnmarked(Event, frozen=True, tag="document.financed_unmarked/1"):
    """A document no longer counts as financed."""

    document: Id
    financing: Id


class FingerprintKeySet(Event, frozen=True, tag="document.fingerprint_key_set/1"):
    """A signing key of the fingerprint service is in force from now on, or retired."""

    key: PublicKey
    scheme: SchemeVersion
    from_version: KeyVersion
    active: bool
