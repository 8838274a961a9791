"""Statement of an account: opening balance, movements, closing balance, by height or time. One query, whatever the period.

Opening and closing balance are the balance of the last entry before the period and the last one in it, each found by the index
of the journal; the movements of a page are one range of that index. So a statement costs what its page has, not what the
account has.
"""

from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    bindparam,
    case,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from traco.kernel.codec import MAX_AMOUNT
from traco.projections.schema import block, journal

LAST_ENTRY: Final = MAX_AMOUNT
_ENTRY: Final = itemgetter(0)


class Period(NamedTuple):
    """From (inclusive) to (exclusive), by height or by time in ms; None: from the beginning, to the end.

    Where both are given, what is in both.
    """

    from_height: int | None = None
    to_height: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


EVER: Final = Period()


class Line(NamedTuple):
    """A movement of a statement. ``amount`` is above zero where the account was credited."""

    entry: int
    amount: int
    balance: int
    counter: bytes
    height: int
    leaf: int
    event: int
    time_ms: int
    transaction: bytes
    cause: str
    reference: bytes


class Statement(NamedTuple):
    """What an account owned of an instrument before and after a period, and a page of what happened in it.

    ``next`` is the entry to go on behind, None on the last page.
    """

    opening: int
    closing: int
    lines: list[Line]
    next: int | None


def read_statement(
    connection: Connection,
    account: bytes,
    instrument: bytes,
    period: Period = EVER,
    after: int = 0,
    limit: int = 100,
) -> Statement:
    """A page of up to ``limit`` movements behind the entry ``after``."""
    values = {"account": account, "instrument": instrument, "after": after, "limit": limit + 1}
    bounds = {name: value for name, value in period._asdict().items() if value is not None}
    rows = connection.execute(_query(tuple(bounds)), {**values, **bounds}).all()
    opening, closing = rows[0][:2]
    lines = [Line._make(row[2:]) for row in rows if row[2] is not None]
    lines.sort(key=_ENTRY)  # they mostly are: databases keep the order of the page, but do not promise it
    more = len(lines) > limit
    return Statement(opening, closing, lines[:limit], lines[limit - 1].entry if more else None)


@cache
def _query(bounds: tuple[str, ...]) -> Select[Any]:
    """The query of a statement: opening and closing balance in every row, and a movement where there is one."""
    edges = select(_first(bounds, "from").label("low"), _first(bounds, "to").label("high")).cte("edges")
    mine = (journal.c.account == bindparam("account")) & (journal.c.instrument == bindparam("instrument"))

    def balance_before(edge: ColumnElement[int]) -> ColumnElement[int]:
        last = (
            select(journal.c.balance)
            .where(mine, journal.c.entry < edge)
            .order_by(journal.c.entry.desc())
            .limit(1)
        )
        return func.coalesce(last.scalar_subquery(), literal(0, BigInteger))

    low, high = select(edges.c.low).scalar_subquery(), select(edges.c.high).scalar_subquery()
    columns = [journal.c[name] for name in _COLUMNS]
    # one bound, because of two the index would use one and read everything that only the other leaves out
    behind = bindparam("after", type_=BigInteger) + 1
    first = select(case((edges.c.low > behind, edges.c.low), else_=behind)).scalar_subquery()
    page = (
        select(*columns)
        .where(mine, journal.c.entry >= first, journal.c.entry < high)
        .order_by(journal.c.entry)
        .limit(bindparam("limit"))
        .subquery("page")
    )
    balances = select(balance_before(low).label("opening"), balance_before(high).label("closing")).subquery(
        "balances"
    )
    joined = balances.outerjoin(page, true())
    return select(balances, page).select_from(joined)


_COLUMNS: Final = (
    "entry", "amount", "balance", "counter", "height", "leaf", "event", "time_ms", "transaction_id", "cause", "reference",
)  # fmt: skip


def _first(bounds: tuple[str, ...], side: str) -> ColumnElement[int]:
    """The number of the first entry at or behind a bound: where a period begins, or where it is over.

    Blocks say with which entry they begin. A bound behind the last block lies behind every entry; none at all is before the
    first one where the period begins, behind the last one where it ends.
    """
    choices: list[ColumnElement[int]] = []
    for column, name in ((block.c.height, f"{side}_height"), (block.c.time_ms, f"{side}_ms")):
        if name in bounds:
            found = (
                select(block.c.first_entry)
                .where(column >= bindparam(name))
                .order_by(column, block.c.height)
                .limit(1)
            )
            choices.append(func.coalesce(found.scalar_subquery(), literal(LAST_ENTRY, BigInteger)))
    if not choices:
        return literal(0 if side == "from" else LAST_ENTRY, BigInteger)
    if len(choices) == 1:
        return choices[0]
    one, other = choices
    return case((one > other, one if side == "from" else other), else_=other if side == "from" else one)
