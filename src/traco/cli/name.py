"""``traco name``: the address book."""

from typing import Annotated, Any

import typer

from traco.cli.command import command, group
from traco.cli.names import Entry, Kind, as_id
from traco.cli.problems import unusable
from traco.cli.session import ID_BYTES, Reading, WithNames

app = group("Your own names for parties, accounts, instruments and documents.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name, with or without @.", show_default=False)]


@command(app, "list", examples=["traco name list"])
def list_names(session: WithNames) -> None:
    """List the names of your home directory."""
    rows: list[dict[str, Any]] = [
        {"name": f"@{name}", "kind": entry.kind, "id": entry.id, "keystore": entry.keystore or None}
        for name, entry in session.names.entries()
    ]
    session.output.rows("names", rows, ("name", "kind", "id", "keystore"))


@command(app, "add", examples=["traco name add buyer party 00112233445566778899aabbccddeeff"])
def add(
    session: Reading,
    name: Name,
    kind: Annotated[Kind, typer.Argument(help="What it names.", show_default=False)],
    identity: Annotated[str, typer.Argument(metavar="ID", help="Its id in hex.", show_default=False)],
) -> None:
    """Give something on the ledger a name of your own."""
    found = as_id(identity, ID_BYTES)
    if found is None:
        raise unusable("name.no_id", f"{identity!r} is not an id: {2 * ID_BYTES} hexadecimal digits.")
    session.names.add(name, Entry(kind, found.hex()), session.client.network)
    session.output.record({"name": f"@{name.removeprefix('@')}", "kind": kind, "id": found.hex()})


@command(app, "remove", examples=["traco name remove buyer"])
def remove(session: WithNames, name: Name) -> None:
    """Forget a name. What it stood for stays on the ledger."""
    session.names.remove(name)
    session.output.record({"name": f"@{name.removeprefix('@')}", "removed": True})
