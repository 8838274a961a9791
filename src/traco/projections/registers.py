"""Events about parties, accounts, instruments, documents, settlements and financings, as changes of their tables.

What never changes once it is registered and no event repeats (a party's name, an instrument's decimals, what a document is
about) is read from the state: any state from the registering block on has the same, so the rows do not depend on when they are
made.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from traco.kernel.codec import Record
from traco.kernel.registry import tag_of
from traco.kernel.state import State
from traco.modules.document import events as doc
from traco.modules.document.state import documents
from traco.modules.financing import events as fin
from traco.modules.holding import events as hold
from traco.modules.holding.state import INSTRUMENTS, Instrument
from traco.modules.party import events as prt
from traco.modules.party.state import Party, lei_of, parties
from traco.modules.settlement import events as stl
from traco.projections import schema
from traco.projections.rows import Rows


class Place(NamedTuple):
    """Where an event is, and when."""

    height: int
    leaf: int
    event: int
    time_ms: int
    transaction: bytes


class Registers:
    """The pending changes of the registers that a batch of blocks makes. ``state`` is of its last block or later."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.party = Rows(schema.party)
        self.account = Rows(schema.account)
        self.instrument = Rows(schema.instrument)
        self.document = Rows(schema.document)
        self.document_party = Rows(schema.document_party)
        self.history = Rows(schema.history)
        self.settlement = Rows(schema.settlement)
        self.leg = Rows(schema.settlement_leg)
        self.financing = Rows(schema.financing)
        self.offer = Rows(schema.offer)
        self.receivable = Rows(schema.receivable)
        self._accepted: dict[bytes, bytes] = {}  # financing -> offer, of this batch
        self._ended: dict[bytes, str] = {}  # financing -> what became of the offer accepted before this batch

    def write(self, connection: Connection) -> None:
        """Write everything that is pending."""
        offers = schema.offer
        for financing, status in self._ended.items():
            accepted = (offers.c.financing == financing) & (offers.c.status == "accepted")
            connection.execute(offers.update().where(accepted).values(status=status))
        for rows in (
            self.party, self.account, self.instrument, self.document, self.document_party, self.history, self.settlement, self.leg, self.financing,
            self.offer, self.receivable,
        ):  # fmt: skip
            rows.write(connection)

    def apply(self, event: Any, place: Place) -> None:
        """Take in an event that moves no value: what it changes, and that it belongs to the history of something."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event, place)
        kind: type[Record] = type(event)
        for name in _subjects(kind):
            subject = getattr(event, name)
            if isinstance(subject, bytes) and len(subject) == _ID_BYTES:
                self.history.put(
                    subject, place.height, place.leaf, place.event, time_ms=place.time_ms, transaction_id=place.transaction,
                    kind=tag_of(kind),
                )  # fmt: skip

    def put_party(self, identity: bytes, record: Party, height: int) -> None:
        """A party as registered: active."""
        lei = lei_of(record)
        self.party.put(
            identity, sponsor=record.sponsor, kind=record.kind, name=_storable(record.name), country=record.country,
            lei=None if lei is None else lei.decode(), status="active", height=height,
        )  # fmt: skip

    def put_instrument(self, identity: bytes, record: Instrument, height: int) -> None:
        """An instrument as created, with the contra account that stands against what is issued of it."""
        self.instrument.put(
            identity, issuer=record.issuer, code=record.code, kind=record.kind.value, currency=record.currency,
            decimals=record.decimals, outstanding=0, closed=False, height=height,
        )  # fmt: skip
        self.account.put(
            identity, owner=record.issuer, servicer=record.issuer, kind=schema.CONTRA, parent=None, closed=False, height=height,
        )  # fmt: skip

    def accept(self, financing: bytes, offer: bytes) -> None:
        """An offer is accepted from now on."""
        self._accepted[financing] = offer
        self.offer.change(financing, offer, status="accepted")

    def end_accepted(self, financing: bytes, status: str) -> None:
        """The offer that is accepted now, which the event does not name, ends."""
        accepted = self._accepted.pop(financing, None)
        if accepted is None:
            self._ended[financing] = status
        else:
            self.offer.change(financing, accepted, status=status)

    @property
    def state(self) -> State:
        """Where what no event repeats is read."""
        return self._state


def _party_registered(to: Registers, event: prt.PartyRegistered, place: Place) -> None:
    to.put_party(event.party, _there(parties.get(to.state, event.party)), place.height)


def _status_set(to: Registers, event: prt.StatusSet, _: Place) -> None:
    to.party.change(event.party, status=event.status)


def _instrument_created(to: Registers, event: hold.InstrumentCreated, place: Place) -> None:
    to.put_instrument(event.instrument, _there(INSTRUMENTS.get(to.state, event.instrument)), place.height)


def _instrument_ended(to: Registers, event: hold.InstrumentEnded, _: Place) -> None:
    to.instrument.change(event.instrument, closed=True)
    to.account.change(event.instrument, closed=True)


def _account_opened(to: Registers, event: hold.AccountOpened, place: Place) -> None:
    to.account.put(
        event.account, owner=event.owner, servicer=event.servicer, kind=event.kind.value, parent=event.parent, closed=False,
        height=place.height,
    )  # fmt: skip


def _account_ended(to: Registers, event: hold.AccountEnded, _: Place) -> None:
    to.account.change(event.account, closed=True)


def _document_registered(to: Registers, event: doc.DocumentRegistered, place: Place) -> None:
    record = _there(documents.get(to.state, event.document))
    payable = record.payable
    to.document.put(
        event.document, registrant=event.registrant, kind=event.kind,
        status="registered" if event.outcome == "REGU" else "duplicate", duplicate_of=event.duplicate_of, amends=event.amends,
        superseded_by=None, financing=None, currency=None if payable is None else payable.currency,
        payable=None if payable is None else payable.amount, issue_date=record.issue_date, due_date=record.due_date,
        height=place.height,
    )  # fmt: skip
    for named in record.roles:
        # one that was named later has an identifier too, and an event of its own
        if named.party is not None and named.identifier is None:
            to.document_party.put(event.document, named.party, named.role)


def _party_named(to: Registers, event: doc.PartyNamed, _: Place) -> None:
    to.document_party.put(event.document, event.party, event.role)


def _document_cancelled(to: Registers, event: doc.DocumentCancelled, _: Place) -> None:
    to.document.change(event.document, status="cancelled")


def _document_superseded(to: Registers, event: doc.DocumentSuperseded, _: Place) -> None:
    to.document.change(event.document, status="superseded", superseded_by=event.successor)


def _financed_marked(to: Registers, event: doc.FinancedMarked, _: Place) -> None:
    to.document.change(event.document, financing=event.financing)


def _financed_unmarked(to: Registers, event: doc.FinancedUnmarked, _: Place) -> None:
    to.document.change(event.document, financing=None)


def _storable(text: str | None) -> str | None:
    """A free text of the ledger as every database takes it: PostgreSQL refuses NUL, and would refuse the block for ever."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")


