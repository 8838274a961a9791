"""``traco demo``: an invoice financed and settled, end to end, on one machine."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.problems import CommandProblem, ExitCode
from traco.demo.stage import DemoFailed, Stage
from traco.demo.story import RECEIPT, Story

app = single("Show an invoice being financed and settled, end to end.")
SAMPLES = Path("examples/invoices")
MARK = "traco-demo"


@command(app, "demo", examples=["traco demo", "traco demo --invoices my-invoices"])
def demo(
    session: Local,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the data goes; an earlier demonstration is replaced.")
    ] = Path("build/demo"),
    invoices: Annotated[Path, typer.Option(help="Folder of electronic invoices (UBL or CII).")] = SAMPLES,
) -> None:
    """Run the ten steps of the demonstration against a real node on the loopback address."""
    if not invoices.is_dir():
        raise CommandProblem(
            ExitCode.USAGE, "demo.no_invoices", f"{invoices} is not a folder; give one with --invoices."
        )
    _clear(directory)
    stage = Stage()
    try:
        Story(directory, invoices, stage).tell()
    except DemoFailed as failed:
        raise CommandProblem(ExitCode.NEGATIVE, "demo.failed", str(failed)) from None
    stage.end([
        f"The data is in {directory}/: genesis.json, {RECEIPT}, the node's directory, everybody's key stores.",
        "Try next:",
        f"  traco verify {directory}/{RECEIPT} --genesis {directory}/genesis.json",
        f"  traco node start {directory}/node --passphrase-file {directory}/passphrase",
        "  make demo INVOICES=folder    with electronic invoices of your own",
        "  docs/concepts.md             what it all means",
    ])  # fmt: skip


def _clear(directory: Path) -> None:
    """Make the directory empty: only one that an earlier demonstration made is deleted."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARK).exists():
        raise CommandProblem(
            ExitCode.USAGE,
            "demo.not_empty",
            f"{directory} is not empty and not of a demonstration; choose another --dir.",
        )
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / MARK).touch()
