"""Lists page by page: module queries, which take the last id of the page before, and GET routes, which give a cursor.

    for row in client.rows("holding.by_account", account=account):
        print(row["instrument"], row["holding"]["available"])

A list may change between two pages. What was there all the time comes once; what came or went meanwhile may or may not.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from traco.client.results import ClientError, StrangeAnswer

PAGE: Final = 100
"""Rows asked for at once, where the caller does not say; every list takes as many."""


class Cursor(NamedTuple):
    """How a query's pages follow each other: ``key`` of the last row goes on. ``rows``: where the answer has them."""

    key: str
    rows: str = ""


CURSORS: Final[Mapping[str, Cursor]] = {
    "channel.list": Cursor("channel", "channels"),
    "channel.points": Cursor("ordinal", "points"),
    "document.by_party": Cursor("document"),
    "financing.by_document": Cursor("id"),
    "financing.offers": Cursor("id"),
    "holding.by_account": Cursor("instrument"),
    "holding.holders": Cursor("account"),
    "holding.list_instruments": Cursor("id"),
    "leg.list": Cursor("attempt"),
    "network.nodes": Cursor("key", "nodes"),
    "party.list": Cursor("id", "parties"),
}

Query = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
Get = Callable[[str], Awaitable[Any]]


async def query_pages(query: Query, name: str, fields: Mapping[str, Any]) -> AsyncIterator[list[Any]]:
    """The pages of a module query, without empty ones. Raises ``ClientError`` (``client.no_pages``)."""
    cursor = CURSORS.get(name)
    if cursor is None:
        raise ClientError("client.no_pages", f"The query {name} does not answer in pages; use query().")
    limit = fields.get("limit", PAGE)
    asked = {"limit": limit, **fields}
    while True:
        rows = _rows_of(await query(name, asked), cursor)
        if rows:
            yield rows
        if len(rows) < limit:
            return
        asked["after"] = _key_of(rows[-1], cursor, asked.get("after"))


async def route_pages(get: Get, path: str, parameters: Mapping[str, Any]) -> AsyncIterator[list[Any]]:
    """The pages of a GET route that answers ``{"items": [...], "next": cursor}``, without empty ones."""
    asked = {name: value for name, value in parameters.items() if value is not None}
    while True:
        answer = await get(f"{quote(path)}?{urlencode(asked)}" if asked else quote(path))
        try:
            items, following = answer["items"], answer["next"]
        except (KeyError, TypeError):
            raise StrangeAnswer from None
        if not isinstance(items, list) or (following is not None and following == asked.get("after")):
            raise StrangeAnswer
        if items:
            yield items
        if following is None:
            return
        asked["after"] = following


def _rows_of(answer: Any, cursor: Cursor) -> list[Any]:
    try:
        rows = answer[cursor.rows] if cursor.rows else answer
    except (KeyError, TypeError):
        raise StrangeAnswer from None
    if not isinstance(rows, list):
        raise StrangeAnswer
    return rows


def _key_of(row: Any, cursor: Cursor, before: Any) -> str:
    """What the next page begins behind; a node that does not go forward would be asked for ever."""
    key = row.get(cursor.key) if isinstance(row, dict) else None
    if not isinstance(key, str) or key == before:
        raise StrangeAnswer
    return key
