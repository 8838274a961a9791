"""``traco holding``: accounts, and what is in them."""

import os
from typing import Annotated, Any, Literal

import typer

from traco.cli.amounts import amount_of
from traco.cli.command import command, group
from traco.cli.instrument import InstrumentArgument
from traco.cli.people import readable
from traco.cli.problems import unusable
from traco.cli.session import Acting, Reading
from traco.modules.holding.messages import CloseAccount, Issue, OpenAccount, Redeem, Transfer
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl, account_id

app = group("Accounts, and what is in them.")

AccountArgument = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT", help="A name such as @seller-cash, or an id in hex.", show_default=False
    ),
]
AmountArgument = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 1250.50.", show_default=False)]
ReferenceOption = Annotated[str, typer.Option(help="Up to 64 bytes of your choice, kept with the movement.")]

MAX_REFERENCE_BYTES = 64


def reference_bytes(text: str) -> bytes:
    """A reference as the ledger keeps it. Raises ``CommandProblem`` for one that is too long."""
    raw = text.encode()
    if len(raw) > MAX_REFERENCE_BYTES:
        raise unusable(
            "reference.too_long", f"A reference has up to {MAX_REFERENCE_BYTES} bytes, not {len(raw)}."
        )
    return raw


@command(app, "open-account", examples=["traco holding open-account seller-cash --as @seller"])
def open_account(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the account.", show_default=False)],
    owner: Annotated[str, typer.Option(help="The owner; by default the acting party, who services it.")] = "",
    kind: Annotated[
        Literal["own", "client", "omnibus", "nominee", "issuer"], typer.Option(help="For whom it is kept.")
    ] = "own",
    debit: Annotated[Literal["owner", "servicer"], typer.Option(help="Who authorises debits.")] = "owner",
    credit: Annotated[
        Literal["open", "owner", "servicer"],
        typer.Option(help="Who authorises credits; open: anybody may credit."),
    ] = "open",
    parent: Annotated[str, typer.Option(help="The omnibus or nominee account that it is below.")] = "",
) -> None:
    """Open an account; the acting party services it. With --credit servicer the owner signs too."""
    plain = session.free_name(name)
    servicer = session.actor()
    message = OpenAccount(
        servicer.id, session.party(owner) if owner else servicer.id, AccountKind(kind), DebitControl(debit),
        CreditControl(credit), session.identity(parent, "account") if parent else None, os.urandom(16),
    )  # fmt: skip
    others = [session.party_with_keys(owner)] if len(message.actors()) > 1 else []
    identity = account_id(servicer.id, message.salt)
    result = servicer.transact(message, others=others)
    session.remember(plain, "account", identity)
    session.show_result(result, account=identity, name=f"@{plain}")


@command(app, "close-account", examples=["traco holding close-account @seller-cash --as @seller"])
def close_account(session: Acting, account: AccountArgument) -> None:
    """Close an empty account for good."""
    identity, party = session.identity(account, "account"), session.actor()
    session.show_result(party.transact(CloseAccount(party.id, identity)), account=identity)


@command(app, "issue", examples=["traco holding issue @eur @bank-a-cash 1000000 --as @cash-operator"])
def issue(
    session: Acting, instrument: InstrumentArgument, account: AccountArgument, amount: AmountArgument,
    reference: ReferenceOption = "",
) -> None:  # fmt: skip
    """Create value in an account, by an operator of the instrument."""
    what, units = amount_of(session, instrument, amount)
    where, operator = session.identity(account, "account"), session.actor()
    session.show_result(operator.transact(Issue(operator.id, what, where, units, reference_bytes(reference))))


@command(
    app,
    "redeem",
    examples=["traco holding redeem @eur @bank-a-cash 1000 --holder @bank-a --as @cash-operator"],
)
def redeem(
    session: Acting, instrument: InstrumentArgument, account: AccountArgument, amount: AmountArgument,
    holder: Annotated[str, typer.Option(help="Who controls the account's debits; signs too.")] = "",
    reference: ReferenceOption = "",
) -> None:  # fmt: skip
    """Destroy value in an account, by an operator of the instrument and the holder."""
    what, units = amount_of(session, instrument, amount)
    where, operator = session.identity(account, "account"), session.actor()
    others = [session.party_with_keys(holder)] if holder and session.party(holder) != operator.id else []
    by = others[0].id if others else operator.id
    message = Redeem(operator.id, by, what, where, units, reference_bytes(reference))
    session.show_result(operator.transact(message, others=others))


