"""``traco channel total``: how much of an instrument there is over all ledgers, shown by its registrar and checked by anybody."""

from pathlib import Path
from typing import Annotated, Any

import typer

from traco.channels.disclosing.total import TotalReport, check_total
from traco.cli.channel_arguments import ROUTE
from traco.cli.channel_disclose import create_private
from traco.cli.command import command
from traco.cli.session import Acting, WithNames

COLUMNS = ("ledger", "point", "outstanding", "imported", "issued_inside", "incoming", "outgoing")


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(app, "total", examples=["traco channel total @bond --output bond.total --as @registrar"])(total)


def total(
    session: Acting,
    instrument: Annotated[str, typer.Argument(help="The instrument: a name or an id.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not be there yet.", show_default=False)],
) -> None:  # fmt: skip
    """Prove how much of an instrument there is on the ledger and in all channels of the acting member, at one block: for a regulator.

    The acting member is in every channel that holds the instrument. The file tells the total of each channel, and nothing else of
    what is in it; whoever has a node checks it with: traco channel audit FILE --dir NODE
    """
    identity, member = session.identity(instrument, "instrument"), session.actor().id
    wanted = {"instrument": identity, "member": member}
    content = session.client.post_bytes(f"{ROUTE}/totals", wanted)
    with create_private(output) as file:
        file.write(content)
    session.output.record(
        {"file": str(output), "bytes": len(content), "instrument": identity.hex(), "member": member.hex()}
    )


def show_total(session: WithNames, raw: bytes, root: Any) -> None:
    """Check such a file and show what it says. Raises ``DisclosureRefused``."""
    report: TotalReport = check_total(raw, root)
    rows = [
        {
            "ledger": row.channel.hex() or "root", "point": row.point, "outstanding": row.outstanding, "imported": row.imported,
            "issued_inside": row.outstanding - row.imported, "incoming": row.incoming, "outgoing": row.outgoing,
        }
        for row in report.rows
    ]  # fmt: skip
    shown = {
        "instrument": report.instrument.hex(), "shown_by": report.member.hex(), "height": report.height, "total": report.total,
    }  # fmt: skip
    if session.output.as_json:
        session.output.record({**shown, "ledgers": rows})
        return
    named = {
        name: session.names.name_of(value) or value if isinstance(value, str) else value
        for name, value in shown.items()
    }
    session.output.record(named)
    session.output.titled("Ledgers", rows, COLUMNS)
