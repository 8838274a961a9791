"""``traco report``: statements, positions, financings and the reconciliation, as tables, CSV or JSON.

JSON has what the node answers: ids in hex, amounts in the smallest unit. Tables and CSV have names and decimals.
"""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import Annotated, Any, Final, Literal

import typer

from traco.cli.command import Shared, command, group
from traco.cli.output import Output, plain, write_json
from traco.cli.people import readable
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Reading

app = group("Reports from a node's projections: statements, positions, financings, reconciliation.")

PAGE: Final = 1_000
_PARTS: Final = ("owned", "available", "held", "pledged", "attached", "bucket", "incoming", "awaited")
_FINANCED: Final = ("face", "price", "recovered", "total", "unpaid")
_SHORT_ID: Final = 12
_FORMAT: Final = Shared(
    "style",
    Annotated[
        Literal["table", "csv", "json"],
        typer.Option("--format", help="A table for people, CSV for spreadsheets, or JSON (as --json)."),
    ],
    "table",
)


class Reporting(Reading):
    """Asks a node for reports."""

    OPTIONS = (_FORMAT, *Reading.OPTIONS)

    def __init__(self, *, style: str, json: bool, **others: Any) -> None:
        super().__init__(json=json or style == "json", **others)
        self.style = "json" if self.output.as_json else style
        self._parties: dict[str, str] = {}

    def ask(self, report: str, **parameters: Any) -> dict[str, Any]:
        """One page of a report."""
        answer: dict[str, Any] = self.client.get(f"/v1/reports/{report}", limit=PAGE, **parameters)
        return answer

    def pages(self, report: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """All pages of a report."""
        after = None
        while True:
            page = self.ask(report, after=after, **parameters)
            yield page
            after = page["next"]
            if after is None:
                return

    def rows(
        self, name: str, document: Mapping[str, Any], rows: Iterator[dict[str, Any]], columns: Sequence[str],
        shown: Any,
    ) -> None:  # fmt: skip
        """Print rows: in JSON with ``document`` as they are, else the ``columns`` of what ``shown`` makes of each."""
        if self.style == "json":
            write_json({**document, name: list(rows)})
        elif self.style == "csv":
            writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._safe(row) for row in map(shown, rows))
        else:
            Output(False).rows(name, map(shown, rows), columns)

    def _safe(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row for a spreadsheet, in which no text of others is taken for a formula; your names without their sign."""
        return {
            name: value[1:] if self._is_name(value) else f"'{value}" if _is_formula(value) else value
            for name, value in row.items()
        }

    def _is_name(self, value: Any) -> bool:
        return isinstance(value, str) and value.startswith("@") and self.names.find(value) is not None

    def called(self, identity: str | None) -> str:
        """A party by your name for it, else by its own on the ledger, else its id."""
        if identity is None:
            return ""
        if identity not in self._parties:
            mine = self.names.name_of(identity)
            self._parties[identity] = mine or self._name_on_ledger(identity) or identity
        return self._parties[identity]

    def _name_on_ledger(self, identity: str) -> str | None:
        view = self.client.query("party.get", party=identity)
        name = None if view is None else view["party"]["name"]
        # anybody may call itself @bank: with the sign a name is one of yours
        return None if name is None or name.startswith("@") else plain(name)


@command(
    app, "statement",
    examples=[
        "traco report statement @seller-cash @eur",
        "traco report statement @seller-cash @eur --from 2026-10-01 --to 2026-10-31 --format csv",
    ],
)  # fmt: skip
def statement(
    session: Reporting,
    account: Annotated[str, typer.Argument(help="A name or an id.", show_default=False)],
    instrument: Annotated[str, typer.Argument(help="A name or an id.", show_default=False)],
    begin: Annotated[
        str, typer.Option("--from", metavar="DAY|TIME", help="From this day or time on (UTC).")
    ] = "",
    end: Annotated[
        str,
        typer.Option("--to", metavar="DAY|TIME", help="To the end of this day, or before this time (UTC)."),
    ] = "",
    from_height: Annotated[int | None, typer.Option(min=0, help="From this block on.")] = None,
    to_height: Annotated[int | None, typer.Option(min=0, help="Before this block.")] = None,
) -> None:
    """What an account owned of an instrument, what moved, and what it owns: opening, movements, closing."""
    period: dict[str, Any] = {
        "account": session.identity(account, "account"), "instrument": session.identity(instrument, "instrument"),
        "from_ms": moment_ms(begin, end_of_day=False), "to_ms": moment_ms(end, end_of_day=True), "from_height": from_height,
    }  # fmt: skip
    # a day ends with its last millisecond, one before the time that the node is asked for
    _require_order(period["from_ms"], period["to_ms"], 1 if _is_day(end) else 0)
    _require_order(from_height, to_height)
    first = session.ask("statement", **period, to_height=to_height)
    # later pages must not have what came after the closing balance of the first
    last = first["height"] + 1 if to_height is None else min(to_height, first["height"] + 1)
    later = _rest(session, "statement", first["next"], **period, to_height=last)
    rows = chain(first["items"], later)
    decimals = first["decimals"]
    document = {
        name: first[name]
        for name in ("height", "account", "instrument", "code", "decimals", "opening", "closing")
    }

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        other = row["counter_account"]
        return {
            "time": utc(row["time_ms"]), "height": row["height"], "cause": row["cause"],
            "counter_account": "" if other is None else session.named(other), "reference": _text(row["reference"]),
            "amount": readable(row["amount"], decimals), "balance": readable(row["balance"], decimals),
            # the longest column, which people need least: `traco report ... --format csv` has it whole
            "transaction": f"{row['transaction'][:_SHORT_ID]}…" if session.style == "table" else row["transaction"],
        }  # fmt: skip

    if session.style == "table":
        session.output.record({
            "account": session.named(first["account"]), "instrument": session.named(first["instrument"]), "code": first["code"],
            "opening": readable(first["opening"], decimals), "closing": readable(first["closing"], decimals),
            "as_of_height": first["height"],
        })  # fmt: skip
    columns = ("time", "height", "cause", "counter_account", "reference", "amount", "balance", "transaction")
    session.rows("movements", document, rows, columns, shown)


@command(
    app, "positions",
    examples=["traco report positions", "traco report positions --account @seller-cash --format csv"],
)  # fmt: skip
def positions(
    session: Reporting,
    account: Annotated[str, typer.Option(help="Of this account only.")] = "",
    instrument: Annotated[str, typer.Option(help="Of this instrument only.")] = "",
) -> None:
    """What accounts own now, available and set aside; all that concern you, or all there are for auditors."""
    wanted = {
        "account": session.identity(account, "account") if account else None,
        "instrument": session.identity(instrument, "instrument") if instrument else None,
    }
    pages = session.pages("positions", **wanted)
    first = next(pages)

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "account": session.named(row["account"]), "owner": session.called(row["owner"]), "code": row["code"],
            **{part: readable(row[part], row["decimals"]) for part in _PARTS}, "instrument": session.named(row["instrument"]),
        }  # fmt: skip

    rows = chain(first["items"], _items(pages))
    columns = ("account", "owner", "code", *_PARTS, "instrument")
    session.rows("positions", {"height": first["height"]}, rows, columns, shown)


@command(
    app, "financings",
    examples=["traco report financings", "traco report financings --status financed --format csv"],
)  # fmt: skip
def financings(
    session: Reporting,
    document: Annotated[str, typer.Option(help="Of this document only.")] = "",
    status: Annotated[
        Literal["requested", "reserved", "financed", "cancelled", "expired"] | None,
        typer.Option(help="In this state only.", show_default=False),
    ] = None,
) -> None:
    """Requests for financing and what became of them, with what the debtor still owes."""
    pages = session.pages(
        "financings", document=session.identity(document, "document") if document else None, status=status
    )  # fmt: skip
    first = next(pages)

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        amounts = {
            name: "" if row[name] is None else readable(row[name], row["decimals"]) for name in _FINANCED
        }
        return {
            "financing": session.named(row["financing"]), "document": session.named(row["document"]), "status": row["status"],
            "seller": session.called(row["seller"]), "lender": session.called(row["lender"]),
            "debtor": session.called(row["debtor"]), "code": row["code"], **amounts,
            "overdue": "yes" if row["overdue"] else "no", "recourse": row["recourse"] or "",
        }  # fmt: skip

    rows = chain(first["items"], _items(pages))
    columns = (
        "financing", "document", "status", "seller", "lender", "debtor", "code", *_FINANCED, "overdue", "recourse",
    )  # fmt: skip
    session.rows("financings", {"height": first["height"]}, rows, columns, shown)


@command(
    app, "reconcile", examples=["traco report reconcile", "traco report reconcile --entries --format csv"]
)
def reconcile(
    session: Reporting,
    entries: Annotated[
        bool, typer.Option("--entries", help="Add up every entry of the journal too.")
    ] = False,
) -> None:
    """Compare what the ledger has with what the projections say, and name every difference. For auditors and operators.

    Exits 0 if everything agrees, 1 at any difference.
    """
    compared, found, heights = 0, [], []
    for page in session.pages("reconcile", entries="true" if entries else None):
        compared += page["compared"]
        heights.append(page["height"])
        found += page["items"]
    units = {
        row["instrument"]: session.client.query("holding.instrument", instrument=row["instrument"])
        for row in found
    }

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        unit = units[row["instrument"]] or {"decimals": 0, "code": ""}
        is_total = row["account"] == row["instrument"]
        return {
            "account": "(all)" if is_total else session.named(row["account"]), "instrument": session.named(row["instrument"]),
            "code": unit["code"], "field": row["field"], "ledger": readable(row["ledger"], unit["decimals"]),
            "projected": readable(row["projected"], unit["decimals"]),
        }  # fmt: skip

    document = {"sound": not found, "compared": compared, "from_height": heights[0], "to_height": heights[-1]}
    if session.style == "table":
        session.output.record(document)
    if found or session.style != "table":
        columns = ("account", "instrument", "code", "field", "ledger", "projected")
        session.rows("breaks", document, iter(found), columns, shown)
    if found:
        first = shown(found[0])
        raise CommandProblem(
            ExitCode.NEGATIVE, "reconcile.breaks",
            f"{len(found)} differences between ledger and projections. The first: {first['field']} of {first['instrument']} in "
            f"account {first['account']} is {first['ledger']} on the ledger and {first['projected']} in the projections. "
            "The ledger is right: make the projections anew with traco node projections rebuild DIR, and find out who changed them.",
        )  # fmt: skip


def moment_ms(text: str, *, end_of_day: bool) -> int | None:
    """The time in ms of an ISO date or time (UTC unless it says otherwise); of a date its begin, or its end.

    Raises ``CommandProblem``.
    """
    if not text:
        return None
    try:
        if _is_day(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end_of_day else 0)
            moment = datetime.combine(day, time(), UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise unusable(
            "time.unreadable", f"{text!r} is no time; write 2026-10-01 or 2026-10-01T12:30."
        ) from None
    milliseconds = since // timedelta(milliseconds=1)
    if milliseconds < 0:
        raise unusable("time.unreadable", f"{text!r} is before 1970.")
    return milliseconds


def _is_day(text: str) -> bool:
    return len(text) == len("2026-10-01")


def _require_order(begin: int | None, end: int | None, inclusive: int = 0) -> None:
    """Refuse a period that ends before it begins. Raises ``CommandProblem``."""
    if begin is not None and end is not None and end - inclusive < begin:
        raise unusable(
            "report.period_reversed",
            "The period ends before it begins. Give an end that is not before the beginning, or leave one of them out.",
        )


def utc(milliseconds: int) -> str:
    """A time as people read it."""
    moment = datetime.fromtimestamp(milliseconds // 1_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1_000:03}"


def _rest(session: Reporting, report: str, after: str | None, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The rows of the pages behind the first."""
    while after is not None:
        page = session.ask(report, after=after, **parameters)
        yield from page["items"]
        after = page["next"]


def _items(pages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for page in pages:
        yield from page["items"]


def _text(reference: str) -> str:
    """A reference as text, where it is some; else in hex."""
    try:
        text = bytes.fromhex(reference).decode()
    except UnicodeDecodeError:
        return reference
    return text if text.isprintable() else reference


def _is_formula(value: Any) -> bool:
    is_amount = isinstance(value, str) and value.removeprefix("-").replace(".", "", 1).isdigit()
    return isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not is_amount
