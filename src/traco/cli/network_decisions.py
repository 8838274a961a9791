"""``traco network``: who takes part in a network that runs. The council decides; a member speaks for its own nodes."""

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from traco.cli.collecting import Also, At, Later, Signing, Write, decide
from traco.cli.command import command
from traco.cli.files import read_bounded
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting, Reading
from traco.client.wire import connection_options
from traco.modules.network.messages import (
    AdmitNode,
    DemoteNode,
    PromoteNode,
    RemoveNode,
    ReportReady,
    RotateNode,
    UpdateNode,
)
from traco.modules.network.state import Placement
from traco.modules.party.messages import RegisterNode, RetireNode
from traco.node.configuration import read_config
from traco.node.directory import CARD_FILE
from traco.node.founding.card import Card, read_card
from traco.node.founding.documents import MAX_DOCUMENT_BYTES
from traco.node.founding.review import percent

ASK_SECONDS = 10.0
KEY_DIGITS = (66, 68)
LEAST_DIGITS = 8
SHORT = 16
CardArgument = Annotated[Path, typer.Argument(metavar="CARD", help="A node's card.json.", show_default=False)]
NodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="NODE",
        help="A node's card or directory, or its key in hex, of which the beginning is enough.",
        show_default=False,
    ),
]
Power = Annotated[int, typer.Option(min=1, max=1_000_000, help="Its voting power.")]
Reason = Annotated[str, typer.Option(help="A code for the reason, which the ledger keeps.")]
NODES = (
    "member",
    "role",
    "power",
    "address",
    "gateway",
    "key",
    "operator",
    "provider",
    "region",
    "zone",
    "ready_height",
)
PLACES = ("kind", "place", "nodes", "validators", "power", "share", "if_lost")


def register(app: typer.Typer) -> None:
    """Add these commands to ``traco network``."""
    command(app, "nodes", examples=["traco network nodes"])(nodes)
    command(app, "placement", examples=["traco network placement"])(placement)
    command(app, "register", examples=["traco network register node6/card.json --as @bank-a"])(register_node)
    command(
        app, "admit",
        examples=[
            "traco network admit node6/card.json --as @bank-a --also @bank-b --also @bank-c",
            "traco network admit node6/card.json --as @bank-a --with @bank-b --with @bank-c --write admit.tx --at 2026-11-02T15:00Z",
        ],
    )(admit)  # fmt: skip
    command(
        app, "promote", examples=["traco network promote node6 --as @bank-a --also @bank-b --also @bank-c"]
    )(promote)
    command(
        app, "demote", examples=["traco network demote 01a2b3c4d5 --reason maintenance --as @bank-a --also @bank-b --also @bank-c"]
    )(demote)  # fmt: skip
    command(
        app, "remove", examples=["traco network remove 01a2b3c4d5 --reason breach --as @bank-a --also @bank-b --also @bank-c"]
    )(remove)  # fmt: skip
    command(app, "ready", examples=["traco network ready node6 --as @bank-a"])(ready)
    command(
        app, "update", examples=["traco network update node6 --address ledger.example:26656 --as @bank-a"]
    )(update)
    command(app, "rotate", examples=["traco network rotate node6 node6-new/card.json --as @bank-a"])(rotate)


def nodes(session: Reading) -> None:
    """List the nodes that take part: whose, who orders, where they are reached and where they stand."""
    found = [{**row, **row.pop("placement")} for row in session.client.rows("network.nodes")]
    if not session.output.as_json:
        found = [{**row, "member": session.named(row["member"]), "key": row["key"][:SHORT]} for row in found]
    session.output.rows("nodes", found, NODES)


def placement(session: Reading) -> None:
    """Show voting power by provider, region and operator, and what is lost with each."""
    spread = session.client.query("network.placement")
    if session.output.as_json:
        session.output.record(spread)
        return
    rows = [
        {
            **row, "kind": kind.removesuffix("s"), "place": row["place"] or "(not stated)", "share": percent(row["share_ppm"]),
            "if_lost": _loss(row),
        }
        for kind in ("providers", "regions", "operators")
        for row in spread[kind]
    ]  # fmt: skip
    session.output.rows("places", rows, PLACES)


def _loss(row: dict[str, Any]) -> str:
    order = "the network goes on" if row["goes_on"] else "the network stops until it is back"
    return order if row["data_stays"] else f"{order}; no other node has the data"


def register_node(session: Acting, card: CardArgument) -> None:
    """Register the key of a node of one's own, which may then submit; the council admits it to the network."""
    key = bytes.fromhex(_card(card).statement.node)
    member = session.actor("administer")
    session.show_result(member.transact(RegisterNode(member.id, key)), key=key)


def admit(
    session: Acting, card: CardArgument, also: Also = [], later: Later = [], write: Write = None, at: At = "",  # noqa: B006
) -> None:  # fmt: skip
    """Let a node into the network as an observer, by decision of the council. Its member registered its key before.

    The card's signatures are checked. Enough members of the council sign: with --also those whose keys are here, with --with
    those who sign the written file at their own place.
    """
    said = _card(card).statement
    placed = said.placement
    place = Placement(placed.operator, placed.provider, placed.region, placed.zone)

    def message(parties: tuple[bytes, ...]) -> AdmitNode:
        return AdmitNode(
            parties, bytes.fromhex(said.member), bytes.fromhex(said.node), bytes.fromhex(said.consensus),
            bytes.fromhex(said.peer), said.address, said.gateway, place,
        )  # fmt: skip

    decide(session, lambda parties: [message(parties)], Signing(also, later, write, at), key=said.node)


