from pathlib import Path

import msgspec
import pytest

from support.command_line import CommandLine
from support.stored_ledger import EUR, StoredLedger
from traco.cli.problems import ExitCode


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("node")
    stored = StoredLedger(directory)
    stored.transfer(5)
    stored.close()
    return directory, stored.accounts[1].hex()


def test_a_holding_is_proven(traco: CommandLine, account: tuple[Path, str], tmp_path: Path) -> None:
    directory, receiver = account
    file = tmp_path / "proof"
    document = traco(
        "state", "prove", "holding", directory, EUR.hex(), receiver, "-o", file, "--json"
    ).document
    assert document["proves"] == "presence"
    assert document["record"]["available"] == 1_000_005
    checked = traco("state", "verify", file, "--app-hash", document["app_hash"], "--json")
    assert (checked.code, checked.document["value"]) == (0, document["value"])


def test_the_absence_of_a_holding_is_proven(
    traco: CommandLine, account: tuple[Path, str], tmp_path: Path
) -> None:
    file = tmp_path / "proof"
    printed = traco("state", "prove", "holding", account[0], EUR.hex(), "00" * 16, "-o", file, "--json")
    assert printed.document["proves"] == "absence"
    assert traco("state", "verify", file).code == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [("instrument", EUR.hex()), ("account", ""), ("document", "11" * 16), ("batch", "11" * 16)],
)
def test_other_things_are_proven_too(
    traco: CommandLine, account: tuple[Path, str], kind: str, text: str
) -> None:
    printed = traco("state", "prove", kind, account[0], text or account[1], "--json")
    expected = "presence" if kind in ("instrument", "account") else "absence"
    assert printed.document["proves"] == expected


def test_any_key_is_proven(traco: CommandLine, account: tuple[Path, str]) -> None:
    assert traco("state", "prove", "key", account[0], "ff", "--json").document["proves"] == "absence"


def test_what_is_no_key_is_refused(traco: CommandLine, account: tuple[Path, str]) -> None:
    assert traco("state", "prove", "key", account[0], "xy", "--json").problem["code"] == "state.key"


@pytest.mark.parametrize("field", ["value", "state_root", "history_root", "history_size", "app_hash", "key"])
def test_a_changed_proof_proves_nothing(
    traco: CommandLine, account: tuple[Path, str], tmp_path: Path, field: str
) -> None:
    file = tmp_path / "proof"
    traco("state", "prove", "holding", account[0], EUR.hex(), account[1], "-o", file)
    proof = msgspec.json.decode(file.read_bytes())
    proof[field] = proof[field] + 1 if isinstance(proof[field], int) else "A" * 42 + "A="
    file.write_bytes(msgspec.json.encode(proof))
    printed = traco("state", "verify", file, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "proof.invalid")


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000])
def test_what_is_no_proof_proves_nothing(traco: CommandLine, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert traco("state", "verify", tmp_path / "file", "--json").problem["code"] == "proof.invalid"


def test_a_proof_about_another_state_is_refused(
    traco: CommandLine, account: tuple[Path, str], tmp_path: Path
) -> None:
    file = tmp_path / "proof"
    traco("state", "prove", "key", account[0], "ff", "-o", file)
    printed = traco("state", "verify", file, "--app-hash", "00" * 32, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "proof.other_state")


def test_a_directory_without_a_ledger_proves_nothing(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("state", "prove", "key", tmp_path, "ff", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "node.not_founded")
