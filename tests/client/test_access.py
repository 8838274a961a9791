"""Access tokens: one text each, and no change of any part of one verifies."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.client.access import (
    ACCESS_TAG,
    MAX_LIFE_MS,
    AccessGrant,
    AccessInvalid,
    AccessToken,
    Scope,
    access_message,
    join_token,
    make_token,
    new_grant,
    parse_token,
    verify_token,
)
from traco.client.signer import Ed25519Signer, P256Signer
from traco.kernel.transaction import ENVELOPE_TAG, TRANSACTION_TAG

ED25519 = Ed25519Signer.from_seed(bytes(32))
P256 = P256Signer.from_seed(bytes(32))
GRANT = AccessGrant(b"n" * 32, b"\x01" + b"k" * 32, b"p" * 16, "read", 1_000, 2_000, b"s" * 16)


@pytest.mark.parametrize("signer", [ED25519, P256])
@pytest.mark.parametrize("scope", ["read", "submit"])
def test_a_token_says_what_was_granted_and_who_signed(signer: Ed25519Signer, scope: Scope) -> None:
    grant = msgspec.structs.replace(GRANT, scope=scope)
    token = parse_token(make_token(grant, signer))
    verify_token(token)
    assert (token.grant, token.signature.key) == (grant, signer.public_key)


def test_the_bytes_of_a_token_are_pinned() -> None:
    assert make_token(GRANT, ED25519) == (
        "kpgBxCBubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubsQhAWtra2tra2tra2tra2tra2tra2tra2tra2tra2"
        "tra2trxBBwcHBwcHBwcHBwcHBwcHBwpHJlYWTNA-jNB9DEEHNzc3Nzc3Nzc3Nzc3Nzc3OSxCEBO2onvM62pC1io6jQ"
        "Km8Nc2UyFXcd4kOmOsBIoYtZ2inEQQEU49IU1u6pYdXaENj1oIEVErmOIRXoHpnuHnq7rKdMTSup1WQVrWCb4OQmxQ"
        "-YN2eeJQsNf3EV-P13xAVtyV0B"
    )


CHANGES = [
    {"network": b"m" * 32}, {"node": b"\x01" + b"j" * 32}, {"party": b"q" * 16}, {"scope": "submit"}, {"issued_ms": 999},
    {"expires_ms": 2_001}, {"salt": b"t" * 16},
]  # fmt: skip


@pytest.mark.parametrize("changes", CHANGES)
def test_a_changed_grant_does_not_verify(changes: dict[str, object]) -> None:
    token = parse_token(make_token(GRANT, ED25519))
    changed = AccessToken(msgspec.structs.replace(GRANT, **changes), token.signature)
    with pytest.raises(AccessInvalid) as caught:
        verify_token(parse_token(join_token(*changed)))
    assert caught.value.code == "access.signature"


def test_another_key_cannot_be_put_into_a_token() -> None:
    token = parse_token(make_token(GRANT, ED25519))
    other = Ed25519Signer.from_seed(b"\x01" * 32).public_key
    with pytest.raises(AccessInvalid):
        verify_token(AccessToken(GRANT, msgspec.structs.replace(token.signature, key=other)))


def test_what_is_signed_begins_with_a_context_of_its_own() -> None:
    message = access_message(GRANT, ED25519.public_key)
    assert message.startswith(ACCESS_TAG + b"\0" + ED25519.public_key)
    assert not message.startswith((TRANSACTION_TAG, ENVELOPE_TAG))


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


TOKEN = make_token(GRANT, ED25519)
RAW = base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))


@pytest.mark.parametrize(
    "text",
    ["", "x", " " + TOKEN, TOKEN + "=", TOKEN + "\n", TOKEN[:-1], TOKEN + "A", TOKEN * 3, base64url(RAW + b"\0"), base64url(RAW[:-1]),
     base64url(msgspec.msgpack.encode([1, 2])), "\u0663" * 40, base64url(b"\x91" * 300), "A" * 100_000],
)  # fmt: skip
def test_another_text_is_no_token(text: str) -> None:
    with pytest.raises(AccessInvalid) as caught:
        parse_token(text)
    assert caught.value.code == "access.malformed"


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else_than_be_refused(raw: bytes) -> None:
    with pytest.raises(AccessInvalid):
        parse_token(base64url(raw))


def test_the_last_character_of_a_text_cannot_be_exchanged() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for character in alphabet.replace(TOKEN[-1], ""):
        with pytest.raises(AccessInvalid):
            verify_token(parse_token(TOKEN[:-1] + character))


def test_a_new_grant_begins_now_and_has_a_salt_of_its_own() -> None:
    first, second = (
        new_grant(GRANT.network, GRANT.node, GRANT.party, "read", 5_000, 1_000) for _ in range(2)
    )
    assert (first.issued_ms, first.expires_ms) == (5_000, 6_000)
    assert first.salt != second.salt


@pytest.mark.parametrize("life_ms", [0, -1, MAX_LIFE_MS + 1])
def test_a_grant_cannot_be_made_that_no_node_would_take(life_ms: int) -> None:
    with pytest.raises(ValueError, match="lives"):
        new_grant(GRANT.network, GRANT.node, GRANT.party, "read", 5_000, life_ms)
