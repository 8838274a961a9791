"""``traco node backup``, ``restore``, ``takeover``, ``export`` and ``import``: copies of a node and of its ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from traco.cli.command import Local, command
from traco.cli.files import read_bounded
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import WithKeys
from traco.client.keystore import KeyStore
from traco.client.signer import Signer
from traco.kernel.finality import MAX_RECEIPT_BYTES
from traco.kernel.genesis import MAX_GENESIS_BYTES
from traco.node.backup import back_up, moment
from traco.node.copies import CopyProgress, CopyRefused, Report
from traco.node.directory import KEYS_FILE, SEAL_KEY
from traco.node.restore import Expected, Level, restore, take_over
from traco.node.transfer import export_ledger, import_ledger

ExpectedFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--expect-receipt",
        metavar="FILE",
        help="A finality receipt or checkpoint that somebody holds: refuse a copy that lacks what it proves. Repeatable.",
    ),
]
NodeDirectory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)
]
NewDirectory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The directory to make.", show_default=False)
]
Sealing = Annotated[
    bool,
    typer.Option("--seal", help="Add a checkpoint signed with the node's seal key; asks for the passphrase."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to ``traco node``."""
    command(app, "backup", examples=["traco node backup node backups/2026-10-01"])(backup_node)
    command(
        app, "restore",
        examples=[
            "traco node restore backups/2026-10-01 node-restored --expect-receipt last.receipt",
            "traco node restore backups/2026-10-01 drill --level quick",
        ],
    )(restore_node)  # fmt: skip
    command(app, "takeover", examples=["traco node takeover node-restored --at-height 1204"])(take_over_node)
    command(app, "export", examples=["traco node export node ledger-2026.traco"])(export_node)
    command(app, "import", examples=["traco node import ledger-2026.traco archive --genesis genesis.json"])(
        import_node
    )


def backup_node(
    session: WithKeys,
    directory: NodeDirectory,
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder to make.", show_default=False)],
    keys: Annotated[bool, typer.Option("--keys/--no-keys", help="Include the encrypted key stores.")] = True,
    seal: Sealing = False,
) -> None:
    """Back up a node, running or not, into a new folder.

    The folder has the ledger as of one block, what was acknowledged and is not in a block yet, the configuration, the
    key stores (encrypted as they are) and a manifest with the hash of every file. Try it out: traco node restore.

    In a cluster the engine's two keys are in it too, which nothing encrypts: keep such a backup as secret as the node.
    """
    with refusals(), progress(session) as report:
        signer = _seal_key(session, directory) if seal else None
        made = back_up(directory, backup, keys=keys, seal=signer, report=report)
    session.output.record({
        "backup": str(backup), "network": made.network, "height": made.height, "time": moment(made.time_ms),
        "app_hash": made.app_hash, "keys": made.keys, "sealed": seal,
        "bytes": sum(entry.bytes for entry in made.files.values()),
    })  # fmt: skip
    if not keys:
        session.output.note("Without the key stores this backup restores a node only beside a copy of them.")


def restore_node(
    session: Local,
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="The folder of the backup.", show_default=False)
    ],
    directory: NewDirectory,
    level: Annotated[
        Level, typer.Option(help="full: execute everything again; quick: check hashes and roots only.")
    ] = "full",
    expect: ExpectedFiles = None,
) -> None:
    """Restore a backup into a new directory and verify it. The copy does not start before traco node takeover.

    Exits 0 if everything agrees, 1 if the backup is not what it has to be; then no directory is made.
    """
    with refusals(), progress(session) as report:
        done = restore(backup, directory, level, _expected(expect), report)
    made = done.manifest
    session.output.record({
        "directory": str(directory), "network": made.network, "height": made.height, "time": moment(made.time_ms),
        "app_hash": made.app_hash, "transactions": done.transactions, "verified": level,
        "signatures": "checked" if level == "full" else "not checked", "sealed": done.sealed, "keys": made.keys,
    })  # fmt: skip
    session.output.note(
        f"This is the ledger as of height {made.height}, {moment(made.time_ms)}. What came after it is not here.\n"
        f"To let it replace a node that is gone for good: traco node takeover {directory} --at-height {made.height}"
    )


