"""What each instruction does: authorise, check, change, emit. The keeper checks the objects, and emits."""

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.holding import messages
from traco.modules.holding.book import accepts_credit_from, debit_controller
from traco.modules.holding.encumbrance_errors import (
    AttachmentForeign,
    ExecutorIsHolder,
    HoldExpiryPast,
    NotAuthority,
    NotExecutor,
    NotPledgee,
)
from traco.modules.holding.errors import (
    CreditNotControlled,
    DebitNotControlled,
    InstrumentMismatch,
    KindNotAllowed,
    NotAccountParty,
    NotIssuer,
    NotOperator,
)
from traco.modules.holding.keeper import Keeper
from traco.modules.holding.messages import InstrumentKind, attachment_id, hold_id, pledge_id
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.holding.ports import AUTHORITY, CASH_OPERATOR, Parties
from traco.modules.holding.state import OpenAttachment, OpenHold, OpenPledge


class Handlers:
    """One method per instruction."""

    def __init__(self, keeper: Keeper, parties: Parties) -> None:
        self._keeper = keeper
        self._parties = parties
        self._encumbrances = keeper.encumbrances

    def create_instrument(self, context: Context, message: messages.CreateInstrument) -> None:
        """Create an instrument of the acting party."""
        # authorise
        if message.kind is InstrumentKind.CASH:
            allowed = self._parties.has_role(context.state, message.party, CASH_OPERATOR)
        else:
            allowed = message.kind in context.parameters(HoldingParameters).open_kinds
        if not allowed:
            raise KindNotAllowed(message.party, message.kind.value)
        # check, change, emit
        self._keeper.create_instrument(
            context, message.party, message.code, message.kind, decimals=message.decimals, terms=message.terms,
            currency=message.currency, operators=message.operators, transfer_check=message.transfer_check,
            cap=message.cap,
        )  # fmt: skip

    def close_instrument(self, context: Context, message: messages.CloseInstrument) -> None:
        """Close an instrument of the acting party."""
        # authorise
        record = self._keeper.require_open_instrument(context.state, message.instrument)
        if record.issuer != message.party:
            raise NotIssuer(message.party, message.instrument)
        # check, change, emit
        self._keeper.close_instrument(context, message.instrument)

    def open_account(self, context: Context, message: messages.OpenAccount) -> None:
        """Open an account that the acting party services."""
        # authorise: the acting party becomes the servicer; nobody can make another party one
        # check, change, emit
        self._keeper.open_account(
            context, message.party, message.salt, owner=message.owner, servicer=message.party,
            kind=message.kind, debit=message.debit, credit=message.credit, parent=message.parent,
        )  # fmt: skip

    def close_account(self, context: Context, message: messages.CloseAccount) -> None:
        """Close an account of the acting party."""
        # authorise
        record = self._keeper.require_open_account(context.state, message.account)
        if message.party not in (record.owner, record.servicer):
            raise NotAccountParty(message.party, message.account)
        # check, change, emit
        self._keeper.close_account(context, message.account)

    def issue(self, context: Context, message: messages.Issue) -> None:
        """Create value in an account."""
        # authorise
        self._require_operator(context.state, message.party, message.instrument)
        self._require_credit(context.state, message.party, message.account)
        # check, change, emit
        self._keeper.issue(context, message.instrument, message.account, message.amount, message.reference)

    def redeem(self, context: Context, message: messages.Redeem) -> None:
        """Destroy value in an account that ``holder`` controls."""
        # authorise
        self._require_operator(context.state, message.party, message.instrument)
        self._require_debit(context.state, message.holder, message.account)
        # check, change, emit
        self._keeper.redeem(context, message.instrument, message.account, message.amount, message.reference)

    def transfer(self, context: Context, message: messages.Transfer) -> None:
        """Move value between accounts. The hot path: each record is read once."""
        keeper, state, party = self._keeper, context.state, message.party
        # authorise
        if debit_controller(keeper.require_open_account(state, message.sender)) != party:
            raise DebitNotControlled(party, message.sender)
        if not accepts_credit_from(keeper.require_open_account(state, message.receiver), party):
            raise CreditNotControlled(party, message.receiver)
        # check, change, emit
        keeper.move(
            context, message.instrument, message.sender, message.receiver, message.amount, message.reference
        )

    def hold(self, context: Context, message: messages.Hold) -> None:
        """Set value aside for an executor."""
        # authorise
        self._require_debit(context.state, message.party, message.account)
        # check, change, emit
        owner = self._keeper.require_open_account(context.state, message.account).owner
        if message.executor in (owner, message.party):  # who controls the debits is the acting party
            raise ExecutorIsHolder(message.executor, message.account)
        if message.expires_ms == 0:  # only a module, which can end what it holds, holds without expiry
            raise HoldExpiryPast(0, context.block.time_ms)
        self._parties.require_active(context.state, message.executor)
        record = OpenHold(
            message.account, message.instrument, message.amount, message.executor, message.expires_ms,
            message.reference,
        )  # fmt: skip
        self._encumbrances.place_hold(context, hold_id(message.party, message.salt), record)

    def execute_hold(self, context: Context, message: messages.ExecuteHold) -> None:
        """Move what is held to a receiver."""
        # authorise
        record = self._encumbrances.hold_of(context.state, message.hold)
        if record.executor != message.party:
            raise NotExecutor(message.party, message.hold)
        self._require_credit(context.state, message.party, message.receiver)
        # check, change, emit
        _require_same(record.instrument, message.instrument)
        self._keeper.execute_hold(
            context, message.hold, message.receiver, message.amount, message.reference, message.final
        )

    def release_hold(self, context: Context, message: messages.ReleaseHold) -> None:
        """Give up what is held."""
        # authorise
        record = self._encumbrances.hold_of(context.state, message.hold)
        expired = 0 < record.expires_ms <= context.block.time_ms
        if not expired and record.executor != message.party:
            raise NotExecutor(message.party, message.hold)
        # change, emit
        self._keeper.release_hold(context, message.hold)

    def pledge(self, context: Context, message: messages.Pledge) -> None:
        """Pledge value to a pledgee."""
        # authorise
        self._require_debit(context.state, message.party, message.account)
        # check, change, emit
        self._parties.require_active(context.state, message.pledgee)
        record = OpenPledge(
            message.account, message.instrument, message.amount, message.pledgee, message.reference
        )
        self._encumbrances.pledge(context, pledge_id(message.party, message.salt), record)

    def execute_pledge(self, context: Context, message: messages.ExecutePledge) -> None:
        """Move what is pledged to a receiver."""
        # authorise
        self._require_pledgee(context.state, message.party, message.pledge, message.instrument)
        self._require_credit(context.state, message.party, message.receiver)
        # check, change, emit
        self._encumbrances.execute_pledge(
            context, message.pledge, message.receiver, message.amount, message.reference
        )

    def release_pledge(self, context: Context, message: messages.ReleasePledge) -> None:
        """Free what is pledged."""
        # authorise
        self._require_pledgee(context.state, message.party, message.pledge, message.instrument)
        # check, change, emit
        self._encumbrances.release_pledge(context, message.pledge, message.amount)

    def attach(self, context: Context, message: messages.Attach) -> None:
        """Attach value by order of an authority."""
        # authorise
        if not self._parties.has_role(context.state, message.party, AUTHORITY):
            raise NotAuthority(message.party)
        # check, change, emit
        record = OpenAttachment(
            message.party, message.account, message.instrument, message.amount, 0, message.order,
            context.block.time_ms,
        )  # fmt: skip
        self._encumbrances.attach(context, attachment_id(message.party, message.salt), record)

    def lift_attachment(self, context: Context, message: messages.LiftAttachment) -> None:
        """End an attachment."""
        # authorise
        self._require_own_attachment(context.state, message.party, message.attachment)
        # change, emit
        self._encumbrances.lift_attachment(context, message.attachment)

    def execute_attachment(self, context: Context, message: messages.ExecuteAttachment) -> None:
        """Move what is attached to a receiver."""
        # authorise
        record = self._require_own_attachment(context.state, message.party, message.attachment)
        # check, change, emit
        _require_same(record.instrument, message.instrument)
        self._encumbrances.execute_attachment(
            context, message.attachment, message.receiver, message.amount, message.reference
        )

    def _require_operator(self, state: State, party: bytes, instrument: bytes) -> None:
        if party not in self._keeper.require_open_instrument(state, instrument).operators:
            raise NotOperator(party, instrument)

    def _require_debit(self, state: State, party: bytes, account: bytes) -> None:
        if debit_controller(self._keeper.require_open_account(state, account)) != party:
            raise DebitNotControlled(party, account)

    def _require_credit(self, state: State, party: bytes, account: bytes) -> None:
        if not accepts_credit_from(self._keeper.require_open_account(state, account), party):
            raise CreditNotControlled(party, account)

    def _require_pledgee(self, state: State, party: bytes, pledge: bytes, instrument: bytes) -> None:
        record = self._encumbrances.pledge_of(state, pledge)
        if record.pledgee != party:
            raise NotPledgee(party, pledge)
        _require_same(record.instrument, instrument)

    def _require_own_attachment(self, state: State, party: bytes, attachment: bytes) -> OpenAttachment:
        record = self._encumbrances.attachment_of(state, attachment)
        if record.authority != party:
            raise AttachmentForeign(party, attachment)
        return record


def _require_same(found: bytes, named: bytes) -> None:
    """The instruction names the instrument so that the acting party's amount bands see it; it must be the right one."""
    if found != named:
        raise InstrumentMismatch(found)
