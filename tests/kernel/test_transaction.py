"""Ids, what is signed, and what an id does and does not cover."""

from hashlib import sha256
from typing import Any

import msgspec

from support.counters import SOLO, Add
from support.ledger import Key
from traco.kernel.codec import encode
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import (
    Body,
    EnvelopeBody,
    RawTransaction,
    Signature,
    Transaction,
    envelope_id,
    envelope_signing_message,
    signatures_hash,
    signing_message,
    transaction_id,
    transaction_leaf,
)

NETWORK = b"n" * 32
BODY = Body(NETWORK, b"", 5, b"s" * 16, (Add(SOLO, "x", 1),))
RAW = encode(BODY)
ONE = Signature(b"\x01" + b"k" * 32, b"\x01" + b"v" * 64)
TWO = Signature(b"\x02" + b"k" * 33, b"\x02" + b"v" * 64)


def test_the_id_is_the_hash_of_the_body_under_its_tag() -> None:
    assert transaction_id(RAW) == sha256(b"traco/transaction/1\0" + RAW).digest()


def test_the_keys_sign_the_id_under_the_tag() -> None:
    assert signing_message(b"i" * 32) == b"traco/transaction/1\0" + b"i" * 32


def test_every_field_of_the_body_changes_the_id() -> None:
    changed: list[dict[str, Any]] = [
        {"network": b"m" * 32}, {"ledger": b"c" * 32}, {"valid_until": 6}, {"salt": b"t" * 16},
        {"instructions": (Add(SOLO, "x", 2),)}, {"instructions": (Add(SOLO, "x", 1),) * 2},
    ]  # fmt: skip
    ids = [transaction_id(encode(msgspec.structs.replace(BODY, **change))) for change in changed]
    assert len(dict.fromkeys([transaction_id(RAW), *ids])) == 7


def test_signatures_are_outside_the_id_and_inside_the_leaf() -> None:
    leaves = [
        transaction_leaf(transaction_id(RAW), signatures_hash(s)) for s in ((ONE,), (TWO,), (ONE, TWO), ())
    ]
    assert len(dict.fromkeys(leaves)) == 4
    assert {leaf[:32] for leaf in leaves} == {transaction_id(RAW)}
    assert [len(leaf) for leaf in leaves] == [64] * 4


def test_the_hash_of_signatures_is_tagged() -> None:
    assert signatures_hash((ONE,)) == sha256(b"traco/signatures/1\0" + encode((ONE,))).digest()


def test_a_raw_transaction_has_the_same_bytes() -> None:
    assert encode(RawTransaction(msgspec.Raw(RAW), (ONE,))) == encode(Transaction(BODY, (ONE,)))


def test_signatures_are_sorted_by_key_when_a_transaction_is_written() -> None:
    assert encode_transaction(RAW, (TWO, ONE)) == encode(Transaction(BODY, (ONE, TWO)))


def test_an_envelope_is_known_by_its_body() -> None:
    body = EnvelopeBody(NETWORK, b"", SOLO, 5, b"s" * 16, (b"t",))
    assert envelope_id(body) == sha256(b"traco/envelope/1\0" + encode(body)).digest()
    others = [
        msgspec.structs.replace(body, member=b"m" * 16),
        msgspec.structs.replace(body, salt=b"t" * 16),
        msgspec.structs.replace(body, transactions=(b"t", b"t")),
    ]
    assert envelope_id(body) not in [envelope_id(other) for other in others]


def test_a_node_signs_the_id_and_its_own_key() -> None:
    key = Key("node").public
    assert envelope_signing_message(b"i" * 32, key) == b"traco/envelope/1\0" + key + b"i" * 32
