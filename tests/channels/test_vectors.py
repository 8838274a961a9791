"""The bytes of sealing, custody and digests are those of the pinned vectors, and these do what they are for."""

import json
from typing import Any

import pytest

from support.sealed import ANNA, BERT, MEMBERS, NODES, TRANSACTIONS
from traco.channels.custody.messages import answer_codec, request_codec
from traco.channels.sealing.keys import BoxSecret, EpochSecret, PayloadKey, Place
from traco.channels.sealing.payloads import unseal, unseal_disclosed
from traco.channels.sealing.wrapping import check_offer, unwrap
from traco.kernel import crypto
from traco.kernel.codec import Codec, encode
from traco.modules.channel.digests import OutcomeProof, PointSummary, point_digest, verify_outcome
from traco.modules.channel.parts import EpochKey
from vectors.make_sealing_vectors import FILE, LEAVES, padded, vectors

CONTENT: dict[str, Any] = json.loads(FILE.read_text())
SIZES: dict[str, int] = CONTENT.pop("padded")
PINNED: dict[str, str] = CONTENT
MADE = vectors()
RAW = {name: bytes.fromhex(value) for name, value in PINNED.items()}
PLACE = Place(RAW["network"], RAW["channel"], int.from_bytes(RAW["epoch"], "big"))
SECRET = EpochSecret(RAW["epoch_key"])


def test_every_format_is_pinned() -> None:
    assert list(PINNED) == list(MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_of_the_vector(name: str) -> None:
    assert MADE[name] == PINNED[name]


def test_the_padded_sizes_are_those_of_the_vector() -> None:
    assert padded() == SIZES


@pytest.mark.parametrize("place", range(len(MEMBERS)))
def test_the_pinned_copies_open(place: int) -> None:
    box = BoxSecret(RAW[f"box_secret_{place}"])
    assert unwrap(RAW[f"copy_{place}"], box, PLACE, MEMBERS[place]).reveal() == SECRET.reveal()


def test_the_pinned_offer_is_of_its_key() -> None:
    key = Codec[EpochKey](EpochKey).decode(RAW["offered"])
    check_offer(SECRET, PLACE, MEMBERS, [RAW[f"box_key_{place}"] for place in range(3)], key)


def test_the_pinned_payload_opens_with_both_keys() -> None:
    assert unseal(RAW["payload"], SECRET, PLACE) == TRANSACTIONS
    assert unseal_disclosed(RAW["payload"], PayloadKey(RAW["payload_key"]), PLACE) == TRANSACTIONS


def test_the_pinned_receipt_verifies() -> None:
    crypto.verify(NODES[BERT].public, RAW["custody_message"], RAW["custody_signature"])
    assert RAW["sender"] == ANNA


def test_the_pinned_messages_read_back() -> None:
    for name in ("hold", "fetch"):
        assert encode(request_codec.decode(RAW[name])) == RAW[name]
    for name in ("signed", "found", "refused"):
        assert encode(answer_codec.decode(RAW[name])) == RAW[name]


def test_the_pinned_proof_shows_its_outcome_in_the_pinned_point() -> None:
    point = Codec[PointSummary](PointSummary).decode(RAW["point"])
    verify_outcome(Codec[OutcomeProof](OutcomeProof).decode(RAW["outcome_proof"]), LEAVES[1], point.outcomes)
    assert point_digest(point) == RAW["point_digest"]
