"""Lists in pages: positions, financings, documents, and the history of one thing. ``of``: only what concerns that party."""

from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Connection, Select, and_, exists, func, or_, select, tuple_, union
from sqlalchemy.sql.elements import ColumnElement

from traco.projections import schema
from traco.projections.movements import PARTS


class Page(NamedTuple):
    """Rows by column name, and the key to go on behind (None on the last page)."""

    rows: list[dict[str, Any]]
    next: tuple[Any, ...] | None


def accounts_of(party: bytes) -> CompoundSelect[Any]:
    """The accounts that concern a party: as owner, as servicer (who between them control it), as owner of the account above.

    Three queries, each by an index, instead of conditions that no index answers.
    """
    account, above = schema.account, schema.account.alias("above")
    below = (
        select(account.c.account)
        .join(above, above.c.account == account.c.parent)
        .where(above.c.owner == party)
    )
    return union(
        select(account.c.account).where(account.c.owner == party, account.c.kind != schema.CONTRA),
        select(account.c.account).where(account.c.servicer == party, account.c.kind != schema.CONTRA),
        below,
    )


def is_account(connection: Connection, account: bytes) -> bool:
    """Whether there is such an account, or contra account."""
    found = select(schema.account.c.account).where(schema.account.c.account == account)
    return connection.execute(found).first() is not None


def unit(connection: Connection, instrument: bytes) -> dict[str, Any] | None:
    """Code and decimals of an instrument, or None where there is none."""
    table = schema.instrument
    row = connection.execute(
        select(table.c.code, table.c.decimals).where(table.c.instrument == instrument)
    ).first()
    return None if row is None else row._asdict()


def positions(
    connection: Connection, *, of: bytes | None = None, account: bytes | None = None, instrument: bytes | None = None,
    after: tuple[Any, ...] | None = None, limit: int = 100,
) -> Page:  # fmt: skip
    """What is owned, to be received or attached in advance now, by account and instrument."""
    holding, accounts, instruments = schema.holding, schema.account, schema.instrument
    wanted = (
        select(
            holding.c.instrument, holding.c.account, accounts.c.owner, instruments.c.code, instruments.c.decimals,
            holding.c.owned, *(holding.c[part] for part in PARTS),
        )
        .join(accounts, accounts.c.account == holding.c.account)
        .join(instruments, instruments.c.instrument == holding.c.instrument)
        .where(or_(holding.c.owned > 0, holding.c.incoming > 0, holding.c.awaited > 0))
    )  # fmt: skip
    if of is not None:
        wanted = wanted.where(holding.c.account.in_(accounts_of(of)))
    if account is not None:
        wanted = wanted.where(holding.c.account == account)
    if instrument is not None:
        wanted = wanted.where(holding.c.instrument == instrument)
    return _page(connection, wanted, (holding.c.account, holding.c.instrument), after, limit)


def financings(
    connection: Connection, *, of: bytes | None = None, document: bytes | None = None, status: str | None = None,
    after: tuple[Any, ...] | None = None, limit: int = 100,
) -> Page:  # fmt: skip
    """Requests and what became of them, oldest first, with what of their receivables is unpaid."""
    financing, offer, receivable, cash = schema.financing, schema.offer, schema.receivable, schema.instrument
    offered = and_(offer.c.financing == financing.c.financing, offer.c.offer == financing.c.offer)
    columns = [column for column in financing.c if column.name not in ("lender", "price")]
    wanted = (
        select(
            *columns, cash.c.code, cash.c.decimals, offer.c.lender, offer.c.price, receivable.c.debtor, receivable.c.total,
            receivable.c.unpaid, receivable.c.overdue, receivable.c.instrument.label("receivable"),
        )
        .join(cash, cash.c.instrument == financing.c.cash)
        .outerjoin(offer, offered)
        .outerjoin(receivable, receivable.c.document == financing.c.document)
    )  # fmt: skip
    if of is not None:
        # every lender with an offer until one is accepted, from then on that one
        waits = and_(financing.c.offer.is_(None), financing.c.financing.in_(_offered_by(of)))
        wanted = wanted.where(
            or_(financing.c.seller == of, offer.c.lender == of, receivable.c.debtor == of, waits)
        )
    if document is not None:
        wanted = wanted.where(financing.c.document == document)
    if status is not None:
        wanted = wanted.where(financing.c.status == status)
    return _page(connection, wanted, (financing.c.height, financing.c.financing), after, limit)


