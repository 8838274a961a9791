"""Why this module refuses, for reasons of instruments, accounts and movements; the rest is in ``encumbrance_errors.py``.

Rejected
├── InstrumentUnknown, InstrumentExists, InstrumentClosed, InstrumentInUse, InstrumentAbroad, InstrumentMismatch,
│   KindNotAllowed, CurrencyMissing, OperatorRepeated, TransferCheckUnknown, NotIssuer, NotOperator, SupplyExceeded
├── AccountUnknown, AccountExists, AccountClosed, AccountInUse, NotAccountParty, ClientIsServicer, ChildKindRefused,
│   ParentKindRefused, ParentNotOwned, AccountTooDeep, DebitNotControlled, CreditNotControlled
└── InsufficientHolding, HoldingAttached, SameAccount, TransferRefused                    movements
"""

from dataclasses import dataclass
from typing import ClassVar

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class InstrumentUnknown(Rejected):
    """There is no such instrument."""

    code: ClassVar[str] = "holding.instrument_unknown"
    says: ClassVar[str] = "No instrument {instrument} exists."
    advice: ClassVar[str] = "Check the id; it comes from issuer and code."
    instrument: bytes


@dataclass(eq=False)
class InstrumentExists(Rejected):
    """The issuer uses this code for an instrument already."""

    code: ClassVar[str] = "holding.instrument_exists"
    says: ClassVar[str] = "The instrument {instrument} exists."
    advice: ClassVar[str] = "Choose another code."
    instrument: bytes


@dataclass(eq=False)
class InstrumentClosed(Rejected):
    """The instrument was closed for good."""

    code: ClassVar[str] = "holding.instrument_closed"
    says: ClassVar[str] = "The instrument {instrument} is closed."
    advice: ClassVar[str] = "Use another instrument."
    instrument: bytes


@dataclass(eq=False)
class InstrumentInUse(Rejected):
    """An instrument closes only when nothing of it is outstanding."""

    code: ClassVar[str] = "holding.instrument_in_use"
    says: ClassVar[str] = "Of the instrument {instrument}, {outstanding} are outstanding."
    advice: ClassVar[str] = "Redeem them first."
    instrument: bytes
    outstanding: int


@dataclass(eq=False)
class InstrumentAbroad(Rejected):
    """An instrument closes only when no channel has any of it over its public edge."""

    code: ClassVar[str] = "holding.instrument_abroad"
    says: ClassVar[str] = "Channels hold some of the instrument {instrument}."
    advice: ClassVar[str] = "Close it when all of it has come back and is redeemed."
    instrument: bytes


@dataclass(eq=False)
class InstrumentMismatch(Rejected):
    """The instruction names another instrument than the encumbrance it is about."""

    code: ClassVar[str] = "holding.instrument_mismatch"
    says: ClassVar[str] = "The encumbrance is on the instrument {instrument}."
    advice: ClassVar[str] = "Name that instrument."
    instrument: bytes


@dataclass(eq=False)
class KindNotAllowed(Rejected):
    """The party may not create instruments of this kind."""

    code: ClassVar[str] = "holding.kind_not_allowed"
    says: ClassVar[str] = "The party {party} may not create instruments of kind {kind}."
    advice: ClassVar[str] = (
        "Cash needs the role cash_operator; other kinds are opened by the parameter open_kinds."
    )
    party: bytes
    kind: str


@dataclass(eq=False)
class CurrencyMissing(Rejected):
    """Cash is in a currency."""

    code: ClassVar[str] = "holding.currency_missing"
    says: ClassVar[str] = "A cash instrument needs a currency."
    advice: ClassVar[str] = "Name its ISO 4217 code."


@dataclass(eq=False)
class OperatorRepeated(Rejected):
    """An operator is named twice."""

    code: ClassVar[str] = "holding.operator_repeated"
    says: ClassVar[str] = "The operator {operator} is named twice."
    advice: ClassVar[str] = "Name each operator once."
    operator: bytes


@dataclass(eq=False)
class TransferCheckUnknown(Rejected):
    """No module declares a transfer check of this name."""

    code: ClassVar[str] = "holding.transfer_check_unknown"
    says: ClassVar[str] = "No transfer check is named {name}."
    advice: ClassVar[str] = "Use the name of a declared check, or none."
    name: str


@dataclass(eq=False)
class NotIssuer(Rejected):
    """Only the issuer may do this to an instrument."""

    code: ClassVar[str] = "holding.not_issuer"
    says: ClassVar[str] = "The party {party} is not the issuer of the instrument {instrument}."
    advice: ClassVar[str] = "The issuer must act."
    party: bytes
    instrument: bytes


@dataclass(eq=False)
class NotOperator(Rejected):
    """Only the operators of an instrument issue and redeem it."""

    code: ClassVar[str] = "holding.not_operator"
    says: ClassVar[str] = "The party {party} is not an operator of the instrument {instrument}."
    advice: ClassVar[str] = "One of its operators must act."
    party: bytes
    instrument: bytes


@dataclass(eq=False)
class SupplyExceeded(Rejected):
    """The issue would bring the total above the instrument's cap, or above what an amount can hold."""

    code: ClassVar[str] = "holding.supply_exceeded"
    says: ClassVar[str] = "At most {left} of the instrument {instrument} can be issued."
    advice: ClassVar[str] = "Issue less."
    instrument: bytes
    left: int


@dataclass(eq=False)
class AccountUnknown(Rejected):
    """There is no such account."""

    code: ClassVar[str] = "holding.account_unknown"
    says: ClassVar[str] = "No account {account} exists."
    advice: ClassVar[str] = "Check the id."
    account: bytes


