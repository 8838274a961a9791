"""The door of a ledger for legs: open while the input that names one runs, for that one alone."""

from types import TracebackType

from traco.modules.leg.ports import Entering


class Door:
    """An ``Entrance``. Whoever drives the ledger opens it; nothing of it is in the state.

    with door.entering(leg):
        ...  # the ledger takes this leg, and no other
    """

    def __init__(self) -> None:
        self._current: Entering | None = None

    def current(self) -> Entering | None:
        """The leg that enters now, or None."""
        return self._current

    def entering(self, leg: Entering) -> "Door":
        """Open it for a leg; to be used in a ``with`` statement, which closes it."""
        self._current = leg
        return self

    def __enter__(self) -> None:
        """It is open already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._current = None