@command(
    app, "transfer", examples=["traco holding transfer @eur @bank-a-cash @seller-cash 250.00 --as @bank-a"]
)
def transfer(
    session: Acting,
    instrument: InstrumentArgument,
    sender: Annotated[str, typer.Argument(metavar="FROM", help="The account to debit.", show_default=False)],
    receiver: Annotated[str, typer.Argument(metavar="TO", help="The account to credit.", show_default=False)],
    amount: AmountArgument,
    reference: ReferenceOption = "",
) -> None:
    """Move an available amount from one account to another."""
    what, units = amount_of(session, instrument, amount)
    debited, credited = session.identity(sender, "account"), session.identity(receiver, "account")
    party = session.actor()
    session.show_result(
        party.transact(Transfer(party.id, what, debited, credited, units, reference_bytes(reference)))
    )


@command(app, "show", examples=["traco holding show @seller-cash", "traco holding show @seller-cash --json"])
def show(session: Reading, account: AccountArgument) -> None:
    """Show what is in an account: available, and set aside for what. Amounts in JSON are in the smallest unit."""
    identity = session.identity(account, "account")
    record = session.require(session.shown("holding.account", account=identity), "account", account)
    rows = (
        _proven_holdings(session, identity.hex(), record)
        if session.proves
        else _holdings(session, identity.hex())
    )
    if session.output.as_json:
        session.output.record({"id": identity.hex(), "account": record, "holdings": rows})
        return
    session.output.note(f"account {identity.hex()} of {session.named(record['owner'])}")
    shown = [_amounts(row) for row in rows]
    session.output.rows("holdings", shown, ("code", "owned", *_PARTS[1:], "instrument_name"))


@command(app, "list", examples=["traco holding list @seller --as @seller"])
def list_accounts(
    session: Reading,
    party: Annotated[
        str, typer.Argument(metavar="PARTY", help="A name, an id or an LEI.", show_default=False)
    ],
) -> None:
    """List the accounts that a party owns or services, with what is in them; from the node's projections."""
    identity = session.party(party)
    accounts = [
        {"id": row["id"], **row["account"], "holdings": _holdings(session, row["id"])}
        for row in session.client.rows(f"/v1/parties/{identity.hex()}/accounts")
    ]
    if session.output.as_json:
        session.output.rows("accounts", accounts, ())
        return
    shown = [
        {
            **session.people(each), "id": each["id"], "name_here": session.names.name_of(each["id"]),
            **holding,
        }
        for each in accounts
        for holding in [_amounts(row) for row in each["holdings"]] or [{}]
    ]  # fmt: skip
    session.output.rows(
        "accounts", shown, ("id", "name_here", "owner", "kind", "closed", "code", "owned", "available")
    )


def _holdings(session: Reading, account: str) -> list[dict[str, Any]]:
    return [_row(session, row) for row in session.client.rows("holding.by_account", account=account)]


def _proven_holdings(session: Reading, account: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The holdings that the account's record lists: it has the first ones, and others cannot be proven."""
    listed = record["instruments"]
    if record["rows"] > len(listed):
        left = record["rows"] - len(listed)
        session.output.note(
            f"{left} more are not listed in the account's record and cannot be proven; see --no-verify"
        )
    rows = [
        {"instrument": each, "holding": session.shown("holding.get", instrument=each, account=account)}
        for each in listed
    ]
    return [_row(session, row) for row in rows]


def _amounts(row: dict[str, Any]) -> dict[str, Any]:
    """A holding with its amounts as people read them."""
    return {**row, **{part: readable(row[part], row["decimals"]) for part in _PARTS}}


_PARTS = ("owned", "available", "held", "pledged", "attached", "bucket")


def _row(session: Reading, row: dict[str, Any]) -> dict[str, Any]:
    holding = row["holding"]
    instrument = session.shown("holding.instrument", instrument=row["instrument"])
    owned = sum(holding[part] for part in _PARTS[1:])
    return {
        "instrument": row["instrument"], "instrument_name": session.named(row["instrument"]), "code": instrument["code"],
        "decimals": instrument["decimals"], "owned": owned, **holding,
    }  # fmt: skip
