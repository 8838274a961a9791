"""The root's registries as a channel sees them: as committed by one block of the root, whatever came after.

A point of root block ``h`` reads parties, council and parameters as committed by block ``h - 1``, from any state of the root
at or behind that block. So nodes that execute it at once, and those that got a payload a day later, read the same.

Only records by height are read. The indexes of the root (who has a key, an identifier, a node) are not by height, so nothing
inside a channel may ask them: ``member_of_node`` knows nobody, for nothing comes in envelopes here. Which nodes a *member* has is
part of its record. Channels have no parameters of their own; before the root has written those of a module, the declared ones hold.
"""

from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from traco.channels.executing.errors import BeyondHorizon, RootBehind
from traco.kernel.codec import Record
from traco.kernel.instruction import KernelParameters
from traco.kernel.parameters import Parameters
from traco.kernel.state import State
from traco.modules.party.judged import Judged
from traco.modules.party.state import Council, Party, councils, parties

P = TypeVar("P", bound=Record)

_ROOT_LIMITS: Final = Parameters({})
_NO_COUNCIL: Final = Council((), 1)


class RootState(Protocol):
    """The root's state as committed by a block. It must not change while a point is executed."""

    @property
    def height(self) -> int:
        """The block."""

    @property
    def state(self) -> State:
        """What it committed."""


class RegistryView:
    """Where channels of one process stand in the root: moved before each point, read during it.

    ``turn`` grows with every move, for what is remembered between two of them.
    """

    def __init__(self) -> None:
        self._root: RootState | None = None
        self.height = -1
        self.turn = 0

    def stand(self, root: RootState, height: int) -> None:
        """Read from ``root``, as committed by its block ``height``. Raises ``RootBehind``, ``BeyondHorizon``."""
        if root.height < height:
            raise RootBehind(root.height, height)
        # What was replaced was pruned by one of these horizons, each at some block that is there.
        limits = _ROOT_LIMITS.versions(root.state, KernelParameters) or [KernelParameters()]
        horizon = min(version.history_horizon for version in limits)
        if root.height - horizon > height:
            raise BeyondHorizon(root.height, height, horizon)
        self._root, self.height = root, height
        self.turn += 1

    @property
    def state(self) -> State:
        """The root's state to read from, as of ``height``."""
        if self._root is None:
            raise LookupError("nothing was executed yet, so the root is not known")
        return self._root.state


class RegistryParties(Judged):
    """The root's parties. What it is asked with is the channel's state, which it does not look at."""

    def __init__(self, view: RegistryView) -> None:
        self._view = view
        self._turn = -1
        self._found: dict[bytes, Party | None] = {}

    def get(self, state: State, party: bytes) -> Party | None:
        """The party with this id, or None."""
        if self._turn != self._view.turn:
            self._turn, self._found = self._view.turn, {}
        if party not in self._found:
            self._found[party] = parties.as_of(self._view.state, self._view.height, party)
        return self._found[party]

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """Nobody: which member has a node is an index of the root, which cannot be read as of a height."""
        return None

    def council(self, state: State) -> Council:
        """The council of the root."""
        return councils.as_of(self._view.state, self._view.height) or _NO_COUNCIL


class RegistryParameters(Parameters):
    """The root's parameters of the kernel and of the modules that run in a channel. Nothing in a channel changes them."""

    def __init__(self, view: RegistryView, owners: Mapping[str, Record]) -> None:
        super().__init__(dict(owners))
        self._view = view
        self._turn = -1
        self._found: dict[type[Record], Record] = {}

    def get(self, state: State, kind: type[P]) -> P:
        """The parameters in force for the point; the declared ones where the root had none yet."""
        if self._turn != self._view.turn:
            self._turn, self._found = self._view.turn, {}
        found = self._found.get(kind)
        if found is None:
            read = self.as_of(self._view.state, self._view.height, kind)
            found = self._found[kind] = self.default_of(kind) if read is None else read
        return found  # type: ignore[return-value]

    def put(self, state: State, height: int, record: Record) -> None:
        """Nothing: where a protocol brings parameters, the root writes them, in the block that enters it."""
