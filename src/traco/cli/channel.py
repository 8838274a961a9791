"""``traco channel``: confidential channels, by the node of a member."""

import os
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from traco.cli.channel_audit import register as register_audit
from traco.cli.channel_deal import app as deal_app
from traco.cli.channel_disclose import register as register_disclose
from traco.cli.channel_limits import LimitOption, limits_of
from traco.cli.channel_rebuild import register as register_rebuild
from traco.cli.channel_seat import register as register_seat
from traco.cli.channel_total import register as register_total
from traco.cli.channel_votes import register as register_votes
from traco.cli.command import command, group
from traco.cli.files import write_file
from traco.cli.names import as_id
from traco.cli.problems import CommandProblem, ExitCode, absent, unusable
from traco.cli.session import Acting, Reading
from traco.cli.tx import File, TransactionArgument, read_instructions, transaction_identity
from traco.client.forms import from_form
from traco.client.results import ChannelResult
from traco.client.sdk import Party
from traco.client.verify import verify
from traco.modules.channel.messages import AcceptEpoch, OfferEpoch, OpenChannel
from traco.modules.channel.parts import EpochKey, Limits, Terms
from traco.modules.channel.signing import channel_id

app = group("Confidential channels: business that only their members can read.")

ID_BYTES: Final = 32
PAUSE_SECONDS: Final = 0.2
ROUTE: Final = "/v1/channels"

ChannelArgument = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="The channel's id in hex.", show_default=False)
]
Members = Annotated[
    list[str], typer.Option("--member", help="A member; repeat it for each.", show_default=False)
]
Vaults = Annotated[
    list[str],
    typer.Option("--vault", help="An organisation that keeps payloads and cannot read them. Repeatable."),
]
Modules = Annotated[list[str], typer.Option("--module", help="A module that runs inside. Repeatable.")]
Faults = Annotated[int | None, typer.Option(min=0, help="How many members may be faulty (b).")]
Policy = Annotated[
    int | None,
    typer.Option(min=1, help="How many members must agree (m); as many as can be asked for by default."),
]
Custody = Annotated[
    int | None, typer.Option(min=1, help="How many others must hold a payload (k); b + 1 by default.")
]

Adjudicator = Annotated[
    str, typer.Option(metavar="PARTY", help="Who may resume or end the channel when it is suspended.")
]


def _identity(text: str) -> bytes:
    found = as_id(text, ID_BYTES)
    if found is None:
        raise unusable("channel.id", f"{text!r} is not a channel's id: {2 * ID_BYTES} hexadecimal digits.")
    return found


@command(
    app, "open",
    examples=["traco channel open --member @bank --member @broker --as @bank",
              "traco channel open --member @a --member @b --member @c --vault @d --faults 1 --limit answer_ms=60000 --as @a"],
)  # fmt: skip
def open_channel(
    session: Acting, member: Members, vault: Vaults = [], module: Modules = ["holding", "settlement"],  # noqa: B006
    faults: Faults = None, policy: Policy = None, custody: Custody = None, adjudicator: Adjudicator = "",
    limit: LimitOption = [],  # noqa: B006
) -> None:  # fmt: skip
    """Propose a channel. It is open once every member has accepted (traco channel accept).

    The acting member's own node makes the key and must run; the other members' nodes fetch it and check it.
    """
    party = session.actor()
    members = tuple(sorted(map(session.party, member)))
    wrong = faults or 0
    terms = Terms(
        members, tuple(sorted(map(session.party, vault))), wrong, policy or len(members) - wrong, custody or wrong + 1,
        session.party(adjudicator) if adjudicator else None, tuple(sorted(module)), limits_of(limit, Limits()),
    )  # fmt: skip
    salt = os.urandom(16)
    channel = channel_id(session.client.network, party.id, salt)
    key = _key(session, party, channel, 1, terms)
    result = party.transact(OpenChannel(party.id, salt, terms, key))
    session.show_result(result, channel=channel)


