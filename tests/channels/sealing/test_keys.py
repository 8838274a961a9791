"""Derived keys are bound to their purpose and parts, and secrets do not show themselves."""

import copy
import pickle
from hashlib import blake2b

import pytest

from support.sealed import ANNA, BERT, BOXES, CHANNEL, EPOCH, NETWORK, PLACE, SECRET, seed
from traco.channels.sealing.keys import BoxSecret, EpochSecret, PayloadKey
from traco.kernel.codec import digest, encode

SMALL_ORDER = [bytes(32), b"\1" + bytes(31), bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]  # fmt: skip


def test_a_derivation_is_keyed_blake2b_with_the_purpose_in_sixteen_bytes() -> None:
    person = b"blind".ljust(16, b"\0")
    expected = blake2b(encode((2, 7)), digest_size=32, key=SECRET.reveal(), person=person).digest()
    assert SECRET.blind(2, 7) == expected


def test_the_commitment_names_network_channel_and_epoch() -> None:
    derived = blake2b(encode(()), digest_size=32, key=SECRET.reveal(), person=b"commit").digest()
    assert SECRET.commitment(PLACE) == digest(
        b"traco/epoch-key/1", encode((NETWORK, CHANNEL, EPOCH, derived))
    )


def test_every_purpose_and_every_part_gives_another_value() -> None:
    other = EpochSecret(seed("another"))
    values = [
        SECRET.commitment(PLACE),
        SECRET.commitment(PLACE._replace(epoch=EPOCH + 1)),
        SECRET.commitment(PLACE._replace(channel=seed("another channel"))),
        SECRET.commitment(PLACE._replace(network=seed("another network"))),
        SECRET.payload_key(bytes(32)).reveal(),
        SECRET.payload_key(bytes(31) + b"\1").reveal(),
        SECRET.payload_key(bytes(32)).check(),
        SECRET.blind(0, 1),
        SECRET.blind(1, 0),
        SECRET.blind(1, 1),
        SECRET.leaf_salt(0, 1, 0),
        SECRET.leaf_salt(0, 1, 1),
        SECRET.leaf_salt(1, 0, 1),
        SECRET.ephemeral_of(PLACE, ANNA, BOXES[ANNA].public_key).reveal(),
        SECRET.ephemeral_of(PLACE, BERT, BOXES[ANNA].public_key).reveal(),
        SECRET.ephemeral_of(PLACE, ANNA, BOXES[BERT].public_key).reveal(),
        SECRET.ephemeral_of(PLACE._replace(epoch=EPOCH + 1), ANNA, BOXES[ANNA].public_key).reveal(),
        other.commitment(PLACE),
        other.blind(0, 1),
    ]
    assert len(set(values)) == len(values)


def test_generated_keys_differ() -> None:
    assert EpochSecret.generate().reveal() != EpochSecret.generate().reveal()
    assert BoxSecret.generate().reveal() != BoxSecret.generate().reveal()


@pytest.mark.parametrize("kind", [EpochSecret, BoxSecret, PayloadKey])
@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(kind: type[EpochSecret], size: int) -> None:
    with pytest.raises(ValueError) as caught:
        kind(bytes(size))
    assert "32 bytes" in str(caught.value)


@pytest.mark.parametrize("secret", [SECRET, BOXES[ANNA], SECRET.payload_key(bytes(32))])
def test_a_secret_is_not_shown_copied_or_pickled(secret: EpochSecret) -> None:
    assert secret.reveal().hex() not in repr(secret)
    assert repr(secret.reveal()) not in f"{secret!r} {secret}"
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            take(secret)


def test_both_sides_of_a_box_derive_the_same_key() -> None:
    one, other = BOXES[ANNA], BOXES[BERT]
    ephemeral = one.public_key
    assert one.copy_key(other.public_key, ephemeral, BERT) == other.copy_key(one.public_key, ephemeral, BERT)


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_point_of_small_order_is_refused(point: bytes) -> None:
    with pytest.raises(ValueError):
        BOXES[ANNA].copy_key(point, bytes(32), BERT)
