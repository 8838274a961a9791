"""Each process of a node loads the libraries that it needs, and no others."""

import importlib
import subprocess
import sys

import pytest

from traco.node.beside import API, CHANNELS, PROJECTOR

LIBRARIES = ("httpx", "litestar", "psycopg", "sqlalchemy", "typer")


def loaded_with(module: str) -> list[str]:
    """Which of the libraries a new process has after it imported a module."""
    program = f"import sys, {module}; print(*sorted(set({LIBRARIES!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, check=True
    )  # fmt: skip
    return done.stdout.decode().split()


@pytest.mark.parametrize("named", [API, PROJECTOR, CHANNELS])
def test_what_is_named_is_there(named: str) -> None:
    module, _, function = named.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_process_of_the_ledger_has_the_one_that_asks_an_engine() -> None:
    assert loaded_with("traco.node.supervisor") == ["httpx"]


def test_the_projector_has_the_one_of_its_database() -> None:
    assert loaded_with("traco.node.projector") == ["sqlalchemy"]


def test_the_command_that_starts_a_node_has_those_of_the_command_line_only() -> None:
    assert loaded_with("traco.cli.node") == ["httpx", "typer"]


def test_the_process_of_channels_has_the_one_that_asks_other_nodes() -> None:
    assert loaded_with("traco.node.channels.process") == ["httpx"]


@pytest.mark.parametrize("module", ["traco.node.ahead", "traco.node.own_screener", "traco.node.verifiers"])
def test_a_process_that_verifies_signatures_has_none_of_them(module: str) -> None:
    assert loaded_with(module) == []


def test_a_process_that_a_node_starts_does_not_load_the_command_line() -> None:
    assert loaded_with("traco.cli.__main__") == []
