"""The instructions of this module. Amounts are in the instrument's smallest unit; ``party`` signs unless said otherwise.

A ``reference`` is up to 64 bytes of the sender's choice, repeated in the movement's event. Policy classes: ``setup``
for instruments and accounts, ``trade`` (the kernel's default) for value.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec

from traco.kernel.codec import (
    MAX_AMOUNT,
    Code,
    CurrencyCode,
    Hash,
    Id,
    PositiveAmount,
    Reference,
    Salt,
    TimeMs,
    derive_id,
    digest,
)
from traco.kernel.instruction import Instruction, PartyInstruction

UNCAPPED: Final = MAX_AMOUNT  # the cap of an instrument without one: no total may be larger

Decimals = Annotated[int, msgspec.Meta(ge=0, le=8)]
CheckName = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^([A-Za-z0-9][A-Za-z0-9._/:-]*)?\Z")]
SomeOperators = Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=16)]


class InstrumentKind(StrEnum):
    """What an instrument is a claim to."""

    CASH = "cash"
    SECURITY = "security"
    RECEIVABLE = "receivable"


class AccountKind(StrEnum):
    """For whom an account is kept."""

    OWN = "own"  # the owner's own assets
    CLIENT = "client"  # one client's assets, segregated by the servicer
    OMNIBUS = "omnibus"  # pooled assets of the owner's clients
    NOMINEE = "nominee"  # held in the owner's name for somebody else
    ISSUER = "issuer"  # an issuer's account for what it issues and takes back


class DebitControl(StrEnum):
    """Whose authorisation a debit of the account needs."""

    OWNER = "owner"
    SERVICER = "servicer"


class CreditControl(StrEnum):
    """Whose authorisation a credit of the account needs."""

    OPEN = "open"  # nobody's: anyone may credit the account
    OWNER = "owner"
    SERVICER = "servicer"


class CreateInstrument(PartyInstruction, frozen=True, tag="holding.create_instrument/1"):
    """Create an instrument; ``party`` is its issuer and (with ``code``) determines its id: ``instrument_id``.

    Cash needs a currency and the role ``cash_operator``; for other kinds see the parameter ``open_kinds``.
    Refused: code in use, kind not allowed, unknown transfer check, an operator that is inactive or named twice.
    """

    policy_class: ClassVar[str] = "setup"

    code: Code
    kind: InstrumentKind
    currency: CurrencyCode | None
    decimals: Decimals
    terms: Hash
    operators: SomeOperators
    transfer_check: CheckName = ""
    cap: PositiveAmount = UNCAPPED


class CloseInstrument(PartyInstruction, frozen=True, tag="holding.close_instrument/1"):
    """Close an instrument for good, by its issuer. Refused while any of it is outstanding."""

    policy_class: ClassVar[str] = "setup"

    instrument: Id


class OpenAccount(PartyInstruction, frozen=True, tag="holding.open_account/1"):
    """Open an account; ``party`` is its servicer and (with ``salt``) determines its id: ``account_id``.

    A parent must be an open omnibus or nominee account owned by the servicer; see the module's README for the kinds.
    Where the servicer is to control credits, the owner signs too: such a servicer approves settlements in its name.
    """

    policy_class: ClassVar[str] = "setup"

    owner: Id
    kind: AccountKind
    debit: DebitControl
    credit: CreditControl
    parent: Id | None
    salt: Salt

    def actors(self) -> tuple[bytes, ...]:
        """The servicer; and the owner, where the servicer may say for it what it takes."""
        is_for_owner = self.credit is CreditControl.SERVICER and self.owner != self.party
        return (self.party, self.owner) if is_for_owner else (self.party,)


class CloseAccount(PartyInstruction, frozen=True, tag="holding.close_account/1"):
    """Close an account for good, by its owner or servicer.

    Refused while it owns anything, is to receive anything from an undecided settlement, has an open attachment, or has
    open accounts below it.
    """

    policy_class: ClassVar[str] = "setup"

    account: Id


class Issue(PartyInstruction, frozen=True, tag="holding.issue/1"):
    """Create value in an account, by an operator of the instrument.

    Refused: not an operator, over the cap, account or instrument closed, credit not controlled by ``party``.
    """

    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class Redeem(Instruction, frozen=True, tag="holding.redeem/1"):
    """Destroy value in an account, by an operator (``party``) and by ``holder``, who controls the account's debits.

    Both sign; one signature is enough where they are the same party.
    """

    party: Id
    holder: Id
    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference

    def actors(self) -> tuple[bytes, ...]:
        """The operator and the holder."""
        return (self.party,) if self.party == self.holder else (self.party, self.holder)

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class Transfer(PartyInstruction, frozen=True, tag="holding.transfer/1"):
    """Move an available amount from one account to another, by the party that controls the sender's debits.

    Refused: insufficient or attached, an account or the instrument closed, the receiver's credit not open to
    ``party`` (settle with the receiver's approval instead), or the instrument's transfer check.
    """

    instrument: Id
    sender: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class Hold(PartyInstruction, frozen=True, tag="holding.hold/1"):
    """Set an available amount aside for ``executor`` until ``expires_ms``; the id is ``hold_id``.

    While block time is below ``expires_ms`` only the executor disposes of it; then it returns to what is available.
    Refused where the executor owns the account or controls its debits.
    """

    account: Id
    instrument: Id
    amount: PositiveAmount
    executor: Id
    expires_ms: TimeMs
    reference: Reference
    salt: Salt

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class ExecuteHold(PartyInstruction, frozen=True, tag="holding.execute_hold/1"):
    """Move what a hold set aside, in whole or in part, to ``receiver``; by its executor.

    What remains stays held until executed, released or expired, or is released at once where this is ``final``.
    """

    hold: Hash
    instrument: Id
    receiver: Id
    amount: PositiveAmount
    final: bool
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class ReleaseHold(PartyInstruction, frozen=True, tag="holding.release_hold/1"):
    """Give up a hold: by its executor, or by anyone once it has expired."""

    hold: Hash


class Pledge(PartyInstruction, frozen=True, tag="holding.pledge/1"):
    """Pledge an available amount to ``pledgee``; the id is ``pledge_id``. It ends only by the pledgee's acts."""

    account: Id
    instrument: Id
    amount: PositiveAmount
    pledgee: Id
    reference: Reference
    salt: Salt

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class ExecutePledge(PartyInstruction, frozen=True, tag="holding.execute_pledge/1"):
    """Move what is pledged, in whole or in part, to ``receiver``; by the pledgee. The rest stays pledged."""

    pledge: Hash
    instrument: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class ReleasePledge(PartyInstruction, frozen=True, tag="holding.release_pledge/1"):
    """Free what is pledged, in whole or in part; by the pledgee."""

    pledge: Hash
    instrument: Id
    amount: PositiveAmount

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class Attach(PartyInstruction, frozen=True, tag="holding.attach/1"):
    """Attach an amount of a holding by ``order`` (hash of the order); by a party with the role ``authority``.

    What is available is attached now. The remainder is taken as it becomes available, before the holder can dispose
    of it, older orders first. The id is ``attachment_id``.
    """

    account: Id
    instrument: Id
    amount: PositiveAmount
    order: Hash
    salt: Salt

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


class LiftAttachment(PartyInstruction, frozen=True, tag="holding.lift_attachment/1"):
    """End an attachment; what it took becomes available. By the authority that made it."""

    attachment: Hash


class ExecuteAttachment(PartyInstruction, frozen=True, tag="holding.execute_attachment/1"):
    """Move what was attached, in whole or in part, to ``receiver`` by order; by the authority that made it.

    Neither the transfer check nor the receiver's control of credits stands against an order.
    """

    attachment: Hash
    instrument: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The instrument and the amount."""
        return self.instrument, self.amount


def instrument_id(issuer: bytes, code: str) -> bytes:
    """The id (16 bytes) of the instrument that ``issuer`` makes under ``code``."""
    return derive_id("instrument", issuer, code.encode())


def account_id(opener: bytes, salt: bytes) -> bytes:
    """The id (16 bytes) of the account that ``opener`` opens with ``salt``."""
    return derive_id("account", opener, salt)


def hold_id(party: bytes, salt: bytes) -> bytes:
    """The id (32 bytes) of the hold that ``party`` places with ``salt`` by instruction."""
    return digest(b"traco/hold/1", party, salt)


def pledge_id(party: bytes, salt: bytes) -> bytes:
    """The id (32 bytes) of the pledge that ``party`` makes with ``salt``."""
    return digest(b"traco/pledge/1", party, salt)


def attachment_id(party: bytes, salt: bytes) -> bytes:
    """The id (32 bytes) of the attachment that ``party`` orders with ``salt``."""
    return digest(b"traco/attachment/1", party, salt)
