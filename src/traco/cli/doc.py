"""``traco doc``: register invoices, confirm or dispute them, follow them, check a file against its registration."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from traco.cli.amounts import smallest_units
from traco.cli.command import command, group
from traco.cli.files import read_bounded, write_file
from traco.cli.invoices import Slip, check_file, prepare
from traco.cli.people import readable
from traco.cli.problems import unusable
from traco.cli.session import Acting, Reading
from traco.client.results import TransactionResult
from traco.modules.document.messages import (
    CancelDocument,
    ConfirmDocument,
    DisputeDocument,
    WithdrawDispute,
)
from traco.services.doc import not_financeable_because, rule_of, warnings
from traco.services.doc.amounts import EXPONENTS

app = group("Register invoices and follow them.")

DocumentArgument = Annotated[
    str, typer.Argument(metavar="DOCUMENT", help="A name of yours, or an id in hex.", show_default=False)
]
InvoiceFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="An invoice of EN 16931: UBL 2.1, or CII D16B.", show_default=False),
]
MAX_INVOICE_BYTES = 10 * 1024 * 1024
MAX_SLIP_BYTES = 4_096
SALT_BYTES = 32


@command(
    app, "register",
    examples=["traco doc register invoice.xml --name invoice --as @seller", "traco doc register note.xml --credits @invoice --as @seller"],
)  # fmt: skip
def register(
    session: Acting,
    file: InvoiceFile,
    name: Annotated[str, typer.Option(help="Your name for the document.")] = "",
    seller: Annotated[
        str, typer.Option(help="Who the seller is, where the file's identifiers do not say.")
    ] = "",
    buyer: Annotated[str, typer.Option(help="Who the buyer is, likewise.")] = "",
    payee: Annotated[str, typer.Option(help="Who the payee is, likewise.")] = "",
    credited: Annotated[
        str, typer.Option("--credits", help="For a credit note: the registered invoice that it reduces.")
    ] = "",
    slip: Annotated[
        Path | None,
        typer.Option(help="Where to write the slip that a lender needs; by default in your home."),
    ] = None,
) -> None:
    """Register an invoice or credit note by a party that is named in it.

    The file stays here. The ledger gets a salted commitment to it and keyed fingerprints, and says whether it is unique
    (REGU), a duplicate of yours (REDU), or already financed (rejected). The slip, which opens the commitment, is written
    for you to give to a lender together with the file.
    """
    plain = session.free_name(name) if name else None
    party = session.actor()
    given = {"seller": seller, "buyer": buyer, "payee": payee}
    named = {role: session.party(text) for role, text in given.items() if text}
    salts = os.urandom(16), os.urandom(SALT_BYTES)
    prepared, invoice = prepare(
        session.client, party.id, read_bounded(file, MAX_INVOICE_BYTES), salts, named,
        session.identity(credited, "document") if credited else None,
    )  # fmt: skip
    document = prepared.document
    result = party.transact(prepared.message)
    session.remember(plain, "document", document)
    path = slip or session.home / "documents" / f"{document.hex()}.slip"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Slip(document=document.hex(), transaction=result.identity.hex(), content_salt=salts[1].hex())
    write_file(path, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    path.chmod(0o600)
    _show_registration(session, result, {
        "document": document.hex(), "name": f"@{plain}" if plain else None, "number": invoice.number,
        "payable": _payable(invoice.payable_amount, invoice.currency), "slip": str(path),
        "warnings": list(warnings(invoice)), "not_financeable": not_financeable_because(invoice),
    })  # fmt: skip


def _payable(amount: int, currency: str) -> str:
    return f"{readable(amount, EXPONENTS[currency])} {currency}"


def _show_registration(session: Acting, result: TransactionResult, made: dict[str, Any]) -> None:
    outcome = next((event["outcome"] for event in result.events_of("document.registered/1")), None)
    matches = [_match(event["match"]) for event in result.events_of("document.matched/1")]
    shown = {**made, "outcome": outcome, "matches": matches}
    if session.output.as_json:
        session.show_result(result, **shown)
    else:
        session.output.record({**shown, "transaction": result.identity.hex(), "height": result.height})


def _match(match: dict[str, Any]) -> dict[str, Any]:
    """A match with what agrees, in words."""
    return {**match, "agrees": [rule_of(match["strength"], position) for position in match["positions"]]}


@command(app, "check", examples=["traco doc check invoice.xml --slip invoice.slip --as @bank-a"])
def check(
    session: Acting,
    file: InvoiceFile,
    slip: Annotated[Path, typer.Option(help="The slip that came with the file.", show_default=False)],
) -> None:
    """Check a file that you were given against what is on the ledger, as a lender does before offering.

    Exits 1 where it is another file than the one registered, or was registered with other facts.
    """
    found = check_given_file(session, file, slip)
    matches = session.client.query("document.matches", document=found["document"])
    session.output.record({**found, "matches": [_match(each) for each in matches["found"]]})


def check_given_file(session: Acting, file: Path, slip: Path, document: str = "") -> dict[str, Any]:
    """Check a file against the registration that its slip names, which must be of ``document`` (hex) where one is given.

    Raises ``CommandProblem``, ``ContentMismatch``, ``InvoiceUnreadable``, ``ClientError``.
    """
    try:
        given = msgspec.json.decode(read_bounded(slip, MAX_SLIP_BYTES), type=Slip)
    except ValueError as error:
        raise unusable("doc.slip", f"{slip} is not a slip of a registration ({error}).") from None
    if document not in ("", given.document):
        raise unusable("doc.other_slip", f"{slip} is about document {given.document}, not {document}.")
    found = check_file(session.client, session.actor().id, read_bounded(file, MAX_INVOICE_BYTES), given)
    return {"document": given.document, **found}


@command(app, "confirm", examples=["traco doc confirm @invoice --as @buyer"])
def confirm(
    session: Acting,
    document: DocumentArgument,
    amount: Annotated[str, typer.Option(help="Confirm only so much, in the invoice's currency.")] = "",
) -> None:
    """Confirm a document, by the buyer or another party named in it."""
    identity, party = session.identity(document, "document"), session.actor()
    units = smallest_units(amount, EXPONENTS[_currency(session, identity, document)]) if amount else None
    session.show_result(party.transact(ConfirmDocument(party.id, identity, units)), document=identity)


def _currency(session: Reading, identity: bytes, text: str) -> str:
    """The currency of a registered document. Raises ``CommandProblem`` where its amount is not disclosed."""
    view = session.require(session.client.query("document.get", document=identity), "document", text)
    payable = view["record"]["payable"]
    if payable is None:
        raise unusable(
            "doc.amount", "The amount of the document is not disclosed; confirm it without --amount."
        )
    return str(payable["currency"])


@command(app, "dispute", examples=["traco doc dispute @invoice --reason goods_missing --as @buyer"])
def dispute(
    session: Acting,
    document: DocumentArgument,
    reason: Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")],
) -> None:
    """Dispute a document, by a party named in it other than the registrant."""
    identity, party = session.identity(document, "document"), session.actor()
    session.show_result(party.transact(DisputeDocument(party.id, identity, reason)), document=identity)


@command(app, "withdraw-dispute", examples=["traco doc withdraw-dispute @invoice --as @buyer"])
def withdraw_dispute(session: Acting, document: DocumentArgument) -> None:
    """Take one's own dispute back."""
    identity, party = session.identity(document, "document"), session.actor()
    session.show_result(party.transact(WithdrawDispute(party.id, identity)), document=identity)


