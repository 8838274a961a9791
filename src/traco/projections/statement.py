"""Statement of an account: opening balance, movements, closing balance, by height or time. One query, whatever the period.

Opening and closing balance are the balance of the last entry before the period and the last one in it, each found by the index
of the journal; the movements of a page are one range of that index. So a statement costs what its page has, not what the
account has.
"""

from functools import cache, partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
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

    @property
    def is_reversed(self) -> bool:
        """Whether it ends before it begins, by height or by time. One that ends where it begins is empty, not reversed."""
        return _ends_before(self.from_height, self.to_height) or _ends_before(self.from_ms, self.to_ms)


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


_line: Final = partial(tuple.__new__, Line)


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
    result = connection.execute(_query(tuple(bounds)), {**values, **bounds})
    # rows as the driver gives them, which are what they are to be: SQLAlchemy's own would double the time of long statements
    rows = result.cursor.fetchall()
    result.close()
    lines = list(map(_line, rows))
    lines.sort(key=_ENTRY)  # they mostly are: databases keep the order of the page, but do not promise it
    balances = lines.pop(0)
    more = len(lines) > limit
    return Statement(
        balances.amount, balances.balance, lines[:limit], lines[limit - 1].entry if more else None
    )


@cache
def _query(bounds: tuple[str, ...]) -> Any:
    """The query of a statement: first a row with entry 0 that has both balances as amount and balance, then the page."""
    edges = select(_first(bounds, "from").label("low"), _first(bounds, "to").label("high")).cte("edges")
    mine = (journal.c.account == bindparam("account")) & (journal.c.instrument == bindparam("instrument"))
    low = select(edges.c.low).scalar_subquery()
    # heights and times can have nothing in common: then nothing moved, and what closes is what opened
    end = case((edges.c.high < edges.c.low, edges.c.low), else_=edges.c.high)
    high = select(end).scalar_subquery()
    # one bound, because of two the index would use one and read everything that only the other leaves out
    behind = bindparam("after", type_=BigInteger) + 1
    first = select(case((edges.c.low > behind, edges.c.low), else_=behind)).scalar_subquery()
    page = (
        select(*(journal.c[name] for name in _COLUMNS))
        .where(mine, journal.c.entry >= first, journal.c.entry < high)
        .order_by(journal.c.entry)
        .limit(bindparam("limit"))
        .subquery("page")
    )
    balances = {
        "entry": literal(0, BigInteger), "amount": _balance_before(low, mine), "balance": _balance_before(high, mine),
    }  # fmt: skip
    nothing = {name: cast(null(), journal.c[name].type) for name in _COLUMNS}
    return union_all(
        select(*(value.label(name) for name, value in {**nothing, **balances}.items())), select(page)
    )


def _ends_before(begin: int | None, end: int | None) -> bool:
    return begin is not None and end is not None and end < begin


def _balance_before(edge: ColumnElement[int], mine: ColumnElement[bool]) -> ColumnElement[int]:
    """The balance of the last entry before one; 0 where there is none."""
    last = (
        select(journal.c.balance)
        .where(mine, journal.c.entry < edge)
        .order_by(journal.c.entry.desc())
        .limit(1)
    )
    return func.coalesce(last.scalar_subquery(), literal(0, BigInteger))


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
