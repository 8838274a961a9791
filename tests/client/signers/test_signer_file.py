"""Files that name signers: what they may say, and that nobody else may write them."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.keyrings import Fake
from traco.client.signer import Ed25519Signer
from traco.client.signers.errors import SignerError
from traco.client.signers.signer_file import SignerFile
from traco.kernel.crypto import Scheme, verify

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
PROGRAM = """
import json, sys
from traco.client.signer import Ed25519Signer
signer, request = Ed25519Signer.from_seed(bytes(range(32))), json.load(sys.stdin)
key = {"public_key": signer.public_key.hex()}
print(json.dumps({"signature": signer.sign(bytes.fromhex(request["message"])).hex()} if "message" in request else key))
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return [sys.executable, str(file)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.signers"


def write(path: Path, content: Any, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(content if isinstance(content, bytes) else msgspec.json.encode(content))


def entry(**changes: Any) -> dict[str, Any]:
    known = {"name": "main", "roles": ["sign"], "public_key": SIGNER.public_key.hex(), "keyring": "bank/main"}
    return {**known, **changes}


def test_a_command_is_named_with_its_key_and_signs(path: Path, command: list[str]) -> None:
    added = SignerFile.open(path, is_new=True).add_command("main", command, ["sign", "read"])
    assert (added.name, added.scheme, added.roles) == ("main", Scheme.ED25519, ("read", "sign"))
    with SignerFile.open(path) as file:
        signer = file.signer("main")
        verify(SIGNER.public_key, b"message", signer.sign(b"message"))
        assert msgspec.json.decode(file.export_public()) == [
            {
                "name": "main",
                "scheme": "ed25519",
                "roles": ["read", "sign"],
                "public_key": SIGNER.public_key.hex(),
            }
        ]


def test_a_key_of_the_keyring_is_made_named_and_signs(path: Path, kept: Fake) -> None:
    file = SignerFile.open(path, is_new=True)
    file.add_keyring("main", "bank/main", Scheme.P256, ["sign"])
    file.add_keyring("second", "bank/second", Scheme.ED25519, ["sign"])
    found = SignerFile.open(path)
    entries = found.keys()
    assert [(entry.name, entry.scheme) for entry in entries] == [
        ("main", Scheme.P256),
        ("second", Scheme.ED25519),
    ]
    signer = found.signer("main")
    verify(signer.public_key, b"message", signer.sign(b"message"))


def test_a_program_is_kept_by_its_absolute_path(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "hsm"
    script.write_text(f"#!{sys.executable}\n{PROGRAM}")
    script.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    SignerFile.open(path, is_new=True).add_command("main", ["./hsm"], ["sign"])
    monkeypatch.chdir("/")
    verify(SIGNER.public_key, b"message", SignerFile.open(path).signer("main").sign(b"message"))


def test_nothing_secret_is_in_the_file(path: Path, kept: Fake) -> None:
    SignerFile.open(path, is_new=True).add_keyring("main", "bank/main", Scheme.ED25519, ["sign"])
    seed = next(iter(kept.kept.values())).split()[-1]
    assert seed not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_keyring_with_another_key_by_now_is_noticed(path: Path, kept: Fake) -> None:
    SignerFile.open(path, is_new=True).add_keyring("main", "bank/main", Scheme.ED25519, ["sign"])
    kept.kept["traco", "bank/main"] = "traco-seed/1 ed25519 " + "07" * 32
    with pytest.raises(SignerError, match=r"signer\.other_key"):
        SignerFile.open(path).signer("main")


def test_a_name_is_used_once(path: Path, kept: Fake, command: list[str]) -> None:
    file = SignerFile.open(path, is_new=True)
    file.add_keyring("main", "bank/main", Scheme.ED25519, ["sign"])
    with pytest.raises(SignerError, match=r"signer\.key_exists"):
        file.add_command("main", command, ["sign"])
    with pytest.raises(SignerError, match=r"signer\.key_exists"):
        file.add_keyring("main", "bank/other", Scheme.ED25519, ["sign"])
    assert len(kept.kept) == 1


def test_a_change_by_somebody_else_is_not_undone(path: Path, kept: Fake) -> None:
    first, second = (SignerFile.open(path, is_new=True) for _ in range(2))
    first.add_keyring("main", "bank/main", Scheme.ED25519, ["sign"])
    with pytest.raises(SignerError, match=r"signer\.file_changed"):
        second.add_keyring("second", "bank/second", Scheme.ED25519, ["sign"])


def test_an_unknown_key_is_named(path: Path) -> None:
    write(path, {"format": "traco-signers/1", "keys": [entry()]})
    with pytest.raises(SignerError, match=r"signer\.key_unknown"):
        SignerFile.open(path).signer("second")


def test_an_absent_file_is_named(path: Path) -> None:
    with pytest.raises(SignerError, match=r"signer\.file_not_found"):
        SignerFile.open(path)


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    write(path, {"format": "traco-signers/1", "keys": [entry()]}, 0o620)
    with pytest.raises(SignerError, match=r"signer\.file_insecure"):
        SignerFile.open(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", {"format": "traco-signers/2"}, {"format": "traco-signers/1", "more": 1},
     {"keys": [entry(keyring="")]}, {"keys": [entry(command=["x"])]}, {"keys": [entry(public_key="01")]},
     {"keys": [entry(public_key="zz")]}, {"keys": [entry(pin="1234")]}, {"keys": [entry(timeout_seconds=0)]}, {"keys": [entry(timeout_seconds=1e9)]}],
)  # fmt: skip
def test_what_is_no_file_of_signers_is_refused(path: Path, content: Any) -> None:
    write(path, content)
    with pytest.raises(SignerError, match=r"signer\.file_damaged"):
        SignerFile.open(path)
