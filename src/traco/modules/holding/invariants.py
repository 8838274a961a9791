"""What must hold after every transaction (over the keys it touched), and over the whole state.

The per-transaction checks take the difference between the records before and after, so they cost little and do not depend on
the keeper being right: a holding changed without its counterpart is found whoever changed it.
"""

from collections.abc import Mapping
from typing import Final

from traco.kernel.batch_hold import BATCH_HOLD_TABLE, EDGE, BatchHold
from traco.kernel.codec import Record
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.holding.state import (
    ACCOUNTS,
    ATTACHMENTS,
    AWAITING,
    HOLDINGS,
    HOLDS,
    INSTRUMENTS,
    LISTINGS,
    NOTHING,
    PENDING,
    PLEDGES,
    SUPPLIES,
    Holding,
    OpenAttachment,
    OpenHold,
    OpenPledge,
    Pending,
    Supply,
)

_ALL: Final = 2**62
_BATCH_HOLDS: Final[Table[BatchHold]] = Table(KERNEL_PREFIX, BATCH_HOLD_TABLE, BatchHold)
_ENCUMBERING: Final = (OpenHold, OpenPledge, OpenAttachment, BatchHold)

# held, pledged, attached, bucket, incoming, awaited: as in ``Holding``
_HELD, _PLEDGED, _ATTACHED, _BUCKET, _INCOMING, _AWAITED = range(6)


def touched(state: State, before: Mapping[bytes, Record | None]) -> None:
    """Check what a transaction wrote, in one pass because every transaction pays for it. Raises ``InvariantBroken``.

    ``holding.conservation``: per instrument, what is owned changes as much as what is outstanding, which is what was
    issued less redeemed. ``holding.encumbrances``: per holding, its encumbered parts change as much as the records of its
    encumbrances do. What undecided batch holds will issue is what they say.
    """
    surplus: dict[bytes, int] = {}  # by instrument: how much more became owned than outstanding
    parts: dict[bytes, list[int]] = {}  # by holding: how much more its encumbrances say than its parts
    for key, old in before.items():
        new = state.current(key)
        kind = type(new or old)
        if kind is Holding:
            instrument = key[2:18]
            surplus[instrument] = surplus.get(instrument, 0) + _change_of_row(parts, key[2:], old, new)
        elif kind is Supply:
            instrument = key[2:]
            surplus[instrument] = surplus.get(instrument, 0) + _outstanding(old) - _outstanding(new)
        elif kind in _ENCUMBERING:
            _add_record(parts, old, -1)
            _add_record(parts, new, 1)
        elif kind is Pending:
            _add(parts, key[2:], _BUCKET, _pending(old) - _pending(new))
    if any(surplus.values()):
        raise InvariantBroken("holding.conservation")
    for difference in parts.values():
        if any(difference):
            raise InvariantBroken("holding.encumbrances")


def all_conserved(state: State) -> list[str]:
    """Every instrument: the sum of its holdings is outstanding, within its cap, and none where it is closed."""
    owned: dict[bytes, int] = {}
    for key, holding in HOLDINGS.scan(state, limit=_ALL):
        owned[key[:16]] = owned.get(key[:16], 0) + holding.owned
    found = []
    for instrument, record in INSTRUMENTS.scan(state, limit=_ALL):
        total, name = owned.pop(instrument, 0), instrument.hex()
        supply = SUPPLIES.get(state, instrument)
        if supply is None:
            found.append(f"instrument {name} has no supply")
            continue
        if total != supply.outstanding:
            found.append(f"instrument {name}: {total} owned, {supply.outstanding} outstanding")
        if supply.issued - supply.redeemed != supply.outstanding:
            found.append(f"instrument {name}: issued less redeemed is not outstanding")
        if supply.outstanding > supply.cap:
            found.append(f"instrument {name} exceeds its cap")
        if record.closed and supply.outstanding:
            found.append(f"instrument {name} is closed and outstanding")
    return found + [f"holdings of the unknown instrument {instrument.hex()}" for instrument in owned]


