from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from support.command_line import CommandLine
from support.stored_ledger import StoredLedger
from traco.cli.problems import ExitCode
from traco.kernel.genesis import network_id, parse_genesis
from traco.storage import DirectoryLock


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    directory = tmp_path / "ledger"
    directory.mkdir()
    stored = StoredLedger(directory)
    stored.trade(blocks=3, per_block=4)
    stored.close()
    return directory


def test_a_node_is_made_with_a_genesis_and_a_name_for_its_operator(
    traco: CommandLine, tmp_path: Path
) -> None:
    directory = tmp_path / "node"
    document = traco("node", "init", directory, "--network", "Example", "--port", "7999", "--json").document
    genesis = parse_genesis((directory / "genesis.json").read_bytes())
    assert genesis.name == "Example"
    assert document["network"] == network_id(genesis).hex()
    assert msgspec.json.decode((directory / "node.json").read_bytes())["port"] == 7999
    names = traco("name", "list", "--json").document["names"]
    assert [(name["name"], name["id"]) for name in names] == [("@operator", document["operator"])]


def test_a_node_is_made_in_an_empty_directory_only(traco: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "file").touch()
    printed = traco("node", "init", tmp_path / "node", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "node.not_empty")


def test_a_wrong_lei_makes_no_node(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("node", "init", tmp_path / "node", "--lei", "00000000000000000000", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "identifier.lei_check_digits")
    assert not (tmp_path / "node").exists()


def test_a_directory_without_a_node_cannot_be_started(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("node", "start", tmp_path, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "node.incomplete")


def test_what_does_not_run_cannot_be_stopped(traco: CommandLine, ledger: Path) -> None:
    printed = traco("node", "stop", ledger, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "node.not_running")


def test_a_sound_ledger_passes_the_audit(traco: CommandLine, ledger: Path) -> None:
    printed = traco("node", "audit", ledger, "--json")
    assert printed.code == 0
    assert (printed.document["sound"], printed.document["transactions"], printed.document["differences"]) == (
        True,
        25,
        [],
    )


def test_a_changed_ledger_fails_the_audit_with_the_place(traco: CommandLine, ledger: Path) -> None:
    with closing(apsw.Connection(str(ledger / "ledger.db"))) as connection:
        connection.execute("UPDATE history SET record_hash = zeroblob(32) WHERE position = 2")
    printed = traco("node", "audit", ledger, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "audit.difference")
    assert printed.document["sound"] is False
    found = printed.document["differences"]
    assert [(each["table"], each["row"], each["column"]) for each in found] == [
        ("history", "2", "record_hash")
    ]


def test_the_audit_tells_people_the_first_difference(traco: CommandLine, ledger: Path) -> None:
    with closing(apsw.Connection(str(ledger / "ledger.db"))) as connection:
        connection.execute("DELETE FROM history WHERE position = 2")
    printed = traco("node", "audit", ledger)
    assert "first in table history, row 2, column (whole row)" in printed.err


def test_a_running_node_is_not_audited(traco: CommandLine, ledger: Path) -> None:
    with DirectoryLock(ledger):
        printed = traco("node", "audit", ledger, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "storage.locked")


def test_a_damaged_ledger_cannot_be_audited(traco: CommandLine, ledger: Path) -> None:
    (ledger / "ledger.db").write_bytes(b"not a database, but as long as one" * 300)
    printed = traco("node", "audit", ledger, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "storage.damaged")


@pytest.mark.parametrize("command", [("node", "stop"), ("node", "audit"), ("node", "backup")])
def test_what_is_no_nodes_directory_is_said_to_be_none_and_left_alone(
    traco: CommandLine, tmp_path: Path, command: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    more = (tmp_path / "copy",) if "backup" in command else ()
    printed = traco(*command, place, *more, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "node.incomplete")
    assert "is not a node's directory; make one with" in printed.problem["detail"]
    assert list(place.iterdir()) == []


def test_a_node_in_a_directory_that_does_not_exist_cannot_be_stopped(
    traco: CommandLine, tmp_path: Path
) -> None:
    printed = traco("node", "stop", tmp_path / "nowhere", "--json")
    assert printed.problem["code"] == "node.incomplete"


@pytest.mark.parametrize(("name", "code"), [("operator", "name.taken"), ("other", "home.other_network")])
def test_a_home_that_cannot_take_another_network_gets_no_node(
    traco: CommandLine, tmp_path: Path, name: str, code: str
) -> None:
    traco("node", "init", tmp_path / "one")
    printed = traco("node", "init", tmp_path / "two", "--operator-name", name, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, code)
    assert "another --home" in printed.problem["detail"]
    assert not (tmp_path / "two").exists()
