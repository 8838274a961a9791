"""``traco channel deal settle``: all steps at once, where one person has all legs and the keys of all who sign."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import command
from traco.cli.deal_files import read_file
from traco.cli.deal_report import decided, report
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import Acting
from traco.client.channel_deals import (
    AgreedTerms,
    Deals,
    DraftLeg,
    ReadyLeg,
    agree,
    leg_transaction,
    sign_root_leg,
)
from traco.client.collecting import add_signatures
from traco.client.sdk import Party

MS_PER_MINUTE = 60_000


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(
        app, "settle",
        examples=["traco channel deal settle bond.leg cash.leg --also @buyer --as @seller"],
    )(settle)  # fmt: skip


def settle(
    session: Acting,
    leg: Annotated[
        list[Path], typer.Argument(metavar="LEG...", help="The files of all legs.", show_default=False)
    ],
    also: Annotated[
        list[str], typer.Option(help="Another party that signs, with its key store. Repeatable.")
    ] = [],  # noqa: B006
    minutes: Annotated[int, typer.Option(min=1, help="The deadline, in minutes from now.")] = 5,
    seconds: Annotated[float, typer.Option(min=1.0, help="For how long to wait beyond the deadline.")] = 30.0,
) -> None:
    """Make terms of these legs, sign, seal and order them, and wait: for who acts for all parties, over one node.

    Between parties that do not trust each other: draft, terms, sign, seal, order. Exits as order does.
    """
    legs = [read_file(path, DraftLeg) for path in leg]
    parties = [session.actor(), *map(session.party_with_keys, also)]
    lacking = [each for one in legs for each in one.parties if each not in {party.id for party in parties}]
    if lacking:
        raise CommandProblem(
            ExitCode.USAGE, "deal.signer_missing",
            f"{session.named(lacking[0].hex())} must sign too: --also PARTY, or let it sign its leg itself (traco channel deal sign).",
        )  # fmt: skip
    network, now_ms = session.client.network, session.client.status().time_ms
    agreed = agree(network, [one.public() for one in legs], now_ms + minutes * MS_PER_MINUTE)
    deals = Deals(session.client)
    ready = [_ready(deals, agreed, one, parties) for one in legs]
    ordered = deals.order(agreed, ready)
    report(session, agreed, decided(session, agreed, seconds, ordered["attempt"]))


def _ready(deals: Deals, agreed: AgreedTerms, leg: DraftLeg, parties: list[Party]) -> ReadyLeg:
    signers = [signer for party in parties if party.id in leg.parties for signer in party.signers]
    if not leg.ledger:
        return sign_root_leg(agreed, leg, signers)
    return deals.seal(agreed, add_signatures(leg_transaction(agreed, leg), signers), leg.ledger)
