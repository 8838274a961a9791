"""What must hold of parties and their indexes, whatever was executed.

A transaction is checked on the keys that it wrote; audits and simulations check the whole ledger with the same rules.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from traco.kernel.codec import Record
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.party import state as stored
from traco.modules.party import validity
from traco.modules.party.errors import PolicyUnreachable
from traco.modules.party.state import KeyOwner, Owner, Party, Recovery, keys_with, lei_of

PAGE: Final = 1_000

_PREFIX_BYTES: Final = 2


def party_consistent(state: State, party: bytes, record: Party) -> str | None:
    """The name of what is wrong with a party against its indexes, or None."""
    closed = record.status == "closed"
    for entry in record.keys:
        owner = stored.keys.get(state, entry.key)
        if not closed and owner != KeyOwner(party, reserved=False):
            return "party.keys_indexed"
    lei = lei_of(record)
    if not closed and lei is not None and stored.leis.get(state, lei) != Owner(party):
        return "party.lei_indexed"
    for identifier in record.identifiers:
        indexed = stored.identifiers.get(state, stored.identifier_part(identifier), party)
        if (indexed == Owner(party)) == closed:
            return "party.identifiers_indexed"
    for key in () if record.membership is None else record.membership.nodes:
        if not closed and stored.nodes.get(state, key) != Owner(party):
            return "party.nodes_indexed"
    try:
        validity.check_thresholds(record.keys, record.policy)
    except PolicyUnreachable:
        return "party.thresholds_reachable"
    return None


def key_consistent(state: State, key: bytes, owner: KeyOwner) -> bool:
    """Whether an entry of the key index names an open party that has the key, or a recovery that reserves it."""
    record = stored.parties.get(state, owner.party)
    if record is None or record.status == "closed":
        return False
    held = record.keys
    if owner.reserved:
        recovery = stored.recoveries.get(state, owner.party)
        held = () if recovery is None else recovery.keys
    return any(entry.key == key for entry in held)


def lei_consistent(state: State, lei: bytes, owner: Owner) -> bool:
    """Whether an entry of the LEI index names an open party that has the LEI."""
    record = stored.parties.get(state, owner.party)
    return record is not None and record.status != "closed" and lei_of(record) == lei


def node_consistent(state: State, key: bytes, owner: Owner) -> bool:
    """Whether an entry of the node index names an open member that has the node."""
    record = stored.parties.get(state, owner.party)
    if record is None or record.status == "closed" or record.membership is None:
        return False
    return key in record.membership.nodes


def recovery_consistent(state: State, party: bytes, recovery: Recovery) -> bool:
    """Whether a recovery's keys are reserved for its party, which is open, and could meet its policy."""
    record = stored.parties.get(state, party)
    if record is None or record.status == "closed":
        return False
    reserved = all(
        stored.keys.get(state, entry.key) == KeyOwner(party, reserved=True) for entry in recovery.keys
    )
    administering = len(keys_with(recovery.keys, "administer"))
    return reserved and administering >= recovery.policy.administer_threshold


def _broken_at(state: State, key: bytes) -> str | None:
    """The name of what is wrong with the record now at a key of this module, or None."""
    table, rest = key[1], key[_PREFIX_BYTES:]
    if table == stored.PARTIES:
        record = stored.parties.get(state, rest)
        return None if record is None else party_consistent(state, rest, record)
    checks: dict[int, tuple[Table[Any], Any, str]] = _INDEX_CHECKS
    if table not in checks:
        return None
    index, check, name = checks[table]
    entry = index.get(state, rest)
    return None if entry is None or check(state, rest, entry) else name


_INDEX_CHECKS: Final[dict[int, tuple[Table[Any], Any, str]]] = {
    stored.KEYS: (stored.keys, key_consistent, "party.key_index"),
    stored.LEIS: (stored.leis, lei_consistent, "party.lei_index"),
    stored.NODES: (stored.nodes, node_consistent, "party.node_index"),
    stored.RECOVERIES: (stored.recoveries, recovery_consistent, "party.recovery_keys"),
}


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """Check the keys of this module that a transaction wrote. Raises ``InvariantBroken``."""
    for key, held in before.items():
        if key[0] == stored.PREFIX:
            broken = _broken_at(state, key) or _broken_behind(state, held)
            if broken is not None:
                raise InvariantBroken(broken)


def _broken_behind(state: State, held: Record | None) -> str | None:
    """What is wrong with the party that an index entry belonged to: it may have lost the entry and kept the key."""
    if not isinstance(held, KeyOwner | Owner):
        return None
    record = stored.parties.get(state, held.party)
    return None if record is None else party_consistent(state, held.party, record)


def whole_ledger(state: State, /) -> list[str]:
    """Every violation in the whole state, with the key it was found at."""
    found = []
    for table in (stored.PARTIES, *_INDEX_CHECKS):
        for key in _keys_of(state, table):
            broken = _broken_at(state, key)
            if broken is not None:
                found.append(f"{broken} at {key.hex()}")
    return found


def _keys_of(state: State, table: int) -> Iterator[bytes]:
    return state.range(bytes((stored.PREFIX, table)), bytes((stored.PREFIX, table + 1)))
