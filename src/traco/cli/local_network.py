"""``traco network local`` and what runs such a network: ``start``, ``stop``, ``status``, ``addresses``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from traco.cli.command import Local, command
from traco.cli.names import Entry
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import WithNames
from traco.node.directory import KEYS_FILE, MEMBER_KEY
from traco.node.founding.local import (
    PASSPHRASE_FILE,
    LocalNetwork,
    LocalNode,
    LocalPlan,
    make_local,
    read_local,
)
from traco.node.founding.operation import DOWN, READY, NodeState, look, start_all, stop_all

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The network's directory.", show_default=False)
]
Only = Annotated[
    list[str], typer.Option("--node", metavar="NAME", help="Only this node, such as node2. Repeatable.")
]
WATCH_SECONDS = 1.0
HASH_DIGITS = 12
ADDRESSES = ("node", "role", "organisation", "url", "address")
COLUMNS = ("node", "role", "state", "height", "lag", "app_hash", "peers", "disk")


def register(app: typer.Typer) -> None:
    """Add these commands to ``traco network``."""
    command(
        app, "local",
        examples=[
            "traco network local 4 net", "traco network local 4 --observers 1 net --provider-spread",
            "traco network local 4 net --channels",
        ],
    )(local)  # fmt: skip
    command(app, "start", examples=["traco network start net", "traco network start net --node node3"])(start)
    command(app, "stop", examples=["traco network stop net", "traco network stop net --node node3"])(stop)
    command(app, "status", examples=["traco network status net", "traco network status net --watch"])(status)
    command(app, "addresses", examples=["traco network addresses net"])(addresses)


def local(
    session: WithNames,
    validators: Annotated[
        int, typer.Argument(metavar="VALIDATORS", min=1, max=32, help="How many nodes order.", show_default=False)
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory to make.", show_default=False)],
    observers: Annotated[int, typer.Option(min=0, max=31, help="How many nodes only follow.")] = 0,
    provider_spread: Annotated[
        bool, typer.Option("--provider-spread", help="Give every node a provider of its own, in three regions.")
    ] = False,
    channels: Annotated[
        bool, typer.Option("--channels", help="Every node is to do the channel business of its organisation.")
    ] = False,
    first_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="The first of the ports; by default a free range.")
    ] = None,
) -> None:  # fmt: skip
    """Make a network of several nodes on this machine, for development.

    Each node is founded as those of a consortium are: keys, card, genesis, signature, acceptance. DIR/node1 and so on are
    complete directories; DIR/passphrase opens all their key stores. Your address book gets @org1 and so on for the
    organisations, and node1's address. With --channels, each organisation then takes its seat: traco channel seat DIR/node1
    --as @org1, and so on.
    """
    session.names.require_new("org1")
    plan = LocalPlan(
        validators,
        observers,
        time.time_ns() // 1_000_000_000 * 1_000,
        spread=provider_spread,
        first_port=first_port,
        channels=channels,
    )
    with _progress(session) as console, console.status("making the network") as doing:
        made, cards = make_local(directory, plan, doing.update)
    for number, (node, card) in reversed(list(enumerate(zip(made.nodes, cards, strict=True), 1))):
        keys = str((directory / node.name / KEYS_FILE).resolve())
        entry = Entry("party", card.statement.member, keys, (MEMBER_KEY,))
        session.names.add(f"org{number}", entry, bytes.fromhex(made.network), node.url)
    found = {
        "network": made.network, "directory": str(directory), "genesis": str(directory / made.nodes[0].name / "genesis.json"),
        "passphrase_file": str(directory / PASSPHRASE_FILE),
    }  # fmt: skip
    rows = [_address(node) for node in made.nodes]
    if session.output.as_json:
        session.output.record({**found, "nodes": rows})
        return
    session.output.record(found)
    session.output.titled("Nodes", rows, ADDRESSES)
    session.output.note(f"Start it with: traco network start {directory}")


def start(
    session: Local,
    directory: Directory,
    node: Only = [],  # noqa: B006
    timeout: Annotated[float, typer.Option(min=1, max=3_600, help="Seconds to wait until all are ready.")] = 300.0,
) -> None:  # fmt: skip
    """Start the nodes in the background, and wait until all are ready. Those that run already are left alone."""
    network = read_local(directory)
    nodes = _chosen(network, node)
    with _progress(session) as console, console.status("starting") as doing:
        failed = start_all(
            directory, nodes, timeout,
            lambda states: doing.update(", ".join(f"{name} {state}" for name, state in states.items())),
        )  # fmt: skip
    if failed:
        raise CommandProblem(
            ExitCode.NODE, "network.not_started",
            "; ".join(f"{each.name}: {each.reason}" for each in failed) + f". See {directory}/NODE/node.log.",
            {"nodes": [each._asdict() for each in failed]},
        )  # fmt: skip
    _show(session, directory, network)


def stop(session: Local, directory: Directory, node: Only = []) -> None:  # noqa: B006
    """Stop the nodes that run, the last one first, and wait until they have."""
    stopped = stop_all(directory, _chosen(read_local(directory), node))
    session.output.record({"directory": str(directory), "stopped": stopped})


def status(
    session: Local,
    directory: Directory,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until Ctrl-C.")] = False,
) -> None:
    """Show every node: role, state, height, blocks behind the highest, app hash, peers connected of those wanted, disk."""
    network = read_local(directory)
    if not watch:
        _show(session, directory, network)
        return
    if session.output.as_json:
        raise CommandProblem(
            ExitCode.USAGE, "usage.invalid", "--watch is for people; programs ask again and again without it."
        )
    with Live(_table(look(directory, network)), auto_refresh=False) as shown:
        while True:
            time.sleep(WATCH_SECONDS)
            shown.update(_table(look(directory, network)), refresh=True)


def addresses(session: Local, directory: Directory) -> None:
    """Print where each node is reached: by clients, and by other nodes."""
    rows = [_address(node) for node in read_local(directory).nodes]
    session.output.rows("nodes", rows, ADDRESSES)


def _progress(session: Local) -> Console:
    return Console(stderr=True, quiet=session.output.as_json)


def _chosen(network: LocalNetwork, names: Sequence[str]) -> list[LocalNode]:
    known = {node.name: node for node in network.nodes}
    for name in names:
        if name not in known:
            raise CommandProblem(
                ExitCode.USAGE, "usage.no_node", f"There is no node {name!r}; there are {', '.join(known)}."
            )
    return [node for node in network.nodes if not names or node.name in names]


def _address(node: LocalNode) -> dict[str, Any]:
    return {
        "node": node.name,
        "role": node.role,
        "organisation": node.organisation,
        "url": node.url,
        "address": node.address,
    }


def _show(session: Local, directory: Path, network: LocalNetwork) -> None:
    states = look(directory, network)
    if session.output.as_json:
        session.output.record({"network": network.network, "nodes": [state.form() for state in states]})
    else:
        session.output.rows("nodes", [_row(state) for state in states], COLUMNS)
        for state in states:
            if state.detail:
                session.output.note(f"{state.name}: {state.detail}")


def _table(states: Sequence[NodeState]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(
            column.replace("_", " "), justify="right" if column in ("height", "lag", "disk") else "left"
        )
    for state in states:
        style = {READY: "green", DOWN: "red"}.get(state.state, "yellow")
        table.add_row(*(_row(state)[column] for column in COLUMNS), style=style)
    return table


def _row(state: NodeState) -> dict[str, str]:
    unknown = state.height < 0
    peers = f"{state.peers_present} of {state.peers_wanted}" if state.peers_wanted is not None else "-"
    return {
        "node": state.name, "role": state.role, "state": state.state, "height": "-" if unknown else str(state.height),
        "lag": "-" if unknown else str(state.lag), "app_hash": state.app_hash[:HASH_DIGITS] or "-", "peers": peers,
        "disk": _size(state.bytes),
    }  # fmt: skip


def _size(count: int) -> str:
    """A size for people, in MiB with one decimal."""
    tenths = count * 10 // 1_048_576
    return f"{tenths // 10}.{tenths % 10} MiB"
