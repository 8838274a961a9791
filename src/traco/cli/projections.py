"""``traco node projections``: where a node's projections stand, and making them anew from the ledger."""

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from traco.cli.command import Local, command, group
from traco.cli.problems import CommandProblem, ExitCode
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.configuration import read_config
from traco.node.directory import LEDGER_FILE, PRIVATE_UMASK, read_genesis
from traco.storage import SnapshotReader

app = group("The SQL tables that reports are made from.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)]


@command(app, "rebuild", examples=["traco node projections rebuild node"])
def rebuild(session: Local, directory: Directory) -> None:
    """Drop the projections of a node and make them again from its ledger. The node may run meanwhile.

    Until it is done, reports are of the height come to so far. Where it is interrupted, the node goes on with it.
    """
    os.umask(PRIVATE_UMASK)
    projector = import_module("traco.node.projector")  # only here: no other command needs SQLAlchemy
    config, network = read_config(directory), network_id(parse_genesis(read_genesis(directory)))
    database = projector.open_projections(directory, network, config)
    if database is None:
        raise CommandProblem(
            ExitCode.INPUT, "projections.off", f"Projections are off in the configuration of {directory}."
        )
    reader = SnapshotReader(directory / LEDGER_FILE, network)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        database,
        ProgressBar(
            *columns, console=Console(stderr=True), disable=session.output.as_json, transient=True
        ) as bar,
    ):
        task = bar.add_task("blocks", total=None)
        database.reset()
        projection = projector.Projection(reader, compose(), database)

        def show(height: int, last: int) -> None:
            bar.update(task, completed=height, total=last)

        projection.catch_up(show)
        reached = projection.position
    reader.close()
    session.output.record({
        "directory": str(directory), "height": reached.height, "entries": reached.entries,
        "database": database.engine.url.render_as_string(hide_password=True),
    })  # fmt: skip