@cache
def _subjects(kind: type[Record]) -> tuple[str, ...]:
    """The fields of an event that name what it is the history of: the first one, and whatever else has a status."""
    names = [field.name for field in msgspec.structs.fields(kind)]
    return tuple(dict.fromkeys((*names[:1], *(name for name in names if name in _WITH_STATUS))))


def _batch_created(to: Registers, event: stl.BatchCreated, place: Place) -> None:
    to.settlement.put(
        event.batch, requestor=event.requestor, status="open", deadline_ms=event.deadline_ms, height=place.height,
        ended_height=None,
    )  # fmt: skip
    for number, leg in enumerate(event.legs):
        to.leg.put(
            event.batch, number, sender=leg.sender, receiver=leg.receiver, instrument=leg.instrument, amount=leg.amount,
            reference=leg.reference, allocated=False, approved=False,
        )  # fmt: skip


def _affirmed(to: Registers, event: stl.Affirmed, _: Place) -> None:
    _set_parts(to, event, True)
    if event.complete:
        to.settlement.change(event.batch, status="complete")


def _withdrawn(to: Registers, event: stl.Withdrawn, _: Place) -> None:
    _set_parts(to, event, False)
    to.settlement.change(event.batch, status="open")


def _set_parts(to: Registers, event: stl.Affirmed | stl.Withdrawn, given: bool) -> None:
    for leg in event.allocated:
        to.leg.change(event.batch, leg, allocated=given)
    for leg in event.approved:
        to.leg.change(event.batch, leg, approved=given)


def _batch_settled(to: Registers, event: stl.BatchSettled, place: Place) -> None:
    to.settlement.change(event.batch, status="settled", ended_height=place.height)


def _batch_released(to: Registers, event: stl.BatchReleased, place: Place) -> None:
    to.settlement.change(event.batch, status=event.status, ended_height=place.height)


def _financing_requested(to: Registers, event: fin.FinancingRequested, place: Place) -> None:
    to.financing.put(
        event.financing, document=event.document, seller=event.seller, face=event.face, cash=event.cash,
        expires_ms=event.expires_ms, status="requested", lender=None, offer=None, batch=None, price=None, recourse=None,
        recovered=0, height=place.height, financed_height=None,
    )  # fmt: skip


def _financing_status(status: str) -> Callable[[Registers, Any, Place], None]:
    def change(to: Registers, event: Any, _: Place) -> None:
        to.financing.change(event.financing, status=status)

    return change


def _offer_made(to: Registers, event: fin.OfferMade, _: Place) -> None:
    to.offer.put(
        event.financing, event.offer, lender=event.lender, price=event.price, recourse=event.recourse, firm=event.firm,
        valid_until_ms=event.valid_until_ms, status="open",
    )  # fmt: skip


