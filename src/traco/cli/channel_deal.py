"""``traco channel deal``: settlements across channels, by files that go between parties who need not trust each other."""

from pathlib import Path
from typing import Annotated, Final

import typer

from traco.cli.collecting import MAX_FILE_BYTES
from traco.cli.command import command, group
from traco.cli.deal_at_once import register as register_settle
from traco.cli.deal_files import (
    PUBLIC_SUFFIX,
    SEALED_SUFFIX,
    SIGNED_SUFFIX,
    beside,
    read_any,
    read_file,
    read_public,
    write_new,
    write_secret,
)
from traco.cli.deal_report import decided, own_legs, report, standing_of
from traco.cli.deal_signing import require_actors, sign_file
from traco.cli.deal_words import (
    Place,
    Wanted,
    attesters_of,
    doubts,
    leg_words,
    members_of,
    parties_of,
    public_edges,
    public_words,
    short_of,
    terms_words,
)
from traco.cli.files import read_bounded, write_file
from traco.cli.names import as_id
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting, Reading
from traco.cli.times import moment_ms, readable_time
from traco.client.channel_deals import (
    AgreedTerms,
    Deals,
    DraftLeg,
    ReadyLeg,
    agree,
    draft_leg,
    require_leg,
    require_transaction,
    to_file,
)
from traco.client.collecting import read_draft
from traco.kernel.codec import ROOT
from traco.modules.composition import compose

app = group("Settlements across channels: all legs, or none.")

MS_PER_MINUTE: Final = 60_000
ON_ROOT: Final = "root"
ID_BYTES: Final = 32

LegArgument = Annotated[
    Path, typer.Argument(metavar="LEG", help="The file of a leg that was drafted.", show_default=False)
]
TermsArgument = Annotated[
    Path, typer.Argument(metavar="TERMS", help="The file of the terms.", show_default=False)
]
TermsOption = Annotated[
    Path, typer.Option("--terms", metavar="TERMS", help="The file of the terms.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file to write; by default beside the one that is read."),
]
Deadline = Annotated[
    str, typer.Option(help="Until when it is decided, such as 2026-11-02T15:00Z; or --minutes from now.")
]
Minutes = Annotated[int, typer.Option(min=1, help="The deadline, in minutes from now.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is decided.")]
Seconds = Annotated[float, typer.Option(min=1.0, help="For how long to wait beyond the deadline.")]


@command(
    app, "draft",
    examples=["traco channel deal draft 77ab...09 --move @seller-bonds,@buyer-bonds,@bond,1000 --output bond.leg --as @seller",
              "traco channel deal draft root --move @buyer-cash,@seller-cash,@eur,950.00 --output cash.leg --as @buyer"],
)  # fmt: skip
def draft(
    session: Acting,
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel's id in hex, or: root", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
    move: Annotated[list[str], typer.Option(help="FROM,TO,INSTRUMENT,AMOUNT with accounts. Repeatable.")] = [],  # noqa: B006
    export: Annotated[
        list[str], typer.Option("--export", help="ACCOUNT,INSTRUMENT,AMOUNT that leaves for another ledger. Repeatable.")
    ] = [],  # noqa: B006
    import_: Annotated[
        list[str], typer.Option("--import", help="ACCOUNT,INSTRUMENT,AMOUNT that comes from another ledger. Repeatable.")
    ] = [],  # noqa: B006
    attester: Annotated[
        list[str], typer.Option(help="Member whose word is required; by default those that host receivers. Repeatable.")
    ] = [],  # noqa: B006
    signer: Annotated[
        list[str], typer.Option(help="Party that must sign beside those who control the accounts. Repeatable.")
    ] = [],  # noqa: B006
    registrar: Annotated[
        bool, typer.Option("--registrar", help="An operator of what crosses signs for it; the root is not told (no public edge).")
    ] = False,
) -> None:  # fmt: skip
    """Write a leg: what moves in one channel, or on the root, in a file for those who are in that channel.

    Beside it, in LEG.public, is what the others get: a salted commitment, which tells them nothing of what moves.
    """
    session.actor()
    place, network = Place(session, _ledger(channel)), session.client.network
    content = place.read(Wanted(move, export, import_))
    if not (content.movements or content.exports or content.imports):
        raise CommandProblem(
            ExitCode.USAGE, "deal.nothing_moved", "Say what moves: --move, --export or --import."
        )
    parties = parties_of(place, content, [session.party(text) for text in signer])
    attesters = [session.party(text) for text in attester]
    if place.ledger:
        members = members_of(session, place.ledger)
        attesters = attesters or attesters_of(place, content, members)
        strangers = [session.named(each.hex()) for each in attesters if each not in members]
        if strangers:
            raise unusable(
                "deal.attester", f"{strangers[0]} is no member of the channel, so it attests nothing there."
            )
    edges = [] if registrar else public_edges(content)
    leg = draft_leg(network, place.ledger, content, parties, attesters, edges)
    write_secret(output, to_file(leg), is_new=True)
    public = output.with_name(output.name + PUBLIC_SUFFIX)
    write_new(public, leg.public())
    session.output.record({"file": str(output), "public": str(public), **leg_words(place, leg)})
    for warning in short_of(place, content):
        session.output.note(f"Note: {warning}")


