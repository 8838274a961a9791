"""One method per instruction: authorise, check, change, emit. Checks and changes are the keeper's."""

from traco.kernel.module import Context
from traco.modules.settlement import messages
from traco.modules.settlement.errors import NotRequestor, NotSettler, TermsDiffer
from traco.modules.settlement.keeper import Keeper


class Handlers:
    """The rules of this module's instructions. ``keeper`` writes."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def create_batch(self, context: Context, message: messages.CreateBatch) -> None:
        """Create a batch without consequences: those are attached by modules only."""
        # authorise: anyone may ask; nobody is bound by it
        # check, change, emit
        self._keeper.create(
            context, message.party, message.legs, message.settlers, message.auto, message.deadline_ms, (), (),
            message.salt,
        )  # fmt: skip

    def affirm(self, context: Context, message: messages.Affirm) -> None:
        """Give allocations and approvals; completes and settles a batch that is ``auto``."""
        # authorise: which parts are the party's to give depends on each leg and account; the keeper checks all
        # check
        found = self._keeper.require_open(context.state, message.batch)
        if found.terms != message.terms:
            raise TermsDiffer(message.batch, found.terms)
        # change, emit
        self._keeper.affirm(context, message.party, message.batch, message.allocations, message.approvals)

    def withdraw(self, context: Context, message: messages.Withdraw) -> None:
        """Take back what the party gave."""
        # authorise, check, change, emit: the keeper finds what is the party's
        self._keeper.withdraw(context, message.party, message.batch)

    def settle(self, context: Context, message: messages.Settle) -> None:
        """Settle a complete batch."""
        # authorise
        if message.party not in self._keeper.require_open(context.state, message.batch).settlers:
            raise NotSettler(message.party, message.batch)
        # check, change, emit
        self._keeper.settle(context, message.batch)

    def cancel(self, context: Context, message: messages.Cancel) -> None:
        """End a batch that has not settled."""
        # authorise
        if message.party != self._keeper.require_open(context.state, message.batch).requestor:
            raise NotRequestor(message.party, message.batch)
        # check, change, emit
        self._keeper.cancel(context, message.batch, message.reason)
