"""Records of this module and their keys.

A holding's row exists while any of its parts is above zero: value owned, a credit reserved for it, or an attachment
that still awaits value. An account without rows therefore has no open encumbrance of any kind, and may be closed.
"""

from typing import Annotated, Final

import msgspec

from traco.kernel.codec import (
    Amount,
    Code,
    Count,
    CurrencyCode,
    Hash,
    Id,
    PositiveAmount,
    Record,
    Reference,
    TimeMs,
)
from traco.kernel.state import Table
from traco.modules.holding.messages import (
    UNCAPPED,
    AccountKind,
    CheckName,
    CreditControl,
    DebitControl,
    Decimals,
    InstrumentKind,
    account_id,
    attachment_id,
    hold_id,
    instrument_id,
    pledge_id,
)

# Who reads records finds the words and ids that they are made of here too.
__all__ = [
    "ACCOUNTS",
    "ATTACHMENTS",
    "AWAITING",
    "HOLDINGS",
    "HOLDS",
    "INLINE_INSTRUMENTS",
    "INSTRUMENTS",
    "LISTINGS",
    "NOTHING",
    "PENDING",
    "PLEDGES",
    "PREFIX",
    "SUPPLIES",
    "UNCAPPED",
    "Account",
    "AccountKind",
    "Awaiting",
    "CreditControl",
    "DebitControl",
    "Holding",
    "Instrument",
    "InstrumentKind",
    "Listing",
    "OpenAttachment",
    "OpenHold",
    "OpenPledge",
    "Operators",
    "Pending",
    "Supply",
    "account_id",
    "attachment_id",
    "hold_id",
    "instrument_id",
    "pledge_id",
]  # fmt: skip

PREFIX: Final = 0x02
INLINE_INSTRUMENTS: Final = 16  # instruments listed in the account's own record; more have a key each

Operators = Annotated[tuple[Id, ...], msgspec.Meta(max_length=16)]


class Instrument(Record, frozen=True, tag=1):
    """Something that can be held. Issues do not touch this record: the totals are in ``Supply``.

    ``operators`` may issue and redeem by instruction; empty where only the module that made the instrument does.
    ``terms`` is the hash of the terms. ``transfer_check`` names a declared check, "" for none.
    """

    issuer: Id
    code: Code
    kind: InstrumentKind
    currency: CurrencyCode | None
    decimals: Decimals
    terms: Hash
    operators: Operators
    transfer_check: CheckName
    closed: bool


class Supply(Record, frozen=True, tag=1):
    """The totals of an instrument in its smallest unit: ``outstanding`` = ``issued`` - ``redeemed``, at most ``cap``.

    When ``issued`` would outgrow an amount, what was redeemed is taken out of both and ``carries`` goes up by one.
    """

    issued: Amount
    redeemed: Amount
    outstanding: Amount
    cap: PositiveAmount
    carries: Count


class Pending(Record, frozen=True, tag=1):
    """How much of an instrument undecided batch holds will issue: room under the cap that is taken already."""

    amount: PositiveAmount


class Account(Record, frozen=True, tag=1):
    """Where holdings are kept. ``rows`` counts its holdings' rows, ``children`` the open accounts below it.

    ``instruments`` lists, in order, some of the instruments held (see ``LISTINGS``).
    """

    owner: Id
    servicer: Id
    kind: AccountKind
    debit: DebitControl
    credit: CreditControl
    parent: Id | None
    closed: bool
    rows: Count
    children: Count
    instruments: Annotated[tuple[Id, ...], msgspec.Meta(max_length=INLINE_INSTRUMENTS)]


class Holding(Record, frozen=True, tag=1):
    """How much of an instrument an account owns, by what it is free for, in the smallest unit.

    ``bucket`` is reserved for settlements that are undecided. ``incoming`` is reserved for this account by them and
    ``awaited`` is what attachments have yet to find here; these two are not owned.
    """

    available: Amount
    held: Amount
    pledged: Amount
    attached: Amount
    bucket: Amount
    incoming: Amount
    awaited: Amount

    @property
    def encumbered(self) -> int:
        """What is owned but set aside."""
        return self.held + self.pledged + self.attached + self.bucket

    @property
    def owned(self) -> int:
        """Available and encumbered together."""
        return self.available + self.held + self.pledged + self.attached + self.bucket


class Listing(Record, frozen=True, tag=1):
    """Says that an account has a row for an instrument that its own record does not list: the key is the fact."""


class OpenHold(Record, frozen=True, tag=1):
    """Part of a holding set aside for ``executor`` until ``expires_ms`` (0: until it is released).

    ``amount`` is what remains of it.
    """

    account: Id
    instrument: Id
    amount: PositiveAmount
    executor: Id
    expires_ms: TimeMs
    reference: Reference


class OpenPledge(Record, frozen=True, tag=1):
    """Part of a holding that secures a claim of ``pledgee``, who alone executes or releases it. No expiry."""

    account: Id
    instrument: Id
    amount: PositiveAmount
    pledgee: Id
    reference: Reference


class OpenAttachment(Record, frozen=True, tag=1):
    """An order of an authority on a holding: ``attached`` was found there, ``amount`` - ``attached`` is awaited."""

    authority: Id
    account: Id
    instrument: Id
    amount: PositiveAmount
    attached: Amount
    order: Hash
    since_ms: TimeMs


class Awaiting(Record, frozen=True, tag=1):
    """Says that an attachment awaits value; its place is the time it was made (8 bytes) and its id."""


INSTRUMENTS: Final[Table[Instrument]] = Table(PREFIX, 0x01, Instrument)  # instrument
SUPPLIES: Final[Table[Supply]] = Table(PREFIX, 0x02, Supply)  # instrument
ACCOUNTS: Final[Table[Account]] = Table(PREFIX, 0x03, Account)  # account
HOLDINGS: Final[Table[Holding]] = Table(PREFIX, 0x04, Holding)  # instrument, account
LISTINGS: Final[Table[Listing]] = Table(PREFIX, 0x05, Listing)  # account, instrument
HOLDS: Final[Table[OpenHold]] = Table(PREFIX, 0x06, OpenHold)  # hold
PLEDGES: Final[Table[OpenPledge]] = Table(PREFIX, 0x07, OpenPledge)  # pledge
ATTACHMENTS: Final[Table[OpenAttachment]] = Table(PREFIX, 0x08, OpenAttachment)  # attachment
AWAITING: Final[Table[Awaiting]] = Table(PREFIX, 0x09, Awaiting)  # instrument, account, place
PENDING: Final[Table[Pending]] = Table(PREFIX, 0x0A, Pending)  # instrument

NOTHING: Final = Holding(0, 0, 0, 0, 0, 0, 0)
