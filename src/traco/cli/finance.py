"""``traco finance``: request financing of an invoice, offer, accept, pay, and follow it to its discharge."""

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from traco.cli.amounts import amount_of, instrument_of, smallest_units
from traco.cli.command import command, group
from traco.cli.doc import DocumentArgument, check_given_file
from traco.cli.holding import AmountArgument, ReferenceOption, reference_bytes
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting, Reading
from traco.modules.financing.messages import (
    AcceptOffer,
    CancelFinancing,
    Collect,
    DemandRecourse,
    Dilute,
    Discount,
    FixedPrice,
    MakeOffer,
    Pay,
    PayRecourse,
    RequestFinancing,
    SetPayout,
    WithdrawOffer,
    financing_id,
    offer_id,
)

app = group("Finance registered invoices.")

MS_PER_MINUTE = 60_000
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%?")

FinancingArgument = Annotated[
    str, typer.Argument(metavar="FINANCING", help="A name of yours, or an id in hex.", show_default=False)
]
OfferArgument = Annotated[
    str, typer.Argument(metavar="OFFER", help="A name of yours, or an id in hex.", show_default=False)
]
CashOption = Annotated[str, typer.Option("--cash", help="The cash instrument.", show_default=False)]
CashAccount = Annotated[str, typer.Option(help="The acting party's cash account.", show_default=False)]
ReceivableAccount = Annotated[
    str, typer.Option(help="The acting party's account for the receivable.", show_default=False)
]
Minutes = Annotated[int, typer.Option(min=1, help="It lapses after so many minutes.")]


@command(app, "request", examples=["traco finance request deal @invoice --cash @eur --as @seller"])
def request(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the financing.", show_default=False)],
    document: DocumentArgument,
    cash: CashOption,
    face: Annotated[str, typer.Option(help="How much of the invoice; by default all that is payable.")] = "",
    terms: Annotated[
        Path | None, typer.Option(help="File with the agreement; the ledger keeps the hash.")
    ] = None,
    minutes: Minutes = 1_440,
) -> None:
    """Ask for financing of an invoice, by its seller. It binds nobody."""
    plain = session.free_name(name)
    seller, identity = session.actor(), session.identity(document, "document")
    instrument, record = instrument_of(session, cash)
    amount = smallest_units(face, record["decimals"]) if face else _payable(session, identity, document)
    message = RequestFinancing(
        seller.id, identity, amount, instrument, hashlib.sha256(terms.read_bytes() if terms else b"").digest(),
        _until(session, minutes), os.urandom(16),
    )  # fmt: skip
    financing = financing_id(seller.id, message.salt)
    result = seller.transact(message)
    session.remember(plain, "financing", financing)
    session.show_result(result, instrument.hex(), financing=financing, name=f"@{plain}")


def _payable(session: Reading, document: bytes, text: str) -> int:
    view = session.require(session.client.query("document.get", document=document), "document", text)
    payable = view["record"]["payable"]
    if payable is None:
        raise unusable("finance.face", "The amount of the document is not disclosed; say how much: --face")
    return int(payable["amount"])


def _until(session: Reading, minutes: int) -> int:
    return session.client.status().time_ms + minutes * MS_PER_MINUTE