def all_encumbrances(state: State) -> list[str]:
    """Every holding: its encumbered parts are the sums of its encumbrances; no empty row; the queues are right."""
    parts: dict[bytes, list[int]] = {}
    for _, hold in HOLDS.scan(state, limit=_ALL):
        _add_record(parts, hold, 1)
    for _, pledge in PLEDGES.scan(state, limit=_ALL):
        _add_record(parts, pledge, 1)
    for _, batch in _BATCH_HOLDS.scan(state, limit=_ALL):
        _add_record(parts, batch, 1)
    for instrument, pending in PENDING.scan(state, limit=_ALL):
        _add(parts, instrument, _BUCKET, -pending.amount)
    waiting = []
    for identity, attachment in ATTACHMENTS.scan(state, limit=_ALL):
        _add_record(parts, attachment, 1)
        if attachment.attached < attachment.amount:
            place = attachment.since_ms.to_bytes(8, "big") + identity
            waiting.append(attachment.instrument + attachment.account + place)
    found = []
    for key, holding in HOLDINGS.scan(state, limit=_ALL):
        _add_parts(parts, key, _parts(holding), -1)
        if holding == NOTHING:
            found.append(f"an empty row {key.hex()}")
    if sorted(waiting) != [key for key, _ in AWAITING.scan(state, limit=_ALL)]:
        found.append("the queues of attachments are not those that await value")
    return found + [f"holding {key.hex()}: encumbrances {left}" for key, left in parts.items() if any(left)]


def all_accounts(state: State) -> list[str]:
    """Every account: its rows are counted and listed, its open children counted; a closed one has neither."""
    rows: dict[bytes, list[bytes]] = {}
    for key, _ in HOLDINGS.scan(state, limit=_ALL):
        rows.setdefault(key[16:], []).append(key[:16])
    listed: dict[bytes, list[bytes]] = {}
    for key, _ in LISTINGS.scan(state, limit=_ALL):
        listed.setdefault(key[:16], []).append(key[16:])
    accounts = ACCOUNTS.scan(state, limit=_ALL)
    children: dict[bytes, int] = {}
    for _, account in accounts:
        if account.parent is not None and not account.closed:
            children[account.parent] = children.get(account.parent, 0) + 1
    found = []
    for identity, account in accounts:
        held, below, name = rows.pop(identity, []), children.pop(identity, 0), identity.hex()
        if account.rows != len(held) or account.children != below:
            found.append(f"account {name} counts {account.rows} rows and {account.children} children")
        if sorted([*account.instruments, *listed.pop(identity, [])]) != held:
            found.append(f"account {name} does not list its holdings")
        if list(account.instruments) != sorted(account.instruments):
            found.append(f"account {name} lists its holdings out of order")
        if account.closed and (held or below):
            found.append(f"account {name} is closed and in use")
    orphans = [*rows, *listed, *children]
    return found + [f"rows of the unknown account {account.hex()}" for account in orphans]


def _change_of_row(
    parts: dict[bytes, list[int]], place: bytes, old: Record | None, new: Record | None
) -> int:
    """How much more is owned in a row than before; changes of its parts are taken off ``parts``."""
    before = old if isinstance(old, Holding) else NOTHING
    after = new if isinstance(new, Holding) else NOTHING
    parts_before, parts_after = _parts(before), _parts(after)
    if parts_before == parts_after:
        return after.available - before.available
    _add_parts(parts, place, parts_before, 1)
    _add_parts(parts, place, parts_after, -1)
    return after.owned - before.owned


def _outstanding(record: Record | None) -> int:
    """What is outstanding by both ways of counting; ones that differ are broken by themselves."""
    if not isinstance(record, Supply):
        return 0
    if record.issued - record.redeemed != record.outstanding or record.outstanding > record.cap:
        raise InvariantBroken("holding.conservation")
    return record.outstanding


def _pending(record: Record | None) -> int:
    return record.amount if isinstance(record, Pending) else 0


def _add(parts: dict[bytes, list[int]], key: bytes, part: int, amount: int) -> None:
    parts.setdefault(key, [0] * 6)[part] += amount


def _parts(row: Holding) -> tuple[int, ...]:
    return row.held, row.pledged, row.attached, row.bucket, row.incoming, row.awaited


def _add_parts(parts: dict[bytes, list[int]], key: bytes, amounts: tuple[int, ...], sign: int) -> None:
    for part, value in enumerate(amounts):
        if value:
            _add(parts, key, part, sign * value)


def _add_record(parts: dict[bytes, list[int]], record: Record | None, sign: int) -> None:
    if isinstance(record, OpenHold):
        _add(parts, record.instrument + record.account, _HELD, sign * record.amount)
    elif isinstance(record, OpenPledge):
        _add(parts, record.instrument + record.account, _PLEDGED, sign * record.amount)
    elif isinstance(record, OpenAttachment):
        _add(parts, record.instrument + record.account, _ATTACHED, sign * record.attached)
        awaited = sign * (record.amount - record.attached)
        _add(parts, record.instrument + record.account, _AWAITED, awaited)
    elif isinstance(record, BatchHold):
        for movement in record.movements:
            coming_in = movement.sender == EDGE  # then the instrument itself has it, as pending
            place = movement.instrument + (b"" if coming_in else movement.sender)
            _add(parts, place, _BUCKET, sign * movement.amount)
            if movement.receiver != EDGE:
                _add(parts, movement.instrument + movement.receiver, _INCOMING, sign * movement.amount)
