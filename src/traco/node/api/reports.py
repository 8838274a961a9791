"""The routes of reports: statements, positions, financings, documents, histories, reconciliation; from the projections.

Every answer has the ``height`` that it is as of. A party gets what concerns it, as everywhere; reconciliation is for those who
read everything.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from litestar import Request, get
from litestar.params import FromQuery

from traco.client.forms import to_form
from traco.modules.holding.queries import AccountQuery
from traco.node.api.admission import Admits, admits
from traco.node.api.lists import path_id
from traco.node.api.parameters import (
    DEFAULT_PAGE,
    MAX_NUMBER,
    Cursor,
    Limit,
    OptionalId,
    OptionalNumber,
    PathId,
    QueryId,
    Word,
)
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads, Seen
from traco.node.api.visibility import hidden
from traco.projections import lists
from traco.projections.database import ProjectionDatabase
from traco.projections.errors import ProjectionError
from traco.projections.reconciliation import reconcile
from traco.projections.statement import Period, read_statement

Part = type[bytes] | type[int]
_OF_ACCOUNT: Final = ("owner", "servicer", "kind", "parent", "closed")
_OF_BATCH: Final = ("status", "requestor", "deadline_ms", "legs")
_PHASES: Final = ("instruments", "holdings")
_NUMBER_BYTES: Final = 8
_ID_BYTES: Final = 16
_HISTORY_ROWS: Final = 500  # looked at at once
_HISTORY_LOOKS: Final = 20
_THREADS: Final = ThreadPoolExecutor(8, "traco-reports")
Asked = Request[Any, Any, Any]
T = TypeVar("T")


class Reports:
    """Answers from the projections; ``database`` is None where the node keeps none."""

    def __init__(self, reads: Reads, database: ProjectionDatabase | None) -> None:
        self._reads = reads
        self._database = database

    @property
    def database(self) -> ProjectionDatabase:
        """The database. Raises ``Problem`` (404) where there is none."""
        if self._database is None:
            raise Problem(
                404, "projections.off", "this node keeps no projections, and has no reports therefore",
                advice="Its operator can switch them on: projections.enabled in node.json.",
            )  # fmt: skip
        return self._database

    def statement(
        self, account: bytes, instrument: bytes, period: Period, after: str, limit: int, principal: Principal
    ) -> dict[str, Any]:
        """A page of the statement of an account that the principal sees. Raises ``Problem``."""
        if period.is_reversed:
            raise Problem(
                400, "report.period_reversed", "The period ends before it begins.",
                advice="Give an end that is not before the beginning, or leave one of them out.",
            )  # fmt: skip
        with self._reads.seen(principal) as seen:
            seen.view.require("holding.account", AccountQuery(account))
        (behind,) = _read_cursor(after, int) or (0,)
        with self.database.reading() as (connection, position):
            named = lists.unit(connection, instrument)
            if named is None or not lists.is_account(connection, account):
                raise hidden()
            found = read_statement(connection, account, instrument, period, behind, limit)
        items = [
            {
                "entry": line.entry, "height": line.height, "leaf": line.leaf, "event": line.event, "time_ms": line.time_ms,
                "transaction": line.transaction.hex(), "cause": line.cause, "reference": line.reference.hex(),
                # issued and redeemed value has nobody on the other side
                "counter_account": None if line.counter == instrument else line.counter.hex(),
                "amount": line.amount, "balance": line.balance,
            }
            for line in found.lines
        ]  # fmt: skip
        return {
            "height": position.height, "account": account.hex(), "instrument": instrument.hex(), **named,
            "opening": found.opening, "closing": found.closing, "items": items,
            "next": None if found.next is None else _cursor((found.next,)),
        }  # fmt: skip

    def positions(
        self, account: bytes | None, instrument: bytes | None, after: str, limit: int, principal: Principal
    ) -> dict[str, Any]:
        """A page of what accounts have."""
        with self.database.reading() as (connection, position):
            page = lists.positions(
                connection, of=_only(principal), account=account, instrument=instrument,
                after=_read_cursor(after, bytes, bytes), limit=limit,
            )  # fmt: skip
        return _page(position.height, page)

    def financings(
        self, document: bytes | None, status: str, after: str, limit: int, principal: Principal
    ) -> dict[str, Any]:
        """A page of financings."""
        with self.database.reading() as (connection, position):
            page = lists.financings(
                connection, of=_only(principal), document=document, status=status or None,
                after=_read_cursor(after, int, bytes), limit=limit,
            )  # fmt: skip
        return _page(position.height, page)

    def documents(self, after: str, limit: int, principal: Principal) -> dict[str, Any]:
        """A page of documents."""
        with self.database.reading() as (connection, position):
            page = lists.documents(
                connection, of=_only(principal), after=_read_cursor(after, int, bytes), limit=limit
            )
        for row in page.rows:
            currency, amount = row.pop("currency"), row["payable"]
            row["payable"] = None if currency is None else {"currency": currency, "amount": amount}
        return _page(position.height, page)

    def accounts(self, party: bytes, after: str, limit: int, principal: Principal) -> dict[str, Any]:
        """A page of the accounts of a party."""
        _require_self(principal, party)
        with self.database.reading() as (connection, position):
            page = lists.accounts(connection, party, after=_read_cursor(after, int, bytes), limit=limit)
        items = [
            {"id": row["account"].hex(), "account": _readable({name: row[name] for name in _OF_ACCOUNT})}
            for row in page.rows
        ]
        return {**_page(position.height, page), "items": items}

    def batches(self, party: bytes, after: str, limit: int, principal: Principal) -> dict[str, Any]:
        """A page of the settlement batches of a party."""
        _require_self(principal, party)
        with self.database.reading() as (connection, position):
            page = lists.batches(connection, party, after=_read_cursor(after, int, bytes), limit=limit)
        items = [
            {"id": row["batch"].hex(), **_readable({name: row[name] for name in _OF_BATCH})}
            for row in page.rows
        ]
        return {**_page(position.height, page), "items": items}

    def history(self, subject: bytes, after: str, limit: int, principal: Principal) -> dict[str, Any]:
        """A page of the events about something that the principal sees, newest first, as far as it sees them.

        A page is full as long as there is more, and goes on behind an event that is seen: nobody can count or place others.
        """
        behind, items = _read_cursor(after, int, int, int), list[dict[str, Any]]()
        with self._reads.seen(principal) as seen:
            is_seen = seen.view.sees_any(subject)
        with self.database.reading() as (connection, position), self._reads.seen(principal) as seen:
            for _ in range(_HISTORY_LOOKS if is_seen else 0):
                page = lists.history(connection, subject, after=behind, limit=max(limit + 1, _HISTORY_ROWS))
                items += islice(self._history_seen(seen, page.rows), limit + 1 - len(items))
                behind = page.next
                if behind is None or len(items) > limit:
                    break
        if len(items) > limit:
            last = items[limit - 1]
            behind = last["height"], last["leaf"], last.pop("place")
        for item in items:
            item.pop("place", None)
        return {
            "height": position.height,
            "items": items[:limit],
            "next": None if behind is None or not is_seen else _cursor(behind),
        }

    def _history_seen(self, seen: Seen, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The events of a history that are seen; ``place``: which event of the leaf."""
        log, block = self._reads.log(seen.snapshot), None
        for row in rows:
            if block is None or block.height != row["height"]:
                block = seen.snapshot.block(row["height"])
            leaf = None if block is None else log.leaf(block, row["leaf"])
            if leaf is not None and seen.view.sees_event(leaf, leaf.events[row["event"]]):
                yield {
                    "height": row["height"], "leaf": row["leaf"], "time_ms": row["time_ms"],
                    "transaction": leaf.identity.hex(), "event": to_form(leaf.events[row["event"]]), "place": row["event"],
                }  # fmt: skip

    def reconcile(self, after: str, limit: int, entries: bool) -> dict[str, Any]:
        """A page of a comparison with the ledger: only the breaks are items."""
        phase, key = _read_phase(after)
        found = reconcile(
            self._reads.reader, self._reads.registry, self.database, after=(phase, key), limit=limit, entries=entries
        )  # fmt: skip
        following = None if found.next is None else f"{_PHASES.index(found.next[0]):02x}{found.next[1].hex()}"
        return {
            "height": found.height, "position": found.position, "compared": found.compared, "items": to_form(found.breaks),
            "next": following,
        }  # fmt: skip


