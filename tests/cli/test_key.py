import sys
from pathlib import Path

import pytest

from support.command_line import PASSPHRASE, CommandLine
from support.keyrings import fake_keyring
from traco.cli.problems import ExitCode
from traco.client.keystore import KeyStore
from traco.client.signer import P256Signer


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


def test_a_key_store_is_made_with_one_key_for_everything(traco: CommandLine) -> None:
    document = traco("key", "create", "@seller", "--json").document
    assert document["name"] == "@seller"
    assert [(key["name"], key["scheme"], key["roles"]) for key in document["keys"]] == [
        ("main", "ed25519", ["administer", "read", "sign"])
    ]
    with KeyStore.open(traco.home / "keys" / "seller.keys", PASSPHRASE) as store:
        assert store.signer("main").public_key.hex() == document["keys"][0]["public_key"]


def test_the_key_store_is_private(traco: CommandLine) -> None:
    traco("key", "create", "seller")
    assert (traco.home / "keys" / "seller.keys").stat().st_mode & 0o777 == 0o600


def test_scheme_and_roles_can_be_chosen(traco: CommandLine) -> None:
    key = traco("key", "create", "hsm", "--scheme", "p256", "--role", "sign", "--json").document["keys"][0]
    assert (key["scheme"], key["roles"], key["public_key"][:2]) == ("p256", ["sign"], "02")


def test_a_second_key_is_added_and_listed(traco: CommandLine) -> None:
    traco("key", "create", "seller")
    assert traco("key", "add", "seller", "--key", "second", "--role", "sign").code == 0
    listed = traco("key", "list", "seller", "--json").document
    assert [key["name"] for key in listed["keys"]] == ["main", "second"]


def test_the_public_keys_are_written_beside_the_store_and_exported_alike(
    traco: CommandLine, tmp_path: Path
) -> None:
    traco("key", "create", "seller")
    target = tmp_path / "public.json"
    assert traco("key", "export", "seller", "--output", target).code == 0
    assert target.read_bytes() == (traco.home / "keys" / "seller.public.json").read_bytes()
    assert traco("key", "export", "seller").out == target.read_text()


def test_an_existing_key_store_is_left_alone(traco: CommandLine) -> None:
    traco("key", "create", "seller")
    printed = traco("key", "create", "seller", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "keystore.exists")
    assert "choose another name" in printed.problem["detail"]


def test_a_wrong_passphrase_is_said_without_repeating_it(
    traco: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    traco("key", "create", "seller")
    monkeypatch.setenv("TRACO_PASSPHRASE", "hunter2-and-more")
    printed = traco("key", "list", "seller", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "keystore.wrong_passphrase")
    assert "hunter2" not in printed.out + printed.err


def test_the_passphrase_changes(traco: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    traco("key", "create", "seller")
    new = private(tmp_path / "new", "another passphrase\n")
    assert traco("key", "change-passphrase", "seller", "--new-passphrase-file", new).code == 0
    assert traco("key", "list", "seller").code == ExitCode.KEYS
    monkeypatch.setenv("TRACO_PASSPHRASE", "another passphrase")
    assert traco("key", "list", "seller").code == 0


def test_a_passphrase_file_goes_before_the_environment(traco: CommandLine, tmp_path: Path) -> None:
    file = private(tmp_path / "file", "from the file\nsecond line")
    traco("key", "create", "seller", "--passphrase-file", file)
    assert traco("key", "list", "seller").code == ExitCode.KEYS
    assert traco("key", "list", "seller", "--passphrase-file", file).code == 0


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_passphrase_file_that_others_may_read_is_refused(
    traco: CommandLine, tmp_path: Path, mode: int
) -> None:
    file = private(tmp_path / "file", "secret", mode)
    printed = traco("key", "create", "seller", "--passphrase-file", file, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "passphrase.file_insecure")


def test_a_missing_passphrase_file_is_named(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("key", "create", "seller", "--passphrase-file", tmp_path / "none", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "passphrase.file_unusable")


def test_without_a_terminal_nobody_is_asked(traco: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACO_PASSPHRASE")
    printed = traco("key", "create", "seller", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "passphrase.missing")


def test_an_empty_passphrase_is_refused(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("key", "create", "seller", "--passphrase-file", private(tmp_path / "file", ""), "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "keystore.passphrase_unusable")


@pytest.mark.parametrize("name", ["Seller", "1st", "a" * 64, "../x", "a b", "", "ab" * 16, "cd" * 32])
def test_what_cannot_be_a_name_is_refused(traco: CommandLine, name: str) -> None:
    printed = traco("key", "create", name, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "name.unusable")


def test_passphrases_are_no_options(traco: CommandLine) -> None:
    assert traco("key", "create", "seller", "--passphrase", "x").code == ExitCode.USAGE


PROGRAM = """
import json, sys
from traco.client.signer import P256Signer
signer, request = P256Signer.from_seed(bytes(range(32))), json.load(sys.stdin)
key = {"public_key": signer.public_key.hex()}
print(json.dumps({"signature": signer.sign(bytes.fromhex(request["message"])).hex()} if "message" in request else key))
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return [sys.executable, str(file)]


def test_a_key_in_the_keyring_belongs_to_a_name_like_a_key_store(traco: CommandLine) -> None:
    with fake_keyring() as kept:
        document = traco("key", "keyring", "bank", "--json").document
        assert list(kept.kept) == [("traco", "bank/main")]
        assert traco("key", "list", "bank", "--json").document["keys"] == document["keys"]
        assert traco("key", "export", "bank").out == Path(document["public_keys"]).read_text()
        traco("key", "keyring", "bank", "--key", "second", "--role", "sign")
        assert len(traco("key", "list", "bank", "--json").document["keys"]) == 2


def test_without_a_keyring_nothing_is_made(traco: CommandLine) -> None:
    with fake_keyring() as kept:
        kept.is_locked = True
        printed = traco("key", "keyring", "bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "signer.keyring_failed")
    assert not (traco.home / "keys" / "bank.signers").exists()


def test_a_program_s_key_belongs_to_a_name_like_a_key_store(traco: CommandLine, program: list[str]) -> None:
    document = traco("key", "command", "bank", "--json", "--", *program).document
    key = P256Signer.from_seed(bytes(range(32))).public_key.hex()
    assert [(each["scheme"], each["public_key"]) for each in document["keys"]] == [("p256", key)]
    assert traco("key", "list", "@bank", "--json").document["keys"] == document["keys"]


def test_a_program_that_has_no_key_is_refused(traco: CommandLine) -> None:
    printed = traco("key", "command", "bank", "--json", "--", sys.executable, "-c", "print()")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "signer.command_answer")


def test_a_name_with_a_key_store_gets_no_other_keys(traco: CommandLine, program: list[str]) -> None:
    traco("key", "create", "bank")
    printed = traco("key", "command", "bank", "--json", "--", *program)
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "keystore.exists")


def test_a_name_with_keys_elsewhere_gets_no_key_store(traco: CommandLine, program: list[str]) -> None:
    traco("key", "command", "bank", "--", *program)
    printed = traco("key", "create", "bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.KEYS, "keystore.exists")
