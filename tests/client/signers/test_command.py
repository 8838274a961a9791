"""Commands as signers: what they may answer, how long they may take, and what they never learn."""

import sys
import time
from pathlib import Path

import pytest

from traco.client.signer import Ed25519Signer, P256Signer, Signer
from traco.client.signers.command import CommandSigner
from traco.client.signers.errors import SignerError
from traco.kernel.crypto import P256_ORDER, verify

SEED = bytes(range(32))
SIGNERS: dict[str, Signer] = {"ed25519": Ed25519Signer.from_seed(SEED), "p256": P256Signer.from_seed(SEED)}
PROGRAM = """
import json, os, sys
from traco.client.signer import Ed25519Signer, P256Signer
signer = {kind}.from_seed(bytes(range(32)))
request = json.load(sys.stdin)
if request == {{"request": "public-key"}}:
    print(json.dumps({{"public_key": signer.public_key.hex()}}))
else:
    assert set(request) == {{"request", "message"}} and request["request"] == "sign"
    signature = signer.sign(bytes.fromhex(request["message"]))
    {change}
    print(json.dumps({{"signature": signature.hex()}}))
"""


def program(folder: Path, kind: str = "Ed25519Signer", change: str = "pass") -> list[str]:
    """A command that keeps the protocol, with a change before it answers with a signature."""
    file = folder / "signer.py"
    file.write_text(PROGRAM.format(kind=kind, change=change))
    return [sys.executable, str(file)]


def saying(code: str) -> list[str]:
    """A command that does as Python code says."""
    return [sys.executable, "-S", "-c", code]


def key() -> bytes:
    return SIGNERS["ed25519"].public_key


def refusal(command: list[str], timeout: float = 20.0) -> SignerError:
    with pytest.raises(SignerError) as caught:
        CommandSigner(command, key(), timeout).sign(b"message")
    return caught.value


@pytest.mark.parametrize(("scheme", "kind"), [("ed25519", "Ed25519Signer"), ("p256", "P256Signer")])
def test_it_signs_as_the_key_of_the_command(tmp_path: Path, scheme: str, kind: str) -> None:
    signer = CommandSigner(program(tmp_path, kind))
    assert signer.public_key == SIGNERS[scheme].public_key
    verify(signer.public_key, b"message", signer.sign(b"message"))
    signer.check()


def test_the_program_on_the_page_about_signers_keeps_the_protocol(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "signers.md").read_text()
    file, secret = tmp_path / "program.py", tmp_path / "secret"
    file.write_text(page.partition("```python\n")[2].partition("```")[0])
    secret.write_bytes(SEED)
    signer = CommandSigner([sys.executable, str(file), str(secret)])
    assert signer.public_key == SIGNERS["ed25519"].public_key
    assert signer.sign(b"message") == SIGNERS["ed25519"].sign(b"message")


def test_the_other_value_of_s_is_turned_into_the_one_that_the_ledger_takes(tmp_path: Path) -> None:
    change = f"signature = signature[:33] + ({P256_ORDER} - int.from_bytes(signature[33:], 'big')).to_bytes(32, 'big')"
    signer = CommandSigner(program(tmp_path, "P256Signer", change), SIGNERS["p256"].public_key)
    assert signer.sign(b"message") == SIGNERS["p256"].sign(b"message")


def test_a_signature_that_does_not_verify_is_not_used(tmp_path: Path) -> None:
    change = "signature = signature[:-1] + bytes([signature[-1] ^ 1])"
    assert refusal(program(tmp_path, change=change)).code == "signer.wrong_signature"


def test_a_signature_over_something_else_is_not_used(tmp_path: Path) -> None:
    assert (
        refusal(program(tmp_path, change="signature = signer.sign(b'other')")).code
        == "signer.wrong_signature"
    )


def test_a_command_with_another_key_is_noticed(tmp_path: Path) -> None:
    signer = CommandSigner(program(tmp_path), SIGNERS["p256"].public_key)
    with pytest.raises(SignerError, match=r"signer\.other_key"):
        signer.check()
    with pytest.raises(SignerError, match=r"signer\.wrong_signature"):
        signer.sign(b"message")


STRANGE = [
    "", "print()", "print('[]')", "print('{}')", "print('{\"signature\": 5}')", "print('{\"signature\": \"zz\"}')",
    "print('{\"signature\": \"01 02\"}')", "print('{\"signature\": \"0A\"}')", "print('{\"signature\": \"\", \"x\": 1}')",
    "print('x' * 100_000)", "import sys; sys.stdout.buffer.write(b'\\xff\\xfe')",
]  # fmt: skip


@pytest.mark.parametrize("code", STRANGE)
def test_what_is_no_answer_of_the_protocol_is_refused(code: str) -> None:
    assert refusal(saying(code)).code in ("signer.command_answer", "signer.wrong_signature")


def test_output_without_end_is_not_read_to_its_end() -> None:
    assert refusal(saying("while True: print('x' * 1_000)")).code == "signer.command_answer"


def test_an_error_that_the_command_says_is_shown_without_what_could_deceive() -> None:
    error = refusal(saying('print(\'{"error": "card\\\\u001b[2J is locked"}\')'))
    assert error.code == "signer.command_failed"
    assert error.detail.endswith("says: card?[2J is locked")


def test_a_command_that_fails_is_named() -> None:
    assert "ended with 3" in refusal(saying("raise SystemExit(3)")).detail


def test_a_command_that_takes_too_long_is_ended() -> None:
    begun = time.monotonic()
    assert refusal(saying("import time; time.sleep(60)"), timeout=0.3).code == "signer.command_timeout"
    assert time.monotonic() - begun < 10


def test_a_command_that_closes_its_output_and_stays_is_ended() -> None:
    code = "import os, time; os.close(1); time.sleep(60)"
    assert refusal(saying(code), timeout=1.0).code == "signer.command_timeout"


def test_a_command_that_does_not_read_is_asked_all_the_same() -> None:
    signer = CommandSigner(saying('print(\'{"signature": "01"}\')'), key())
    with pytest.raises(SignerError, match=r"signer\.wrong_signature"):
        signer.sign(bytes(65_536))


def test_more_than_a_command_is_to_sign_is_refused() -> None:
    with pytest.raises(SignerError, match=r"signer\.command_unusable"):
        CommandSigner(saying(""), key()).sign(bytes(65_537))


@pytest.mark.parametrize("command", [[], [""], "ls", ["no such program"], ["nul\0byte"], ["x"] * 65])
def test_what_cannot_be_a_command_is_refused(command: list[str]) -> None:
    with pytest.raises(SignerError, match=r"signer\.command_unusable"):
        CommandSigner(command)


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(SignerError):
        CommandSigner(["echo", f"; touch {target}", f"$(touch {target})"])
    assert not target.exists()


def test_the_command_does_not_learn_the_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACO_PASSPHRASE", "secret")
    monkeypatch.setenv("TRACO_NEW_PASSPHRASE", "secret")
    code = (
        "import json, os; print(json.dumps({'error': ' '.join(k for k in os.environ if 'PASSPHRASE' in k)}))"
    )
    assert refusal(saying(code)).detail.endswith("says: ")


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(SignerError, match=r"signer\.command_answer"):
        CommandSigner(saying('print(\'{"public_key": "01"}\')'))


def test_it_shows_its_program_and_public_key_only() -> None:
    assert repr(CommandSigner(["hsm", "--pin-file", "x"], key())) == f"CommandSigner('hsm', {key().hex()})"
