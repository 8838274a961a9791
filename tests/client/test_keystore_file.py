"""The bytes of a key store: one form, checked before the passphrase is used, of bounded cost."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import traco
from traco.client import keystore_file
from traco.client.keystore_file import (
    Argon2,
    Cost,
    KeyStoreError,
    SecretKey,
    decrypt_keys,
    derive_key,
    encrypt_keys,
    parse_file,
    write_file,
)
from traco.kernel.crypto import Scheme

DERIVATION = Argon2(Cost(8, 1, 1), bytes(range(16)))
PASSPHRASE = "correct horse"
FILE_KEY = derive_key(PASSPHRASE, DERIVATION)
KEYS = (
    SecretKey("treasury", Scheme.ED25519, ("administer", "sign"), b"\x01" * 32),
    SecretKey("device", Scheme.P256, (), b"\x02" * 32),
)
CONTENT = write_file(encrypt_keys(KEYS, FILE_KEY, DERIVATION, bytes(24)))
VECTOR = Path(__file__).parents[1] / "vectors" / "keystore.json"


def outcome(content: bytes, passphrase: str = PASSPHRASE) -> tuple[SecretKey, ...] | str:
    try:
        sealed = parse_file(content, "it")
        return decrypt_keys(sealed, derive_key(passphrase, sealed.argon2id), "it")
    except KeyStoreError as error:
        return error.code


def altered(checksum: bool = True, **changes: Any) -> bytes:
    """The file with top-level fields changed, by one who can compute the checksum or not."""
    fields = json.loads(CONTENT) | changes
    if checksum:
        fields["checksum"] = ""
        digest = hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).digest()
        fields["checksum"] = base64.b64encode(digest).decode()
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def with_cost(**changes: int) -> bytes:
    derivation = json.loads(CONTENT)["argon2id"]
    return altered(argon2id={**derivation, "cost": {**derivation["cost"], **changes}})


def sealed_plain(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file under the right key whose content is any bytes."""

    class Plain(tuple[SecretKey, ...]):
        __slots__ = ()

    encode = msgspec.json.encode
    with monkeypatch.context() as patch:
        patch.setattr(
            msgspec.json,
            "encode",
            lambda value: plain if isinstance(value, Plain) else encode(value),
        )
        return write_file(encrypt_keys(Plain(), FILE_KEY, DERIVATION, bytes(24)))


def test_the_form_is_pinned() -> None:
    assert CONTENT == VECTOR.read_bytes()


def test_it_gives_back_its_keys() -> None:
    assert outcome(CONTENT) == KEYS


def test_the_file_shows_no_seed_and_no_name() -> None:
    assert [word for word in (b"treasury", base64.b64encode(b"\x01" * 32)[:8]) if word in CONTENT] == []


@pytest.mark.parametrize("passphrase", ["correct horsf", "correct hors", "Correct horse", " correct horse"])
def test_a_wrong_passphrase_is_refused(passphrase: str) -> None:
    assert outcome(CONTENT, passphrase) == "keystore.wrong_passphrase"


def test_composed_and_decomposed_letters_are_the_same_passphrase() -> None:
    assert derive_key("Zürich", DERIVATION) == derive_key("Zu\u0308rich", DERIVATION)


@pytest.mark.parametrize("passphrase", ["", "\ud800", "x" * 1025, "ü" * 513])
def test_an_unusable_passphrase_is_refused(passphrase: str) -> None:
    assert outcome(CONTENT, passphrase) == "keystore.passphrase_unusable"


@pytest.mark.parametrize("passphrase", ["x", "x" * 1024])
def test_a_passphrase_at_the_limits_is_usable(passphrase: str) -> None:
    assert len(derive_key(passphrase, DERIVATION)) == 32


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_found_before_the_passphrase_is_used(bit: int) -> None:
    answers = set()
    for index in range(len(CONTENT)):
        damaged = bytearray(CONTENT)
        damaged[index] ^= 1 << bit
        with pytest.raises(KeyStoreError) as caught:
            parse_file(bytes(damaged), "it")
        answers.add(caught.value.code)
    # version 1 with a flipped bit may read as 3, 5 or 9: indeed a newer one
    assert answers - {"keystore.newer_format"} == {"keystore.damaged"}


def test_every_truncation_is_found() -> None:
    answers = {outcome(CONTENT[:end]) for end in range(len(CONTENT))}
    assert answers == {"keystore.damaged"}


@pytest.mark.parametrize("content", [CONTENT + b"\n", b" " + CONTENT, CONTENT[:-1] + b" \n", CONTENT[:-1]])
def test_another_form_of_the_same_content_is_refused(content: bytes) -> None:
    assert outcome(content) == "keystore.damaged"


def test_a_field_that_is_not_known_is_refused() -> None:
    assert outcome(altered(more=1)) == "keystore.damaged"


