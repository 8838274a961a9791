"""Signed transactions as bytes: what is signed, and how many go into one request."""

from collections.abc import Iterable, Sequence
from typing import Final

from traco.client.signer import Signer
from traco.kernel.codec import Codec
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import RawTransaction, Signature, signing_message, transaction_id

MAX_BATCH: Final = 2_048
MAX_BATCH_BYTES: Final = 1_000_000
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)


def sign_body(body: bytes, signers: Iterable[Signer]) -> bytes:
    """The transaction of an encoded body, signed by each key once."""
    message = signing_message(transaction_id(body))
    by_key = {signer.public_key: signer for signer in signers}
    return encode_transaction(
        body, tuple(Signature(key, signer.sign(message)) for key, signer in by_key.items())
    )


def identity_of(transaction: bytes) -> bytes:
    """The id of a transaction, or of bytes that are none as if they were its body."""
    try:
        return transaction_id(bytes(_RAW.decode(transaction).body))
    except ValueError:
        return transaction_id(transaction)


def is_signed_by(transaction: bytes, key: bytes) -> bool:
    """Whether a transaction carries a signature of this key; unchecked."""
    try:
        return any(signature.key == key for signature in _RAW.decode(transaction).signatures)
    except ValueError:
        return False


def batches(transactions: Sequence[bytes]) -> list[list[bytes]]:
    """The transactions in order, in groups that a node takes at once."""
    made: list[list[bytes]] = []
    size = 0
    for raw in transactions:
        if not made or size + len(raw) > MAX_BATCH_BYTES or len(made[-1]) == MAX_BATCH:
            made.append([])
            size = 0
        made[-1].append(raw)
        size += len(raw) + 5
    return made
