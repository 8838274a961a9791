"""Whether a document can be financed, and under which offers. Reads only; asked again at every step until settlement."""

from typing import NamedTuple

from traco.kernel.state import State
from traco.modules.document.messages import BUYER, SELLER
from traco.modules.financing.currencies import decimals_of
from traco.modules.financing.errors import (
    AlreadyFinanced,
    AmountExceeded,
    CashMismatch,
    DocumentDisputed,
    DocumentReserved,
    NothingPayable,
    PartialUnacknowledged,
    PartyMissing,
    Unconfirmed,
)
from traco.modules.financing.ports import Documents, Holdings, Parties
from traco.modules.financing.state import Offer, receivables
from traco.modules.holding.messages import InstrumentKind


class Invoice(NamedTuple):
    """What matters of a document that can be financed. ``total`` is payable after credit notes."""

    seller: bytes
    debtor: bytes
    currency: str
    total: int
    due_date: str | None
    content_commitment: bytes
    marked: bool


class Eligibility:
    """The rules on documents, over the registries of documents, parties and holdings."""

    def __init__(self, parties: Parties, documents: Documents, holdings: Holdings) -> None:
        self._parties = parties
        self._documents = documents
        self._holdings = holdings

    def require(self, state: State, document: bytes) -> Invoice:
        """The invoice, if it stands undisputed and neither another with its facts nor all of it is financed.

        Raises ``AlreadyFinanced``, ``DocumentDisputed``, ``PartyMissing``, ``NothingPayable`` and what the document module
        raises: not found, not registered, another kind, disputed, amount undisclosed or zero; and the party module where
        the debtor is not active.
        """
        financed = self._documents.already_financed_exact(state, document)
        if financed not in (None, document):
            raise AlreadyFinanced(document, financed)
        if financed is None:
            record = self._documents.require_financeable(state, document)
        else:
            record = self._documents.require_registered(state, document)
            if self._documents.is_disputed(state, document):
                raise DocumentDisputed(document)
        seller, debtor = record.party_in(SELLER), record.party_in(BUYER)
        if seller is None or debtor is None:
            raise PartyMissing(document, SELLER if seller is None else BUYER)
        self._parties.require_active(state, debtor)
        payable, issued = record.payable, receivables.get(state, document)
        amount = 0 if payable is None else payable.amount
        total = amount - self._credited(state, document) if issued is None else issued.total
        if payable is None or total <= 0:
            raise NothingPayable(document)
        return Invoice(
            seller, debtor, payable.currency, total, record.due_date, record.content_commitment,
            record.financing is not None,
        )  # fmt: skip

    def check_room(self, state: State, document: bytes, total: int, face: int) -> None:
        """Whether ``face`` of the total can still be financed. Raises ``AmountExceeded``, ``AlreadyFinanced``."""
        found = receivables.get(state, document)
        room = total if found is None else min(found.total - found.financed, found.unpaid)
        if room == 0:
            raise AlreadyFinanced(document, document)
        if face > room:
            raise AmountExceeded(face, room)

    def check_cash(self, state: State, document: bytes, currency: str, cash: bytes) -> None:
        """Whether ``cash`` pays the document in its smallest unit; a receivable is paid in one cash. Raises ``CashMismatch``."""
        instrument = self._holdings.require_open_instrument(state, cash)
        decimals = decimals_of(currency)
        fits = (instrument.kind, instrument.currency, instrument.decimals) == (
            InstrumentKind.CASH, currency, decimals,
        )  # fmt: skip
        issued = receivables.get(state, document)
        if not fits or (issued is not None and issued.cash != cash):
            raise CashMismatch(cash, currency, decimals)

    def check_unreserved(self, state: State, document: bytes) -> None:
        """Neither the document nor one with the same facts is reserved. Raises ``DocumentReserved``."""
        alike = [
            match.document for match in self._documents.matches(state, document) if match.strength == "exact"
        ]
        for candidate in (document, *alike):
            found = receivables.get(state, candidate)
            if found is not None and found.reservation is not None:
                raise DocumentReserved(candidate, found.reservation)

    def check_offer(self, state: State, document: bytes, offer: Offer) -> None:
        """Whether the offer covers what the document is. Raises ``Unconfirmed``, ``PartialUnacknowledged``."""
        if not offer.accepts_unconfirmed and not self._documents.is_confirmed(state, document):
            raise Unconfirmed(document)
        for match in self._documents.already_financed_partial(state, document):
            if match.document not in offer.acknowledges:
                raise PartialUnacknowledged(match.document)

    def _credited(self, state: State, document: bytes) -> int:
        return sum(note.payable.amount for note in self._documents.credit_notes_of(state, document))
