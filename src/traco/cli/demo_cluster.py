"""``traco demo-cluster``: four organisations found a network, trade across it, and go on through faults."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.demo import SAMPLES, make_room, telling
from traco.demo.cluster_story import NAMES, STEPS, ClusterStory
from traco.demo.consortium import GENESIS, HOME
from traco.demo.stage import Stage
from traco.demo.story import RECEIPT

app = single("Show four organisations running one network.")


@command(app, "demo-cluster", examples=["traco demo-cluster"])
def demo_cluster(
    session: Local,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the data goes; an earlier demonstration is replaced.")
    ] = Path("build/demo-cluster"),
) -> None:
    """Found a network of four organisations, finance an invoice across it, refuse and admit a node, kill and revive one."""
    make_room(directory)
    stage = Stage(STEPS)
    with telling():
        ClusterStory(directory, SAMPLES, stage).tell()
    stage.end([
        f"The data is in {directory}/: {GENESIS}, {RECEIPT}, a folder for each node, everybody's names in {HOME}.",
        "Try next, after  . .venv/bin/activate",
        f"  traco verify {directory}/{RECEIPT} --genesis {directory}/{GENESIS}",
        f"  for node in {' '.join(NAMES)}; do traco node start {directory}/$node --passphrase-file {directory}/passphrase & done",
        "and while they run",
        f"  traco network nodes --home {directory}/{HOME}",
        f"  traco network placement --home {directory}/{HOME}",
        "A network of your own on this machine:  traco network local 4 --observers 1 my-network",
        "How consortia do it:                    docs/cluster.md",
    ])  # fmt: skip