def report_routes(reads: Reads, database: ProjectionDatabase | None) -> list[Any]:
    """The routes of all reports."""
    reports = Reports(reads, database)
    return [
        *_account_routes(reports), *_register_routes(reports), *_party_routes(reports), _reconcile_route(reports),
    ]  # fmt: skip


def _account_routes(reports: Reports) -> list[Any]:
    @get(
        "/v1/reports/statement", opt=admits(Admits.PRINCIPAL), operation_id="reportStatement",
        summary="Statement of an account: opening balance, movements, closing balance; by height or time",
    )  # fmt: skip
    async def statement(
        request: Asked, account: QueryId, instrument: QueryId, from_height: OptionalNumber = None,
        to_height: OptionalNumber = None, from_ms: OptionalNumber = None,
        to_ms: OptionalNumber = None, after: Cursor = "", limit: Limit = DEFAULT_PAGE,
    ) -> dict[str, Any]:  # fmt: skip
        period = Period(from_height, to_height, from_ms, to_ms)
        ids = bytes.fromhex(account), bytes.fromhex(instrument)
        return await _answered(partial(reports.statement, *ids, period, after, limit, principal_of(request)))

    @get(
        "/v1/reports/positions", opt=admits(Admits.PRINCIPAL), operation_id="reportPositions",
        summary="What accounts have now, by instrument",
    )  # fmt: skip
    async def positions(
        request: Asked, account: OptionalId = None, instrument: OptionalId = None,
        after: Cursor = "", limit: Limit = DEFAULT_PAGE,
    ) -> dict[str, Any]:  # fmt: skip
        ids = _identity(account), _identity(instrument)
        return await _answered(partial(reports.positions, *ids, after, limit, principal_of(request)))

    return [statement, positions]