@command(app, "offer", examples=["traco channel offer 77ab...09 --as @bank", "traco channel offer 77ab...09 --member @bank --member @broker --as @bank"])  # fmt: skip
def offer(
    session: Acting, channel: ChannelArgument, member: Members = [], vault: Vaults = [], module: Modules = [],  # noqa: B006
    faults: Faults = None, policy: Policy = None, custody: Custody = None, adjudicator: Adjudicator = "",
    limit: LimitOption = [],  # noqa: B006
) -> None:  # fmt: skip
    """Propose the next epoch of a channel: another key, and other terms where options say so.

    With new members, policy and receipts are chosen anew unless they are given.
    """
    party, identity = session.actor(), _identity(channel)
    record = session.client.get(f"{ROUTE}/{identity.hex()}")["channel"]
    before = from_form(Terms, record["terms"])
    members = tuple(sorted(map(session.party, member))) or before.members
    vaults = tuple(sorted(map(session.party, vault))) or tuple(
        each for each in before.vaults if each not in members
    )
    wrong = before.faults if faults is None else faults
    is_same = members == before.members and wrong == before.faults
    terms = Terms(
        members, vaults, wrong, policy or (before.policy if is_same else len(members) - wrong),
        custody or (before.custody if is_same else wrong + 1),
        session.party(adjudicator) if adjudicator else before.adjudicator, tuple(sorted(module)) or before.modules,
        limits_of(limit, before.limits),
    )  # fmt: skip
    epoch = record["epoch"] + 1
    key = _key(session, party, identity, epoch, terms)
    result = party.transact(OfferEpoch(party.id, identity, epoch, terms, key))
    session.show_result(result, channel=identity, epoch=epoch)


def _key(session: Acting, party: Party, channel: bytes, epoch: int, terms: Terms) -> EpochKey:
    """What the offer says of the key that the member's node makes for it."""
    wanted = {"channel": channel, "epoch": epoch, "member": party.id, "members": terms.members}
    made: EpochKey = from_form(EpochKey, session.client.post(f"{ROUTE}/keys", wanted))
    return made


@command(app, "accept", examples=["traco channel accept 77ab...09 --as @broker"])
def accept(session: Acting, channel: ChannelArgument) -> None:
    """Accept the epoch on offer to the acting member: its node has the key, has checked all copies, and it agrees to the terms."""
    party, identity = session.actor(), _identity(channel)
    offers = session.client.get(ROUTE)["offers"]
    found = [each for each in offers if (each["channel"], each["member"]) == (identity.hex(), party.id.hex())]
    if not found:
        raise absent(
            "channel.no_offer",
            f"Nothing of channel {channel} is on offer to this member at this node. A member accepts at the node that does its "
            "channel business (--url), which learns of an offer within a second or so; an offer ends at its deadline.",
        )
    (offered,) = found
    if offered["status"] == "waiting":
        raise CommandProblem(
            ExitCode.NODE, "channel.offer_waiting", "The node does not have its copy of the key yet. Try again in a moment."
        )  # fmt: skip
    if offered["status"] != "ready":
        raise CommandProblem(
            ExitCode.REFUSED, offered["code"],
            "The key on offer is wrong, so it must not be accepted. Tell the member that offers it.",
        )  # fmt: skip
    result = party.transact(
        AcceptEpoch(party.id, identity, offered["epoch"], bytes.fromhex(offered["offer"]))
    )
    session.show_result(result, channel=identity, epoch=offered["epoch"])


@command(app, "list", examples=["traco channel list --as @bank"])
def list_channels(session: Reading) -> None:
    """List the channels of the acting party's member, and the epochs on offer to it."""
    found = session.client.get(ROUTE)
    if session.output.as_json:
        session.output.record(found)
        return
    rows = [session.people(row) for row in found["items"]]
    columns = ("id", "member", "role", "status", "epoch", "entries", "ordinal", "confirmed", "problem")
    session.output.rows("channels", rows, columns)
    if found["offers"]:
        offers = [session.people(row) for row in found["offers"]]
        session.output.titled("On offer", offers, ("channel", "epoch", "member", "status", "code"))


@command(app, "show", examples=["traco channel show 77ab...09 --as @bank"])
def show(session: Reading, channel: ChannelArgument) -> None:
    """Show a channel: terms, how far its stream has come and is confirmed, how far this node has executed it, what holds it up."""
    found = session.client.get(f"{ROUTE}/{_identity(channel).hex()}")
    session.output.record(found if session.output.as_json else session.people(found))


@command(app, "missing", examples=["traco channel missing 77ab...09 --as @bank"])
def missing(session: Reading, channel: ChannelArgument) -> None:
    """List the entries of a channel whose payload was reported missing and is not there yet."""
    rows = session.client.get(f"{ROUTE}/{_identity(channel).hex()}/missing")["items"]
    session.output.rows("missing", rows, ("number", "hash", "signers", "reporters", "until_ms"))


@command(app, "status", examples=["traco channel status 77ab...09 4a92...109f --as @bank"])
def status(
    session: Reading,
    channel: ChannelArgument,
    transaction: Annotated[
        str, typer.Argument(metavar="TRANSACTION", help="The id of a transaction in hex.", show_default=False)
    ],
) -> None:
    """Say how far a transaction of a channel has come: received, executed, confirmed, disputed or refused; and its events."""
    identity = _identity(channel)
    found = session.client.channel_result(identity, transaction_identity(transaction))
    if found is None:
        raise absent("transaction.unknown", f"The node knows no transaction {transaction} of the channel.")
    if session.output.as_json or found.failure is not None:
        session.output.record(found.form())
    else:
        session.show_result(found, channel=identity)


