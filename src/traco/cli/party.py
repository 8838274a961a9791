"""``traco party``: register parties, look them up, give them roles."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from traco.cli.command import command, group
from traco.cli.key import public_file
from traco.cli.problems import unusable
from traco.cli.session import Acting, Reading
from traco.kernel.identifiers import check_lei
from traco.modules.party.messages import GrantRole, RegisterParty, RevokeRole, SetStatus, party_id
from traco.modules.party.state import LEI_SCHEME, Identifier, KeyRole, PartyKey

app = group("Register parties and look them up.")

PartyArgument = Annotated[
    str,
    typer.Argument(
        metavar="PARTY", help="A name such as @bank-a, an id in hex, or an LEI.", show_default=False
    ),
]
Role = Annotated[
    str, typer.Argument(help="Such as cash_operator, registry_operator, authority.", show_default=False)
]


class PublicKeyForm(msgspec.Struct, frozen=True):
    """A key in the file that ``traco key export`` writes."""

    public_key: str
    roles: tuple[KeyRole, ...]


@command(
    app, "register",
    examples=[
        "traco party register seller --legal-name 'Example Seller Ltd' --as @operator",
        "traco party register bank-a --legal-name 'Example Bank A' --lei 529900EXAMPLE0000017 --as @operator",
    ],
)  # fmt: skip
def register(
    session: Acting,
    name: Annotated[str, typer.Argument(help="Your name for the new party.", show_default=False)],
    legal_name: Annotated[str, typer.Option(help="The organisation's name, as on the ledger.")],
    lei: Annotated[str, typer.Option(help="Its LEI (ISO 17442).")] = "",
    country: Annotated[str, typer.Option(help="Its country (ISO 3166-1 alpha-2).")] = "",
    identifier: Annotated[
        list[str], typer.Option(help="Another public identifier as SCHEME:VALUE (ISO 6523). Repeatable.")
    ] = [],  # noqa: B006
    public_keys: Annotated[
        Path | None,
        typer.Option(help="File of its public keys; by default that of the key store of the name."),
    ] = None,
) -> None:
    """Register an organisation; the acting member (--as) vouches for it.

    Its keys come from the file that traco key create wrote; no passphrase of the new party is needed.
    """
    plain = session.free_name(name)
    file = public_keys or public_file(session.names.key_store(plain))
    identifiers = [Identifier(LEI_SCHEME, _checked_lei(lei))] if lei else []
    identifiers += [_identifier(text) for text in identifier]
    member = session.actor()
    message = RegisterParty(
        member.id, os.urandom(16), "organisation", _keys(file), legal_name, country or None,
        identifiers=tuple(identifiers),
    )  # fmt: skip
    identity = party_id(member.id, message.salt)
    result = member.transact(message)
    session.remember(plain, "party", identity)
    session.show_result(result, party=identity, name=f"@{plain}")


def _checked_lei(lei: str) -> str:
    check_lei(lei)
    return lei


def _identifier(text: str) -> Identifier:
    scheme, colon, value = text.partition(":")
    if not (colon and scheme and value):
        raise unusable("party.identifier", f"{text!r} is not SCHEME:VALUE, such as 0088:4012345000009.")
    return Identifier(scheme, value)


def _keys(file: Path) -> tuple[PartyKey, ...]:
    try:
        forms = msgspec.json.decode(file.read_bytes(), type=list[PublicKeyForm])
        return tuple(PartyKey(bytes.fromhex(form.public_key), form.roles) for form in forms)
    except OSError as error:
        raise unusable(
            "party.no_keys",
            f"{file}: {error.strerror}. Make keys with traco key create, or name a file: --public-keys",
        ) from None
    except ValueError as error:
        raise unusable("party.keys_unusable", f"{file} is not a file of public keys ({error}).") from None


@command(app, "show", examples=["traco party show @bank-a", "traco party show 529900EXAMPLE0000017 --json"])
def show(session: Reading, party: PartyArgument) -> None:
    """Show a party: name, identifiers, keys, policy, roles, status."""
    view = session.shown("party.get", party=session.party(party))
    found = session.require(view, "party", party)
    session.output.record(
        {"id": found["id"], "name_here": session.names.name_of(found["id"]), **found["party"]}
    )


@command(app, "list", examples=["traco party list --limit 20"])
def list_parties(
    session: Reading,
    after: Annotated[str, typer.Option(help="Begin behind this id: the next_after of the page before.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Parties on a page.")] = 100,
) -> None:
    """List parties in the order of their ids."""
    page = session.client.query("party.list", after=after or None, limit=limit)
    rows: list[dict[str, Any]] = [
        {"id": view["id"], "name_here": session.names.name_of(view["id"]), **view["party"]}
        for view in page["parties"]
    ]
    session.output.rows("parties", rows, ("id", "name_here", "name", "kind", "status", "roles"))
    if page["next_after"]:
        session.output.note(f"There are more: --after {page['next_after']}")


@command(app, "grant-role", examples=["traco party grant-role @cash-operator cash_operator --as @operator"])
def grant_role(session: Acting, party: PartyArgument, role: Role) -> None:
    """Give a party a role, by decision of the council (--as: the member of a council of one)."""
    subject, member = session.party(party), session.actor()
    session.show_result(member.transact(GrantRole((member.id,), subject, role)), party=subject, role=role)


@command(app, "revoke-role", examples=["traco party revoke-role @cash-operator cash_operator --as @operator"])
def revoke_role(session: Acting, party: PartyArgument, role: Role) -> None:
    """Take a role back, by decision of the council."""
    subject, member = session.party(party), session.actor()
    session.show_result(member.transact(RevokeRole((member.id,), subject, role)), party=subject, role=role)


@command(
    app,
    "set-status",
    examples=["traco party set-status @seller suspended --reason court_order --as @operator"],
)
def set_status(
    session: Acting,
    party: PartyArgument,
    status: Annotated[Literal["active", "suspended", "closed"], typer.Argument(show_default=False)],
    reason: Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")],
) -> None:
    """Suspend, reactivate or close a party, by the member that vouches for it. Closed is final."""
    subject, member = session.party(party), session.actor()
    session.show_result(
        member.transact(SetStatus(member.id, subject, status, reason)), party=subject, status=status
    )
