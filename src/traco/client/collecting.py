"""Transactions that several parties sign one after another, each where its own keys are, handed on as a file.

    raw = unsigned(network, valid_until_ms, [AdmitNode(parties, ...)])
    raw = add_signatures(raw, [signer])            # at the first party
    raw = add_signatures(raw, [another])           # at the next one; whoever has the last signature submits it

A node takes a transaction from one validity window before ``valid_until`` on. So one that is to be signed by many is made
valid until the agreed time of its submission and a little more; before, it is of no use to anybody.
"""

from collections.abc import Iterable
from os import urandom
from typing import Final, NamedTuple

import msgspec

from traco.client.signer import Signer
from traco.kernel.codec import ROOT, Codec, encode
from traco.kernel.instruction import Instruction
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import Body, RawTransaction, Signature, signing_message, transaction_id

_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)


class DraftInvalid(ValueError):
    """The bytes are not a transaction that this software can show and sign; the text says why."""


class Draft(NamedTuple):
    """A transaction on its way between signers: its id, what it does, and the keys that signed so far."""

    identity: bytes
    network: bytes
    valid_until_ms: int
    instructions: tuple[Instruction, ...]
    signers: tuple[bytes, ...]
    ledger: bytes = ROOT


def unsigned(
    network: bytes, valid_until_ms: int, instructions: Iterable[Instruction], *, ledger: bytes = ROOT
) -> bytes:
    """A transaction without signatures, for the root or a channel; each call makes another one."""
    body = Body(network, ledger, valid_until_ms, urandom(16), tuple(instructions))
    return encode_transaction(encode(body), ())


def read_draft(raw: bytes, bodies: Codec[Body]) -> Draft:
    """What a transaction says. ``bodies``: the codec of bodies, from the registry of modules. Raises ``DraftInvalid``."""
    try:
        transaction = _RAW.decode(raw)
        content = bytes(transaction.body)
        body = bodies.decode(content)
    except (ValueError, msgspec.MsgspecError) as error:
        raise DraftInvalid(
            f"it is no transaction of this ledger, or needs a newer version: {error}"
        ) from None
    signers = tuple(signature.key for signature in transaction.signatures)
    return Draft(
        transaction_id(content), body.network, body.valid_until, body.instructions, signers, body.ledger
    )


def add_signatures(raw: bytes, signers: Iterable[Signer]) -> bytes:
    """The transaction with these signatures too; what a key signed before is replaced. Raises ``DraftInvalid``."""
    try:
        transaction = _RAW.decode(raw)
    except (ValueError, msgspec.MsgspecError) as error:
        raise DraftInvalid(f"it is no transaction: {error}") from None
    body = bytes(transaction.body)
    message = signing_message(transaction_id(body))
    by_key = {signature.key: signature for signature in transaction.signatures}
    for signer in signers:
        by_key[signer.public_key] = Signature(signer.public_key, signer.sign(message))
    return encode_transaction(body, tuple(by_key.values()))
