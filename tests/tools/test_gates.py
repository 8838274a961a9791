"""The two gates of the Makefile fail when they should: at the requirement they pass, just below it they do not."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def gate(tool: str, *arguments: str) -> int:
    command = [sys.executable, str(TOOLS / tool), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


def coverage_of(folder: Path, layers: dict[str, tuple[int, int]]) -> str:
    """A report in which each layer has 1000 statements and 100 branches, so many of them covered."""
    files = {
        f"src/traco/{layer}/file.py": {
            "summary": {
                "covered_lines": statements, "num_statements": 1000, "covered_branches": branches, "num_branches": 100,
            }
        }
        for layer, (statements, branches) in layers.items()
    }  # fmt: skip
    path = folder / "coverage.json"
    path.write_text(json.dumps({"files": files}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("storage", "expected"),
    [((950, 95), 0), ((1000, 100), 0), ((949, 95), 1), ((950, 94), 1)],
)
def test_coverage_is_demanded_of_statements_and_branches(
    tmp_path: Path, storage: tuple[int, int], expected: int
) -> None:
    path = coverage_of(tmp_path, {"kernel": (1000, 100), "modules": (1000, 100), "storage": storage})
    assert gate("coverage_gate.py", path) == expected


def test_a_layer_without_code_fails(tmp_path: Path) -> None:
    assert (
        gate("coverage_gate.py", coverage_of(tmp_path, {"kernel": (1000, 100), "modules": (1000, 100)})) == 1
    )


def mutants_of(folder: Path, codes: Sequence[int | None]) -> str:
    outcomes = {f"traco.kernel.codec.x_f__mutmut_{index}": code for index, code in enumerate(codes)}
    (folder / "codec.py.meta").write_text(json.dumps({"exit_code_by_key": outcomes}), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(("killed", "expected"), [(17, 0), (16, 1)])
def test_mutants_must_be_killed(tmp_path: Path, killed: int, expected: int) -> None:
    folder = mutants_of(tmp_path, [1] * killed + [0] * (20 - killed))
    assert gate("mutation_gate.py", folder, "traco.*") == expected


@pytest.mark.parametrize("code", [0, 2, 5, 33, 34, 35, None])
def test_a_mutant_that_no_test_failed_on_is_alive(tmp_path: Path, code: int | None) -> None:
    assert gate("mutation_gate.py", mutants_of(tmp_path, [code]), "traco.*") == 1


@pytest.mark.parametrize("code", [1, 3, 36, -24])
def test_a_mutant_that_failed_or_hung_is_killed(tmp_path: Path, code: int) -> None:
    assert gate("mutation_gate.py", mutants_of(tmp_path, [code]), "traco.*") == 0


def test_no_mutants_at_all_fails(tmp_path: Path) -> None:
    assert gate("mutation_gate.py", str(tmp_path), "traco.*") == 1


def test_a_pattern_that_no_mutant_has_fails(tmp_path: Path) -> None:
    assert gate("mutation_gate.py", mutants_of(tmp_path, [1]), "traco.modules.*") == 1
