"""Reads of documents on committed state. Answers carry the document's id beside its record."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Id, Record
from traco.kernel.state import State
from traco.modules.document.keeper import Keeper
from traco.modules.document.messages import Matches
from traco.modules.document.state import Document, ServiceKey

MAX_PAGE = 100


class DocumentQuery(Record, frozen=True):
    """Asks for a document."""

    document: Id


class DocumentsByParty(Record, frozen=True):
    """Asks for up to ``limit`` documents that a party registered or has a role in, behind the id ``after``."""

    party: Id
    after: Id | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class MatchesQuery(Record, frozen=True):
    """Asks which registered documents share facts with a document."""

    document: Id


class FingerprintKeysQuery(Record, frozen=True):
    """Asks for the active signing keys of the fingerprint service."""


class DocumentView(Record, frozen=True):
    """A document, with whether its buyer stands by it in full."""

    document: Id
    record: Document
    confirmed: bool


class Queries:
    """The answers to this module's queries."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def get(self, state: State, request: DocumentQuery) -> DocumentView | None:
        """The document, or None."""
        record = self._keeper.get(state, request.document)
        return None if record is None else self._view(state, request.document, record)

    def by_party(self, state: State, request: DocumentsByParty) -> tuple[DocumentView, ...]:
        """A page of documents in order of their ids."""
        found = self._keeper.by_party(state, request.party, request.after or b"", request.limit)
        return tuple(self._view(state, document, record) for document, record in found)

    def matches(self, state: State, request: MatchesQuery) -> Matches:
        """What matches the document now; empty for an unknown one."""
        return self._keeper.all_matches(state, request.document)

    def fingerprint_keys(self, state: State, request: FingerprintKeysQuery) -> tuple[ServiceKey, ...]:
        """The active keys in ascending order."""
        return self._keeper.service_keys(state)

    def _view(self, state: State, document: bytes, record: Document) -> DocumentView:
        return DocumentView(document, record, self._keeper.is_confirmed(state, document))