@dataclass(eq=False)
class AccountExists(Rejected):
    """The opener used this salt for an account already."""

    code: ClassVar[str] = "holding.account_exists"
    says: ClassVar[str] = "The account {account} exists."
    advice: ClassVar[str] = "Choose another salt."
    account: bytes


@dataclass(eq=False)
class AccountClosed(Rejected):
    """The account was closed for good."""

    code: ClassVar[str] = "holding.account_closed"
    says: ClassVar[str] = "The account {account} is closed."
    advice: ClassVar[str] = "Use another account."
    account: bytes


@dataclass(eq=False)
class AccountInUse(Rejected):
    """An account closes only when it holds nothing, awaits nothing and has no open accounts below it."""

    code: ClassVar[str] = "holding.account_in_use"
    says: ClassVar[str] = (
        "The account {account} has {rows} holdings (with reserved credits and open attachments) and {children} open accounts below it."
    )
    advice: ClassVar[str] = (
        "Move or redeem the holdings, wait for undecided settlements, and close the accounts below first."
    )
    account: bytes
    rows: int
    children: int


@dataclass(eq=False)
class NotAccountParty(Rejected):
    """Only the owner and the servicer may do this to an account."""

    code: ClassVar[str] = "holding.not_account_party"
    says: ClassVar[str] = "The party {party} neither owns nor services the account {account}."
    advice: ClassVar[str] = "The owner or the servicer must act."
    party: bytes
    account: bytes


@dataclass(eq=False)
class ClientIsServicer(Rejected):
    """A client account segregates one client's assets at somebody else."""

    code: ClassVar[str] = "holding.client_is_servicer"
    says: ClassVar[str] = "The owner of a client account cannot be its servicer."
    advice: ClassVar[str] = "Open an account of kind own."


@dataclass(eq=False)
class ChildKindRefused(Rejected):
    """Only client, omnibus and nominee accounts stand below another account."""

    code: ClassVar[str] = "holding.child_kind_refused"
    says: ClassVar[str] = "An account of kind {kind} has no parent."
    advice: ClassVar[str] = "Leave the parent out, or choose another kind."
    kind: str


@dataclass(eq=False)
class ParentKindRefused(Rejected):
    """Only omnibus and nominee accounts have accounts below them."""

    code: ClassVar[str] = "holding.parent_kind_refused"
    says: ClassVar[str] = "The account {parent} is of kind {kind}."
    advice: ClassVar[str] = "Choose an omnibus or nominee account as parent."
    parent: bytes
    kind: str


@dataclass(eq=False)
class ParentNotOwned(Rejected):
    """An account below another is serviced by the owner of that one."""

    code: ClassVar[str] = "holding.parent_not_owned"
    says: ClassVar[str] = "The servicer {servicer} does not own the account {parent}."
    advice: ClassVar[str] = "Choose a parent that the servicer owns."
    servicer: bytes
    parent: bytes


@dataclass(eq=False)
class AccountTooDeep(Rejected):
    """A chain of accounts has a limited length (parameter max_account_depth)."""

    code: ClassVar[str] = "holding.account_too_deep"
    says: ClassVar[str] = "A chain of accounts has at most {limit} of them."
    advice: ClassVar[str] = "Choose a parent nearer to the top."
    limit: int


@dataclass(eq=False)
class DebitNotControlled(Rejected):
    """The party does not control debits of the account."""

    code: ClassVar[str] = "holding.debit_not_controlled"
    says: ClassVar[str] = "The party {party} does not control debits of the account {account}."
    advice: ClassVar[str] = "Its owner or servicer must act, as the account says."
    party: bytes
    account: bytes


@dataclass(eq=False)
class CreditNotControlled(Rejected):
    """The account takes no credit that the party that controls its credits has not authorised."""

    code: ClassVar[str] = "holding.credit_not_controlled"
    says: ClassVar[str] = "Credits of the account {account} are not open to the party {party}."
    advice: ClassVar[str] = "Use a settlement batch that the receiving side approves."
    party: bytes
    account: bytes


@dataclass(eq=False)
class InsufficientHolding(Rejected):
    """Less is available than asked."""

    code: ClassVar[str] = "holding.insufficient"
    says: ClassVar[str] = "The account {account} has {available} available, {amount} are needed."
    advice: ClassVar[str] = "Provide the amount first; what is encumbered is not available."
    account: bytes
    available: int
    amount: int


@dataclass(eq=False)
class HoldingAttached(Rejected):
    """What is missing is attached by an authority, or would be as it comes in."""

    code: ClassVar[str] = "holding.attached"
    says: ClassVar[str] = (
        "In the account {account}, {attached} are attached and {awaited} are still awaited; {available} are available."
    )
    advice: ClassVar[str] = "Ask the authority that made the order."
    account: bytes
    available: int
    attached: int
    awaited: int


@dataclass(eq=False)
class SameAccount(Rejected):
    """A movement needs two accounts."""

    code: ClassVar[str] = "holding.same_account"
    says: ClassVar[str] = "The account {account} is both sender and receiver."
    advice: ClassVar[str] = "Name another receiver."
    account: bytes


@dataclass(eq=False)
class TransferRefused(Rejected):
    """The instrument's transfer check says no."""

    code: ClassVar[str] = "holding.transfer_refused"
    says: ClassVar[str] = "The instrument {instrument} refuses the transfer: {reason}."
    advice: ClassVar[str] = "See the reason code in the terms of the instrument."
    instrument: bytes
    reason: str
