"""Transactions and envelopes: their bytes, ids and signatures. Not their execution.

A transaction's id is the hash of its body without signatures; what is signed is that id under a type tag. The
body names network and ledger, so nothing signed for one is valid on another. Signatures stand in strictly ascending
order of their keys.
"""

from hashlib import sha256
from typing import Any, Final

import msgspec

from traco.kernel.codec import (
    Hash,
    Id,
    Ledger,
    PublicKey,
    Record,
    Salt,
    SignatureBytes,
    TimeMs,
    digest,
    encode,
)

TRANSACTION_TAG: Final = b"traco/transaction/1"
SIGNATURES_TAG: Final = b"traco/signatures/1"
ENVELOPE_TAG: Final = b"traco/envelope/1"


class Signature(Record, frozen=True):
    """A public key (scheme byte first) and its signature (scheme byte first) over ``signing_message(id)``."""

    key: PublicKey
    value: SignatureBytes


class Body(Record, frozen=True, tag=1):
    """What is hashed and signed. ``instructions`` are typed by the registry of modules when decoded."""

    network: Hash
    ledger: Ledger
    valid_until: TimeMs
    salt: Salt
    instructions: tuple[Any, ...]


class Transaction(Record, frozen=True):
    """A body and its signatures."""

    body: Body
    signatures: tuple[Signature, ...]


class RawTransaction(Record, frozen=True):
    """A transaction whose body is still bytes."""

    body: msgspec.Raw
    signatures: tuple[Signature, ...]


class EnvelopeBody(Record, frozen=True, tag=1):
    """What a member's node orders: transactions that the member answers for.

    ``salt`` makes it unique, so that nobody can replay it against the member's quota.
    """

    network: Hash
    ledger: Ledger
    member: Id
    valid_until: TimeMs
    salt: Salt
    transactions: tuple[bytes, ...]


class Envelope(Record, frozen=True):
    """An envelope's body and the signature of a node of the member."""

    body: EnvelopeBody
    signature: Signature


def transaction_id(body: bytes) -> bytes:
    """The id of the transaction whose encoded body is given (32 bytes)."""
    return sha256(TRANSACTION_TAG + b"\0" + body).digest()


def signing_message(identity: bytes) -> bytes:
    """What the keys of the acting parties sign: the id under its type tag."""
    return TRANSACTION_TAG + b"\0" + identity


def signatures_hash(signatures: tuple[Signature, ...]) -> bytes:
    """The hash of the signatures, as it stands in the transaction leaf."""
    return digest(SIGNATURES_TAG, encode(signatures))


def envelope_id(body: EnvelopeBody) -> bytes:
    """The id of an envelope: the hash of its body."""
    return digest(ENVELOPE_TAG, encode(body))


def envelope_signing_message(identity: bytes, key: bytes) -> bytes:
    """What the node's key signs. It names the signer, as every signed thing but a transaction does."""
    return ENVELOPE_TAG + b"\0" + key + identity


def transaction_leaf(identity: bytes, signatures: bytes) -> bytes:
    """The content of a leaf of the transactions tree: (id, hash of signatures), 64 bytes."""
    return identity + signatures