@command(
    app, "offer",
    examples=[
        "traco finance offer bid @deal --price 950.00 --unchecked --cash-account @cash --receivable-account @bills --as @bank",
        "traco finance offer bid @deal --discount 2.5% --file invoice.xml --slip invoice.slip ... --as @bank",
    ],
)  # fmt: skip
def offer(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the offer.", show_default=False)],
    financing: FinancingArgument,
    cash_account: CashAccount,
    receivable_account: ReceivableAccount,
    price: Annotated[str, typer.Option(help="The purchase price.")] = "",
    discount: Annotated[str, typer.Option(help="Or the discount in percent of the face, such as 2.5%.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="The invoice file, to be checked before offering.")
    ] = None,
    slip: Annotated[Path | None, typer.Option(help="The slip that came with the file.")] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Offer without having checked the file.")
    ] = False,
    recourse: Annotated[
        bool, typer.Option("--recourse", help="The seller buys back what is not paid.")
    ] = False,
    accept_unconfirmed: Annotated[
        bool, typer.Option("--accept-unconfirmed", help="Even if the buyer has not confirmed the invoice.")
    ] = False,
    acknowledge: Annotated[
        list[str], typer.Option(help="A financed document that matches in part, known to you. Repeatable.")
    ] = [],  # noqa: B006
    firm: Annotated[
        bool, typer.Option("--firm/--not-firm", help="Settle at once when accepted, or affirm then.")
    ] = True,
    minutes: Minutes = 60,
) -> None:
    """Offer to buy what a request asks for.

    Before that, the file is checked against its registration and the fingerprint service keys its fields again.
    """
    plain = session.free_name(name)
    lender, identity = session.actor(), session.identity(financing, "financing")
    record = _financing(session, identity, financing)["record"]
    _, instrument = instrument_of(session, record["cash"])
    salt = os.urandom(16)
    message = MakeOffer(
        lender.id, identity, bytes.fromhex(record["cash"]), record["face"], _price(price, discount, instrument["decimals"]),
        bytes.fromhex(record["terms"]), recourse, accept_unconfirmed,
        tuple(session.identity(text, "document") for text in acknowledge),
        _checked_commitment(session, record["document"], file, slip, unchecked), firm, _until(session, minutes),
        session.identity(cash_account, "account"), session.identity(receivable_account, "account"), salt,
    )  # fmt: skip
    made = offer_id(lender.id, salt)
    result = lender.transact(message)
    session.remember(plain, "offer", made)
    session.show_result(result, record["cash"], offer=made, name=f"@{plain}", financing=identity)


def _price(price: str, discount: str, decimals: int) -> FixedPrice | Discount:
    if bool(price) == bool(discount):
        raise CommandProblem(ExitCode.USAGE, "usage.price", "Say either --price or --discount.")
    if price:
        return FixedPrice(smallest_units(price, decimals))
    match = _PERCENT.fullmatch(discount)
    parts_per_million = int(match[1] + (match[2] or "").ljust(4, "0")) if match else -1
    if not 0 <= parts_per_million <= 1_000_000:
        raise unusable("finance.discount", f"{discount!r} is not a discount in percent, up to four decimals.")
    return Discount(parts_per_million)


def _checked_commitment(
    session: Acting, document: str, file: Path | None, slip: Path | None, unchecked: bool
) -> bytes:
    """The content commitment of the document, after its file was checked unless that is not wanted."""
    if file is not None and slip is not None:
        check_given_file(session, file, slip, document)
    elif not unchecked:
        raise CommandProblem(
            ExitCode.USAGE, "usage.unchecked", "Name the invoice with --file and --slip, or say --unchecked."
        )
    view = session.require(session.client.query("document.get", document=document), "document", document)
    return bytes.fromhex(view["record"]["content_commitment"])


@command(
    app, "accept",
    examples=["traco finance accept @deal @bid --cash-account @seller-cash --receivable-account @seller-bills --as @seller"],
)  # fmt: skip
def accept(
    session: Acting,
    financing: FinancingArgument,
    offer: OfferArgument,
    cash_account: CashAccount,
    receivable_account: ReceivableAccount,
) -> None:
    """Accept an offer, by the seller: one batch moves the receivable to the lender and the cash to the seller.

    With a firm offer both happen now, or neither; otherwise the lender affirms the batch before its deadline.
    """
    seller, identity = session.actor(), session.identity(financing, "financing")
    chosen = session.identity(offer, "offer")
    record = _financing(session, identity, financing)["record"]
    offers = session.client.query("financing.offers", financing=identity)
    row = next((row for row in offers if row["id"] == chosen.hex()), None)
    terms = session.require(row, "offer", offer)["record"]
    message = AcceptOffer(
        seller.id, identity, chosen, bytes.fromhex(record["cash"]), terms["price"],
        session.identity(cash_account, "account"), session.identity(receivable_account, "account"),
    )  # fmt: skip
    result = seller.transact(message)
    session.show_result(result, record["cash"], financing=identity, offer=chosen, price=terms["price"])


