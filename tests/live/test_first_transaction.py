"""Runs docs/first-transaction.md: every command of the page, in its order, against a node of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.live_node import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-transaction.md"
SECONDS = 180  # half a minute on an idle machine


def commands(page: str) -> list[str]:
    """The commands of a page: in its console blocks, the lines that begin with a dollar sign."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def printed(page: str) -> list[re.Pattern[str]]:
    """What the page says is printed, line by line; three points, with the beginning of an id, stand for anything."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [
        re.sub(r"[0-9a-f]{6,}\.{3}", "...", line).split()
        for block in blocks
        for line in block.splitlines()
        if not line.startswith("$ ")
    ]
    return [
        re.compile(r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in words))
        for words in lines if words
    ]  # fmt: skip


def script(page: str) -> str:
    """A shell script that stops at the first command that fails; before each one it says which it is."""
    lines = ["set -e -o pipefail"]
    for number, command in enumerate(commands(page)):
        lines += [f"echo '#{number}'", command]
    return "\n".join(lines) + "\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with a ``traco`` and a ``python`` of its own, which are those of this process."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("traco", "-m traco.cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    yield work
    if (work / "node" / "lock").exists():
        subprocess.run(
            [programs / "traco", "node", "stop", "node"], cwd=work, check=False, capture_output=True
        )


def environment(place: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACO_")}
    return {
        **kept,
        "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "EXAMPLES": str(ROOT / "examples"),
        "PORT": str(port),
    }


def test_every_command_of_the_first_transaction_works(place: Path) -> None:
    page, port = PAGE.read_text(), free_port()
    with (place / "out").open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script(page)], cwd=place, env=environment(place, port), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(SECONDS)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    said = (place / "out").read_text()
    last = int(re.findall(r"^#(\d+)$", said, re.MULTILINE)[-1])
    assert code == 0, f"{commands(page)[last]}\n{said[-3_000:]}"
    shown = [line.strip() for line in said.replace(f":{port}", ":7470").splitlines()]
    assert [line.pattern for line in printed(page) if not any(map(line.match, shown))] == []
