"""Checkpoints: one canonical form, any other refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.light_chain import FOUNDERS, LightChain, light_genesis
from traco.client.signer import Ed25519Signer, P256Signer
from traco.kernel.codec import MAX_TIME_MS
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.kernel.light import chain_id, make_evidence
from traco.kernel.seal import (
    MAX_HEIGHT,
    MAX_NOTE_BYTES,
    Checkpoint,
    Sealing,
    SealInvalid,
    checkpoint_note,
    checkpoint_text,
    examine_seal,
    verify_checkpoint,
    verify_seal,
)

NETWORK = bytes(range(32))
SIGNER = Ed25519Signer.from_seed(bytes(32))
KEY = SIGNER.public_key
CHECKPOINT = Checkpoint(7, 1_700_000_000_123, hashlib.sha256(b"state").digest())
VECTOR = Path(__file__).parents[1] / "vectors" / "checkpoint.txt"


def seal(
    checkpoint: Checkpoint = CHECKPOINT, network: bytes = NETWORK, signer: Ed25519Signer = SIGNER
) -> bytes:
    return checkpoint_note(
        checkpoint, network, signer.public_key, signer.sign(checkpoint_text(checkpoint, network))
    )


def reseal(text: bytes, name: bytes | None = None) -> bytes:
    """A note over any text, well signed."""
    name = text.split(b"\n")[0] if name is None else name
    key_id = hashlib.sha256(name + b"\n\x01" + KEY[1:]).digest()[:4]
    mark = base64.b64encode(key_id + SIGNER.sign(text)[1:])
    return text + b"\n" + "— ".encode() + name + b" " + mark + b"\n"


def outcome(note: bytes, network: bytes = NETWORK, key: bytes = KEY) -> Checkpoint | str:
    try:
        return verify_checkpoint(note, network, key)
    except SealInvalid as error:
        return error.code


NOTE = seal()
LINES = NOTE.split(b"\n")


def with_line(index: int, line: bytes) -> bytes:
    """A well signed note with one line of its text replaced."""
    lines = LINES[:4]
    lines[index] = line
    return reseal(b"\n".join(lines) + b"\n", LINES[0])


def test_the_form_is_pinned() -> None:
    assert NOTE == VECTOR.read_bytes()


def test_the_form_is_that_of_a_signed_note() -> None:
    assert NOTE == reseal(checkpoint_text(CHECKPOINT, NETWORK))


def test_a_seal_gives_its_checkpoint() -> None:
    assert outcome(NOTE) == CHECKPOINT


@pytest.mark.parametrize(("height", "time_ms"), [(0, 0), (1, 1), (MAX_HEIGHT, MAX_TIME_MS)])
def test_numbers_at_their_limits_are_accepted(height: int, time_ms: int) -> None:
    checkpoint = Checkpoint(height, time_ms, bytes(32))
    assert outcome(seal(checkpoint)) == checkpoint


def test_the_longest_note_is_within_the_limit() -> None:
    assert len(seal(Checkpoint(MAX_HEIGHT, MAX_TIME_MS, bytes(32)))) == 319


@pytest.mark.parametrize(("height", "time_ms"), [(-1, 0), (2**53, 0), (0, -1), (0, 2**53)])
def test_a_checkpoint_cannot_hold_a_number_out_of_range(height: int, time_ms: int) -> None:
    with pytest.raises(SealInvalid, match=r"^seal\.number$"):
        Checkpoint(height, time_ms, bytes(32))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_checkpoint_cannot_hold_a_hash_of_another_size(size: int) -> None:
    with pytest.raises(SealInvalid, match=r"^seal\.app_hash$"):
        Checkpoint(0, 0, bytes(size))


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_refused(bit: int) -> None:
    accepted = []
    for index in range(len(NOTE)):
        forged = bytearray(NOTE)
        forged[index] ^= 1 << bit
        if isinstance(outcome(bytes(forged)), Checkpoint):
            accepted.append(index)
    assert accepted == []


def test_every_truncation_is_refused() -> None:
    assert [end for end in range(len(NOTE)) if isinstance(outcome(NOTE[:end]), Checkpoint)] == []


@pytest.mark.parametrize("tail", [b"\n", b" ", b"\0", b"\r\n", LINES[5] + b"\n"])
def test_trailing_bytes_are_refused(tail: bytes) -> None:
    assert outcome(NOTE + tail) == "seal.layout"


@pytest.mark.parametrize("name", [b"witness.example", LINES[0]])
def test_a_second_signature_is_refused_before_or_after(name: bytes) -> None:
    other = "— ".encode() + name + b" " + base64.b64encode(bytes(68))
    assert outcome(b"\n".join([*LINES[:6], other, b""])) == "seal.layout"
    assert outcome(b"\n".join([*LINES[:5], other, LINES[5], b""])) == "seal.layout"


@pytest.mark.parametrize("extra", [0, 1])
def test_a_note_beyond_the_limit_is_dropped_unread(extra: int) -> None:
    note = NOTE + bytes(MAX_NOTE_BYTES - len(NOTE) + extra)
    assert outcome(note) == ("seal.too_long" if extra else "seal.layout")


def test_another_network_is_refused() -> None:
    assert outcome(seal(network=bytes(32))) == "seal.network"


def test_another_network_is_refused_even_under_our_name() -> None:
    assert outcome(with_line(0, b"traco/" + bytes(32).hex().encode())) == "seal.network"


def test_a_network_in_upper_case_is_refused() -> None:
    assert outcome(with_line(0, LINES[0].upper())) == "seal.network"


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize(
    "number", [b"", b"-1", b"+1", b" 1", b"1 ", b"1\r", b"1_0", b"0x1", b"1.0", "\u0661".encode(), b"9" * 17]
)
def test_what_is_no_number_is_refused(index: int, number: bytes) -> None:
    assert outcome(with_line(index, number)) == "seal.number"


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("number", [b"00", b"07"])
def test_a_number_with_leading_zeros_is_refused(index: int, number: bytes) -> None:
    assert outcome(with_line(index, number)) == "seal.not_canonical"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"!",
        base64.b64encode(bytes(31)),
        base64.b64encode(bytes(33)),
        base64.b64encode(bytes(32)) + b"\r",
        base64.b64encode(bytes(32))[:-1],
        b" " + base64.b64encode(bytes(32)),
        base64.urlsafe_b64encode(b"\xff" * 32),
    ],
)
def test_what_is_no_app_hash_is_refused(line: bytes) -> None:
    assert outcome(with_line(3, line)) == "seal.app_hash"


def test_spare_bits_of_base64_must_be_zero() -> None:
    line = base64.b64encode(bytes(32))
    assert outcome(with_line(3, line[:-2] + b"B=")) == "seal.not_canonical"
    spare = LINES[5][:-2] + bytes([LINES[5][-2] + 1]) + b"="
    assert outcome(b"\n".join([*LINES[:5], spare, b""])) == "seal.not_canonical"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        LINES[5].replace("—".encode(), b"--"),
        LINES[5].replace(b" ", b"  ", 1),
        LINES[5].replace(LINES[0], b"traco/other"),
    ],
)
def test_what_is_no_signature_line_of_ours_is_refused(line: bytes) -> None:
    assert outcome(b"\n".join([*LINES[:5], line, b""])) == "seal.layout"


@pytest.mark.parametrize("size", [0, 4, 67, 69])
def test_a_signature_of_another_length_is_refused(size: int) -> None:
    line = "— ".encode() + LINES[0] + b" " + base64.b64encode(bytes(size))
    assert outcome(b"\n".join([*LINES[:5], line, b""])) == "seal.signature"


def test_a_seal_by_another_key_is_refused() -> None:
    assert outcome(seal(signer=Ed25519Signer.from_seed(b"\1" * 32))) == "seal.foreign_key"


def test_a_seal_by_another_key_that_claims_our_key_id_is_refused() -> None:
    forger = Ed25519Signer.from_seed(b"\1" * 32)
    signature = forger.sign(checkpoint_text(CHECKPOINT, NETWORK))
    assert outcome(checkpoint_note(CHECKPOINT, NETWORK, KEY, signature)) == "seal.signature"


@pytest.mark.parametrize(
    "key", [b"", KEY[:-1], KEY + b"\0", KEY[1:], b"\2" + KEY[1:], P256Signer.from_seed(bytes(32)).public_key]
)
def test_a_key_that_is_none_of_ed25519_is_refused(key: bytes) -> None:
    assert outcome(NOTE, key=key) == "seal.key"


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=600), st.lists(st.sampled_from([*LINES, b"\n", b"\r"])).map(b"\n".join)))
def test_no_bytes_raise_anything_else(note: bytes) -> None:
    assert isinstance(outcome(note), str) or note == NOTE


BY_CHECKPOINT = light_genesis(seal=SealTerms("checkpoint", KEY.hex()))
BY_VALIDATORS = light_genesis()


def evidence(genesis: Genesis = BY_VALIDATORS, absent: Sequence[str] = ()) -> bytes:
    chain = LightChain(chain_id(network_id(genesis)))
    return make_evidence((), chain.signed(chain.header(8, FOUNDERS), FOUNDERS, absent=absent))


def test_a_checkpoint_is_a_seal_where_the_genesis_names_its_key() -> None:
    note = seal(network=network_id(BY_CHECKPOINT))
    assert examine_seal(note, BY_CHECKPOINT) == Sealing(CHECKPOINT, ((KEY, 1),), 1, 0)


def test_evidence_is_a_seal_where_the_genesis_names_validators() -> None:
    sealing = examine_seal(evidence(absent=["ann"]), BY_VALIDATORS)
    assert (sealing.checkpoint.height, len(sealing.checkpoint.app_hash)) == (7, 32)
    assert [power for _, power in sealing.signers] == [10, 10, 10]
    assert (sealing.total_power, sealing.handovers) == (40, 0)
    assert verify_seal(evidence(absent=["ann"]), BY_VALIDATORS) == sealing.checkpoint


def seal_code(raw: bytes, genesis: Genesis) -> str:
    with pytest.raises(SealInvalid) as caught:
        verify_seal(raw, genesis)
    return caught.value.code


def test_a_seal_of_the_other_kind_is_refused() -> None:
    assert seal_code(evidence(), BY_CHECKPOINT) == "seal.too_long"
    assert seal_code(seal(network=network_id(BY_VALIDATORS)), BY_VALIDATORS) == "light.malformed"


def test_evidence_of_another_network_is_refused() -> None:
    assert seal_code(evidence(light_genesis(name="Other")), BY_VALIDATORS) == "light.chain"


def test_evidence_with_too_little_power_is_refused() -> None:
    assert seal_code(evidence(absent=["ann", "ben"]), BY_VALIDATORS) == "light.power"
