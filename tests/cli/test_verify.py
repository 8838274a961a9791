from pathlib import Path

import pytest

from support.command_line import CommandLine
from support.stored_ledger import ISSUED, StoredLedger
from traco.cli.problems import ExitCode


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    stored = StoredLedger(directory)
    (directory / "good.receipt").write_bytes(stored.receipt(stored.transfer(5)))
    (directory / "rejection.receipt").write_bytes(stored.receipt(stored.transfer(2 * ISSUED)))
    stored.close()
    return directory


def test_a_valid_receipt_is_explained(traco: CommandLine, files: Path) -> None:
    printed = traco("verify", files / "good.receipt", "--genesis", files / "genesis.json")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.startswith("VALID: this happened on the ledger.\n")
    assert "holding.transfer/1" in printed.out


def test_a_valid_receipt_is_a_document_for_programs(traco: CommandLine, files: Path) -> None:
    printed = traco("verify", files / "good.receipt", "--genesis", files / "genesis.json", "--json")
    assert (printed.code, printed.document["valid"], printed.document["outcome"]) == (0, True, "success")


def test_the_receipt_of_a_rejection_is_valid_and_says_so(traco: CommandLine, files: Path) -> None:
    printed = traco("verify", files / "rejection.receipt", "--genesis", files / "genesis.json")
    assert printed.code == 0
    assert "rejected: holding.insufficient" in printed.out


def test_a_forged_receipt_is_refused(traco: CommandLine, files: Path, tmp_path: Path) -> None:
    content = bytearray((files / "good.receipt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "forged").write_bytes(content)
    printed = traco("verify", tmp_path / "forged", "--genesis", files / "genesis.json", "--json")
    assert (printed.code, printed.out) == (ExitCode.NEGATIVE, "")
    assert printed.problem["code"].startswith("receipt.")


def test_another_networks_genesis_is_refused(traco: CommandLine, files: Path, tmp_path: Path) -> None:
    other = tmp_path / "genesis.json"
    other.write_bytes((files / "genesis.json").read_bytes().replace(b"Stored", b"Others"))
    printed = traco("verify", files / "good.receipt", "--genesis", other, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "receipt.other_network")


@pytest.mark.parametrize("content", [b"", b"{}", bytes(1_048_577)])
def test_what_is_no_receipt_proves_nothing(
    traco: CommandLine, files: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    printed = traco("verify", tmp_path / "file", "--genesis", files / "genesis.json", "--json")
    assert printed.code == ExitCode.NEGATIVE


def test_what_is_no_genesis_proves_nothing(traco: CommandLine, files: Path) -> None:
    printed = traco("verify", files / "good.receipt", "--genesis", files / "good.receipt", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "receipt.genesis_invalid")


@pytest.mark.parametrize(
    "arguments", [("none", "--genesis", "genesis.json"), ("good.receipt", "--genesis", "none")]
)
def test_a_missing_file_is_no_verdict(
    traco: CommandLine, files: Path, arguments: tuple[str, str, str]
) -> None:
    receipt, option, genesis = arguments
    printed = traco("verify", files / receipt, option, files / genesis, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "file.unusable")


def test_the_genesis_must_be_named(traco: CommandLine, files: Path) -> None:
    printed = traco("verify", files / "good.receipt")
    assert printed.code == ExitCode.USAGE
    assert "GET /v1/genesis" in printed.err


def test_the_verdict_comes_first_for_what_is_not_valid(
    traco: CommandLine, files: Path, tmp_path: Path
) -> None:
    other = tmp_path / "genesis.json"
    other.write_bytes((files / "genesis.json").read_bytes().replace(b"Stored", b"Others"))
    printed = traco("verify", files / "good.receipt", "--genesis", other)
    assert printed.err.startswith(
        "error: NOT VALID: this file does not prove anything on the network of this genesis document. "
    )


def test_a_file_that_is_no_receipt_is_said_to_be_none(
    traco: CommandLine, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    printed = traco("verify", tmp_path / "file", "--genesis", files / "genesis.json")
    assert printed.err.startswith("error: NOT VALID: this file is no receipt")


def test_references_are_read_as_text_and_amounts_as_smallest_units(traco: CommandLine, files: Path) -> None:
    out = traco("verify", files / "good.receipt", "--genesis", files / "genesis.json").out
    assert 'reference="rent"' in out
    assert "are in smallest units" in out
