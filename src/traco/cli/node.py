"""``traco node``: make, run, watch, stop and audit a node."""

import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from traco.cli import backup, projections, recovery
from traco.cli.command import Local, command, group
from traco.cli.names import Entry
from traco.cli.preparing import ClusterOptions, prepare_node
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import Reading, WithKeys, WithNames
from traco.client.sdk import LedgerClient
from traco.client.wire import connection_options
from traco.engine.cometbft.install import engine_directory
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, network_id, parse_genesis
from traco.kernel.identifiers import check_lei
from traco.node import directory as node_directory
from traco.node.audit import Progress, audit
from traco.node.configuration import SETTINGS, NodeConfig, read_config, read_configuration, shown
from traco.node.directory import (
    KEYS_FILE,
    MEMBER_KEY,
    NodeDirectoryError,
    read_genesis,
    require_node_directory,
)
from traco.node.keeper import keep
from traco.node.running import request_stop, wait_stopped
from traco.node.service import UnitInvalid, systemd_unit, tell_service_manager
from traco.storage import Difference

app = group("Make, run and check a node.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)]
READY_SECONDS = 30.0  # longer than health.stall_seconds, by default
MAX_SHOWN = 96
CLUSTER = "In a cluster:"


@command(
    app,
    "init",
    examples=[
        "traco node init node --network 'Example Network' --operator 'Example Operator Ltd'",
        ("traco node init node --engine cometbft --operator 'Example Bank A' --country DE --address ledger.bank-a.example:26656 "
        "--provider own --region de-frankfurt --zone 1"),
    ],
)  # fmt: skip
def init(
    session: WithKeys,
    directory: Directory,
    network: Annotated[str, typer.Option(help="Name of the network.")] = "Local network",
    operator: Annotated[
        str, typer.Option(help="Name of the founding member, who runs this node.")
    ] = "Operator",
    lei: Annotated[str, typer.Option(help="LEI of the founding member.")] = "",
    purpose: Annotated[
        Literal["development", "test", "production"], typer.Option(help="What the network is for.")
    ] = "development",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on the loopback address.")] = 7_470,
    verifiers: Annotated[int, typer.Option(min=1, max=64, help="Processes that check signatures.")] = 1,
    name: Annotated[
        str, typer.Option("--operator-name", help="Your name for the founding member.")
    ] = "operator",
    engine: Annotated[
        Literal["embedded", "cometbft"], typer.Option(help="Who orders: this node alone, or a cluster of several.")
    ] = "embedded",
    country: Annotated[str, typer.Option(help=f"{CLUSTER} Country of the organisation (ISO 3166-1 alpha-2).")] = "",
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help=f"{CLUSTER} Where other nodes reach this one.")] = "",
    gateway: Annotated[str, typer.Option(metavar="URL", help=f"{CLUSTER} Where clients reach it, if they may.")] = "",
    run_by: Annotated[str, typer.Option(help=f"{CLUSTER} Who runs the machine, where not the organisation.")] = "",
    provider: Annotated[str, typer.Option(help=f"{CLUSTER} Whose data centre or cloud: a code in lower case.")] = "",
    region: Annotated[str, typer.Option(help=f"{CLUSTER} Its region.")] = "",
    zone: Annotated[str, typer.Option(help=f"{CLUSTER} Its zone in the region.")] = "",
    member_keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"{CLUSTER} Key store or file of signers of an organisation that has keys."),
    ] = None,
    member: Annotated[
        str, typer.Option(metavar="ID", help=f"{CLUSTER} Id of an organisation that is on the ledger already.")
    ] = "",
) -> None:  # fmt: skip
    """Make a node: one that founds a network of its own, or with --engine cometbft one for a network of several.

    Alone: the genesis document is DIR/genesis.json; give it to everybody who is to verify receipts. The member's keys
    are in DIR/node.keys; your address book gets a name for the member, and the node's address.

    In a cluster: the keys are made and stay here; DIR/card.json says what others have to know. See traco network.
    """
    if engine == "cometbft":
        options = ClusterOptions(
            operator, country, lei, address, gateway, run_by, provider, region, zone, member_keys, member
        )
        prepare_node(session, directory, options, port, verifiers)
        return
    config = NodeConfig(port=port, verifiers=verifiers)
    _init_alone(session, directory, network, operator, lei, purpose, config, name)


