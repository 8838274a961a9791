"""The commands for a ledger that is damaged or differs from others'."""

from pathlib import Path
from shutil import copytree

import apsw
import pytest

from support.command_line import CommandLine
from support.stored_ledger import StoredLedger
from traco.cli import recovery
from traco.cli.problems import ExitCode
from traco.engine.cometbft.errors import EngineFailed
from traco.node import rollback


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rollback, "require_complete", lambda directory: None)
    directory = tmp_path / "ledger"
    directory.mkdir()
    stored = StoredLedger(directory)
    stored.trade(blocks=3, per_block=4)
    stored.close()
    return directory


def change(directory: Path, statement: str) -> None:
    connection = apsw.Connection(str(directory / "ledger.db"))
    connection.execute(statement)
    connection.close()


def test_a_ledger_is_rebuilt(traco: CommandLine, ledger: Path) -> None:
    change(ledger, "UPDATE state SET value = x'00' WHERE slot = 3")
    done = traco("node", "rebuild", ledger, "--json").document
    assert (done["height"], done["executed_from"], done["transactions"]) == (16, 0, 25)
    assert traco("node", "audit", ledger, "--json").document["sound"]


def test_a_block_that_comes_out_differently_is_told(traco: CommandLine, ledger: Path) -> None:
    change(ledger, "UPDATE blocks SET app_hash = zeroblob(32) WHERE height = 5")
    refused = traco("node", "rebuild", ledger, "--json")
    assert (refused.code, refused.problem["code"]) == (ExitCode.NEGATIVE, "rebuild.different_result")


def test_what_one_machine_sealed_is_not_taken_back(traco: CommandLine, ledger: Path) -> None:
    refused = traco("node", "rollback", ledger, "--json")
    assert (refused.code, refused.problem["code"]) == (ExitCode.NEGATIVE, "rollback.sealed")


def test_the_engine_is_found_where_the_configuration_says(
    traco: CommandLine, ledger: Path, tmp_path: Path
) -> None:
    (ledger / "node.json").write_text(
        '{"format": "traco-node/1", "engine": {"program": "%s"}}' % (tmp_path / "none")
    )
    with pytest.raises(EngineFailed.__mro__[1], match=r"engine\."):
        recovery._engine_of(ledger)()


def test_equal_ledgers_are_said_to_be(traco: CommandLine, ledger: Path, tmp_path: Path) -> None:
    copytree(ledger, tmp_path / "other")
    found = traco("node", "compare", ledger, tmp_path / "other", "--json")
    assert (found.code, found.document["equal_up_to"], found.document["height"]) == (0, 16, None)


def test_where_ledgers_part_is_named(traco: CommandLine, ledger: Path, tmp_path: Path) -> None:
    copytree(ledger, tmp_path / "other")
    change(
        tmp_path / "other",
        "UPDATE blocks SET app_hash = zeroblob(32), time_ms = time_ms + 1 WHERE height = 16",
    )
    found = traco("node", "compare", ledger, tmp_path / "other")
    assert found.code == ExitCode.NEGATIVE
    assert "The ledgers differ from block 16 on, first in its time." in found.err


def test_state_hashes_are_written_for_the_other_operator(
    traco: CommandLine, ledger: Path, tmp_path: Path
) -> None:
    file = tmp_path / "state.hashes"
    written = traco("node", "state-hashes", ledger, "--output", file, "--json").document
    assert written["bytes"] == file.stat().st_size
    found = traco("node", "compare", ledger, file, "--json")
    assert (found.code, found.document["equal_up_to"]) == (0, 16)


def test_a_file_of_something_else_is_refused(traco: CommandLine, ledger: Path) -> None:
    refused = traco("node", "compare", ledger, ledger / "genesis.json", "--json")
    assert (refused.code, refused.problem["code"]) == (ExitCode.NEGATIVE, "compare.not_state_hashes")
