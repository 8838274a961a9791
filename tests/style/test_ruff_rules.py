"""The rules left to ruff are switched on: each planted violation is found under the name of its rule."""

import json
import subprocess
import sys

import pytest

from style.finding import ROOT

DOCUMENTED = '"""A file."""\n\n\n'


def rules(text: str, path: str = "src/traco/storage/planted.py") -> list[str]:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format=json",
        f"--stdin-filename={path}",
        "-",
    ]
    answer = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, check=False)
    return [finding["code"] for finding in json.loads(answer.stdout)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("X = 1\n", "D100"),
        (DOCUMENTED + "class Planted:\n    x: int\n", "D101"),
        (
            DOCUMENTED
            + 'class Planted:\n    """Doc."""\n\n    def call(self) -> None:\n        self.x = 1\n',
            "D102",
        ),
        (DOCUMENTED + "def planted() -> None:\n    planted()\n", "D103"),
        (DOCUMENTED + "# TO" + "DO: later\n", "FIX002"),
        (DOCUMENTED + "# FIX" + "ME: later\n", "FIX001"),
        (DOCUMENTED + "# value = compute(1)\n", "ERA001"),
        (DOCUMENTED + "assert len('a') == 1\n", "S101"),
        (DOCUMENTED + "try:\n    X = 1\nexcept Exception:\n    X = 2\n", "BLE001"),
        (DOCUMENTED + "print('a')\n", "T201"),
        (DOCUMENTED + "def planted(x: list[int] = []) -> None:\n    '''Doc.'''\n    x.append(1)\n", "B006"),
        (DOCUMENTED + "import pickle\n\nX = pickle.loads(b'')\n", "S301"),
    ],
    ids=lambda value: value if value.isalnum() else "",
)
def test_rule_is_on(text: str, rule: str) -> None:
    assert rule in rules(text)


def test_a_clean_file_has_no_findings() -> None:
    assert rules(DOCUMENTED.rstrip() + "\n") == []


def test_the_transaction_boundary_may_catch_all() -> None:
    text = DOCUMENTED + "try:\n    X = 1\nexcept Exception:\n    X = 2\n"
    assert "BLE001" not in rules(text, "src/traco/kernel/execution.py")