def _offer_status(status: str) -> Callable[[Registers, Any, Place], None]:
    def change(to: Registers, event: Any, _: Place) -> None:
        to.offer.change(event.financing, event.offer, status=status)

    return change


def _document_reserved(to: Registers, event: fin.DocumentReserved, _: Place) -> None:
    to.financing.change(event.financing, status="reserved", offer=event.offer, batch=event.batch)
    to.accept(event.financing, event.offer)


def _reservation_ended(to: Registers, event: fin.ReservationEnded, _: Place) -> None:
    to.end_accepted(event.financing, "released")
    to.financing.change(event.financing, status="requested", offer=None, batch=None)


def _document_financed(to: Registers, event: fin.DocumentFinanced, place: Place) -> None:
    to.financing.change(
        event.financing,
        status="financed",
        lender=event.lender,
        price=event.price,
        financed_height=place.height,
    )
    to.end_accepted(event.financing, "settled")
    to.receivable.change(event.document, financed=event.financed)


def _receivable_issued(to: Registers, event: fin.ReceivableIssued, _: Place) -> None:
    to.receivable.put(
        event.document, instrument=event.instrument, debtor=event.debtor, total=event.total, unpaid=event.total, diluted=0,
        financed=0, overdue=False, status="open",
    )  # fmt: skip


def _receivable_withdrawn(to: Registers, event: fin.ReceivableWithdrawn, _: Place) -> None:
    to.receivable.change(event.document, status="withdrawn")


def _invoice_paid(to: Registers, event: fin.InvoicePaid, _: Place) -> None:
    to.receivable.change(event.document, unpaid=event.unpaid)


def _invoice_diluted(to: Registers, event: fin.InvoiceDiluted, _: Place) -> None:
    to.receivable.change(event.document, unpaid=event.unpaid)
    to.receivable.add(event.document, diluted=event.amount)


def _invoice_overdue(to: Registers, event: fin.InvoiceOverdue, _: Place) -> None:
    to.receivable.change(event.document, overdue=True)


def _invoice_discharged(to: Registers, event: fin.InvoiceDischarged, _: Place) -> None:
    to.receivable.change(event.document, status="discharged")


def _recourse(state: str) -> Callable[[Registers, Any, Place], None]:
    def change(to: Registers, event: Any, _: Place) -> None:
        to.financing.change(event.financing, recourse=state)

    return change


def _recourse_settled(to: Registers, event: fin.RecourseSettled, _: Place) -> None:
    to.financing.change(event.financing, recourse="settled")
    to.financing.add(event.financing, recovered=event.amount)


def _there(record: Any) -> Any:
    """What a committed event says was registered. Raises ``LookupError``: then state and events disagree."""
    if record is None:
        raise LookupError("the state lacks what an event registered; audit the ledger")
    return record


_WITH_STATUS: Final = ("batch", "document", "financing", "offer", "successor")
_ID_BYTES: Final = 16

_HANDLERS: Final[dict[type[Any], Callable[[Registers, Any, Place], None]]] = {
    prt.PartyRegistered: _party_registered,
    prt.StatusSet: _status_set,
    hold.InstrumentCreated: _instrument_created,
    hold.InstrumentEnded: _instrument_ended,
    hold.AccountOpened: _account_opened,
    hold.AccountEnded: _account_ended,
    doc.DocumentRegistered: _document_registered,
    doc.PartyNamed: _party_named,
    doc.DocumentCancelled: _document_cancelled,
    doc.DocumentSuperseded: _document_superseded,
    doc.FinancedMarked: _financed_marked,
    doc.FinancedUnmarked: _financed_unmarked,
    stl.BatchCreated: _batch_created,
    stl.Affirmed: _affirmed,
    stl.Withdrawn: _withdrawn,
    stl.BatchSettled: _batch_settled,
    stl.BatchReleased: _batch_released,
    fin.FinancingRequested: _financing_requested,
    fin.FinancingCancelled: _financing_status("cancelled"),
    fin.FinancingExpired: _financing_status("expired"),
    fin.OfferMade: _offer_made,
    fin.OfferWithdrawn: _offer_status("withdrawn"),
    fin.OfferExpired: _offer_status("expired"),
    fin.DocumentReserved: _document_reserved,
    fin.ReservationEnded: _reservation_ended,
    fin.DocumentFinanced: _document_financed,
    fin.ReceivableIssued: _receivable_issued,
    fin.ReceivableWithdrawn: _receivable_withdrawn,
    fin.InvoicePaid: _invoice_paid,
    fin.InvoiceDiluted: _invoice_diluted,
    fin.InvoiceOverdue: _invoice_overdue,
    fin.InvoiceDischarged: _invoice_discharged,
    fin.RecourseDemanded: _recourse("demanded"),
    fin.RecourseDefaulted: _recourse("defaulted"),
    fin.RecourseLapsed: _recourse("lapsed"),
    fin.RecourseSettled: _recourse_settled,
}
