"""``traco channel rebuild``: make a channel good again on a node, and say how complete it is."""

import time
from typing import Annotated, Any, Final

import typer

from traco.cli.command import command
from traco.cli.names import as_id
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting
from traco.client.results import NodeBusy, NotFound

PAUSE_SECONDS: Final = 0.3
_NOT_REBUILT: Final = "channel.not_rebuilt"

_MEANING: Final = {
    "incomplete": "Something of the channel is not here: see missing, and what holds it up. The node goes on trying by itself.",
    "differs": "What this node found is not what the channel's policy attested. Compare its results with another member's.",
}


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(
        app, "rebuild",
        examples=["traco channel rebuild 77ab...09 --as @bank", "traco channel rebuild 77ab...09 --as @bank --seconds 3600 --json"],
    )(rebuild)  # fmt: skip


def rebuild(
    session: Acting,
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel's id in hex.", show_default=False)
    ],
    seconds: Annotated[float, typer.Option(min=1.0, help="For how long to wait for the end.")] = 600.0,
) -> None:
    """Have a node look for everything of a channel, execute it, and compare what comes out with what the root confirmed.

    After the loss of the node's channels folder it follows how the node makes that good; else every payload is read and checked, what
    is missing is fetched from any custodian, and the channel is executed again. It ends with a report: what was expected and found,
    from whom, what is void or missing, who answered wrongly, which digest was reached, and whether it is the confirmed one.
    Exit code 1 where the channel is incomplete or differs.
    """
    identity = as_id(channel, 32)
    if identity is None:
        raise unusable("channel.id", f"{channel!r} is not a channel's id: 64 hexadecimal digits.")
    session.actor()
    report = _followed(session, f"/v1/channels/{identity.hex()}/rebuild", seconds)
    shown = _shown(report) if session.output.as_json else session.people(_shown(report))
    session.output.record(shown)
    if report["status"] != "complete":
        detail = f"{_MEANING[report['status']]} {report['text']}".rstrip()
        raise CommandProblem(ExitCode.NEGATIVE, f"channel.{report['status']}", detail, {"channel": channel})


def _followed(session: Acting, route: str, seconds: float) -> Any:
    """The report in the end. Raises ``CommandProblem`` where that does not come in time."""
    end, begun, last = time.monotonic() + seconds, False, ""
    while True:
        try:
            report = session.client.get(f"{route}/report") if begun else session.client.post(route, {})
            begun = True
            if report["status"] != "running":
                return report
            last = _progress(session, report, last)
        except NodeBusy:
            last = _said(session, "the node does no channel business yet", last)
        except NotFound as error:
            if not begun or error.code != _NOT_REBUILT:
                raise
            begun = False  # its process was started anew, and has forgotten that a report is wanted
        if time.monotonic() >= end:
            raise CommandProblem(
                ExitCode.NODE, "channel.rebuilding",
                f"The rebuild has not ended after {seconds:g} s; it goes on. Follow it with the same command.",
            )  # fmt: skip
        time.sleep(PAUSE_SECONDS)


def _progress(session: Acting, report: Any, last: str) -> str:
    found = report["payloads"] - report["missing_total"]
    return _said(
        session,
        f"{report['stage']}: entries {report['noted']} of {report['entries']}, payloads {found} of {report['payloads']}, "
        f"points {report['executed']} of {report['points']}"
        + (f" ({report['code']})" if report["code"] else ""),
        last,
    )


def _said(session: Acting, text: str, last: str) -> str:
    if text != last:
        session.output.note(text)
    return text


def _shown(report: Any) -> dict[str, Any]:
    """The report, its verdict first."""
    first = (
        "channel",
        "status",
        "agrees",
        "entries",
        "payloads",
        "here",
        "fetched",
        "shown",
        "missing",
        "voided",
        "wrong",
    )
    return {name: report[name] for name in (*first, *(name for name in report if name not in first))}
