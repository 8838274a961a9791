"""Parameters of the kernel and of the modules: consensus values in the state, readable as of any height."""

from typing import Any, Final, TypeVar

from traco.kernel.by_height import HeightTable
from traco.kernel.codec import Record, digest
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.instruction import KernelParameters
from traco.kernel.state import State

PARAMETERS_TABLE: Final = 0x02
REPLACED_TABLE: Final = 0x03

P = TypeVar("P", bound=Record)


class Parameters:
    """Typed access to the parameters records; one table per type, keyed by the owner's name."""

    def __init__(self, owners: dict[str, Record]) -> None:
        self._defaults: Final = {"kernel": KernelParameters(), **owners}
        self._owner_of: dict[type[Record], str] = {
            type(record): name for name, record in self._defaults.items()
        }
        self._tables: dict[type[Record], HeightTable[Any]] = {
            type(record): HeightTable(KERNEL_PREFIX, PARAMETERS_TABLE, REPLACED_TABLE, type(record))
            for record in self._defaults.values()
        }
        self._keys: dict[type[Record], bytes] = {kind: _key(owner) for kind, owner in self._owner_of.items()}

    def get(self, state: State, kind: type[P]) -> P:
        """The parameters in force; the declared defaults before genesis wrote any."""
        found: P | None = self._tables[kind].get(state, self._keys[kind])
        return self.default_of(kind) if found is None else found  # type: ignore[return-value]

    def put(self, state: State, height: int, record: Record) -> None:
        """Replace the record of this type from this block on."""
        horizon = self.get(state, KernelParameters).history_horizon
        self._tables[type(record)].put(state, height, horizon, record, self._keys[type(record)])

    def as_of(self, state: State, height: int, kind: type[P]) -> P | None:
        """The parameters as committed by block ``height``, or None beyond the horizon."""
        found: P | None = self._tables[kind].as_of(state, height, self._keys[kind])
        return found

    def versions(self, state: State, kind: type[P]) -> list[P]:
        """The parameters in force and those that were, as far back as the state keeps them."""
        found: list[P] = self._tables[kind].versions(state, self._keys[kind])
        return found

    def default_of(self, kind: type[Record]) -> Record:
        """The declared parameters of that type."""
        return self._defaults[self._owner_of[kind]]

    def kind_of(self, owner: str) -> type[Record] | None:
        """The parameters type of ``kernel`` or a module, or None if there is none."""
        record = self._defaults.get(owner)
        return None if record is None else type(record)

    def kinds(self) -> tuple[tuple[str, type[Record]], ...]:
        """Each owner with the type of its parameters, in a fixed order."""
        return tuple((owner, type(record)) for owner, record in self._defaults.items())

    def owners(self) -> tuple[str, ...]:
        """Who has parameters, in a fixed order."""
        return tuple(self._defaults)


def _key(owner: str) -> bytes:
    return digest(b"traco/parameters/1", owner.encode())[:8]
