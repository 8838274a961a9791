"""``traco channel audit``: a disclosed period of a channel, executed again by somebody outside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from traco.channels.disclosing.auditing import audit
from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.finding import AuditReport, Difference
from traco.channels.disclosing.total import HEAD_BYTES, MAX_BYTES, looks_like_total
from traco.channels.executing.errors import ExecutingError
from traco.cli.channel_total import show_total
from traco.cli.command import command
from traco.cli.files import read_bounded
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import WithNames
from traco.cli.times import readable_time
from traco.kernel.genesis import network_id, parse_genesis
from traco.node.channels.archive import Archive

MAX_GENESIS_BYTES = 16_777_216
T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(
        app, "audit",
        examples=["traco channel audit november.disclosure --dir node", "traco channel audit november.disclosure --dir node --json"],
    )(audit_channel)  # fmt: skip


def audit_channel(
    session: WithNames,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What a member disclosed.", show_default=False)],
    directory: Annotated[
        Path, typer.Option("--dir", help="The directory of a node of yours: any node of the network, running or not.", show_default=False)
    ],
    genesis: Annotated[
        Path | None, typer.Option(help="The network's genesis as you got it, to be sure that the node is of that network.")
    ] = None,
) -> None:  # fmt: skip
    """Execute a disclosed period of a channel again, and compare every point with what the channel's members confirmed on the ledger;
    or check what its registrar shows of an instrument (traco channel total).

    Needs no key, and no member: the ledger of any node has all that is compared with. Exits 0 where the period is as it was
    confirmed, 1 at the first difference, 8 where the file was changed or is of something else.
    """
    with Archive(directory) as archive:
        if genesis is not None and network_id(_genesis(genesis)) != network_id(archive.genesis):
            raise unusable(
                "genesis.other", f"The node in {directory} is of another network than {genesis} founds."
            )
        is_total, raw = _total(file)
        if is_total:
            _checked(lambda: show_total(session, raw, archive))
            return
        report = _audited(session, file, archive)
    _show(session, report)
    if report.difference is not None:
        raise CommandProblem(
            ExitCode.NEGATIVE,
            "audit.difference",
            _text(report.difference),
            {"point": report.difference.point},
        )


def _genesis(path: Path) -> Any:
    try:
        return parse_genesis(read_bounded(path, MAX_GENESIS_BYTES))
    except ValueError as error:
        raise unusable("genesis.unusable", f"{path}: {error}") from None


def _total(path: Path) -> tuple[bool, bytes]:
    """Whether the file shows an instrument's total, and its content if so."""
    try:
        with path.open("rb") as file:
            if not looks_like_total(file.read(HEAD_BYTES)):
                return False, b""
    except OSError as error:
        raise unusable("file.unusable", f"{path}: {error.strerror}") from None
    return True, read_bounded(path, MAX_BYTES)


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except DisclosureRefused as refused:
        raise unusable(refused.code, str(refused).removeprefix(f"{refused.code}: ")) from None


def _audited(session: WithNames, file: Path, archive: Archive) -> AuditReport:
    with Progress(console=Console(stderr=True), disable=session.output.as_json, transient=True) as bar:
        task = bar.add_task("points", total=None)
        try:
            return _checked(
                lambda: audit(file, archive, lambda done, of: bar.update(task, completed=done, total=of))
            )
        except ExecutingError as error:
            detail = str(error).removeprefix(f"{error.code}: ")
            raise CommandProblem(ExitCode.NODE, error.code, detail) from None
        except OSError as error:
            raise unusable("file.unusable", f"{file}: {error.strerror}") from None


def _show(session: WithNames, report: AuditReport) -> None:
    counts = report.counts._asdict()
    difference = None if report.difference is None else _form(report.difference)
    document = {
        "agrees": difference is None, "channel": report.channel.hex(), "disclosed_by": report.member.hex(),
        "first_point": report.first, "last_point": report.last, "from_ms": report.from_ms, "until_ms": report.until_ms,
        "confirmed_point": report.confirmed, "confirmed_digest": report.digest.hex(),
        "attested_by": [each.hex() for each in report.attesters], "parties": [each.hex() for each in report.parties],
    }  # fmt: skip
    if session.output.as_json:
        session.output.record({**document, "executed": counts, "difference": difference})
        return
    names = session.names.name_of
    shown = {
        **document, "from_ms": readable_time(report.from_ms), "until_ms": readable_time(report.until_ms),
        "disclosed_by": names(report.member.hex()) or report.member.hex(),
        "attested_by": [names(each.hex()) or each.hex() for each in report.attesters],
        "parties": [names(each.hex()) or each.hex() for each in report.parties],
    }  # fmt: skip
    session.output.record(
        {{"from_ms": "from", "until_ms": "until"}.get(name, name): value for name, value in shown.items()}
    )
    session.output.titled(
        "Executed again",
        ({"what": name, "count": count} for name, count in counts.items()),
        ("what", "count"),
    )
    if difference is not None:
        rows = ({"what": name, "found": value} for name, value in difference.items())
        session.output.titled("First difference", rows, ("what", "found"))


def _form(found: Difference) -> dict[str, Any]:
    return {**found._asdict(), "transaction": None if found.transaction is None else found.transaction.hex()}


def _text(found: Difference) -> str:
    where = (
        f"point {found.point}" if found.point == found.through else f"points {found.point} to {found.through}"
    )
    if found.what == "opening":
        return (
            f"The state before the period is not known to be the one that was confirmed ({where}): nothing can be said of what "
            "follows. Have a period disclosed that begins earlier, or by another member."
        )
    entry = "" if found.entry is None else f", entry {found.entry}"
    transaction = "" if found.transaction is None else f", transaction {found.transaction.hex()}"
    return (
        f"What the members confirmed is not what executing the period gives: first at {where}{entry}{transaction} "
        f"({found.what}): confirmed {found.expected}, executed {found.found}."
    )
