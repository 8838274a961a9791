"""``traco node rollback``, ``rebuild``, ``compare`` and ``state-hashes``: what to do when a node's ledger differs, or is damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from traco.cli.backup import progress, refusals
from traco.cli.command import Local, command
from traco.cli.files import write_file
from traco.cli.problems import CommandProblem, ExitCode
from traco.engine.cometbft.install import find_engine
from traco.engine.cometbft.rollback import roll_back_engine
from traco.node.compare import Comparison, compare, state_hashes
from traco.node.configuration import read_config
from traco.node.directory import ENGINE_FOLDER
from traco.node.rollback import Rebuilt, rebuild, roll_back

NodeDirectory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add these commands to ``traco node``."""
    command(app, "rebuild", examples=["traco node rebuild node"])(rebuild_node)
    command(app, "rollback", examples=["traco node rollback node"])(roll_back_node)
    command(
        app, "compare", examples=["traco node compare node other-node", "traco node compare node their.hashes --json"]
    )(compare_nodes)  # fmt: skip
    command(
        app, "state-hashes", examples=["traco node state-hashes node --height 1204 --output our.hashes"]
    )(write_state_hashes)  # fmt: skip


def rebuild_node(session: Local, directory: NodeDirectory) -> None:
    """Execute a node's blocks again into a new ledger, which takes the old one's place if every app hash agrees.

    The node must not run. For a ledger whose tables are damaged while its blocks are whole. Exits 1 where a block comes out
    differently; then nothing is changed.
    """
    with refusals(), progress(session) as report:
        done = rebuild(directory, report)
    session.output.record(_form(directory, done))


def roll_back_node(session: Local, directory: NodeDirectory) -> None:
    """Take a node of a cluster back by one block: its ledger and its engine, both or neither.

    The node must not run. For a node that stopped because its last block came out differently than on the others: repair
    what was wrong (traco node compare finds where they part; often it is the release), then take the block back and start.
    """
    with refusals(), progress(session) as report:
        done = roll_back(directory, _engine_of(directory), report)
    session.output.record(_form(directory, done))
    session.output.note(
        f"It executes block {done.height + 1} once more when it starts: traco node start {directory}\n"
        "Projections that have that block are made anew by: traco node projections rebuild DIR"
    )


def _engine_of(directory: Path) -> Callable[[], int]:
    def back() -> int:
        program = read_config(directory).engine.program
        return roll_back_engine(
            find_engine(None if program is None else Path(program)).program, directory / ENGINE_FOLDER
        )

    return back


def _form(directory: Path, done: Rebuilt) -> dict[str, Any]:
    return {
        "directory": str(directory), "height": done.height, "app_hash": done.app_hash.hex(),
        "executed_from": done.base, "transactions": done.transactions,
    }  # fmt: skip


def compare_nodes(
    session: Local,
    directory: NodeDirectory,
    other: Annotated[
        Path,
        typer.Argument(
            metavar="OTHER", help="Another node's directory, or its state hashes.", show_default=False
        ),
    ],
) -> None:
    """Find where the ledgers of two nodes part: the first block, and in it the first module and key.

    Both may run. OTHER is a directory, or a file that the other operator made with traco node state-hashes, which has
    neither keys nor values. Values are shown as hashes. Exits 0 if they agree as far as both go, 1 if they differ.
    """
    with refusals(), progress(session) as report:
        found = compare(directory, other, report)
    session.output.record(_shown(found))
    if found.height is not None:
        raise CommandProblem(ExitCode.NEGATIVE, "compare.differ", _sentence(found))


def _shown(found: Comparison) -> dict[str, Any]:
    return {
        "equal_up_to": found.common if found.height is None else found.height - 1, "height": found.height,
        "part": found.part, "leaf": None if found.leaf < 0 else found.leaf,
        "transaction": found.transaction.hex() or None,
        "keys": [
            {"module": each.module, "key": each.key.hex(), "here": each.here, "there": each.there} for each in found.keys
        ],
        "keys_unknown": found.keys_unknown or None,
    }  # fmt: skip


def _sentence(found: Comparison) -> str:
    parts = [f"The ledgers differ from block {found.height} on"]
    if found.part is not None:
        parts.append(f"first in its {found.part}")
    if found.keys:
        first = found.keys[0]
        key = first.key.hex() or "that only the other node has"
        parts.append(f"first in module {first.module}, key {key}")
    return f"{', '.join(parts)}.{f' {found.keys_unknown}.' if found.keys_unknown else ''}"


def write_state_hashes(
    session: Local,
    directory: NodeDirectory,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default=False)
    ],
    height: Annotated[
        int | None, typer.Option(min=0, help="After which block; the last one by default.")
    ] = None,
) -> None:
    """Write hashes of a node's state, running or not, with which another operator can compare: traco node compare DIR FILE.

    For each key there are 16 bytes of hashes, by module and in order: no key and no value. Whoever has the file learns how
    many keys each module has and can test guesses; give it to members, not to strangers. An earlier block is executed
    again, which takes time and space.
    """
    with refusals(), progress(session) as report:
        content = state_hashes(directory, height, report)
    write_file(output, content)
    session.output.record({"file": str(output), "bytes": len(content)})
