"""``traco channel disclose``: a period of a channel as a file for a regulator or auditor."""

import os
import time
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from traco.cli.channel_arguments import ROUTE, ChannelArgument, channel_identity
from traco.cli.command import command
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting
from traco.cli.times import moment_ms

PAUSE_SECONDS: Final = 0.2
_DAY_MS: Final = 86_400_000
_DATE_LENGTH: Final = 10


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(
        app, "disclose",
        examples=["traco channel disclose 77ab...09 --from 2026-11-01 --to 2026-11-30 --output november.disclosure --as @bank",
                  "traco channel disclose 77ab...09 --first-point 12 --last-point 40 -o points.disclosure --as @bank"],
    )(disclose)  # fmt: skip


def disclose(
    session: Acting,
    channel: ChannelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not be there yet.", show_default=False)],
    begin: Annotated[str, typer.Option("--from", help="From this date or time on (UTC); by default from the beginning.")] = "",
    until: Annotated[str, typer.Option("--to", help="Up to this date, that day included, or up to a time; by default all that is confirmed.")] = "",
    first_point: Annotated[int, typer.Option(min=0, help="From this point on, instead of a time.")] = 0,
    last_point: Annotated[int, typer.Option(min=0, help="Up to this point, instead of a time.")] = 0,
) -> None:  # fmt: skip
    """Disclose a period of a channel to somebody outside: who has the file can read that period, and the state before it, and
    nothing else.

    The acting member's node makes it, and puts a salted commitment to it on the ledger: nobody learns from that what was disclosed, or
    to whom. The file (mode 0600) has the keys of the period's payloads. Give it to the auditor by a way that others cannot read.
    """
    identity = channel_identity(channel)
    if (begin or until) and (first_point or last_point):
        raise unusable("disclosure.period", "Give a period by times or by points, not by both.")
    wanted = {
        "first": first_point, "last": last_point, "from_ms": moment_ms(begin) if begin else 0,
        "until_ms": _end_ms(until) if until else 0,
    }  # fmt: skip
    session.actor()  # only a member's own word discloses
    file = create_private(output)
    try:
        with file:
            route = f"{ROUTE}/{identity.hex()}/disclosures"
            made = _made(session, f"{route}/{session.client.post(route, wanted)['id']}")
            while file.tell() < made["size"]:
                piece = session.client.get_bytes(f"{route}/{made['id']}/content", offset=file.tell())
                if not piece:
                    raise CommandProblem(
                        ExitCode.NODE,
                        "disclosure.cut_short",
                        "The node gave less than it has. Disclose again.",
                    )
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        output.unlink(missing_ok=True)
        raise
    session.output.record({
        "file": str(output), "bytes": made["size"], "channel": identity.hex(), "first_point": made["first"],
        "last_point": made["last"], "commitment": made["commitment"], "transaction": made["origin"],
    })  # fmt: skip


def _end_ms(text: str) -> int:
    """The first moment that is not meant any more."""
    return moment_ms(text) + (_DAY_MS if len(text) == _DATE_LENGTH else 0)


def create_private(path: Path) -> BinaryIO:
    """A new file that only its owner may read. Raises ``CommandProblem`` (``file.unusable``), where there is one too."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return open(os.open(path, flags, 0o600), "wb")
    except OSError as error:
        raise unusable("file.unusable", f"{path}: {error.strerror}") from None


def _made(session: Acting, route: str) -> dict[str, Any]:
    """The disclosure once it is ready. Raises ``CommandProblem``."""
    while True:
        found: dict[str, Any] = session.client.get(route)
        if found["status"] == "ready":
            return found
        if found["status"] == "failed":
            text = found["text"]
            raise CommandProblem(ExitCode.REFUSED, found["code"], f"{text[:1].upper()}{text[1:]}.")
        time.sleep(PAUSE_SECONDS)