@command(app, "withdraw-offer", examples=["traco finance withdraw-offer @deal @bid --as @bank-a"])
def withdraw_offer(session: Acting, financing: FinancingArgument, offer: OfferArgument) -> None:
    """Take back an offer that was not accepted, by the lender."""
    lender, identity = session.actor(), session.identity(financing, "financing")
    session.show_result(lender.transact(WithdrawOffer(lender.id, identity, session.identity(offer, "offer"))))


@command(app, "cancel", examples=["traco finance cancel @deal --reason not_needed --as @seller"])
def cancel(
    session: Acting,
    financing: FinancingArgument,
    reason: Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")] = "requested",
) -> None:
    """Take back a request, by the seller; one that is reserved too, as long as it has not settled."""
    seller, identity = session.actor(), session.identity(financing, "financing")
    session.show_result(seller.transact(CancelFinancing(seller.id, identity, reason)), financing=identity)


@command(
    app,
    "pay",
    examples=["traco finance pay @invoice 103246.20 --cash @eur --account @buyer-cash --as @buyer"],
)
def pay(
    session: Acting,
    document: DocumentArgument,
    amount: AmountArgument,
    cash: CashOption,
    account: Annotated[str, typer.Option(help="The debtor's cash account.", show_default=False)],
    reference: ReferenceOption = "",
) -> None:
    """Pay a financed invoice, by its debtor: the receivable is redeemed, and whoever holds it now is paid."""
    debtor, identity = session.actor(), session.identity(document, "document")
    instrument, units = amount_of(session, cash, amount)
    message = Pay(
        debtor.id,
        identity,
        instrument,
        units,
        session.identity(account, "account"),
        reference_bytes(reference),
    )
    session.show_result(debtor.transact(message), instrument.hex(), document=identity)


@command(
    app,
    "dilute",
    examples=["traco finance dilute @invoice @note 605.16 --cash @eur --account @seller-cash --as @seller"],
)
def dilute(
    session: Acting,
    document: DocumentArgument,
    note: Annotated[
        str, typer.Argument(metavar="NOTE", help="The registered credit note.", show_default=False)
    ],
    amount: AmountArgument,
    cash: CashOption,
    account: Annotated[str, typer.Option(help="The seller's cash account.", show_default=False)],
) -> None:
    """Bring a credit note to bear on a financed invoice, by the seller, who pays at most this amount."""
    seller, identity = session.actor(), session.identity(document, "document")
    instrument, units = amount_of(session, cash, amount)
    message = Dilute(
        seller.id,
        identity,
        session.identity(note, "document"),
        instrument,
        units,
        session.identity(account, "account"),
    )
    session.show_result(seller.transact(message), instrument.hex(), document=identity)


@command(
    app, "set-payout", examples=["traco finance set-payout @bank-bills --payout @bank-cash --as @bank-a"]
)
def set_payout(
    session: Acting,
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="An account with receivables.", show_default=False)
    ],
    payout: Annotated[
        str, typer.Option(help="Where redemptions are paid; without it, into the account itself.")
    ] = "",
) -> None:
    """Say where redemptions of the receivables in an account are paid."""
    party, identity = session.actor(), session.identity(account, "account")
    message = SetPayout(party.id, identity, session.identity(payout, "account") if payout else None)
    session.show_result(party.transact(message), account=identity)