def _offered_by(lender: bytes) -> Select[Any]:
    """The financings that a lender made an offer for."""
    return select(schema.offer.c.financing).where(schema.offer.c.lender == lender)


def documents(
    connection: Connection, *, of: bytes | None = None, after: tuple[Any, ...] | None = None, limit: int = 100
) -> Page:
    """Registered documents, oldest first."""
    document, named = schema.document, schema.document_party
    wanted = select(document)
    if of is not None:
        is_named = exists().where(named.c.document == document.c.document, named.c.party == of)
        lends = select(schema.financing.c.document).where(schema.financing.c.financing.in_(_offered_by(of)))
        wanted = wanted.where(or_(document.c.registrant == of, is_named, document.c.document.in_(lends)))
    return _page(connection, wanted, (document.c.height, document.c.document), after, limit)


def accounts(
    connection: Connection, party: bytes, *, after: tuple[Any, ...] | None = None, limit: int = 100
) -> Page:
    """The accounts that a party owns or services, oldest first; closed ones too."""
    account = schema.account
    columns = [column for column in account.c if column.name != "height"]
    own = union(
        select(account.c.account).where(account.c.owner == party, account.c.kind != schema.CONTRA),
        select(account.c.account).where(account.c.servicer == party, account.c.kind != schema.CONTRA),
    )
    wanted = select(*columns, account.c.height).where(account.c.account.in_(own))
    return _page(connection, wanted, (account.c.height, account.c.account), after, limit)


def batches(
    connection: Connection, party: bytes, *, after: tuple[Any, ...] | None = None, limit: int = 100
) -> Page:
    """The batches that a party created, or sends or receives in, newest first, with how many legs each has."""
    batch, leg = schema.settlement, schema.settlement_leg
    own = union(
        select(batch.c.batch).where(batch.c.requestor == party),
        select(leg.c.batch).where(leg.c.sender == party),
        select(leg.c.batch).where(leg.c.receiver == party),
    )
    legs = select(func.count()).where(leg.c.batch == batch.c.batch).scalar_subquery().label("legs")
    wanted = select(batch, legs).where(batch.c.batch.in_(own))
    return _page(connection, wanted, (batch.c.height, batch.c.batch), after, limit, newest_first=True)


def history(
    connection: Connection, subject: bytes, *, after: tuple[Any, ...] | None = None, limit: int = 100
) -> Page:
    """Where the events about something are, newest first."""
    table = schema.history
    wanted = select(table).where(table.c.subject == subject)
    return _page(
        connection, wanted, (table.c.height, table.c.leaf, table.c.event), after, limit, newest_first=True
    )


def _page(
    connection: Connection, wanted: Select[Any], keys: tuple[ColumnElement[Any], ...], after: tuple[Any, ...] | None,
    limit: int, *, newest_first: bool = False,
) -> Page:  # fmt: skip
    if after is not None:
        behind = tuple_(*keys) < tuple_(*after) if newest_first else tuple_(*keys) > tuple_(*after)
        wanted = wanted.where(behind)
    ordered = [key.desc() for key in keys] if newest_first else keys
    found = [row._asdict() for row in connection.execute(wanted.order_by(*ordered).limit(limit + 1))]
    more = len(found) > limit
    names = [str(getattr(key, "name", "")) for key in keys]
    return Page(found[:limit], tuple(found[limit - 1][name] for name in names) if more else None)
