"""Reads on committed state. Lists come in pages: ``after`` is the last id of the page before, or empty."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Hash, Id, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.holding.keeper import Keeper
from traco.modules.holding.state import (
    ATTACHMENTS,
    HOLDS,
    INSTRUMENTS,
    PLEDGES,
    Account,
    Holding,
    Instrument,
    OpenAttachment,
    OpenHold,
    OpenPledge,
    Supply,
)

PageSize = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Cursor = Annotated[bytes, msgspec.Meta(max_length=16)]


class InstrumentQuery(Record, frozen=True):
    """Asks about one instrument."""

    instrument: Id


class InstrumentsQuery(Record, frozen=True):
    """Asks for a page of all instruments."""

    limit: PageSize = 100
    after: Cursor = b""


class AccountQuery(Record, frozen=True):
    """Asks about one account."""

    account: Id


class AccountHoldingsQuery(Record, frozen=True):
    """Asks for a page of the holdings of an account."""

    account: Id
    limit: PageSize = 100
    after: Cursor = b""


class HoldingQuery(Record, frozen=True):
    """Asks how much of an instrument an account holds."""

    instrument: Id
    account: Id


class HoldersQuery(Record, frozen=True):
    """Asks for a page of the accounts that own some of an instrument."""

    instrument: Id
    limit: PageSize = 100
    after: Cursor = b""


class EncumbranceQuery(Record, frozen=True):
    """Asks for one open hold, pledge or attachment."""

    id: Hash


class InstrumentRow(Record, frozen=True):
    """An instrument with its id."""

    id: Id
    instrument: Instrument


class HoldingRow(Record, frozen=True):
    """A holding with its instrument and account."""

    instrument: Id
    account: Id
    holding: Holding


class Queries:
    """Answers over one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> dict[str, Query]:
        """The queries by name."""
        return {
            "holding.instrument": Query(InstrumentQuery, self.instrument, "An instrument, active or closed."),
            "holding.list_instruments": Query(InstrumentsQuery, self.list_instruments, "All instruments, in pages."),
            "holding.supply": Query(InstrumentQuery, self.supply, "What of an instrument was issued and redeemed."),
            "holding.account": Query(AccountQuery, self.account, "An account, open or closed."),
            "holding.by_account": Query(AccountHoldingsQuery, self.by_account, "The holdings of an account, in pages."),
            "holding.get": Query(HoldingQuery, self.get, "A holding; all zero where there is none."),
            "holding.holders": Query(HoldersQuery, self.holders, "Who owns an instrument, in pages."),
            "holding.hold": Query(EncumbranceQuery, self.hold, "An open hold."),
            "holding.pledge": Query(EncumbranceQuery, self.pledge, "An open pledge."),
            "holding.attachment": Query(EncumbranceQuery, self.attachment, "An open attachment."),
        }  # fmt: skip

    def instrument(self, state: State, request: InstrumentQuery) -> Instrument | None:
        """The instrument, or None."""
        return self._keeper.instrument(state, request.instrument)

    def list_instruments(self, state: State, request: InstrumentsQuery) -> list[InstrumentRow]:
        """A page of instruments in the order of their ids."""
        found = INSTRUMENTS.scan(state, after=request.after, limit=request.limit)
        return [InstrumentRow(identity, record) for identity, record in found]

    def supply(self, state: State, request: InstrumentQuery) -> Supply | None:
        """The totals, or None where there is no such instrument."""
        return self._keeper.supply(state, request.instrument)

    def account(self, state: State, request: AccountQuery) -> Account | None:
        """The account, or None."""
        return self._keeper.account(state, request.account)

    def by_account(self, state: State, request: AccountHoldingsQuery) -> list[HoldingRow]:
        """A page of the account's holdings in the order of their instruments' ids."""
        return [
            HoldingRow(instrument, request.account, self._keeper.holding(state, instrument, request.account))
            for instrument in self._keeper.instruments_of(
                state, request.account, request.limit, request.after
            )
        ]

    def get(self, state: State, request: HoldingQuery) -> Holding:
        """The holding; all zero where there is none."""
        return self._keeper.holding(state, request.instrument, request.account)

    def holders(self, state: State, request: HoldersQuery) -> list[HoldingRow]:
        """A page of the holders in the order of their accounts' ids."""
        found = self._keeper.holders(state, request.instrument, request.limit, request.after)
        return [HoldingRow(request.instrument, account, holding) for account, holding in found]

    def hold(self, state: State, request: EncumbranceQuery) -> OpenHold | None:
        """The open hold, or None."""
        return HOLDS.get(state, request.id)

    def pledge(self, state: State, request: EncumbranceQuery) -> OpenPledge | None:
        """The open pledge, or None."""
        return PLEDGES.get(state, request.id)

    def attachment(self, state: State, request: EncumbranceQuery) -> OpenAttachment | None:
        """The open attachment, or None."""
        return ATTACHMENTS.get(state, request.id)