def _register_routes(reports: Reports) -> list[Any]:
    @get(
        "/v1/reports/financings", opt=admits(Admits.PRINCIPAL), operation_id="reportFinancings",
        summary="Financings, oldest first, with what is unpaid",
    )  # fmt: skip
    async def financings(
        request: Asked, document: OptionalId = None, status: Word = "",
        after: Cursor = "", limit: Limit = DEFAULT_PAGE,
    ) -> dict[str, Any]:  # fmt: skip
        wanted = _identity(document), status
        return await _answered(partial(reports.financings, *wanted, after, limit, principal_of(request)))

    @get(
        "/v1/reports/documents", opt=admits(Admits.PRINCIPAL), operation_id="reportDocuments",
        summary="Documents, oldest first",
    )  # fmt: skip
    async def documents(request: Asked, after: Cursor = "", limit: Limit = DEFAULT_PAGE) -> dict[str, Any]:
        return await _answered(partial(reports.documents, after, limit, principal_of(request)))

    @get(
        "/v1/reports/history", opt=admits(Admits.PRINCIPAL), operation_id="reportHistory",
        summary="The events about a party, account, instrument, document, batch, financing or offer, newest first",
    )  # fmt: skip
    async def history(
        request: Asked,
        subject: QueryId,
        after: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> dict[str, Any]:
        wanted = bytes.fromhex(subject)
        return await _answered(partial(reports.history, wanted, after, limit, principal_of(request)))

    return [financings, documents, history]


def _party_routes(reports: Reports) -> list[Any]:
    @get(
        "/v1/parties/{identity:str}/accounts", opt=admits(Admits.PRINCIPAL), operation_id="listAccounts",
        summary="The accounts that a party owns or services, oldest first",
    )  # fmt: skip
    async def accounts(
        request: Asked, identity: PathId, after: Cursor = "", limit: Limit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        party = path_id(identity)
        return await _answered(partial(reports.accounts, party, after, limit, principal_of(request)))

    @get(
        "/v1/parties/{identity:str}/batches", opt=admits(Admits.PRINCIPAL), operation_id="listBatches",
        summary="The settlement batches that a party created, or sends or receives in, newest first",
    )  # fmt: skip
    async def batches(
        request: Asked, identity: PathId, after: Cursor = "", limit: Limit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        party = path_id(identity)
        return await _answered(partial(reports.batches, party, after, limit, principal_of(request)))

    return [accounts, batches]


def _require_self(principal: Principal, party: bytes) -> None:
    """A party's lists are its own: for others as if there were no such party. Raises ``Problem``."""
    if not principal.reads_everything and principal.party != party:
        raise hidden()


def _reconcile_route(reports: Reports) -> Any:
    @get(
        "/v1/reports/reconcile", opt=admits(Admits.AUDITOR), operation_id="reportReconciliation",
        summary="Compare the ledger's holdings with the projections, page by page; items are what differs",
    )  # fmt: skip
    async def reconciliation(
        after: Cursor = "", limit: Limit = 1_000, entries: FromQuery[bool] = False
    ) -> dict[str, Any]:
        return await _answered(partial(reports.reconcile, after, limit, entries))

    return reconciliation


async def _answered(ask: Callable[[], T]) -> T:
    """The answer, made in a thread: one of these, because a database that hangs must not hold up blocks and streams.

    Raises ``Problem``.
    """
    context = contextvars.copy_context()
    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, context.run, ask)
    except ProjectionError as error:
        raise Problem(503, error.code, error.detail) from None


def _only(principal: Principal) -> bytes | None:
    """The party whose business alone is shown; None for those who read everything."""
    return None if principal.reads_everything else principal.party


def _identity(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _page(height: int, page: lists.Page) -> dict[str, Any]:
    items = [_readable(row) for row in page.rows]
    return {"height": height, "items": items, "next": None if page.next is None else _cursor(page.next)}


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = to_form(dict(row))
    return form


def _cursor(parts: tuple[Any, ...]) -> str:
    """Where to go on, as text: numbers with 8 bytes, ids with 16."""
    return "".join(
        part.hex() if isinstance(part, bytes) else part.to_bytes(_NUMBER_BYTES, "big").hex() for part in parts
    )


def _read_cursor(text: str, *kinds: Part) -> tuple[Any, ...] | None:
    """The parts of a cursor of these kinds; None for the first page. Raises ``Problem``."""
    if not text:
        return None
    sizes = [_ID_BYTES if kind is bytes else _NUMBER_BYTES for kind in kinds]
    if len(text) != 2 * sum(sizes):
        raise _strange_cursor()
    raw, parts = bytes.fromhex(text), []
    for kind, size in zip(kinds, sizes, strict=True):
        piece, raw = raw[:size], raw[size:]
        parts.append(piece if kind is bytes else min(int.from_bytes(piece, "big"), MAX_NUMBER))
    return tuple(parts)


def _read_phase(text: str) -> tuple[str, bytes]:
    """What a cursor of the reconciliation stands for. Raises ``Problem``."""
    if not text:
        return _PHASES[0], b""
    if len(text) not in (2, 2 + 2 * _ID_BYTES, 2 + 4 * _ID_BYTES):
        raise _strange_cursor()
    phase, *key = bytes.fromhex(text)
    if phase >= len(_PHASES) or len(key) not in (0, _ID_BYTES * (phase + 1)):
        raise _strange_cursor()
    return _PHASES[phase], bytes(key)


def _strange_cursor() -> Problem:
    return Problem(400, "request.invalid", "a cursor is `next` of the page before, as it was answered")
