from pathlib import Path
from typing import Any

import pytest

from support.command_line import CommandLine
from traco.cli.problems import ExitCode
from traco.client.collecting import unsigned
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import Instruction
from traco.modules.party.messages import GrantRole, RegisterNode

pytestmark = pytest.mark.usefixtures("cheap_keys")


@pytest.fixture
def member(traco: CommandLine, tmp_path: Path) -> bytes:
    return bytes.fromhex(traco("node", "init", tmp_path / "node", "--json").document["operator"])


def written(tmp_path: Path, *instructions: Instruction, network: bytes | None = None) -> Path:
    genesis = parse_genesis((tmp_path / "node" / "genesis.json").read_bytes())
    path = tmp_path / "decision.tx"
    path.write_bytes(unsigned(network or network_id(genesis), 1_000_000, instructions))
    return path


def grant(member: bytes) -> GrantRole:
    return GrantRole((member, b"o" * 16), b"s" * 16, "authority")


def test_a_written_transaction_is_shown_without_a_node(
    traco: CommandLine, tmp_path: Path, member: bytes
) -> None:
    document = traco("tx", "inspect", written(tmp_path, grant(member)), "--json").document
    assert document["acting"] == [member.hex(), (b"o" * 16).hex()]
    assert (document["signatures"], document["valid_until"]) == (0, "1970-01-01 00:16:40 UTC")
    assert document["instructions"][0]["type"] == "party.grant_role/1"


def test_people_see_names_for_who_acts(traco: CommandLine, tmp_path: Path, member: bytes) -> None:
    assert "@operator" in traco("tx", "inspect", written(tmp_path, grant(member))).out


@pytest.mark.parametrize("kind", ["sign", "administer"])
def test_the_acting_party_signs_without_a_node(
    traco: CommandLine, tmp_path: Path, member: bytes, kind: str
) -> None:
    instruction: Any = grant(member) if kind == "sign" else RegisterNode(member, b"\x01" + b"k" * 32)
    path = written(tmp_path, instruction)
    before = traco("tx", "inspect", path, "--json").document["transaction"]
    document = traco("tx", "sign", path, "--as", "@operator", "--json").document
    assert (document["transaction"], document["signatures"]) == (before, 1)
    assert traco("tx", "inspect", path, "--json").document["signatures"] == 1


def test_who_does_not_act_does_not_sign(traco: CommandLine, tmp_path: Path, member: bytes) -> None:
    path = written(tmp_path, grant(b"x" * 16))
    printed = traco("tx", "sign", path, "--as", "@operator", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "transaction.not_actor")


def test_what_is_for_another_network_is_not_signed(traco: CommandLine, tmp_path: Path, member: bytes) -> None:
    path = written(tmp_path, grant(member), network=b"x" * 32)
    printed = traco("tx", "sign", path, "--as", "@operator", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "transaction.other_network")


@pytest.mark.parametrize("verb", ["inspect", "sign"])
def test_a_file_that_is_no_transaction_is_named(
    traco: CommandLine, tmp_path: Path, member: bytes, verb: str
) -> None:
    path = tmp_path / "file.tx"
    path.write_bytes(b"something")
    more = ("--as", "@operator") if verb == "sign" else ()
    printed = traco("tx", verb, path, *more, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "transaction.unreadable")
    assert "file.tx" in printed.problem["detail"]
