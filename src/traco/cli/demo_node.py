"""``traco demo-node``: a node's daily life: explorer, reports, backup, destruction, restore."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.demo import HOME, SAMPLES, make_room, telling, write_names
from traco.demo.node_story import RESTORED, STEPS, NodeStory
from traco.demo.stage import Stage

app = single("Show a node's daily life: explorer, reports, backup, restore.")


@command(app, "demo-node", examples=["traco demo-node"])
def demo_node(
    session: Local,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the data goes; an earlier demonstration is replaced.")
    ] = Path("build/demo-node"),
) -> None:
    """Start a node with data, look at it in the explorer and in reports, back it up, destroy it, restore and verify it."""
    make_room(directory)
    stage = Stage(STEPS)
    with telling():
        NodeStory(directory, SAMPLES, stage, lambda story: write_names(directory, story)).tell()
    stage.end([
        f"The data is in {directory}/: the backup, the restored node, pictures of the explorer, statement.csv.",
        "Try next, after  . .venv/bin/activate",
        f"  traco node start {directory}/{RESTORED} --passphrase-file {directory}/passphrase",
        "and while that node runs, open the address that it prints in a browser, or in a second terminal",
        f"  traco report positions --home {directory}/{HOME}",
        f"  traco report statement @bank-one-account @eur --home {directory}/{HOME}",
        f"  traco doctor {directory}/{RESTORED}",
    ])  # fmt: skip
