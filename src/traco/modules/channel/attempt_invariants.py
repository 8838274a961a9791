"""What must hold of attempts and of what crosses the edges of channels, whatever was executed.

A transaction is checked on the keys that it wrote; audits and simulations check the whole ledger with the same rules, and
that every promise at an edge is that of an undecided attempt.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from traco.kernel.codec import MAX_AMOUNT, MAX_TIME_MS, Record
from traco.kernel.due import DueItem, due_items, is_scheduled
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.channel import state as stored
from traco.modules.channel.keeper import DEADLINE
from traco.modules.channel.parts import is_ascending
from traco.modules.channel.state import Attempted, AttemptRecord, Edge, LegState, Settlement, number_part

_PREFIX_BYTES: Final = 2  # of a key of this module: its own and the table's
_ID_BYTES: Final = 16
_ALL: Final = 2**62  # more due items than there can be


class _Promised(NamedTuple):
    """What undecided attempts move over a channel's edge."""

    outgoing: int = 0
    incoming: int = 0


def attempt_consistent(state: State, attempt: bytes, record: AttemptRecord) -> bool:
    """Whether an undecided attempt holds its terms, waits for its deadline, and moves as much out of ledgers as into them."""
    ledgers = dict.fromkeys(leg.ledger for leg in record.legs)
    sums: dict[bytes, int] = {}
    for leg in record.legs:
        for movement in leg.edges:
            sums[movement.instrument] = sums.get(movement.instrument, 0) + movement.amount
    return (
        stored.settlements.get(state, record.terms) == Settlement(attempt, "undecided")
        and is_scheduled(state, DueItem(record.due_ms, DEADLINE, attempt))
        and len(ledgers) == len(record.legs) > 1
        and all(_leg_consistent(state, attempt, leg) for leg in record.legs)
        and not any(sums.values())
    )


def _leg_consistent(state: State, attempt: bytes, leg: LegState) -> bool:
    """Whether a channel's leg has its entry in the index, and only those speak of it who were pinned, each with one word."""
    said = leg.held + leg.refused
    if not leg.ledger:
        return leg.members == leg.attesters == said == ()
    found = stored.attempted.get(state, leg.ledger, number_part(leg.ordinal), number_part(leg.number))
    return (
        found == Attempted(attempt)
        and 1 <= leg.policy <= len(leg.members)
        and all(is_ascending(ids) for ids in (leg.members, leg.attesters, leg.held, leg.refused))
        and all(member in leg.members for member in leg.attesters + said)
        and len(dict.fromkeys(said)) == len(said)
    )


def settlement_consistent(state: State, terms: bytes, settlement: Settlement) -> bool:
    """Whether terms that are being attempted have their attempt, and terms that are used up have none."""
    record = stored.attempts.get(state, settlement.attempt)
    is_attempted = record is not None and record.terms == terms
    return is_attempted == (settlement.status == "undecided")


def entry_consistent(state: State, place: bytes, entry: Attempted) -> bool:
    """Whether an entry of the index of legs is that of an undecided attempt's leg."""
    record = stored.attempts.get(state, entry.attempt)
    return record is not None and any(
        place == leg.ledger + number_part(leg.ordinal) + number_part(leg.number) for leg in record.legs
    )


def edge_consistent(_: State, __: bytes, edge: Edge) -> bool:
    """Whether no more is promised away than came in, and nothing can be refused that is promised."""
    return edge.outgoing <= edge.imported and 0 < edge.imported + edge.incoming <= MAX_AMOUNT


_CHECKS: Final[dict[int, tuple[Table[Any], Callable[[State, bytes, Any], bool], str]]] = {
    stored.ATTEMPTS: (stored.attempts, attempt_consistent, "channel.attempt"),
    stored.SETTLEMENTS: (stored.settlements, settlement_consistent, "channel.settlement"),
    stored.ATTEMPTED: (stored.attempted, entry_consistent, "channel.attempted_index"),
    stored.EDGES: (stored.edges, edge_consistent, "channel.edge"),
}


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """Check the keys of these records that a transaction wrote. Raises ``InvariantBroken``."""
    for key, held in before.items():
        if key[0] == stored.PREFIX and key[1] in _CHECKS:
            broken = _broken_at(state, key) or _broken_behind(state, key, held)
            if broken is not None:
                raise InvariantBroken(broken)


def _broken_at(state: State, key: bytes) -> str | None:
    """The name of what is wrong with the record now at a key, or None."""
    table, check, name = _CHECKS[key[1]]
    record = table.get(state, key[_PREFIX_BYTES:])
    return None if record is None or check(state, key[_PREFIX_BYTES:], record) else name


def _broken_behind(state: State, key: bytes, held: Record | None) -> str | None:
    """What is wrong with what was there: used terms are free again, an attempt went without its terms, a leg stayed."""
    now = state.current(key)
    if isinstance(held, Settlement) and held.status == "committed" and now != held:
        return "channel.terms_used_up"
    if isinstance(held, AttemptRecord) and now is None:
        left = stored.settlements.get(state, held.terms)
        stays = any(_is_indexed(state, key[_PREFIX_BYTES:], leg) for leg in held.legs)
        is_scheduled_still = is_scheduled(state, DueItem(held.due_ms, DEADLINE, key[_PREFIX_BYTES:]))
        if stays or is_scheduled_still or (left is not None and left.status == "undecided"):
            return "channel.attempt"
    return None


def _is_indexed(state: State, attempt: bytes, leg: LegState) -> bool:
    place = (leg.ledger, number_part(leg.ordinal), number_part(leg.number))
    return bool(leg.ledger) and stored.attempted.get(state, *place) == Attempted(attempt)


def whole_ledger(state: State, /) -> list[str]:
    """Every violation in the whole state, with the key it was found at."""
    found = [
        f"{broken} at {key.hex()}"
        for table in _CHECKS
        for key in _keys(state, table)
        if (broken := _broken_at(state, key)) is not None
    ]
    return found + _wrong_promises(state) + _idle_deadlines(state)


def _keys(state: State, table: int) -> Iterator[bytes]:
    return state.range(bytes((stored.PREFIX, table)), bytes((stored.PREFIX, table + 1)))


def _wrong_promises(state: State) -> list[str]:
    """Edges whose promises are not those of the undecided attempts."""
    promised: dict[tuple[bytes, bytes], _Promised] = {}
    for key in _keys(state, stored.ATTEMPTS):
        record = stored.attempts.get(state, key[_PREFIX_BYTES:])
        for leg in () if record is None else record.legs:
            for movement in leg.edges if leg.ledger else ():
                place = (movement.instrument, leg.ledger)
                so_far = promised.get(place, _Promised())
                promised[place] = _Promised(
                    so_far.outgoing + max(0, -movement.amount), so_far.incoming + max(0, movement.amount)
                )
    for key in _keys(state, stored.EDGES):
        rest = key[_PREFIX_BYTES:]
        edge = stored.edges.get(state, rest)
        expected = promised.pop((rest[:_ID_BYTES], rest[_ID_BYTES:]), _Promised())
        if edge is None or (edge.outgoing, edge.incoming) != expected:
            return [f"channel.edge_promised at {key.hex()}"]
    return [f"channel.edge_promised of {instrument.hex()}" for instrument, _ in promised]


def _idle_deadlines(state: State) -> list[str]:
    """Due items of attempts that are not there."""
    return [
        f"channel.deadline of {item.key.hex()}"
        for item in due_items(state, MAX_TIME_MS, _ALL)
        if item.kind == DEADLINE and stored.attempts.get(state, item.key) is None
    ]