def _init_alone(
    session: WithKeys, directory: Path, network: str, operator: str, lei: str,
    purpose: Literal["development", "test", "production"], config: NodeConfig, name: str,
) -> None:  # fmt: skip
    """Make a node that founds a network of its own, and give its member a name."""
    if lei:
        check_lei(lei)
    session.names.require_new(name)
    genesis = node_directory.create(
        directory, session.passphrases.new(directory / KEYS_FILE), name=network, operator=operator, purpose=purpose,
        time_ms=time.time_ns() // 1_000_000, config=config, lei=lei or None,
    )  # fmt: skip
    founder = node_directory.founding_member(read_genesis(directory))
    url = f"http://127.0.0.1:{config.port}"
    entry = Entry("party", founder.hex(), str((directory / KEYS_FILE).resolve()), (MEMBER_KEY,))
    session.names.add(name, entry, network_id(genesis), url)
    session.output.record({
        "network": network_id(genesis).hex(), "directory": str(directory), "genesis": str(directory / "genesis.json"),
        "operator": founder.hex(), "operator_name": f"@{name}", "url": url,
    })  # fmt: skip
    session.output.note(f"Start it with: traco node start {directory}")


@command(
    app,
    "start",
    examples=[
        "traco node start node --passphrase-file node.passphrase",
        "traco node start node --port 8443 --set log.format=json",
    ],
)
def start(
    session: WithKeys,
    directory: Directory,
    host: Annotated[str | None, typer.Option(help="IP address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any value of the configuration; repeat it for several."
        ),
    ] = None,
) -> None:
    """Run a node until it is stopped (Ctrl-C, SIGTERM, or traco node stop). Its log is DIR/node.log.

    Prints the address once the node answers. What is set here counts more than the environment (TRACO_NODE_...), and
    that more than DIR/node.json; see traco node config.
    """
    # only here, for no other command needs what serves HTTP; and first, for what begins below is started again and again
    supervisor = import_module("traco.node.supervisor")
    config = read_configuration(directory, flags=_flags(setting or [], host, port, log_level)).config
    passphrase = session.passphrases.existing(directory / KEYS_FILE)
    genesis = parse_genesis(read_genesis(directory))
    network = network_id(genesis)
    # in a cluster, what follows happens in a process that is started again when it is killed
    tell = keep(directory, config.log) if genesis.seal.kind == SIGNED_BY_VALIDATORS else tell_service_manager

    def announce(height: int) -> None:
        ready = {"url": config.url, "pid": os.getpid(), "network": network.hex(), "height": height}
        with suppress(OSError):  # nobody listens any more; the node goes on
            session.output.document(ready, f"{config.url} is ready (height {height})")
            sys.stdout.flush()
            tell("READY=1")

    supervisor.run_node(directory, passphrase, config, announce)


def _flags(setting: list[str], host: str | None, port: int | None, log_level: str | None) -> dict[str, str]:
    """What the command line sets, by dotted names. Raises ``CommandProblem``."""
    found: dict[str, str] = {}
    for text in setting:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandProblem(
                ExitCode.USAGE, "usage.invalid", f"--set wants NAME=VALUE, not {name[:MAX_SHOWN]}"
            )
        found[name] = value
    named = {"host": host, "port": port, "log.level": log_level}
    return {**found, **{name: str(value) for name, value in named.items() if value is not None}}


@command(
    app, "config", examples=["traco node config node", "TRACO_NODE_PORT=8443 traco node config node --json"]
)
def config(session: Local, directory: Directory) -> None:
    """Print every value of a node's configuration, where it comes from, and what it is.

    The sources are: default, node.json, and an environment variable (TRACO_NODE_ and the name in capitals, with two
    underscores for each dot). Flags of traco node start count more than all of them. Secrets are shown as "(set)".
    """
    values = read_configuration(directory).values
    rows = [
        {
            "name": name,
            "value": shown(name, chosen.value),
            "source": chosen.source,
            "variable": SETTINGS[name].variable,
            "meaning": SETTINGS[name].description,
        }
        for name, chosen in values.items()
    ]
    session.output.rows("settings", rows, ("name", "value", "source", "meaning"))


