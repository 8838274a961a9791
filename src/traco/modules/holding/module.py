"""The module of holdings: its declarations in one place."""

from collections.abc import Mapping
from typing import Any

from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.module import Context, Module
from traco.modules.holding import errors, events, genesis, invariants, messages
from traco.modules.holding.encumbrance_errors import ENCUMBRANCE_ERRORS
from traco.modules.holding.encumbrances import HOLD_EXPIRY
from traco.modules.holding.handlers import Handlers
from traco.modules.holding.keeper import Keeper
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.holding.ports import Channels, Parties, TransferCheck
from traco.modules.holding.queries import Queries
from traco.modules.holding.state import PREFIX


class HoldingModule(Module):
    """Instruments, accounts, holdings and their encumbrances. ``keeper`` is for other modules' ports.

    ``transfer_checks`` are the declared checks by name. The mapping is looked up when a check runs, so that whoever composes
    the ledger may add the checks of modules that themselves need this keeper.
    """

    name = "holding"
    prefix = PREFIX
    watches = (KERNEL_PREFIX,)  # batch holds, which encumber holdings

    def __init__(
        self, parties: Parties, transfer_checks: Mapping[str, TransferCheck] | None = None,
        channels: Channels | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.keeper = Keeper(parties, {} if transfer_checks is None else transfer_checks, channels)
        handlers = Handlers(self.keeper, parties)
        self.instructions = {
            messages.CreateInstrument: handlers.create_instrument,
            messages.CloseInstrument: handlers.close_instrument,
            messages.OpenAccount: handlers.open_account,
            messages.CloseAccount: handlers.close_account,
            messages.Issue: handlers.issue,
            messages.Redeem: handlers.redeem,
            messages.Transfer: handlers.transfer,
            messages.Hold: handlers.hold,
            messages.ExecuteHold: handlers.execute_hold,
            messages.ReleaseHold: handlers.release_hold,
            messages.Pledge: handlers.pledge,
            messages.ExecutePledge: handlers.execute_pledge,
            messages.ReleasePledge: handlers.release_pledge,
            messages.Attach: handlers.attach,
            messages.LiftAttachment: handlers.lift_attachment,
            messages.ExecuteAttachment: handlers.execute_attachment,
        }
        self.events = events.EVENTS
        self.errors = (
            errors.InstrumentUnknown, errors.InstrumentExists, errors.InstrumentClosed,
            errors.InstrumentInUse, errors.InstrumentAbroad, errors.InstrumentMismatch, errors.KindNotAllowed,
            errors.CurrencyMissing, errors.OperatorRepeated, errors.TransferCheckUnknown,
            errors.NotIssuer, errors.NotOperator, errors.SupplyExceeded, errors.AccountUnknown,
            errors.AccountExists, errors.AccountClosed, errors.AccountInUse,
            errors.NotAccountParty, errors.ClientIsServicer, errors.ChildKindRefused,
            errors.ParentKindRefused, errors.ParentNotOwned, errors.AccountTooDeep,
            errors.DebitNotControlled, errors.CreditNotControlled, errors.InsufficientHolding,
            errors.HoldingAttached, errors.SameAccount, errors.TransferRefused,
            *ENCUMBRANCE_ERRORS,
        )  # fmt: skip
        self.queries = Queries(self.keeper).declared()
        self.due = {HOLD_EXPIRY: self.keeper.encumbrances.expire_hold}
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (
            invariants.all_conserved,
            invariants.all_encumbrances,
            invariants.all_accounts,
        )
        self.parameters = HoldingParameters()

    def genesis(self, context: Context, section: Mapping[str, Any]) -> None:
        """Create the founding instruments (see ``genesis.py`` for the format)."""
        genesis.found(self.keeper, context, section)
