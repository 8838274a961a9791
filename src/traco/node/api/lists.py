"""Lists as GET routes over the modules' queries, in pages: ``{"items": [...], "next": cursor or null}``.

A cursor is opaque: it belongs to the list that it came from. Lists that no module keeps an index for (the accounts of a
party, its batches) are answered by projections: see ``reports``.
"""

from typing import Any, Final, NamedTuple

from litestar import Request, get

from traco.node.api.admission import Admits, admits
from traco.node.api.parameters import DEFAULT_PAGE, Cursor, Limit, PathId
from traco.node.api.principals import principal_of
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads

_ID_BYTES: Final = 16


class _List(NamedTuple):
    """A list: its path, the query that answers, what of it the path names, and what its rows are in order of."""

    path: str
    operation: str
    query: str
    named: str
    key: str
    summary: str


LISTS: Final = (
    _List("/v1/parties", "listParties", "party.list", "", "id", "All parties"),
    _List("/v1/instruments", "listInstruments", "holding.list_instruments", "", "id", "Instruments; receivables to their sellers"),
    _List(
        "/v1/accounts/{identity:str}/holdings", "listHoldings", "holding.by_account", "account", "instrument",
        "The holdings of an account",
    ),
    _List(
        "/v1/instruments/{identity:str}/holders", "listHolders", "holding.holders", "instrument", "account",
        "Who owns an instrument: for its issuer and operators",
    ),
    _List(
        "/v1/parties/{identity:str}/documents", "listDocuments", "document.by_party", "party", "document",
        "The documents that a party registered or has a role in",
    ),
    _List(
        "/v1/documents/{identity:str}/financings", "listFinancings", "financing.by_document", "document", "id",
        "The financings of a document",
    ),
    _List(
        "/v1/financings/{identity:str}/offers", "listOffers", "financing.offers", "financing", "id",
        "The offers on a request",
    ),
)  # fmt: skip


def list_routes(reads: Reads) -> list[Any]:
    """The routes of ``LISTS``."""
    return [_whole(reads, each) if not each.named else _within(reads, each) for each in LISTS]


def _whole(reads: Reads, what: _List) -> Any:
    @get(what.path, opt=admits(Admits.PRINCIPAL), operation_id=what.operation, summary=what.summary)
    async def answer(
        request: Request[Any, Any, Any], after: Cursor = "", limit: Limit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        return reads.page(what.query, {}, what.key, cursor(after), limit, principal_of(request))

    return answer


def _within(reads: Reads, what: _List) -> Any:
    @get(what.path, opt=admits(Admits.PRINCIPAL), operation_id=what.operation, summary=what.summary)
    async def answer(
        request: Request[Any, Any, Any], identity: PathId,
        after: Cursor = "", limit: Limit = DEFAULT_PAGE,
    ) -> dict[str, Any]:  # fmt: skip
        fields = {what.named: path_id(identity)}
        return reads.page(what.query, fields, what.key, cursor(after), limit, principal_of(request))

    return answer


def cursor(text: str) -> bytes | None:
    """What a cursor stands for; None for the first page. Raises ``Problem``."""
    if not text:
        return None
    return path_id(text, "a cursor is `next` of the page before, as it was answered")


def path_id(text: str, what: str = "an id is 32 lower-case hexadecimal digits") -> bytes:
    """The id that a path names. Raises ``Problem`` with ``what`` it must be."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != _ID_BYTES or raw.hex() != text:
        raise Problem(400, "request.invalid", what)
    return raw