@command(
    app, "systemd", examples=["traco node systemd node --passphrase-file /etc/traco/passphrase --user traco"]
)
def systemd(
    session: Local,
    directory: Directory,
    passphrase_file: Annotated[
        Path, typer.Option(help="File (mode 0600) that systemd hands to the node as a credential.")
    ] = Path("/etc/traco/passphrase"),
    user: Annotated[str, typer.Option(help="User that the node runs as.")] = "traco",
) -> None:
    """Print a systemd unit for a node, which gives it nothing that it does not need.

    For a node of a cluster it names the folder of the engine that is installed now: see that the user can read it.
    """
    engine = engine_directory() if (directory / node_directory.ENGINE_FOLDER).is_dir() else None
    try:
        unit = systemd_unit(directory, passphrase_file, user, engine=engine)
    except UnitInvalid as error:
        raise CommandProblem(ExitCode.INPUT, "unit.invalid", str(error)) from None
    session.output.document({"unit": unit}, unit)


@command(app, "status", examples=["traco node status", "traco node status --directory node --json"])
def status(
    session: Reading,
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Ask the node of this directory.")
    ] = None,
) -> None:
    """Say where a running node's ledger stands; with --directory also whether the node is ready, and why not."""
    more: dict[str, Any] = {}
    if directory is None:
        found, url = session.client.status(), session.client.url
    else:
        config = read_config(directory)
        url, authority = config.url, None if config.tls is None else directory / config.tls.certificate
        with LedgerClient(url, ca_file=authority) as client:
            found = client.status()
            more = _readiness(url, authority)
    form = found.form()
    if not session.output.as_json and "\n" not in form.get("seal", "\n"):
        del form[
            "seal"
        ]  # evidence of a cluster's validators is kilobytes for programs; a checkpoint is for people too
    session.output.record({"url": url, **form, **more})


def _readiness(url: str, authority: Path | None) -> dict[str, Any]:
    """Whether a node is ready; where not, why."""
    with httpx.Client(timeout=READY_SECONDS, **connection_options(url, authority)) as http:
        answer = http.get(f"{url}/v1/health/ready").json()
    return {name: answer[name] for name in ("ready", "reasons", "warnings")}


@command(app, "stop", examples=["traco node stop node"])
def stop(session: WithNames, directory: Directory) -> None:
    """Stop the node that runs in a directory, and wait until it has."""
    require_node_directory(directory)
    process = request_stop(directory)
    if process is None:
        raise CommandProblem(ExitCode.NODE, "node.not_running", f"No node runs in {directory}.")
    try:
        wait_stopped(directory, process)
    except NodeDirectoryError as error:
        detail = str(error).removeprefix(f"{error.code}: ")
        raise CommandProblem(ExitCode.NODE, error.code, f"{detail[:1].upper()}{detail[1:]}.") from None
    session.output.record({"directory": str(directory), "stopped": True})


@command(app, "audit", examples=["traco node audit node"])
def audit_node(session: Local, directory: Directory) -> None:
    """Execute the whole ledger again from its genesis and compare every row and column with what is stored.

    The node must not run. Exits 0 if everything agrees, 1 at any difference, 7 if the ledger cannot be read.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[transactions]} transactions"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with ProgressBar(
        *columns, console=Console(stderr=True), disable=session.output.as_json, transient=True
    ) as bar:
        task = bar.add_task("blocks", total=None, transactions=0)

        def show(progress: Progress) -> None:
            bar.update(
                task, completed=progress.block, total=progress.blocks, transactions=progress.transactions
            )

        report = audit(directory, show)
    document = {
        "sound": not report.differences, "height": report.height, "transactions": report.transactions,
        "app_hash": report.app_hash.hex(), "differences": [_shown(difference) for difference in report.differences],
    }  # fmt: skip
    session.output.record(document)
    if report.differences:
        first = report.differences[0]
        raise CommandProblem(
            ExitCode.NEGATIVE, "audit.difference",
            f"What is stored is not what the ledger's transactions give: first in table {first.table}, row "
            f"{_text(first.row)}, column {first.column or '(whole row)'}. Restore a backup and find out who changed it.",
        )  # fmt: skip


def _shown(difference: Difference) -> dict[str, Any]:
    return {name: _text(value) for name, value in difference._asdict().items()}


def _text(value: Any) -> str:
    """A column's value, cut where it is long."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)})"


backup.register(app)
recovery.register(app)
app.add_typer(projections.app, name="projections")