@command(
    app, "terms",
    examples=["traco channel deal terms bond.leg cash.leg.public --minutes 8 --output deal.terms",
              "traco channel deal terms bond.leg.public cash.leg --deadline 2026-11-02T15:00Z --output deal.terms"],
)  # fmt: skip
def terms(
    session: Reading,
    leg: Annotated[list[Path], typer.Argument(metavar="LEG...", help="Legs, or their public parts.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
    deadline: Deadline = "",
    minutes: Minutes = 8,
) -> None:  # fmt: skip
    """Put the public parts of legs together to terms, which all parties sign: these legs until then, all or none.

    The file shows no content. A channel sets value aside for some time only (its limit attempt_ms, ten minutes by default): the
    attempt is ordered that long before the deadline or later.
    """
    public = [read_public(path) for path in leg]
    network = session.client.network
    now_ms = session.client.status().time_ms
    deadline_ms = moment_ms(deadline) if deadline else now_ms + minutes * MS_PER_MINUTE
    if deadline_ms <= now_ms:
        raise unusable(
            "deal.deadline_past", f"{readable_time(deadline_ms)} is past; choose a later deadline."
        )
    agreed = agree(network, public, deadline_ms)
    write_new(output, agreed)
    session.output.record({"file": str(output), **terms_words(session, agreed)})


@command(
    app, "show",
    examples=["traco channel deal show bond.leg --terms deal.terms --as @buyer", "traco channel deal show deal.terms"],
)  # fmt: skip
def show(
    session: Reading,
    file: Annotated[Path, typer.Argument(help="A leg, its public part, or terms.", show_default=False)],
    terms: Annotated[
        Path | None,
        typer.Option("--terms", metavar="TERMS", help="See whether the leg is the one of these terms."),
    ] = None,
) -> None:
    """Say what a leg moves, and whether terms commit to exactly that; or what terms say. Look before you sign.

    Exits with 8 where the leg is not the one that the terms commit to.
    """
    found = read_any(file)
    agreed = None if terms is None else read_file(terms, AgreedTerms)
    if isinstance(found, AgreedTerms):
        session.output.record({"file": str(file), **terms_words(session, found)})
        return
    if isinstance(found, DraftLeg):
        if agreed is not None:
            require_leg(agreed, found)
        matching = {} if agreed is None else {"terms": agreed.id.hex(), "is_of_terms": True}
        place = Place(session, found.ledger)
        session.output.record({"file": str(file), **matching, **leg_words(place, found)})
        for warning in () if session.output.as_json else doubts(place, found):
            session.output.note(f"Note: {warning}")
        return
    session.output.record({"file": str(file), **public_words(session, found)})


@command(app, "sign", examples=["traco channel deal sign bond.leg --terms deal.terms --as @seller"])
def sign(
    session: Acting,
    leg: LegArgument,
    terms: TermsOption,
    also: Annotated[list[str], typer.Option(help="Another party that signs here and now, with its key store. Repeatable.")] = [],  # noqa: B006
    relies_on: Annotated[
        list[Path], typer.Option(metavar="LEG", help="A leg that one was shown: nothing is signed unless the terms commit to it. Repeatable.")
    ] = [],  # noqa: B006
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Begin another transaction: after an attempt that was aborted."),
    ] = False,
    output: Output = None,
) -> None:  # fmt: skip
    """Sign a leg for these terms and no others. Where several must sign, the file goes round: each adds its signature.

    Nothing is signed that is not the leg which the terms commit to. The leg's file is checked against the terms, and what others
    signed before against both. No node is asked but for names of instruments.
    """
    found, agreed = read_file(leg, DraftLeg), read_file(terms, AgreedTerms)
    require_leg(agreed, found)
    if session.names.network not in (None, found.network):
        raise unusable(
            "deal.other_network", f"{leg} is of another network than your names. Nothing was signed."
        )
    for shown in relies_on:
        require_leg(agreed, read_file(shown, DraftLeg))
    parties = [session.actor(), *map(session.party_with_keys, also)]
    require_actors(session, found, parties)
    path = output or beside(leg, SEALED_SUFFIX if found.ledger == ROOT else SIGNED_SUFFIX)
    count = sign_file(path, found, agreed, parties, anew=anew)
    session.output.record({
        "file": str(path), "signatures": count, "signed_for": agreed.id.hex(), **leg_words(Place(session, found.ledger), found),
    })  # fmt: skip


@command(app, "seal", examples=["traco channel deal seal bond.signed --terms deal.terms --as @seller"])
def seal(
    session: Acting,
    signed: Annotated[Path, typer.Argument(metavar="SIGNED", help="The signed leg of a channel.", show_default=False)],
    terms: TermsOption,
    output: Output = None,
) -> None:  # fmt: skip
    """Have a signed leg sealed by the node of the acting party's member, and held by custodians of the channel.

    The file that is written shows no content: whoever orders the attempt gets it. When its receipts end, or the channel's key
    changes, seal the same signed leg again.
    """
    session.actor()
    raw, agreed = read_bounded(signed, MAX_FILE_BYTES), read_file(terms, AgreedTerms)
    require_transaction(raw, agreed, compose().body)
    ledger = read_draft(raw, compose().body).ledger
    ready = Deals(session.client).seal(agreed, raw, ledger)
    path = output or beside(signed, SEALED_SUFFIX)
    write_file(path, to_file(ready))
    held = getattr(getattr(ready.leg, "payload", None), "order_by", None)
    session.output.record({
        "file": str(path), "channel": ledger.hex(), "terms": agreed.id.hex(),
        "order_by": readable_time(held or agreed.terms.deadline_ms),
    })  # fmt: skip


@command(app, "order", examples=["traco channel deal order deal.terms bond.sealed cash.sealed --as @buyer"])
def order(
    session: Acting,
    terms: TermsArgument,
    leg: Annotated[list[Path], typer.Argument(metavar="SEALED...", help="All legs, sealed; that of the root, signed.", show_default=False)],
    wait: Wait = True,
    seconds: Seconds = 30.0,
) -> None:  # fmt: skip
    """Order all legs at once, by anybody who has them; then wait until it is decided.

    Exits with 0 when it committed, with 1 when it was aborted: then everything set aside is released.
    """
    session.actor()
    agreed = read_file(terms, AgreedTerms)
    ordered = Deals(session.client).order(agreed, [read_file(path, ReadyLeg) for path in leg])
    if not wait:
        session.output.record({"terms": agreed.id.hex(), **ordered})
        return
    report(session, agreed, decided(session, agreed, seconds, ordered["attempt"]))


@command(
    app, "status",
    examples=["traco channel deal status deal.terms --as @seller", "traco channel deal status deal.terms --signed cash.signed --as @buyer"],
)  # fmt: skip
def status(
    session: Acting,
    terms: TermsArgument,
    signed: Annotated[
        list[Path], typer.Option(help="A signed leg: say what became of it inside its channel. Repeatable.")
    ] = [],  # noqa: B006
    wait: Wait = True,
    seconds: Seconds = 30.0,
) -> None:
    """Say what became of terms, once it is decided: committed, or aborted and why; before, what is waited for.

    Exits with 0 when it committed, with 1 when it did not.
    """
    session.actor()
    agreed = read_file(terms, AgreedTerms)
    found = decided(session, agreed, seconds) if wait else standing_of(session, agreed)
    own = own_legs(session, agreed, signed)
    if own:
        found = {**found, "own_legs": own}
    report(session, agreed, found)


def _ledger(text: str) -> bytes:
    if text == ON_ROOT:
        return ROOT
    found = as_id(text, ID_BYTES)
    if found is None:
        raise unusable(
            "channel.id", f"{text!r} is neither a channel's id, {2 * ID_BYTES} hexadecimal digits, nor: root"
        )
    return found


register_settle(app)
