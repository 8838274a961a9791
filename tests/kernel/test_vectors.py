"""The bytes of the kernel's formats are those of the pinned vectors: a difference is a change of format."""

import json

import pytest

from support.counters import counter_registry
from traco.kernel.codec import Codec, encode
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener
from traco.kernel.transaction import RawTransaction
from vectors.make_kernel_vectors import FILE, vectors

PINNED: dict[str, str] = json.loads(FILE.read_bytes())
MADE = vectors()


def test_every_format_is_pinned() -> None:
    assert list(PINNED) == list(MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_of_the_vector(name: str) -> None:
    assert MADE[name] == PINNED[name]


def test_the_pinned_transaction_passes_screening_under_its_pinned_id() -> None:
    screener = DirectScreener(counter_registry().body, KernelParameters())
    answer = screener.screen([bytes.fromhex(PINNED["transaction"])])[0]
    assert (answer.refusal, answer.identity.hex()) == (None, PINNED["transaction_id"])
    assert answer.signatures.hex() == PINNED["signatures_hash"]


def test_the_pinned_envelope_passes_screening_under_its_pinned_id() -> None:
    screener = DirectScreener(counter_registry().body, KernelParameters())
    answer = screener.screen_envelope(bytes.fromhex(PINNED["envelope"]))
    assert (answer.refusal, answer.identity.hex()) == (None, PINNED["envelope_id"])


def test_the_pinned_genesis_has_the_pinned_id() -> None:
    assert network_id(parse_genesis(bytes.fromhex(PINNED["genesis"]))).hex() == PINNED["genesis_id"]


def test_the_pinned_receipts_read_back() -> None:
    registry = counter_registry()
    for name in ("receipt_of_a_success",):
        raw = bytes.fromhex(PINNED[name])
        assert encode(registry.receipt.decode(raw)) == raw
    raw = bytes.fromhex(PINNED["transaction"])
    codec: Codec[RawTransaction] = Codec(RawTransaction)
    assert bytes(codec.decode(raw).body).hex() == PINNED["transaction_body"]