def promote(
    session: Acting, node: NodeArgument, power: Power = 1, also: Also = [], later: Later = [], write: Write = None,  # noqa: B006
    at: At = "",
) -> None:  # fmt: skip
    """Make an observer that has caught up a validator, by decision of the council; or give a validator another power."""
    key = _key(session, node)
    decide(
        session, lambda parties: [PromoteNode(parties, key, power)], Signing(also, later, write, at), key=key
    )


def demote(
    session: Acting, node: NodeArgument, reason: Reason, also: Also = [], later: Later = [], write: Write = None,  # noqa: B006
    at: At = "",
) -> None:  # fmt: skip
    """Make a validator an observer, by decision of the council."""
    key = _key(session, node)
    decide(
        session, lambda parties: [DemoteNode(parties, key, reason)], Signing(also, later, write, at), key=key
    )


def remove(
    session: Acting, node: NodeArgument, reason: Reason, also: Also = [], later: Later = [], write: Write = None,  # noqa: B006
    at: At = "",
) -> None:  # fmt: skip
    """Put a node out of the network, by decision of the council. Its connections are cut, and it gets none again."""
    key = _key(session, node)
    decide(
        session, lambda parties: [RemoveNode(parties, key, reason)], Signing(also, later, write, at), key=key
    )


def ready(
    session: Acting,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a node that runs.", show_default=False)],
) -> None:  # fmt: skip
    """Say for one's own observer, which runs and has caught up, that it is ready to become a validator."""
    key = bytes.fromhex(_card(directory).statement.node)
    height = _height_of(directory)
    member = session.actor("administer")
    session.show_result(member.transact(ReportReady(member.id, key, height)), key=key, reported=height)


def _height_of(directory: Path) -> int:
    """The height of the node in a directory, which must be ready by its own word. Raises ``CommandProblem``."""
    config = read_config(directory)
    authority = None if config.tls is None else directory / config.tls.certificate
    try:
        with httpx.Client(
            timeout=ASK_SECONDS, base_url=config.url, **connection_options(config.url, authority)
        ) as http:
            state = http.get("/v1/health/ready").json()
            height = int(http.get("/v1/status").json()["height"])
            reasons = [] if state["ready"] else [str(reason["detail"]) for reason in state["reasons"]]
    except (httpx.HTTPError, OSError, LookupError, TypeError, ValueError):
        raise CommandProblem(
            ExitCode.NODE,
            "node.unreachable",
            f"No node answers at {config.url}; start it: traco node start {directory}",
        ) from None
    if reasons:
        raise CommandProblem(
            ExitCode.NEGATIVE,
            "node.not_ready",
            f"The node is not ready: {' '.join(reasons)}",
            {"reasons": reasons},
        )
    return height


def update(
    session: Acting,
    node: NodeArgument,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where other nodes reach it.")
    ] = None,
    gateway: Annotated[str | None, typer.Option(metavar="URL", help="Where clients reach it.")] = None,
    run_by: Annotated[str | None, typer.Option(help="Who runs the machine.")] = None,
    provider: Annotated[str | None, typer.Option(help="Whose data centre or cloud.")] = None,
    region: Annotated[str | None, typer.Option(help="Its region.")] = None,
    zone: Annotated[str | None, typer.Option(help="Its zone.")] = None,
) -> None:
    """Say anew where one's own node is; what is not given stays as it is."""
    key = _key(session, node)
    record = session.require(session.client.query("network.node", key=key), "node", node)
    placed = record["placement"]
    changed = {"operator": run_by, "provider": provider, "region": region, "zone": zone}
    place = Placement(**{name: placed[name] if value is None else value for name, value in changed.items()})
    member = session.actor("administer")
    message = UpdateNode(
        member.id, key, record["address"] if address is None else address,
        record["gateway"] if gateway is None else gateway, place,
    )  # fmt: skip
    session.show_result(member.transact(message), key=key)


def rotate(
    session: Acting,
    node: NodeArgument,
    card: Annotated[
        Path, typer.Argument(metavar="CARD", help="The card with the new keys.", show_default=False)
    ],
) -> None:
    """Give one's own node the keys of another card: node key, consensus key and peer id. Role and power stay.

    The engine takes the new keys two blocks later, so the node in the directory of the new card must run by then, and the one
    with the old keys be stopped.
    """
    old, said = _key(session, node), _card(card).statement
    new = bytes.fromhex(said.node)
    member = session.actor("administer")
    result = member.transact(
        RegisterNode(member.id, new),
        RotateNode(member.id, old, new, bytes.fromhex(said.consensus), bytes.fromhex(said.peer)),
        RetireNode(member.id, old),
    )
    session.show_result(result, key=old, new_key=new)


def _card(path: Path) -> Card:
    file = path / CARD_FILE if path.is_dir() else path
    return read_card(read_bounded(file, MAX_DOCUMENT_BYTES), str(file))


def _key(session: Reading, text: str) -> bytes:
    """The key of a node that is given by its card, its directory, or the beginning of its key. Raises ``CommandProblem``."""
    if Path(text).exists():
        return bytes.fromhex(_card(Path(text)).statement.node)
    wanted = text.lower()
    if len(wanted) < LEAST_DIGITS or not set(wanted) <= set("0123456789abcdef"):
        raise unusable(
            "node.unusable",
            f"{text!r} is neither a file nor the beginning of a node's key; see: traco network nodes",
        )
    if len(wanted) in KEY_DIGITS:
        return bytes.fromhex(wanted)
    found = [row["key"] for row in session.client.rows("network.nodes") if row["key"].startswith(wanted)]
    if len(found) != 1:
        raise unusable(
            "node.unusable",
            f"{len(found)} nodes have a key that begins with {text}; see: traco network nodes",
        )
    return bytes.fromhex(found[0])
