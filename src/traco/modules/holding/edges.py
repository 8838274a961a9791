"""What batch holds take over the ledger's edge: in, issued when the hold is executed; or out, redeemed then.

As with every batch hold, all checks run when it is made. What comes in has its room under the cap and its credit reserved,
what goes out stands in the holder's bucket. Who may do so is for the module that makes the hold to say.
"""

from traco.kernel.batch_hold import EDGE, Movement
from traco.kernel.module import Context
from traco.modules.holding.book import Book
from traco.modules.holding.events import Issued, Redeemed, ReservationReleased, Reserved
from traco.modules.holding.supply import add_issue, add_pending, add_redemption, require_room


class Edges:
    """The movements with ``EDGE`` at one end, over one book. Not ``Buckets`` for others: the keeper passes them on."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def reserve(self, context: Context, movement: Movement) -> None:
        """Check as an issue or a redemption is checked, and set aside.

        Raises ``SupplyExceeded``, ``InsufficientHolding``, ``HoldingAttached``, unknown or closed.
        """
        state, instrument, amount = context.state, movement.instrument, movement.amount
        self._book.require_open_instrument(state, instrument)
        if movement.sender == EDGE:
            self._book.require_open_account(state, movement.receiver)
            require_room(state, instrument, amount)
            add_pending(state, instrument, amount)
            self._book.expect(state, instrument, movement.receiver, amount, 0)
        else:
            self._book.require_open_account(state, movement.sender)
            self._book.encumber(state, instrument, movement.sender, amount, "bucket")
        context.emit(Reserved(instrument, movement.sender, movement.receiver, amount, movement.reference))

    def execute(self, context: Context, movement: Movement) -> None:
        """Issue to the receiver, or redeem from the sender's bucket. Never refuses."""
        state, instrument, amount = context.state, movement.instrument, movement.amount
        _emit_released(context, movement)
        if movement.sender == EDGE:
            add_pending(state, instrument, -amount)
            add_issue(state, instrument, amount)
            self._book.free(context, instrument, movement.receiver, amount, "incoming")
            context.emit(Issued(instrument, movement.receiver, amount, movement.reference))
        else:
            self._book.spend(state, instrument, movement.sender, amount, "bucket")
            add_redemption(state, instrument, amount)
            context.emit(Redeemed(instrument, movement.sender, amount, movement.reference))

    def release(self, context: Context, movement: Movement) -> None:
        """Nothing comes in; what was to go out is the holder's again. Never refuses."""
        state, instrument, amount = context.state, movement.instrument, movement.amount
        if movement.sender == EDGE:
            add_pending(state, instrument, -amount)
            self._book.spend(state, instrument, movement.receiver, amount, "incoming")
        else:
            self._book.free(context, instrument, movement.sender, amount, "bucket")
        _emit_released(context, movement)


def _emit_released(context: Context, movement: Movement) -> None:
    context.emit(
        ReservationReleased(
            movement.instrument, movement.sender, movement.receiver, movement.amount, movement.reference
        )
    )
