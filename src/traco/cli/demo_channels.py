"""``traco demo-channels``: five organisations with confidential channels, and what becomes of loss, lies and silence."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.demo import make_room, telling
from traco.demo.channel_audit import DISCLOSURE
from traco.demo.channel_proof import RECEIPT
from traco.demo.channel_story import STEPS, ChannelStory
from traco.demo.channel_world import NAMES, REGISTRY
from traco.demo.consortium import GENESIS, HOME
from traco.demo.stage import Stage

app = single("Show confidential channels of five organisations.")


@command(app, "demo-channels", examples=["traco demo-channels"])
def demo_channels(
    session: Local,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the data goes; an earlier demonstration is replaced.")
    ] = Path("build/demo-channels"),
) -> None:
    """Have five organisations trade in confidential channels, settle across two of them, lose a disk, lie, and be audited."""
    make_room(directory)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing goes on running
    stage = Stage(STEPS)
    with telling():
        ChannelStory(directory, stage).tell()
    stage.end([
        f"The data is in {directory}/: {GENESIS}, {RECEIPT}, {DISCLOSURE}, a folder for each node, everybody's names in {HOME}.",
        "Try next, after  . .venv/bin/activate",
        f"  traco verify {directory}/{RECEIPT} --genesis {directory}/{GENESIS}",
        f"  traco channel audit {directory}/{DISCLOSURE} --dir {directory}/{REGISTRY}",
        f"  for node in {' '.join(NAMES)}; do traco node start {directory}/$node --passphrase-file {directory}/passphrase & done",
        "How channels work, and what they assume:  docs/channels.md",
    ])  # fmt: skip
