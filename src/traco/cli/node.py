"""``traco node``: make, run, watch, stop and audit a node."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from traco.cli.command import Local, command, group
from traco.cli.names import Entry
from traco.cli.output import Output
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import Reading, WithKeys, WithNames
from traco.client.results import ClientError
from traco.client.sdk import LedgerClient
from traco.client.transport import Transport
from traco.kernel.genesis import network_id
from traco.kernel.identifiers import check_lei
from traco.node import directory as node_directory
from traco.node.audit import Progress, audit
from traco.node.directory import (
    KEYS_FILE,
    MEMBER_KEY,
    NODE_LOG,
    PRIVATE_UMASK,
    NodeConfig,
    read_config,
    read_genesis,
)
from traco.node.supervisor import run_node
from traco.storage import Difference, DirectoryLock, StoreLocked

app = group("Make, run and check a node.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)]
POLL_SECONDS = 0.1
STOP_SECONDS = 30.0
MAX_SHOWN = 96


@command(
    app,
    "init",
    examples=["traco node init node --network 'Example Network' --operator 'Example Operator Ltd'"],
)
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
) -> None:
    """Make a node that founds a network of its own, with one founding member.

    The genesis document is DIR/genesis.json; give it to everybody who is to verify receipts. The member's keys
    are in DIR/node.keys; your address book gets a name for the member, and the node's address.
    """
    if lei:
        check_lei(lei)
    genesis = node_directory.create(
        directory, session.passphrases.new(directory / KEYS_FILE), name=network, operator=operator, purpose=purpose,
        time_ms=time.time_ns() // 1_000_000, config=NodeConfig(port=port, verifiers=verifiers), lei=lei or None,
    )  # fmt: skip
    member = node_directory.founding_member(read_genesis(directory))
    url = f"http://127.0.0.1:{port}"
    entry = Entry("party", member.hex(), str((directory / KEYS_FILE).resolve()), (MEMBER_KEY,))
    session.names.add(name, entry, network_id(genesis), url)
    session.output.record({
        "network": network_id(genesis).hex(), "directory": str(directory), "genesis": str(directory / "genesis.json"),
        "operator": member.hex(), "operator_name": f"@{name}", "url": url,
    })  # fmt: skip
    session.output.note(f"Start it with: traco node start {directory}")


@command(app, "start", examples=["traco node start node --passphrase-file node.passphrase"])
def start(session: WithKeys, directory: Directory) -> None:
    """Run a node until it is stopped (Ctrl-C, SIGTERM, or traco node stop). Its log is DIR/node.log.

    Prints the address once the node answers.
    """
    config = read_config(directory)
    url = f"http://127.0.0.1:{config.port}" if config.host != "::1" else f"http://[::1]:{config.port}"
    passphrase = session.passphrases.existing(directory / KEYS_FILE)
    os.umask(PRIVATE_UMASK)  # before the log is opened
    logging.basicConfig(
        filename=directory / NODE_LOG,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("traco").setLevel(logging.INFO)

    announcing = threading.Thread(target=_announce, args=(session.output, url), daemon=True)
    announcing.start()
    run_node(directory, passphrase)


def _announce(output: Output, url: str) -> None:
    """Print the address once the node answers. Ends with the process, if it never does."""
    with LedgerClient(url, transport=Transport(url, pauses=())) as client:
        while True:
            try:
                status = client.status()
            except ClientError:
                time.sleep(POLL_SECONDS)
                continue
            ready = {"url": url, "pid": os.getpid(), "network": status.network.hex(), "height": status.height}
            output.document(ready, f"{url} is ready (height {status.height})")
            sys.stdout.flush()
            return


@command(app, "status", examples=["traco node status", "traco node status --directory node --json"])
def status(
    session: Reading,
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Ask the node of this directory.")
    ] = None,
) -> None:
    """Say where a running node's ledger stands."""
    if directory is None:
        found, url = session.client.status(), session.client.url
    else:
        url = f"http://127.0.0.1:{read_config(directory).port}"
        with LedgerClient(url) as client:
            found = client.status()
    session.output.record({"url": url, **found._asdict(), "network": found.network.hex()})


@command(app, "stop", examples=["traco node stop node"])
def stop(session: WithNames, directory: Directory) -> None:
    """Stop the node that runs in a directory, and wait until it has."""
    holder = _holder(directory)
    if holder is None:
        raise CommandProblem(ExitCode.NODE, "node.not_running", f"No node runs in {directory}.")
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _holder(directory) is not None:
        if time.monotonic() > deadline:
            raise CommandProblem(
                ExitCode.NODE,
                "node.not_stopping",
                f"Process {holder} does not stop; see {directory / NODE_LOG}.",
            )
        time.sleep(POLL_SECONDS)
    session.output.record({"directory": str(directory), "stopped": True})


def _holder(directory: Path) -> int | None:
    """The process that has a node's directory, or None."""
    try:
        DirectoryLock(directory).release()
    except StoreLocked as locked:
        return locked.pid
    return None


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
