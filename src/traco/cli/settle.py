"""``traco settle``: batches of transfers that settle all or none."""

import os
from typing import Annotated, Any

import typer

from traco.cli.amounts import amount_of
from traco.cli.command import command, group
from traco.cli.problems import unusable
from traco.cli.session import Acting, Reading
from traco.client.forms import from_form
from traco.modules.settlement.messages import (
    Affirm,
    Cancel,
    CreateBatch,
    IntoAccount,
    OwnHolding,
    Settle,
    SettlementInstruction,
    Withdraw,
    batch_id,
    terms_hash,
)

app = group("Batches of transfers that settle all or none.")

BatchArgument = Annotated[
    str, typer.Argument(metavar="BATCH", help="A name of yours, or an id in hex.", show_default=False)
]
PartyArgument = Annotated[
    str, typer.Argument(metavar="PARTY", help="A name, an id or an LEI.", show_default=False)
]
MS_PER_MINUTE = 60_000


@command(
    app, "create",
    examples=["traco settle create deal --leg @bank-a,@seller,@eur,950.00 --leg @seller,@bank-a,@bill,1000.00 --as @bank-a"],
)  # fmt: skip
def create(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the batch.", show_default=False)],
    leg: Annotated[
        list[str], typer.Option(help="SENDER,RECEIVER,INSTRUMENT,AMOUNT with parties. Repeatable.")
    ],
    settler: Annotated[
        list[str], typer.Option(help="Party that may settle it; without one it settles itself when complete.")
    ] = [],  # noqa: B006
    minutes: Annotated[int, typer.Option(min=1, help="It expires after so many minutes.")] = 60,
) -> None:
    """Put legs on the ledger that settle all or none. It binds nobody until they affirm."""
    plain = session.free_name(name)
    requestor = session.actor()
    legs = tuple(_leg(session, text) for text in leg)
    settlers = tuple(session.party(text) for text in settler)
    deadline_ms = session.client.status().time_ms + minutes * MS_PER_MINUTE
    message = CreateBatch(requestor.id, legs, settlers, not settlers, deadline_ms, os.urandom(16))
    identity = batch_id(requestor.id, message.salt)
    result = requestor.transact(message)
    session.remember(plain, "batch", identity)
    session.show_result(result, batch=identity, name=f"@{plain}", deadline_ms=deadline_ms)


def _leg(session: Reading, text: str) -> SettlementInstruction:
    parts = text.split(",")
    if len(parts) != 4:
        raise unusable("settle.leg", f"{text!r} is not SENDER,RECEIVER,INSTRUMENT,AMOUNT.")
    sender, receiver, instrument, amount = parts
    what, units = amount_of(session, instrument, amount)
    return SettlementInstruction(session.party(sender), session.party(receiver), what, units)


@command(
    app,
    "affirm",
    examples=["traco settle affirm @deal --from @seller-bills --into @seller-cash --as @seller"],
)
def affirm(
    session: Acting,
    batch: BatchArgument,
    source: Annotated[str, typer.Option("--from", help="Account that what the party owes comes from.")] = "",
    target: Annotated[
        str, typer.Option("--into", help="Account that what the party receives goes into.")
    ] = "",
) -> None:
    """Consent to all legs of the acting party, as they are on the ledger now; what it owes is held from now on.

    For pass-throughs and legs settled outside the ledger use traco tx send.
    """
    identity, party = session.identity(batch, "batch"), session.actor()
    record = session.require(session.client.query("settlement.batch", batch=identity), "batch", batch)[
        "batch"
    ]
    legs = tuple(from_form(SettlementInstruction, form) for form in record["legs"])
    settlers = tuple(bytes.fromhex(settler) for settler in record["settlers"])
    owed = [index for index, leg in enumerate(legs) if leg.sender == party.id]
    due = [index for index, leg in enumerate(legs) if leg.receiver == party.id]
    allocations = tuple((index, OwnHolding(_account(session, source, "--from"))) for index in owed)
    approvals = tuple((index, IntoAccount(_account(session, target, "--into"))) for index in due)
    terms = terms_hash(legs, settlers, record["auto"], record["deadline_ms"])
    result = party.transact(Affirm(party.id, identity, terms, allocations, approvals))
    session.show_result(result, batch=identity, allocated=owed, approved=due)


def _account(session: Reading, text: str, option: str) -> bytes:
    if not text:
        raise unusable("settle.account", f"Say which account: {option} ACCOUNT")
    return session.identity(text, "account")


@command(app, "withdraw", examples=["traco settle withdraw @deal --as @seller"])
def withdraw(session: Acting, batch: BatchArgument) -> None:
    """Take the acting party's consent back, as long as the batch is not complete."""
    identity, party = session.identity(batch, "batch"), session.actor()
    session.show_result(party.transact(Withdraw(party.id, identity)), batch=identity)


@command(app, "settle", examples=["traco settle settle @deal --as @bank-a"])
def settle(session: Acting, batch: BatchArgument) -> None:
    """Settle a complete batch, by one of its settlers."""
    identity, party = session.identity(batch, "batch"), session.actor()
    session.show_result(party.transact(Settle(party.id, identity)), batch=identity)


@command(app, "cancel", examples=["traco settle cancel @deal --reason changed_mind --as @bank-a"])
def cancel(
    session: Acting,
    batch: BatchArgument,
    reason: Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")] = "requested",
) -> None:
    """End a batch that has not settled, by its requestor; everything held for it is released."""
    identity, party = session.identity(batch, "batch"), session.actor()
    session.show_result(party.transact(Cancel(party.id, identity, reason)), batch=identity)


@command(app, "show", examples=["traco settle show @deal"])
def show(session: Reading, batch: BatchArgument) -> None:
    """Show a batch: its legs, who has affirmed, and whether it is complete or how it ended."""
    identity = session.identity(batch, "batch")
    view = session.require(session.shown("settlement.batch", batch=identity), "batch", batch)
    if session.output.as_json:
        session.output.record({"id": identity.hex(), "complete": view["complete"], **view["batch"]})
        return
    record = view["batch"]
    session.output.note(
        f"batch {identity.hex()}: {record['status']}{', complete' if view['complete'] else ''}"
    )
    if not record["legs"]:
        session.output.note(
            f"Its {record['size']} legs are in the receipts; on the ledger an ended batch keeps its status only."
        )
        return
    rows = [_shown(session, record, index) for index in range(len(record["legs"]))]
    session.output.rows(
        "legs", rows, ("leg", "sender", "receiver", "instrument", "amount", "allocated", "approved")
    )


@command(app, "list", examples=["traco settle list @seller --as @seller"])
def list_batches(session: Reading, party: PartyArgument) -> None:
    """List the batches that a party made, or sends or receives in, newest first; from the node's projections."""
    identity = session.party(party)
    rows = list(session.client.rows(f"/v1/parties/{identity.hex()}/batches"))
    if not session.output.as_json:
        rows = [
            {**session.people(row), "id": row["id"], "name_here": session.names.name_of(row["id"])}
            for row in rows
        ]
    session.output.rows("batches", rows, ("id", "name_here", "status", "requestor", "deadline_ms", "legs"))


def _shown(session: Reading, record: dict[str, Any], index: int) -> dict[str, Any]:
    return {
        "leg": index, **session.people(record["legs"][index]), "allocated": record["allocations"][index] is not None,
        "approved": record["approvals"][index] is not None,
    }  # fmt: skip
