"""What must hold of financings and receivables, whatever was executed.

A transaction is checked on the records that it wrote; audits and simulations check the whole ledger, sums included.
"""

from collections.abc import Mapping
from typing import Final

from traco.kernel.codec import Record
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State
from traco.modules.financing import state as stored
from traco.modules.financing.ports import Documents, Holdings
from traco.modules.financing.state import (
    Financing,
    Offer,
    Pool,
    Receivable,
    pool_hold,
    recourse_hold,
    remainder_hold,
)
from traco.modules.holding.encumbrance_errors import HoldUnknown

_ALL: Final = 2**62
_PREFIX_BYTES: Final = 2
_ID_BYTES: Final = 16


class Invariants:
    """The rules, over holdings and documents."""

    def __init__(self, holdings: Holdings, documents: Documents) -> None:
        self._holdings = holdings
        self._documents = documents

    def touched(self, state: State, before: Mapping[bytes, Record | None], /) -> None:
        """Check the keys of this module that a transaction wrote. Raises ``InvariantBroken``."""
        for key, held in before.items():
            if key[0] == stored.PREFIX:
                broken = self._broken_at(state, key) or self._broken_behind(state, held)
                if broken is not None:
                    raise InvariantBroken(broken)

    def whole_ledger(self, state: State, /) -> list[str]:
        """Every violation in the whole state, with where it was found."""
        found = []
        kinds = (
            stored.financings, stored.offers, stored.receivables, stored.pools, stored.recourses, stored.demands,
        )  # fmt: skip
        for kind in kinds:
            for rest, _ in kind.scan(state, limit=_ALL):
                broken = self._broken_at(state, kind.prefix + rest)
                if broken is not None:
                    found.append(f"{broken} at {rest.hex()}")
        for document, receivable in stored.receivables.scan(state, limit=_ALL):
            found += [f"{name} at {document.hex()}" for name in _broken_sums(state, document, receivable)]
        return found

    def _broken_at(self, state: State, key: bytes) -> str | None:
        """The name of what is wrong at a key of this module, or None."""
        table, rest = key[1], key[_PREFIX_BYTES:]
        if table == stored.FINANCINGS:
            return self._broken_financing(state, rest, stored.financings.get(state, rest))
        if table == stored.OFFERS:
            return _broken_offer(state, rest, stored.offers.get(state, rest))
        if table == stored.RECEIVABLES:
            return self._broken_receivable(state, rest, stored.receivables.get(state, rest))
        if table == stored.POOLS:
            return self._broken_pool(state, rest, stored.pools.get(state, rest))
        if table == stored.RECOURSES:
            return self._broken_demand(state, rest)
        if table == stored.DEMANDS:
            listed = stored.demands.get(state, rest)
            return None if listed is None else self._broken_demand(state, listed.financing, rest)
        return None

    def _broken_behind(self, state: State, held: Record | None) -> str | None:
        """What is wrong with the financing that a receivable was reserved for: it may have lost its reservation."""
        if not isinstance(held, Receivable) or held.reservation is None:
            return None
        reserved = held.reservation
        return self._broken_financing(state, reserved, stored.financings.get(state, reserved))

    def _broken_financing(self, state: State, financing: bytes, record: Financing | None) -> str | None:
        """A financing never disappears, is listed, has a deal exactly from reservation on, and is reserved on both sides."""
        if record is None:
            return "financing.kept"
        if stored.by_document.get(state, record.document, financing) is None:
            return "financing.listed"
        if (record.status in ("reserved", "financed")) != (record.deal is not None):
            return "financing.deal"
        receivable = stored.receivables.get(state, record.document)
        reservation = None if receivable is None else receivable.reservation
        if (record.status == "reserved") != (reservation == financing):
            return "financing.reservation"
        if record.recovered > record.face:
            return "financing.recovered"
        if record.deal is not None and stored.offers.get(state, financing, record.deal.offer) is None:
            return "financing.offer_kept"
        return None

    def _broken_receivable(self, state: State, document: bytes, record: Receivable | None) -> str | None:
        """What is financed, paid and diluted stays within the total; the supply is what is unpaid or uncollected."""
        if record is None:
            return None
        if record.reservation is not None:
            reserved = stored.financings.get(state, record.reservation)
            if reserved is None or reserved.status != "reserved" or reserved.document != document:
                return "financing.reservation"
        if record.unpaid < 0 or record.financed + _reserved_face(state, record) > record.total:
            return "financing.within_total"
        outstanding = self._holdings.outstanding(state, record.instrument)
        if outstanding != record.unpaid + record.uncollected:
            return "financing.supply"
        found = self._documents.get(state, document)
        if found is None or (record.financed > 0 and found.financing is None):
            return "financing.marked"
        if _held(self._holdings, state, remainder_hold(record.instrument)) != record.remainder:
            return "financing.remainder"
        return None

    def _broken_pool(self, state: State, rest: bytes, record: Pool | None) -> str | None:
        """Behind each pool there is a hold of as much cash, and no other hold is left."""
        hold = pool_hold(rest[:_ID_BYTES], int.from_bytes(rest[_ID_BYTES:], "big"))
        backed = _held(self._holdings, state, hold)
        return None if backed == (0 if record is None else record.amount) else "financing.pool"

    def _broken_demand(self, state: State, financing: bytes, listed: bytes | None = None) -> str | None:
        """What is demanded and not in default is held and listed, under its document and account; nothing else is."""
        found, record = stored.recourses.get(state, financing), stored.financings.get(state, financing)
        amount = 0 if found is None or found.defaulted else found.amount
        if _held(self._holdings, state, recourse_hold(financing)) != amount:
            return "financing.demand_held"
        if record is None or record.deal is None:
            return "financing.demand_listed"
        place = record.document + record.deal.receivable_account
        entry = stored.demands.get(state, place)
        is_listed = entry is not None and entry.financing == financing
        if is_listed != (amount > 0) or listed not in (None, place):
            return "financing.demand_listed"
        return None