def test_the_helper_leaves_an_unchanged_file_valid() -> None:
    assert altered() == CONTENT


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": base64.b64encode(b"\1" * 24).decode()},
        {"ciphertext": base64.b64encode(bytes(200)).decode()},
        {"ciphertext": ""},
        {
            "argon2id": {
                "cost": {"memory_kib": 8, "passes": 1, "lanes": 1},
                "salt": base64.b64encode(bytes(16)).decode(),
            }
        },
    ],
)
def test_who_alters_the_file_and_its_checksum_is_stopped_by_the_cipher(change: dict[str, Any]) -> None:
    assert outcome(altered(**change)) == "keystore.wrong_passphrase"


def test_the_cost_is_bound_to_the_ciphertext() -> None:
    assert outcome(with_cost(passes=2)) == "keystore.wrong_passphrase"


def test_a_wrong_checksum_is_found() -> None:
    assert outcome(altered(checksum=False, nonce=base64.b64encode(b"\1" * 24).decode())) == "keystore.damaged"


@pytest.mark.parametrize("version", [2, 2**40])
def test_a_newer_version_is_named_as_such(version: int) -> None:
    assert outcome(altered(version=version)) == "keystore.newer_format"


def test_a_newer_version_may_have_any_other_fields() -> None:
    assert outcome(b'{"format":"traco-keystore","version":2,"new":[1]}') == "keystore.newer_format"


@pytest.mark.parametrize(
    "change", [{"version": 0}, {"version": -1}, {"version": "2"}, {"format": "other", "version": 2}]
)
def test_what_is_no_version_of_this_format_is_damaged(change: dict[str, Any]) -> None:
    assert outcome(altered(**change)) == "keystore.damaged"


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 256 * 1024 + 1},
        {"memory_kib": 2**62},
        {"memory_kib": 7},
        {"memory_kib": 15, "lanes": 2},
        {"memory_kib": -1},
        {"passes": 0},
        {"passes": 11},
        {"passes": 2**40},
        {"lanes": 0},
        {"lanes": 9, "memory_kib": 1024},
    ],
)
def test_a_file_that_asks_for_too_much_or_nonsense_is_refused_unrun(change: dict[str, int]) -> None:
    assert outcome(with_cost(**change)) == "keystore.parameters_refused"


@pytest.mark.parametrize(
    "cost", [Cost(8, 1, 1), Cost(64, 10, 8), Cost(256 * 1024, 1, 1), keystore_file.PRODUCTION_COST]
)
def test_costs_up_to_the_limits_are_allowed(cost: Cost) -> None:
    assert cost.is_bounded() is True


def test_an_unbounded_cost_is_never_run() -> None:
    with pytest.raises(KeyStoreError) as caught:
        derive_key("x", Argon2(Cost(2**30, 1, 1), bytes(16)))
    assert caught.value.code == "keystore.parameters_refused"


def test_too_little_memory_is_named_as_such() -> None:
    script = (
        "import resource\n"
        "from traco.client.keystore_file import Argon2, Cost, KeyStoreError, derive_key\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
        "try:\n"
        "    derive_key('x', Argon2(Cost(2**18, 1, 1), bytes(16)))\n"
        "except KeyStoreError as error:\n"
        "    print(error.code)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(traco.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
    assert ran.stdout == b"keystore.out_of_memory\n"


def test_the_production_cost_is_at_least_64_mib_and_three_passes() -> None:
    cost = keystore_file.PRODUCTION_COST
    assert (cost.memory_kib >= 64 * 1024, cost.passes >= 3) == (True, True)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"{}",
        b"\xff",
        b'[{"name":"a"}]',
        msgspec.json.encode([KEYS[0], KEYS[0]]),
        msgspec.json.encode([msgspec.structs.replace(KEYS[0], seed=bytes(31))]),
        msgspec.json.encode([msgspec.structs.replace(KEYS[0], seed=bytes(33))]),
        msgspec.json.encode([msgspec.structs.replace(KEYS[0], name="No Name")]),
        msgspec.json.encode([{**msgspec.to_builtins(KEYS[0]), "scheme": 9}]),
    ],
)
def test_an_authentic_file_without_a_list_of_keys_is_damaged(
    plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome(sealed_plain(plain, monkeypatch)) == "keystore.damaged"


def test_a_secret_key_never_shows_its_seed() -> None:
    assert (repr(KEYS[0]), list(KEYS[0].__rich_repr__())) == ("SecretKey(treasury)", ["treasury"])


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"format":' + b"[" * 100_000, b"\xff\xfe", b"null", b"{}"]
)
def test_hostile_json_is_damaged(content: bytes) -> None:
    assert outcome(content) == "keystore.damaged"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_damaged(content: bytes) -> None:
    assert outcome(content) == "keystore.damaged"


@pytest.mark.parametrize("code", sorted(keystore_file._WORDS))
def test_every_error_says_what_happened_and_what_to_do(code: str) -> None:
    error = KeyStoreError(code, "the subject")
    assert (error.code, error.subject, len(str(error).split(". ")) >= 2) == (code, "the subject", True)
