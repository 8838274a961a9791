"""Runs a page of the documentation: its commands in their order, the programs that it says to save, what it says is printed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.running import free_port

ROOT: Final = Path(__file__).parents[2]
USUAL_PORT: Final = "7470"  # on the pages; a free one takes its place
SECONDS: Final = 600  # half a minute on an idle machine
_CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAM: Final = re.compile(
    r"^Save as `([a-z_]+\.py)`[^\n]*\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def commands(page: str) -> list[str]:
    """The commands of a page: in its console blocks, the lines that begin with a dollar sign."""
    return [
        line[2:] for block in _CONSOLE.findall(page) for line in block.splitlines() if line.startswith("$ ")
    ]


def programs(page: str) -> dict[str, str]:
    """The Python programs that the page says to save, by file name."""
    return dict(_PROGRAM.findall(page))


def printed(page: str) -> list[re.Pattern[str]]:
    """What the page says is printed, line by line; three points, with the beginning of an id, stand for anything."""
    lines = [
        re.sub(r"[0-9a-f]{6,}\.{3}", "...", line).split()
        for block in _CONSOLE.findall(page)
        for line in block.splitlines()
        if not line.startswith("$ ")
    ]
    return [
        re.compile(r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in words))
        for words in lines if words
    ]  # fmt: skip


@contextmanager
def place(folder: Path) -> Generator[Path, None, None]:
    """A directory with a ``traco`` and a ``python`` of its own, which are those of this process."""
    tools = folder / "bin"
    tools.mkdir()
    for name, arguments in (("traco", "-m traco.cli"), ("python", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (tools / name).chmod(0o755)
    work = folder / "work"
    work.mkdir()
    try:
        yield work
    finally:
        if (work / "node" / "lock").exists():
            subprocess.run(
                [tools / "traco", "node", "stop", "node"], cwd=work, check=False, capture_output=True
            )


def run_page(page: str, work: Path) -> None:
    """Run everything. Raises ``AssertionError`` for the first command that fails, and for lines that nothing printed."""
    port = free_port()
    page = page.replace(USUAL_PORT, str(port))
    for name, program in programs(page).items():
        (work / name).write_text(program)
    with (work / "out").open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script(page)], cwd=work, env=environment(work, port), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(SECONDS)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    said = (work / "out").read_text()
    last = int(re.findall(r"^#(\d+)$", said, re.MULTILINE)[-1])
    assert code == 0, f"{commands(page)[last]}\n{said[-3_000:]}"
    shown = [line.strip() for line in said.splitlines()]
    unseen = [line.pattern for line in printed(page) if not any(map(line.match, shown))]
    assert unseen == [], f"{unseen}\n{said[-6_000:]}"


def script(page: str) -> str:
    """A shell script that stops at the first command that fails; before each one it says which it is."""
    lines = ["set -e -o pipefail"]
    for number, command in enumerate(commands(page)):
        lines += [f"echo '#{number}'", command]
    return "\n".join(lines) + "\n"


def environment(work: Path, port: int) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith("TRACO_") or name == "TRACO_ENGINE_DIR"
    }  # fmt: skip
    return {
        **kept,
        "PATH": f"{work.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "EXAMPLES": str(ROOT / "examples"),
        "PORT": str(port),
    }
