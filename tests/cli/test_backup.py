from pathlib import Path

import pytest

from support.api import PASSPHRASE as NODE_PASSPHRASE
from support.api import make_directory
from support.command_line import CommandLine
from support.stored_ledger import StoredLedger
from traco.cli.problems import ExitCode
from traco.storage import differences


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    directory = tmp_path / "ledger"
    directory.mkdir()
    stored = StoredLedger(directory)
    stored.trade(blocks=3, per_block=4)
    receipt = stored.receipt(stored.transfer(1))
    stored.close()
    (tmp_path / "receipt").write_bytes(receipt)
    return directory


def test_a_node_is_backed_up_restored_and_takes_over(
    traco: CommandLine, ledger: Path, tmp_path: Path
) -> None:
    made = traco("node", "backup", ledger, tmp_path / "backup", "--json").document
    assert (made["height"], made["keys"], made["sealed"]) == (17, True, False)
    restored = traco(
        "node", "restore", tmp_path / "backup", tmp_path / "copy", "--expect-receipt", tmp_path / "receipt", "--json"
    ).document  # fmt: skip
    assert (restored["height"], restored["app_hash"]) == (17, made["app_hash"])
    assert (restored["verified"], restored["signatures"], restored["transactions"]) == ("full", "checked", 26)
    wrong = traco("node", "takeover", tmp_path / "copy", "--at-height", "9", "--json")
    assert (wrong.code, wrong.problem["code"]) == (ExitCode.NEGATIVE, "takeover.other_height")
    taken = traco("node", "takeover", tmp_path / "copy", "--at-height", "17", "--json")
    assert (taken.code, taken.document["height"]) == (0, 17)


def test_a_restored_copy_does_not_start(
    traco: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_directory(tmp_path / "node")
    monkeypatch.setenv("TRACO_PASSPHRASE", NODE_PASSPHRASE)
    traco("node", "backup", tmp_path / "node", tmp_path / "backup")
    traco("node", "restore", tmp_path / "backup", tmp_path / "copy")
    started = traco("node", "start", tmp_path / "copy", "--json")
    assert (started.code, started.problem["code"]) == (ExitCode.HALTED, "node.restored")


def test_people_are_told_as_of_when_a_restored_copy_is(
    traco: CommandLine, ledger: Path, tmp_path: Path
) -> None:
    traco("node", "backup", ledger, tmp_path / "backup")
    printed = traco("node", "restore", tmp_path / "backup", tmp_path / "copy", "--level", "quick")
    assert "This is the ledger as of height 17, 2026-09-21 " in printed.err
    assert "What came after it is not here." in printed.err
    assert f"traco node takeover {tmp_path / 'copy'} --at-height 17" in printed.err
    assert "not checked" in printed.out  # the signatures


def test_a_changed_backup_is_refused_in_words(traco: CommandLine, ledger: Path, tmp_path: Path) -> None:
    traco("node", "backup", ledger, tmp_path / "backup")
    (tmp_path / "backup" / "genesis.json").write_bytes(b"{}")
    printed = traco("node", "restore", tmp_path / "backup", tmp_path / "copy")
    assert printed.code == ExitCode.NEGATIVE
    assert "take another backup.\n       [backup.altered]" in printed.err
    assert not (tmp_path / "copy").exists()


def test_a_file_that_is_no_receipt_is_not_passed_over(
    traco: CommandLine, ledger: Path, tmp_path: Path
) -> None:
    traco("node", "backup", ledger, tmp_path / "backup")
    (tmp_path / "receipt").write_bytes(b"nothing")
    printed = traco(
        "node", "restore", tmp_path / "backup", tmp_path / "copy", "--expect-receipt", tmp_path / "receipt", "--json"
    )  # fmt: skip
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "receipt.malformed")


def test_a_ledger_is_exported_and_imported(traco: CommandLine, ledger: Path, tmp_path: Path) -> None:
    written = traco("node", "export", ledger, tmp_path / "file", "--json").document
    read = traco(
        "node", "import", tmp_path / "file", tmp_path / "copy", "--genesis", ledger / "genesis.json", "--json"
    ).document  # fmt: skip
    names = ("network", "height", "app_hash", "digest")
    assert [written[name] for name in names] == [read[name] for name in names]
    assert differences(ledger / "ledger.db", tmp_path / "copy" / "ledger.db") == []


def test_another_network_is_not_imported(traco: CommandLine, ledger: Path, tmp_path: Path) -> None:
    make_directory(tmp_path / "other")
    traco("node", "export", ledger, tmp_path / "file")
    printed = traco(
        "node", "import", tmp_path / "file", tmp_path / "copy", "--genesis", tmp_path / "other" / "genesis.json",
        "--json",
    )  # fmt: skip
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "import.other_network")


def test_a_seal_takes_the_nodes_own_key_and_its_passphrase(
    traco: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_directory(tmp_path / "node")
    wrong = traco("node", "backup", tmp_path / "node", tmp_path / "backup", "--seal", "--json")
    assert wrong.code == ExitCode.KEYS
    assert not (tmp_path / "backup").exists()
    monkeypatch.setenv("TRACO_PASSPHRASE", NODE_PASSPHRASE)
    made = traco("node", "backup", tmp_path / "node", tmp_path / "backup", "--seal", "--json")
    assert (made.code, made.document["sealed"]) == (0, True)
    exported = traco("node", "export", tmp_path / "node", tmp_path / "file", "--seal", "--json")
    assert (exported.code, exported.document["sealed"]) == (0, True)


def test_keys_are_left_out_on_request(traco: CommandLine, tmp_path: Path) -> None:
    make_directory(tmp_path / "node")
    printed = traco("node", "backup", tmp_path / "node", tmp_path / "backup", "--no-keys")
    assert "beside a copy of them" in printed.err
    assert not list((tmp_path / "backup").glob("*.keys"))
