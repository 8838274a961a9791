"""``traco channel close | erase | void | votes | resume | end``: what the members of a channel, or those above them, decide."""

from typing import Annotated, Any, Final

import typer

from traco.cli.channel_arguments import ROUTE, ChannelArgument, channel_identity
from traco.cli.collecting import Also, At, Later, Signing, Write, decide
from traco.cli.command import command
from traco.cli.session import Acting, Reading
from traco.modules.channel.messages import EndChannel, Resume, VoteClose, VoteErase, VoteVoid

COLUMNS: Final = ("subject", "number", "votes", "needed", "members")
Point = Annotated[
    int,
    typer.Option(min=1, help="The last point whose payloads go; it must be confirmed.", show_default=False),
]
Entry = Annotated[
    int, typer.Argument(metavar="ENTRY", min=1, help="The number of the entry.", show_default=False)
]
Reason = Annotated[
    str, typer.Option(help="A code for the reason, which the ledger keeps.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add these commands to their group."""
    command(app, "close", examples=["traco channel close 77ab...09 --as @bank"])(close)
    command(app, "erase", examples=["traco channel erase 77ab...09 --through 40 --as @bank"])(erase)
    command(app, "void", examples=["traco channel void 77ab...09 118 --as @bank"])(void)
    command(app, "votes", examples=["traco channel votes 77ab...09 --as @bank"])(votes)
    command(
        app, "resume",
        examples=["traco channel resume 77ab...09 --as @adjudicator", "traco channel resume 77ab...09 --as @bank-a --also @bank-b"],
    )(resume)  # fmt: skip
    command(app, "end", examples=["traco channel end 77ab...09 --reason dispute.lost --as @adjudicator"])(end)


def close(session: Acting, channel: ChannelArgument) -> None:
    """Vote to close a channel: once as many members have as its policy asks for, no business enters it any more.

    What is confirmed stays, and stays provable. Refused while a settlement across ledgers is undecided in it.
    """
    identity = channel_identity(channel)
    session.transact(VoteClose(session.actor().id, identity), channel=identity)


def erase(session: Acting, channel: ChannelArgument, through: Point) -> None:
    """Vote to erase the payloads of a channel up to a confirmed point. It says too that one's node has the state of that point.

    Once as many members have voted for the same point as the policy asks for, every custodian destroys what it holds up to there;
    states, outcomes and digests stay. What was disclosed, or shown on the ledger itself, cannot be called back. To vote for another
    point takes the vote for the first one away.
    """
    identity = channel_identity(channel)
    session.transact(
        VoteErase(session.actor().id, identity, through), channel=identity, through_point=through
    )


def void(session: Acting, channel: ChannelArgument, entry: Entry) -> None:
    """Vote to make an entry void that stops every member's node: one of the first point that is not confirmed.

    Once as many members have as the policy asks for, it counts as empty, and what follows is executed again without it.
    """
    identity = channel_identity(channel)
    record = session.client.get(f"{ROUTE}/{identity.hex()}")["channel"]
    vote = VoteVoid(session.actor().id, identity, entry, record["generation"])
    session.transact(vote, channel=identity, entry=entry)


def votes(session: Reading, channel: ChannelArgument) -> None:
    """List what is being voted on in a channel: who voted for it, and how many must."""
    identity = channel_identity(channel)
    found = session.require(session.client.query("channel.ballots", channel=identity), "channel", channel)
    rows: list[dict[str, Any]] = [{**row, "votes": len(row["members"])} for row in found["ballots"]]
    if not session.output.as_json:
        rows = [{**row, "members": ", ".join(map(session.named, row["members"]))} for row in rows]
    session.output.rows("ballots", [{**row, "needed": found["policy"]} for row in rows], COLUMNS)


def resume(
    session: Acting, channel: ChannelArgument, also: Also = [], later: Later = [], write: Write = None,  # noqa: B006
    at: At = "",
) -> None:  # fmt: skip
    """Let a suspended channel go on, as its adjudicator, alone; or, once the channel's limit has passed, as the council.

    Every point that is not confirmed is attested anew.
    """
    identity = channel_identity(channel)
    signing = Signing(also, later, write, at)
    decide(session, lambda parties: [Resume(parties, identity)], signing, channel=identity)


def end(
    session: Acting, channel: ChannelArgument, reason: Reason, also: Also = [], later: Later = [], write: Write = None,  # noqa: B006
    at: At = "",
) -> None:  # fmt: skip
    """Close a suspended channel at its last confirmed point, as its adjudicator, alone; or, later, as the council."""
    identity = channel_identity(channel)
    signing = Signing(also, later, write, at)
    decide(session, lambda parties: [EndChannel(parties, identity, reason)], signing, channel=identity)
