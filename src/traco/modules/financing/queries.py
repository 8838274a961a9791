"""Reads of financings on committed state. Lists come in pages: ``after`` is the last id of the page before."""

from typing import Annotated, Literal

import msgspec

from traco.kernel.codec import Amount, Id, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.document.messages import Match
from traco.modules.financing import state as stored
from traco.modules.financing.keeper import Keeper
from traco.modules.financing.ports import Documents
from traco.modules.financing.state import Financing, Offer, Receivable, Recourse

MAX_PAGE = 100
PageSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
RegistryStatus = Literal["REGU", "REDU", "DFIN"]


class FinancingQuery(Record, frozen=True):
    """Asks about a financing."""

    financing: Id


class FinancingsByDocument(Record, frozen=True):
    """Asks for a page of the financings of a document."""

    document: Id
    after: Id | None = None
    limit: PageSize = MAX_PAGE


class OffersQuery(Record, frozen=True):
    """Asks for a page of the offers on a request, ended ones included."""

    financing: Id
    after: Id | None = None
    limit: PageSize = MAX_PAGE


class DocumentQuery(Record, frozen=True):
    """Asks about what was made of a document."""

    document: Id


class CollectableQuery(Record, frozen=True):
    """Asks what ``account`` may collect of what was set aside for ``source``."""

    document: Id
    account: Id
    source: Id


class PayoutQuery(Record, frozen=True):
    """Asks where redemptions of what an account holds are paid."""

    account: Id


class FinancingView(Record, frozen=True):
    """A financing with its open demand; ``discharged``: it is financed, and the debtor owes nothing more."""

    id: Id
    record: Financing
    discharged: bool
    recourse: Recourse | None


class OfferRow(Record, frozen=True):
    """An offer with its id."""

    id: Id
    record: Offer


class ReceivableView(Record, frozen=True):
    """A receivable with what is unpaid and whether it is discharged."""

    document: Id
    record: Receivable
    unpaid: Amount
    discharged: bool


class StatusView(Record, frozen=True):
    """A document as duplicate-financing registries see it.

    DFIN: a document with the same facts (``same``, perhaps this one) is financed. REDU: registered, a duplicate of
    ``same``. REGU: registered as unique. ``matches`` are all documents that agree exactly or in part, financed ones first.
    """

    document: Id
    status: RegistryStatus
    same: Id | None
    matches: tuple[Match, ...]


class Queries:
    """Answers over one keeper and the registry of documents."""

    def __init__(self, keeper: Keeper, documents: Documents) -> None:
        self._keeper = keeper
        self._documents = documents

    def declared(self) -> dict[str, Query]:
        """The queries by name."""
        return {
            "financing.get": Query(FinancingQuery, self.get, "A financing: request, deal and demand."),
            "financing.by_document": Query(FinancingsByDocument, self.by_document, "The financings of a document, in pages."),
            "financing.offers": Query(OffersQuery, self.offers, "The offers on a request, in pages."),
            "financing.receivable": Query(DocumentQuery, self.receivable, "The receivable issued from a document."),
            "financing.status": Query(DocumentQuery, self.status, "REGU, REDU or DFIN, with what matches."),
            "financing.collectable": Query(CollectableQuery, self.collectable, "What an account may collect."),
            "financing.payout": Query(PayoutQuery, self.payout, "Where redemptions are paid."),
        }  # fmt: skip

    def get(self, state: State, request: FinancingQuery) -> FinancingView | None:
        """The financing, or None."""
        record = self._keeper.get(state, request.financing)
        return None if record is None else self._view(state, request.financing, record)

    def by_document(self, state: State, request: FinancingsByDocument) -> tuple[FinancingView, ...]:
        """A page of financings in order of their ids."""
        found = stored.by_document.scan(
            state, request.document, after=request.after or b"", limit=request.limit
        )
        return tuple(self._view(state, rest, self._keeper.require(state, rest)) for rest, _ in found)

    def offers(self, state: State, request: OffersQuery) -> tuple[OfferRow, ...]:
        """A page of offers in order of their ids."""
        found = stored.offers.scan(state, request.financing, after=request.after or b"", limit=request.limit)
        return tuple(OfferRow(offer, record) for offer, record in found)

    def receivable(self, state: State, request: DocumentQuery) -> ReceivableView | None:
        """The receivable, or None."""
        record = self._keeper.receivable(state, request.document)
        if record is None:
            return None
        return ReceivableView(request.document, record, record.unpaid, record.is_discharged)

    def status(self, state: State, request: DocumentQuery) -> StatusView | None:
        """The status, or None for an unknown document."""
        record = self._documents.get(state, request.document)
        if record is None:
            return None
        matches = tuple(self._documents.matches(state, request.document))
        financed = self._documents.already_financed_exact(state, request.document)
        if financed is not None:
            return StatusView(request.document, "DFIN", financed, matches)
        if record.status == "duplicate":
            return StatusView(request.document, "REDU", record.duplicate_of, matches)
        return StatusView(request.document, "REGU", None, matches)

    def collectable(self, state: State, request: CollectableQuery) -> int:
        """The amount in the smallest unit; it can be collected as far as the receivable is available."""
        record = self._keeper.receivable(state, request.document)
        if record is None:
            return 0
        return self._keeper.payments.collectable(
            state, request.document, record, request.account, request.source
        )

    def payout(self, state: State, request: PayoutQuery) -> bytes:
        """The account, which is the one asked for where nothing else was said."""
        return self._keeper.payments.payout_of(state, request.account)

    def _view(self, state: State, financing: bytes, record: Financing) -> FinancingView:
        issued = self._keeper.receivable(state, record.document)
        discharged = record.status == "financed" and issued is not None and issued.is_discharged
        return FinancingView(financing, record, discharged, self._keeper.recourses.get(state, financing))