@command(app, "cancel", examples=["traco doc cancel @invoice --reason issued_in_error --as @seller"])
def cancel(
    session: Acting,
    document: DocumentArgument,
    reason: Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")],
) -> None:
    """Cancel a document that is not financed, by its registrant."""
    identity, party = session.identity(document, "document"), session.actor()
    session.show_result(party.transact(CancelDocument(party.id, identity, reason)), document=identity)


@command(app, "status", examples=["traco doc status @invoice"])
def status(session: Reading, document: DocumentArgument) -> None:
    """Show a document: status, confirmations, disputes, financing, and what matches it now."""
    identity = session.identity(document, "document")
    view = session.require(session.client.query("document.get", document=identity), "document", document)
    matches = session.client.query("document.matches", document=identity)
    shown = {
        "confirmed": view["confirmed"], **view["record"],
        "matches": [_match(match) for match in matches["found"]], "more_matches": matches["truncated"],
    }  # fmt: skip
    if not session.output.as_json:
        shown = session.people({**shown, "payable": shown["payable"] and _payable(**shown["payable"])})
    session.output.record({"id": identity.hex(), **shown})


@command(app, "list", examples=["traco doc list @seller"])
def list_documents(
    session: Reading,
    party: Annotated[
        str, typer.Argument(metavar="PARTY", help="A name, an id or an LEI.", show_default=False)
    ],
    after: Annotated[str, typer.Option(help="Begin behind this id.")] = "",
) -> None:
    """List the documents that a party registered or is named in."""
    views = session.client.query("document.by_party", party=session.party(party), after=after or None)
    rows = [{"id": view["document"], "confirmed": view["confirmed"], **view["record"]} for view in views]
    if not session.output.as_json:
        rows = [{**row, "payable": row["payable"] and _payable(**row["payable"])} for row in rows]
    session.output.rows(
        "documents", rows, ("id", "kind", "status", "confirmed", "payable", "due_date", "financing")
    )
