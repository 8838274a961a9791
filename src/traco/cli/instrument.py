"""``traco instrument``: create instruments and look them up."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from traco.cli.amounts import instrument_of, smallest_units
from traco.cli.command import command, group
from traco.cli.people import readable
from traco.cli.session import Acting, Reading
from traco.modules.holding.messages import CloseInstrument, CreateInstrument
from traco.modules.holding.state import UNCAPPED, InstrumentKind, instrument_id

app = group("What can be held: cash, securities, receivables.")

InstrumentArgument = Annotated[
    str,
    typer.Argument(metavar="INSTRUMENT", help="A name such as @eur, or an id in hex.", show_default=False),
]


@command(
    app, "create", examples=["traco instrument create eur --code EUR-CASH --currency EUR --as @cash-operator"]
)
def create(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the instrument.", show_default=False)],
    code: Annotated[str, typer.Option(help="Its code, unique for the issuer.")],
    kind: Annotated[
        Literal["cash", "security", "receivable"], typer.Option(help="What it is a claim to.")
    ] = "cash",
    currency: Annotated[str, typer.Option(help="Its currency (ISO 4217); cash needs one.")] = "",
    decimals: Annotated[int, typer.Option(min=0, max=8, help="Decimals of its smallest unit.")] = 2,
    terms: Annotated[
        Path | None, typer.Option(help="File with its terms; the ledger keeps the hash.")
    ] = None,
    operator: Annotated[
        list[str], typer.Option(help="Party that may issue and redeem; by default the issuer. Repeatable.")
    ] = [],  # noqa: B006
    cap: Annotated[str, typer.Option(help="The most that may ever be outstanding.")] = "",
) -> None:
    """Create an instrument; the acting party is its issuer. Cash takes the role cash_operator."""
    plain = session.free_name(name)
    issuer = session.actor()
    operators = tuple(session.party(text) for text in operator) or (issuer.id,)
    message = CreateInstrument(
        issuer.id, code, InstrumentKind(kind), currency or None, decimals,
        hashlib.sha256(terms.read_bytes() if terms else b"").digest(), operators,
        cap=smallest_units(cap, decimals) if cap else UNCAPPED,
    )  # fmt: skip
    identity = instrument_id(issuer.id, code)
    result = issuer.transact(message)
    session.remember(plain, "instrument", identity)
    session.show_result(result, instrument=identity, name=f"@{plain}")


@command(app, "show", examples=["traco instrument show @eur"])
def show(session: Reading, instrument: InstrumentArgument) -> None:
    """Show an instrument, and how much of it there is."""
    identity, record = instrument_of(session, instrument)
    supply = session.shown("holding.supply", instrument=identity) or {}
    if not session.output.as_json:
        supply = {name: _amount(name, value, record["decimals"]) for name, value in supply.items()}
    session.output.record({"id": identity.hex(), **record, "supply": supply})


def _amount(name: str, value: int, decimals: int) -> str:
    if name == "carries":
        return str(value)
    return "none" if name == "cap" and value == UNCAPPED else readable(value, decimals)


@command(app, "list", examples=["traco instrument list"])
def list_instruments(
    session: Reading,
    after: Annotated[str, typer.Option(help="Begin behind this id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Instruments on a page.")] = 100,
) -> None:
    """List instruments in the order of their ids."""
    rows: list[dict[str, Any]] = [
        {"id": row["id"], "name_here": session.names.name_of(row["id"]), **row["instrument"]}
        for row in session.client.query("holding.list_instruments", after=after, limit=limit)
    ]
    session.output.rows(
        "instruments", rows, ("id", "name_here", "code", "kind", "currency", "decimals", "closed")
    )


@command(app, "close", examples=["traco instrument close @eur --as @cash-operator"])
def close(session: Acting, instrument: InstrumentArgument) -> None:
    """Close an instrument for good, by its issuer; nothing of it may be outstanding."""
    identity, issuer = session.identity(instrument, "instrument"), session.actor()
    session.show_result(issuer.transact(CloseInstrument(issuer.id, identity)), instrument=identity)
