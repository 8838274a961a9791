"""The command against a node that wants tokens, for a party whose key a program keeps."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import PASSPHRASE, CommandLine
from support.live_node import LiveNode, free_port
from traco.cli.main import run
from traco.cli.problems import ExitCode

PROGRAM = """
import json, sys
from traco.client.signer import P256Signer
signer, request = P256Signer.from_seed(bytes(range(32))), json.load(sys.stdin)
key = {"public_key": signer.public_key.hex()}
print(json.dumps({"signature": signer.sign(bytes.fromhex(request["message"])).hex()} if "message" in request else key))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node of a network that is no development network, and a bank whose key is behind a program."""
    folder = tmp_path_factory.mktemp("access")
    made, program = folder / "home", folder / "program.py"
    program.write_text(PROGRAM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACO_PASSPHRASE", PASSPHRASE)
        patch.setenv("TRACO_HOME", str(made))
        assert (
            run(["node", "init", str(folder / "node"), "--purpose", "test", "--port", str(free_port())]) == 0
        )
        node = LiveNode(folder / "node", PASSPHRASE)
        try:
            assert run(["key", "command", "bank", "--", sys.executable, str(program)]) == 0
            assert (
                run(["party", "register", "bank", "--legal-name", "Example Bank", "--as", "@operator"]) == 0
            )
            yield made
        finally:
            node.kill()


@pytest.fixture
def traco(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(home, monkeypatch, capfd)


def test_who_does_not_say_who_asks_is_refused_with_what_to_do(traco: CommandLine) -> None:
    printed = traco("party", "show", "@bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "access.missing")


def test_a_party_asks_and_acts_with_the_key_that_its_program_keeps(
    traco: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACO_PASSPHRASE")  # there is none for such a key
    opened = traco("holding", "open-account", "bank-cash", "--as", "@bank", "--json")
    assert opened.code == 0, opened.err
    monkeypatch.setenv("TRACO_PARTY", "@bank")
    assert traco("holding", "show", "@bank-cash", "--json").code == 0
    receipt = traco.home / "opening.receipt"
    assert traco("receipt", "export", opened.document["transaction"], "--output", receipt, "--json").code == 0


def test_a_party_is_given_by_its_id_too(traco: CommandLine) -> None:
    identity = traco("party", "show", "@bank", "--as", "@operator", "--json").document["id"]
    assert traco("party", "show", identity, "--as", identity, "--json").code == 0


def test_a_token_is_not_sent_in_the_clear_to_another_machine(traco: CommandLine) -> None:
    printed = traco("party", "show", "@bank", "--as", "@bank", "--url", "http://192.0.2.1", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "client.insecure_address")
