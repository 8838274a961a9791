"""The demonstration, run as users run it: ten steps, exit code 0, a proof that anybody can check."""

import subprocess
import sys
from pathlib import Path

import pytest

from traco.demo.stage import STEPS

ROOT = Path(__file__).parents[2]
OFFICIAL = ROOT.parent / "shared" / "data" / "en16931"
TIMEOUT = 600


def traco(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traco.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=ROOT)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("demo") / "demo"
    return directory, traco("demo", "--dir", str(directory))


def test_it_exits_with_zero(shown: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert (shown[1].returncode, shown[1].stderr) == (0, "")


def test_it_shows_every_step(shown: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    steps = [line for line in shown[1].stdout.splitlines() if f"/{STEPS}  " in line[:8]]
    assert [int(line[:2]) for line in steps] == list(range(1, STEPS + 1))


def test_its_receipt_verifies_with_the_genesis_alone(
    shown: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for name in ("settlement.receipt", "genesis.json"):
        (tmp_path / name).write_bytes((shown[0] / name).read_bytes())
    answer = traco(
        "verify", str(tmp_path / "settlement.receipt"), "--genesis", str(tmp_path / "genesis.json")
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_its_receipt_is_refused_after_a_change(
    shown: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    raw = bytearray((shown[0] / "settlement.receipt").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "changed.receipt").write_bytes(raw)
    answer = traco("verify", str(tmp_path / "changed.receipt"), "--genesis", str(shown[0] / "genesis.json"))
    assert answer.returncode == 1


def test_it_does_not_delete_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    answer = traco("demo", "--dir", str(tmp_path))
    assert (answer.returncode, (tmp_path / "precious").read_text()) == (2, "data")


def test_a_folder_without_an_invoice_to_finance_is_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "invoices"
    folder.mkdir()
    (folder / "notes.xml").write_text("not xml at all")
    answer = traco("demo", "--dir", str(tmp_path / "demo"), "--invoices", str(folder))
    assert (answer.returncode, "can be financed" in answer.stderr) == (1, True)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official example files of EN 16931 are not here")
def test_the_official_examples_register_as_they_should(tmp_path: Path) -> None:
    answer = traco("demo", "--dir", str(tmp_path / "demo"), "--invoices", str(OFFICIAL))
    said = {line.split()[0]: line for line in answer.stdout.splitlines() if ".xml" in line[:40]}
    assert answer.returncode == 0
    assert "unique" in said["ubl-tc434-example4.xml"]
    assert "unique" in said["CII_example1.xml"]
    assert "duplicate" in said["ubl-tc434-example1.xml"]
    assert (
        "names_other_payee" in said["BIS_Billing_30-Factoring.xml"]
        or "payee" in said["BIS_Billing_30-Factoring.xml"]
    )
    assert "credit" in said["ubl-tc434-creditnote1.xml"]
    assert "5 of 5 are duplicates" in answer.stdout
