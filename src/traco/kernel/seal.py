"""What makes outsiders believe an app hash: the seal of whichever engine orders. Reading and checking it.

``verify_seal`` takes seals of both kinds that a genesis can name. The CometBFT engine's is evidence: what its
validators signed, see ``kernel.light.evidence``. The embedded engine's is a checkpoint, which is described here.

A checkpoint says which app hash followed which block. It is a signed note as of C2SP (c2sp.org/signed-note) with one signature, of one canonical form:

    traco/<network id, hex>
    <height, decimal>
    <block time in ms, decimal>
    <app hash, base64>

    — traco/<network id, hex> <base64 of 4-byte key id and 64-byte ed25519 signature>

every line ended by a line feed. The text up to the blank line is what is signed; no other signed thing of
the ledger begins with ``traco/`` and 64 hex digits. Height and hash are all that a receipt needs; the time
lets a live client see how old the seal is.

C2SP lets a note carry signatures of keys that the reader does not know, which he ignores. Here they are
refused: a receipt has one form only, no byte of it may change unnoticed, and an unknown signature says
nothing to its reader. Cosignatures of witnesses, when they come, go beside the note, over the same text.

This is for reading and checking, also without a node. Signing is in ``engine.embedded.checkpoint``.

Exceptions:

    LedgerError
    └── SealInvalid   these bytes are not a seal of this network
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from traco.kernel import crypto
from traco.kernel.codec import MAX_TIME_MS
from traco.kernel.errors import LedgerError
from traco.kernel.genesis import Genesis, network_id
from traco.kernel.light import LightInvalid, chain_id, founding_validators, total_power, verify_evidence

MAX_NOTE_BYTES = 512
"""More than any checkpoint has (at most 319 bytes), so that hostile input is dropped before it is read."""

MAX_HEIGHT = 2**53 - 1
"""Exact in every language that a client may be written in."""

_DASH = "— ".encode()
_NOTE_ED25519 = b"\x01"  # signature type of C2SP; that it equals our scheme byte is a coincidence


class SealInvalid(LedgerError):
    """These bytes are not a seal of this network. ``code`` says why: for evidence it is one of ``kernel.light``.

    For a checkpoint it is ``seal.too_long``, ``seal.layout`` (not the seven parts of a note), ``seal.network`` (of
    another network), ``seal.number`` (height or time), ``seal.app_hash``, ``seal.not_canonical`` (the same
    content in another form), ``seal.key`` (the key is none of ed25519), ``seal.foreign_key`` (sealed by
    another key) or ``seal.signature``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """After the block at ``height``, of time ``time_ms`` (UTC), the app hash was ``app_hash`` (32 bytes).

    Raises ``SealInvalid`` (``seal.number``, ``seal.app_hash``) for values out of range.
    """

    height: int
    time_ms: int
    app_hash: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.height <= MAX_HEIGHT and 0 <= self.time_ms <= MAX_TIME_MS):
            raise SealInvalid("seal.number")
        if len(self.app_hash) != 32:
            raise SealInvalid("seal.app_hash")


class Sealing(NamedTuple):
    """What a seal vouches for, and who made it.

    ``signers`` are keys (scheme byte first) with their voting power, out of ``total_power``; a checkpoint has one, of
    power 1. ``handovers`` counts the changes of the validator set between the founding and the seal.
    """

    checkpoint: Checkpoint
    signers: tuple[tuple[bytes, int], ...]
    total_power: int
    handovers: int


def examine_seal(seal: bytes, genesis: Genesis) -> Sealing:
    """What a seal of the kind that ``genesis`` names vouches for. Raises ``SealInvalid``, nothing else."""
    network = network_id(genesis)
    if genesis.seal.kind == "checkpoint":
        key = bytes.fromhex(genesis.seal.key)
        return Sealing(verify_checkpoint(seal, network, key), ((key, 1),), 1, 0)
    try:
        proof = verify_evidence(seal, chain_id(network), founding_validators(genesis))
    except LightInvalid as error:
        raise SealInvalid(error.code) from None
    signers = tuple((validator.key, validator.power) for validator in proof.signers)
    checkpoint = Checkpoint(proof.height, proof.time_ms, proof.app_hash)
    return Sealing(checkpoint, signers, total_power(proof.validators), proof.handovers)