@command(
    app,
    "collect",
    examples=["traco finance collect @invoice --account @bank-bills --cash-account @bank-cash --as @bank-a"],
)
def collect(
    session: Acting,
    document: DocumentArgument,
    account: Annotated[str, typer.Option(help="The account that holds the receivable.", show_default=False)],
    cash_account: CashAccount,
    source: Annotated[str, typer.Option(help="The account it was set aside for; by default the same.")] = "",
) -> None:
    """Take what was paid for a receivable but could not be paid out."""
    holder, identity = session.actor(), session.identity(document, "document")
    held = session.identity(account, "account")
    message = Collect(
        holder.id, identity, held, session.identity(source, "account") if source else held,
        session.identity(cash_account, "account"),
    )  # fmt: skip
    session.show_result(holder.transact(message), document=identity)


@command(app, "demand-recourse", examples=["traco finance demand-recourse @deal 1000.00 --as @bank-a"])
def demand_recourse(session: Acting, financing: FinancingArgument, amount: AmountArgument) -> None:
    """Demand that the seller buys back so much (face) of an overdue receivable, by a lender with recourse."""
    lender, identity = session.actor(), session.identity(financing, "financing")
    cash = _financing(session, identity, financing)["record"]["cash"]
    _, units = amount_of(session, cash, amount)
    result = lender.transact(DemandRecourse(lender.id, identity, units))
    session.show_result(result, cash, financing=identity)


@command(
    app, "pay-recourse",
    examples=["traco finance pay-recourse @deal 1000.00 --cash-account @seller-cash --receivable-account @seller-bills --as @seller"],
)  # fmt: skip
def pay_recourse(
    session: Acting,
    financing: FinancingArgument,
    amount: AmountArgument,
    cash_account: CashAccount,
    receivable_account: ReceivableAccount,
) -> None:
    """Meet a demand, by the seller: cash to the lender, as much of the receivable back, or neither."""
    seller, identity = session.actor(), session.identity(financing, "financing")
    cash, units = amount_of(session, _financing(session, identity, financing)["record"]["cash"], amount)
    message = PayRecourse(
        seller.id, identity, cash, units, session.identity(cash_account, "account"),
        session.identity(receivable_account, "account"),
    )  # fmt: skip
    session.show_result(seller.transact(message), cash.hex(), financing=identity)


@command(app, "show", examples=["traco finance show @deal"])
def show(session: Reading, financing: FinancingArgument) -> None:
    """Show a financing: the request, its offers, what was agreed, a demand for recourse.

    Amounts in JSON are in the smallest unit.
    """
    identity = session.identity(financing, "financing")
    view = _financing(session, identity, financing)
    offers = session.client.query("financing.offers", financing=identity)
    shown = {
        **view["record"], "discharged": view["discharged"], "recourse": view["recourse"],
        "offers": [{"id": row["id"], "name_here": session.names.name_of(row["id"]), **row["record"]} for row in offers],
    }  # fmt: skip
    if not session.output.as_json:
        shown = session.people(shown)
    session.output.record({"id": identity.hex(), **shown})


def _financing(session: Reading, identity: bytes, text: str) -> dict[str, Any]:
    view: dict[str, Any] = session.require(
        session.client.query("financing.get", financing=identity), "financing", text
    )
    return view


@command(app, "status", examples=["traco finance status @invoice"])
def status(session: Reading, document: DocumentArgument) -> None:
    """Show a document as registries of financed invoices do: REGU, REDU or DFIN, its receivable and financings."""
    identity = session.identity(document, "document")
    view = session.require(session.client.query("financing.status", document=identity), "document", document)
    receivable = session.client.query("financing.receivable", document=identity)
    financings = session.client.query("financing.by_document", document=identity)
    shown = {
        **view, "receivable": receivable,
        "financings": [{"id": each["id"], "discharged": each["discharged"], **each["record"]} for each in financings],
    }  # fmt: skip
    if session.output.as_json:
        session.output.record(shown)
        return
    cash = next((each["record"]["cash"] for each in financings), "")
    session.output.record({"id": identity.hex(), **session.people(shown, cash)})