def _reserved_face(state: State, record: Receivable) -> int:
    if record.reservation is None:
        return 0
    found = stored.financings.get(state, record.reservation)
    return 0 if found is None else found.face


def _held(holdings: Holdings, state: State, hold: bytes) -> int:
    """What is left of a hold; 0 where there is none."""
    try:
        return holdings.encumbrances.hold_of(state, hold).amount
    except HoldUnknown:
        return 0


def _broken_offer(state: State, rest: bytes, record: Offer | None) -> str | None:
    """An offer never disappears; accepted or settled it is the deal of its request."""
    if record is None:
        return "financing.offer_kept"
    financing = stored.financings.get(state, rest[:_ID_BYTES])
    if financing is None:
        return "financing.offer_request"
    expected = {"reserved": "accepted", "financed": "settled"}.get(financing.status)
    is_deal = financing.deal is not None and financing.deal.offer == rest[_ID_BYTES:]
    is_agreed = record.status in ("accepted", "settled")
    if is_deal != is_agreed or (is_deal and record.status != expected):
        return "financing.offer_deal"
    return None


def _broken_sums(state: State, document: bytes, record: Receivable) -> list[str]:
    """What only the whole ledger shows: faces, pools and deposits add up."""
    faces = 0
    for financing, _ in stored.by_document.scan(state, document, limit=_ALL):
        found = stored.financings.get(state, financing)
        if found is not None and found.status == "financed":
            faces += found.face
    broken = [] if faces == record.financed else ["financing.faces"]
    pools = sum(pool.amount for _, pool in stored.pools.scan(state, document, limit=_ALL))
    if pools != record.uncollected:
        broken.append("financing.pools")
    deposits = sum(entry.amount for _, entry in stored.deposits.scan(state, document, limit=_ALL))
    if not record.is_discharged and deposits != record.uncollected:
        broken.append("financing.deposits")
    return broken
