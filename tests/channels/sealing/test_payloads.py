"""A payload opens for those who have the key, where it belongs, and in one form; everything else has a stable code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

from support.sealed import EPOCH, PAYLOAD, PLACE, SECRET, TRANSACTIONS, drawn, seed
from traco.channels.sealing.errors import REASONS, PayloadRefused
from traco.channels.sealing.keys import EpochSecret, Place
from traco.channels.sealing.padding import pad, padded_size
from traco.channels.sealing.payloads import (
    AROUND_BYTES,
    MAX_TRANSACTIONS,
    SEALED_TAG,
    read_head,
    seal,
    sealed_size,
    unseal,
    unseal_disclosed,
)
from traco.kernel.codec import encode
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES

batches = st.lists(st.binary(max_size=300), min_size=1, max_size=20)


def refusal(payload: bytes, secret: EpochSecret = SECRET, place: Place = PLACE) -> str:
    with pytest.raises(PayloadRefused) as caught:
        unseal(payload, secret, place)
    assert caught.value.code in REASONS
    return caught.value.code


def sealed(padded: bytes) -> bytes:
    """A payload whose sealer put these bytes where padded content belongs."""
    payload_id, nonce = PAYLOAD[5:37], PAYLOAD[69:93]
    associated = SEALED_TAG + b"\0" + encode((*PLACE, payload_id))
    return PAYLOAD[:93] + encrypt(padded, associated, nonce, SECRET.payload_key(payload_id).reveal())


def of_content(content: bytes) -> bytes:
    return sealed(pad(content, AROUND_BYTES))


@given(batches)
def test_transactions_come_out_as_they_went_in(transactions: list[bytes]) -> None:
    payload = seal(transactions, SECRET, PLACE)
    assert unseal(payload, SECRET, PLACE) == tuple(transactions)
    assert len(payload) == sealed_size(transactions) == padded_size(len(payload))


def test_a_payload_says_its_epoch_and_id_to_everybody() -> None:
    assert read_head(PAYLOAD) == (EPOCH, PAYLOAD[5:37])


def test_the_same_batch_twice_gives_payloads_that_share_nothing_but_the_epoch() -> None:
    one, other = seal(TRANSACTIONS, SECRET, PLACE), seal(TRANSACTIONS, SECRET, PLACE)
    assert one[:5] == other[:5]
    for start in range(5, len(one) - 16, 16):
        assert one[start : start + 16] != other[start : start + 16]


def test_no_transaction_can_be_read_in_a_payload() -> None:
    for transaction in TRANSACTIONS:
        assert transaction == b"" or transaction[:6] not in PAYLOAD


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(0, 7))
def test_a_payload_with_any_bit_altered_is_refused(place: int, bit: int) -> None:
    altered = bytearray(PAYLOAD)
    altered[place] ^= 1 << bit
    assert refusal(bytes(altered)) in {
        "payload.version",
        "payload.epoch",
        "payload.wrong_key",
        "payload.not_authentic",
    }


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_with_a_code(raw: bytes) -> None:
    refusal(raw)
    refusal(PAYLOAD[:1] + raw)
    refusal(PAYLOAD[:69] + raw)


@given(st.integers(0, len(PAYLOAD) - 1))
def test_a_truncated_payload_is_refused(end: int) -> None:
    assert refusal(PAYLOAD[:end]) == (
        "payload.truncated" if end < AROUND_BYTES + 4 else "payload.not_authentic"
    )


def test_bytes_behind_a_payload_are_refused() -> None:
    assert refusal(PAYLOAD + b"\0") == "payload.not_authentic"


def test_a_payload_of_another_version_is_refused() -> None:
    assert refusal(b"\2" + PAYLOAD[1:]) == "payload.version"


def test_a_payload_of_another_epoch_is_refused() -> None:
    assert refusal(PAYLOAD, place=PLACE._replace(epoch=EPOCH + 1)) == "payload.epoch"


def test_a_payload_with_its_epoch_rewritten_is_refused() -> None:
    rewritten = PAYLOAD[:1] + (EPOCH + 1).to_bytes(4, "big") + PAYLOAD[5:]
    assert refusal(rewritten, place=PLACE._replace(epoch=EPOCH + 1)) == "payload.not_authentic"


@pytest.mark.parametrize("part", ["network", "channel"])
def test_a_payload_of_another_channel_or_network_is_refused_under_the_same_key(part: str) -> None:
    place = Place(**{**PLACE._asdict(), part: seed("another")})
    assert refusal(PAYLOAD, place=place) == "payload.not_authentic"


def test_a_payload_under_another_key_is_refused() -> None:
    assert refusal(PAYLOAD, EpochSecret(seed("another key"))) == "payload.wrong_key"


def test_a_payload_that_is_too_large_is_refused_before_anything_else() -> None:
    assert refusal(PAYLOAD.ljust(MAX_PAYLOAD_BYTES + 1, b"\0")) == "payload.too_large"


@pytest.mark.parametrize(
    "padded", [b"\0\0\0\1", b"\0" * 20, b"\xff" * 40, pad(encode([b"a" * 99]), AROUND_BYTES)[:-1] + b"\1"]
)
def test_padding_of_another_form_is_refused(padded: bytes) -> None:
    assert refusal(sealed(padded)) == "payload.padding"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc0", b"\x91", b"\x91\xc0", b"\x91\xa1a", b"\x92\xc4\1a", b"\x91\xc5\0\1a", b"\xdc\0\1\xc4\1a",
     b"\xdd\xff\xff\xff\xff", b"\x91\xc4\1a\0", b"\x91" * 3_000, b"\x81\xc4\1a\xc4\1b"],
)  # fmt: skip
def test_content_of_another_form_is_refused(content: bytes) -> None:
    assert refusal(of_content(content)) == "payload.not_canonical"


def test_content_without_transactions_is_refused() -> None:
    assert refusal(of_content(encode(()))) == "payload.empty"


def test_content_with_too_many_transactions_is_refused() -> None:
    assert refusal(of_content(encode((b"",) * (MAX_TRANSACTIONS + 1)))) == "payload.too_many"


@given(st.binary(max_size=300))
def test_whatever_a_sealer_puts_inside_is_opened_in_its_one_form_or_refused(content: bytes) -> None:
    payload = of_content(content)
    try:
        transactions = unseal(payload, SECRET, PLACE)
    except PayloadRefused:
        assert refusal(payload) in {"payload.not_canonical", "payload.empty"}
        return
    assert encode(transactions) == content


def test_the_largest_batch_is_sealed_and_opened() -> None:
    transactions = (b"\0",) * MAX_TRANSACTIONS
    assert unseal(seal(transactions, SECRET, PLACE), SECRET, PLACE) == transactions


@pytest.mark.parametrize(
    ("transactions", "code"),
    [((), "payload.empty"), ((b"",) * (MAX_TRANSACTIONS + 1), "payload.too_many"),
     ((bytes(MAX_PAYLOAD_BYTES),), "payload.too_large")],
)  # fmt: skip
def test_what_cannot_be_opened_is_not_sealed(transactions: tuple[bytes, ...], code: str) -> None:
    with pytest.raises(PayloadRefused) as caught:
        seal(transactions, SECRET, PLACE)
    assert caught.value.code == code


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_a_payload_is_never_larger_than_its_limit(size: int, limit: int) -> None:
    fits = sealed_size((bytes(size),)) <= limit
    try:
        payload = seal((bytes(size),), SECRET, PLACE, limit)
    except PayloadRefused:
        assert not fits
        return
    assert fits
    assert len(payload) <= limit


def test_a_payload_can_fill_the_limit_of_the_root() -> None:
    room = (
        MAX_PAYLOAD_BYTES - AROUND_BYTES - 4 - len(encode((b"",))) - 3
    )  # a length above 65,535 takes three more
    transactions = (bytes(room),)
    payload = seal(transactions, SECRET, PLACE)
    assert len(payload) == MAX_PAYLOAD_BYTES
    assert unseal(payload, SECRET, PLACE) == transactions


def test_a_disclosed_key_opens_its_payload_alone() -> None:
    key = SECRET.payload_key(read_head(PAYLOAD).payload_id)
    other = seal(TRANSACTIONS, SECRET, PLACE, draw=drawn("other"))
    assert unseal_disclosed(PAYLOAD, key, PLACE) == TRANSACTIONS
    with pytest.raises(PayloadRefused) as caught:
        unseal_disclosed(other, key, PLACE)
    assert caught.value.code == "payload.wrong_key"


def test_a_second_key_that_the_cipher_would_take_does_not_open_a_payload() -> None:
    """The key check is of the sealer's key; encrypting under another one cannot change it."""
    payload_id, nonce = PAYLOAD[5:37], PAYLOAD[69:93]
    second = EpochSecret(seed("second")).payload_key(payload_id)
    associated = SEALED_TAG + b"\0" + encode((*PLACE, payload_id))
    forged = PAYLOAD[:93] + encrypt(
        pad(encode((b"other",)), AROUND_BYTES), associated, nonce, second.reveal()
    )
    with pytest.raises(PayloadRefused) as caught:
        unseal_disclosed(forged, second, PLACE)
    assert caught.value.code == "payload.wrong_key"
