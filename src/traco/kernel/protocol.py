"""Which protocol version the ledger runs, and at which height it changes. A change runs the modules' migrations."""

from collections.abc import Callable, Sequence
from typing import Final

from traco.kernel.codec import Count, Height, Record
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.errors import Halt
from traco.kernel.module import Context, Module
from traco.kernel.state import State, Table

PROTOCOL_TABLE: Final = 0x05
OLDEST_PROTOCOL: Final = 1  # the oldest protocol that this software can execute
NEWEST_PROTOCOL: Final = 3  # the newest


class Protocol(Record, frozen=True, tag=1):
    """The protocol in force, and the next one with the height at which it comes (0 and 0 if none is scheduled)."""

    current: Count
    upcoming: Count
    height: Height


_table: Final[Table[Protocol]] = Table(KERNEL_PREFIX, PROTOCOL_TABLE, Protocol)


def protocol_of(state: State) -> Protocol:
    """The protocol record; written by genesis."""
    found = _table.get(state)
    if found is None:
        raise Halt("the state has no protocol version: it was not founded")
    return found


def write_protocol(state: State, protocol: Protocol) -> None:
    """Replace the protocol record."""
    _table.put(state, protocol)


def protocol_at(state: State, height: int) -> int:
    """The protocol that block ``height``, the next one, runs. Raises ``Halt`` when this software lacks it."""
    record = protocol_of(state)
    wanted = record.upcoming if record.upcoming and height >= record.height else record.current
    require_protocol(wanted, height)
    return wanted


def require_protocol(wanted: int, height: int) -> None:
    """Raise ``Halt`` when this software lacks the protocol that block ``height`` runs."""
    if not OLDEST_PROTOCOL <= wanted <= NEWEST_PROTOCOL:
        raise Halt(
            f"block {height} needs protocol {wanted}; this software has {OLDEST_PROTOCOL} to {NEWEST_PROTOCOL}. "
            "Install a release that has it and start again; nothing is lost."
        )


def stops_at(state: State) -> int:
    """The height of the block that this software cannot make, because a protocol is scheduled that it lacks; 0 if none is."""
    record = protocol_of(state)
    return record.height if record.upcoming > NEWEST_PROTOCOL else 0


def migrate(modules: Sequence[Module], context: Context) -> None:
    """Enter the upcoming protocol: in the order of modules, write the parameters of those that it brings, as declared,
    and run the migrations that belong to it.
    """
    record = protocol_of(context.state)
    for module in modules:
        if module.since_protocol == record.upcoming and module.parameters is not None:
            context.set_parameters(module.parameters)
        migration: Callable[[Context], None] | None = module.migrations.get(record.upcoming)
        if migration is not None:
            migration(context)
    write_protocol(context.state, Protocol(record.upcoming, 0, 0))