@command(
    app, "query", examples=["traco channel query 77ab...09 holding.by_account account=0f11...7c --as @bank"]
)
def query(
    session: Reading,
    channel: ChannelArgument,
    name: Annotated[str, typer.Argument(help="A query of a module that runs inside.", show_default=False)],
    field: Annotated[list[str], typer.Argument(help="Its fields as NAME=VALUE; a value may be @name.")] = [],  # noqa: B006
) -> None:
    """Ask the node's replica of a channel, as the reference of queries says."""
    fields: dict[str, Any] = {}
    for text in field:
        key, equals, value = text.partition("=")
        if not equals:
            raise CommandProblem(ExitCode.USAGE, "usage.invalid", f"NAME=VALUE is expected, not {text[:96]}")
        known = session.names.find(value) if value.startswith("@") else None
        fields[key] = known.id if known else int(value) if value.isdecimal() and len(value) < 20 else value
    found = session.client.post(f"{ROUTE}/{_identity(channel).hex()}/queries/{name}", fields)
    answer = session.require(found["answer"], "object", f"in {name}")
    session.output.record({"ordinal": found["ordinal"], "answer": answer})


@command(
    app, "submit",
    examples=["traco channel submit 77ab...09 transfer.json --as @bank", "traco channel submit 77ab...09 transfer.json --no-wait --as @bank"],
)  # fmt: skip
def submit(
    session: Acting,
    channel: ChannelArgument,
    file: File,
    also: Annotated[
        list[str], typer.Option(help="Another party that signs, with its key store. Repeatable.")
    ] = [],  # noqa: B006
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the channel's policy confirmed it.")
    ] = True,
    seconds: Annotated[float, typer.Option(min=1.0, help="For how long to wait.")] = 60.0,
) -> None:
    """Sign instructions written as JSON and hand them to the channel, by the node of the acting party's member.

    As with traco tx send, fields that name a party, an account or another thing may be @name.
    """
    identity, party = _identity(channel), session.actor()
    signers = [each for one in (party, *map(session.party_with_keys, also)) for each in one.signers]
    raw = session.client.build(read_instructions(session, file), signers, ledger=identity)
    result = _succeeding(session.client.submit_to_channel(identity, raw))
    if wait:
        result = _wait(session, identity, result, seconds)
    session.show_result(result, channel=identity)


@command(
    app,
    "receipt",
    examples=["traco channel receipt 77ab...09 4a92...109f --output payment.receipt --as @bank"],
)
def receipt(
    session: Acting,
    channel: ChannelArgument,
    transaction: TransactionArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
) -> None:
    """Write the receipt of a confirmed transaction to a file, for somebody outside the channel (traco verify).

    It discloses this transaction, and nothing of others but how many the members executed with it. It also shows the word
    of the member that confirmed it, with the digests which that member attested of other channels in the same breath.
    """
    identity = _identity(channel)
    content = session.client.channel_receipt(identity, transaction_identity(transaction))
    proof = verify(content, session.client.genesis())
    write_file(output, content)
    session.output.record({
        "file": str(output), "bytes": len(content), "channel": proof["channel"], "point": proof["point"],
        "transaction": proof["transaction"], "outcome": proof["outcome"], "sealed_height": proof["sealed_height"],
    })  # fmt: skip


def _wait(session: Acting, channel: bytes, result: ChannelResult, seconds: float) -> ChannelResult:
    """The result once it does not change any more. Raises ``CommandProblem``."""
    end = time.monotonic() + seconds
    while result.status in ("received", "executed"):
        if time.monotonic() >= end:
            raise CommandProblem(
                ExitCode.NODE, "transaction.not_final_yet",
                f"Transaction {result.identity.hex()} is {result.status} after {seconds:g} s. It goes its way without you; "
                "traco channel status says how far it has come, and traco channel show what holds the channel up.",
                {"transaction": result.identity.hex()},
            )  # fmt: skip
        time.sleep(PAUSE_SECONDS)
        result = session.client.channel_result(channel, result.identity) or result
    return _succeeding(result)


def _succeeding(result: ChannelResult) -> ChannelResult:
    """The result, unless the transaction had no effect. Raises ``CommandProblem``."""
    if result.failure is None:
        return result
    code = ExitCode.REFUSED if result.status == "refused" else ExitCode.REJECTED
    failure, shown = result.failure, {"transaction": result.identity.hex()}
    raise CommandProblem(code, failure.code, failure.text, {**failure.fields, **shown})


register_seat(app)
register_disclose(app)
register_audit(app)
register_total(app)
register_votes(app)
register_rebuild(app)
app.add_typer(deal_app, name="deal")