def take_over_node(
    session: Local,
    directory: NodeDirectory,
    at_height: Annotated[
        int,
        typer.Option(
            min=0, help="The height that the copy stands at, as restore printed it.", show_default=False
        ),
    ],
    expect: ExpectedFiles = None,
    network_height: Annotated[
        int | None,
        typer.Option(
            min=0, help="In a cluster: the height that the other nodes have reached, by traco node status."
        ),
    ] = None,
) -> None:
    """Let a restored copy start in the place of a node that is gone for good.

    Everything after the copy's height is lost for the network. Make sure first that the original cannot run any more:
    two nodes with one key seal two histories, and receipts of both verify.

    In a cluster nothing is lost: the node gets every block from the others. As a validator it votes on no block up to the one
    after --network-height, because its original may have voted there.
    """
    with refusals():
        marker = take_over(directory, at_height, _expected(expect), network_height)
    session.output.record({
        "directory": str(directory), "height": marker.height, "time": moment(marker.time_ms), "app_hash": marker.app_hash,
    })  # fmt: skip
    session.output.note(f"Start it with: traco node start {directory}")


def export_node(
    session: WithKeys,
    directory: NodeDirectory,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    seal: Sealing = False,
) -> None:
    """Write a node's whole ledger, running or not, to one file that any release can execute again.

    The file has everybody's transactions and no keys. The digest is of its content before compression: the same ledger
    always has the same one.
    """
    with refusals(), progress(session) as report:
        signer = _seal_key(session, directory) if seal else None
        done = export_ledger(directory, file, seal=signer, report=report)
    session.output.record({
        "file": str(file), "network": done.network.hex(), "height": done.height, "app_hash": done.app_hash.hex(),
        "digest": done.digest.hex(), "sealed": done.sealed, "bytes": file.stat().st_size,
    })  # fmt: skip


def import_node(
    session: Local,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What traco node export wrote.", show_default=False)
    ],
    directory: NewDirectory,
    genesis: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Refuse a ledger that was not founded by this genesis."),
    ] = None,
) -> None:
    """Execute an exported ledger again, compare every root, and store it in a new directory.

    The directory has the genesis and the ledger, no keys and no configuration: it can be audited, exported and read. Without
    --genesis compare the network's id with one that you trust.
    """
    trusted = None if genesis is None else read_bounded(genesis, MAX_GENESIS_BYTES)
    with refusals(), progress(session) as report:
        done = import_ledger(file, directory, genesis=trusted, report=report)
    session.output.record({
        "directory": str(directory), "network": done.network.hex(), "height": done.height,
        "time": moment(done.time_ms), "app_hash": done.app_hash.hex(), "digest": done.digest.hex(),
        "transactions": done.transactions, "sealed": done.sealed,
    })  # fmt: skip


def _seal_key(session: WithKeys, directory: Path) -> Signer:
    path = directory / KEYS_FILE
    with KeyStore.open(path, session.passphrases.existing(path)) as keys:
        return keys.signer(SEAL_KEY)


def _expected(files: list[Path] | None) -> list[Expected]:
    return [Expected(str(path), read_bounded(path, MAX_RECEIPT_BYTES)) for path in files or ()]


@contextmanager
def refusals() -> Iterator[None]:
    """Refusals inside are negative answers."""
    try:
        yield
    except CopyRefused as refused:
        detail = str(refused).removeprefix(f"{refused.code}: ")
        raise CommandProblem(ExitCode.NEGATIVE, refused.code, f"{detail}.") from None


@contextmanager
def progress(session: Local) -> Iterator[Report]:
    """A bar on standard error for each step; none where a program reads."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with ProgressBar(
        *columns, console=Console(stderr=True), disable=session.output.as_json, transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def show(progress: CopyProgress) -> None:
            if progress.step not in tasks:
                tasks[progress.step] = bar.add_task(progress.step, total=progress.total)
            bar.update(tasks[progress.step], completed=progress.done, total=progress.total)

        yield show