def verify_seal(seal: bytes, genesis: Genesis) -> Checkpoint:
    """Height, time and app hash that a seal of either kind vouches for. Raises ``SealInvalid``, nothing else."""
    return examine_seal(seal, genesis).checkpoint


def checkpoint_origin(network: bytes) -> bytes:
    """The first line of a checkpoint, which is also the name of its key. ``network`` is the network id."""
    return b"traco/" + network.hex().encode()


def checkpoint_text(checkpoint: Checkpoint, network: bytes) -> bytes:
    """The bytes that are signed."""
    lines = (
        checkpoint_origin(network),
        b"%d" % checkpoint.height,
        b"%d" % checkpoint.time_ms,
        binascii.b2a_base64(checkpoint.app_hash, newline=False),
    )
    return b"\n".join(lines) + b"\n"


def checkpoint_note(checkpoint: Checkpoint, network: bytes, key: bytes, signature: bytes) -> bytes:
    """The note, given the signature of ``key`` over ``checkpoint_text`` (both with their scheme byte).

    Does not check the signature. Raises ``SealInvalid`` (``seal.key``) if the key is none of ed25519.
    """
    mark = _key_id(network, key) + signature[1:]
    line = _DASH + checkpoint_origin(network) + b" " + binascii.b2a_base64(mark)
    return checkpoint_text(checkpoint, network) + b"\n" + line


def verify_checkpoint(note: bytes, network: bytes, key: bytes) -> Checkpoint:
    """The checkpoint in ``note`` that ``key`` (with its scheme byte) sealed for ``network`` (its id).

    Raises ``SealInvalid`` for anything else; no other exception, whatever the bytes.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise SealInvalid("seal.too_long")
    key_id = _key_id(network, key)
    parts = note.split(b"\n")
    if len(parts) != 7 or parts[4] or parts[6]:
        raise SealInvalid("seal.layout")
    origin, height, time_ms, app_hash, _, line, _ = parts
    if origin != checkpoint_origin(network):
        raise SealInvalid("seal.network")
    checkpoint = Checkpoint(_number(height), _number(time_ms), _base64(app_hash, 32, "seal.app_hash"))
    prefix = _DASH + origin + b" "
    if not line.startswith(prefix):
        raise SealInvalid("seal.layout")
    mark = _base64(line[len(prefix) :], 68, "seal.signature")
    if mark[:4] != key_id:
        raise SealInvalid("seal.foreign_key")
    signature = key[:1] + mark[4:]
    # what was read must write the same bytes: leading zeros, spare bits and padding of base64
    if checkpoint_note(checkpoint, network, key, signature) != note:
        raise SealInvalid("seal.not_canonical")
    if not crypto.is_valid(key, checkpoint_text(checkpoint, network), signature):
        raise SealInvalid("seal.signature")
    return checkpoint


def _key_id(network: bytes, key: bytes) -> bytes:
    if len(key) != crypto.ED25519_KEY_BYTES or key[0] != crypto.Scheme.ED25519:
        raise SealInvalid("seal.key")
    return sha256(checkpoint_origin(network) + b"\n" + _NOTE_ED25519 + key[1:]).digest()[:4]


def _number(line: bytes) -> int:
    if not line.isdigit():  # of bytes: ASCII digits only, so no sign, space, underscore or carriage return
        raise SealInvalid("seal.number")
    return int(line)


def _base64(line: bytes, size: int, code: str) -> bytes:
    try:
        decoded = binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise SealInvalid(code) from None
    if len(decoded) != size:
        raise SealInvalid(code)
    return decoded
