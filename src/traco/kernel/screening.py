"""Everything about a transaction or envelope that can be judged from its bytes alone.

Screening is a pure function, so a node runs it in verifier processes, outside the ledger's interpreter, and remembers
the answer by the transaction's bytes. It never raises: hostile bytes have an answer too.
"""

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from traco.kernel import crypto
from traco.kernel.codec import Codec, NotCanonical, Record, encode
from traco.kernel.errors import (
    Failure,
    Malformed,
    NonCanonical,
    Refused,
    SignatureOrder,
    SignatureWrong,
    TooLarge,
    UnknownInstruction,
)
from traco.kernel.instruction import KernelParameters
from traco.kernel.transaction import (
    Body,
    Envelope,
    RawTransaction,
    Signature,
    envelope_id,
    envelope_signing_message,
    signatures_hash,
    signing_message,
    transaction_id,
)

T = TypeVar("T")


class Screened(Record, frozen=True):
    """The answer for one transaction. ``refusal`` is None when it is well-formed and every signature verifies."""

    identity: bytes
    signatures: bytes
    signers: tuple[bytes, ...]
    refusal: Failure | None


class ScreenedEnvelope(Record, frozen=True):
    """The answer for one envelope; its transactions are screened one by one."""

    envelope: Envelope | None
    identity: bytes
    signatures: bytes
    refusal: Failure | None


class Screener(Protocol):
    """How the application asks; the node's implementation uses processes and remembers."""

    def screen(self, transactions: Sequence[bytes]) -> Sequence[Screened]:
        """One answer per transaction, in order."""

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        """The answer for an envelope, without its transactions."""


# msgspec's words for an unknown tag, at the first position of an instruction and nowhere deeper
_UNKNOWN_TAG = re.compile(r"Invalid value '(.*)' - at `\$\[5\]\[(?:\d+|\.\.\.)\]\[0\]`", re.DOTALL)
_TRAILING = "trailing characters"  # msgspec's words for bytes behind a value of the right type
_PAIR = b"\x92"  # the head of an array of two; it has longer forms, which are not canonical
_LONGER_PAIRS = (b"\xdc\0\2", b"\xdd\0\0\0\2")
_RAW_TRANSACTION: Codec[RawTransaction] = Codec(RawTransaction)
_ENVELOPE: Codec[Envelope] = Codec(Envelope)


class DirectScreener:
    """Screens in the calling process. ``body`` is the strict codec of bodies, from the registry of modules."""

    def __init__(self, body: Codec[Body], limits: KernelParameters) -> None:
        self._body = body
        self._limits = limits

    def screen(self, transactions: Sequence[bytes]) -> list[Screened]:
        """One answer per transaction, in order."""
        return [self._screen_one(raw) for raw in transactions]

    def _screen_one(self, raw: bytes) -> Screened:
        try:
            return self._judge(raw)
        except Refused as refusal:
            return Screened(b"", b"", (), refusal.failure())

    def _judge(self, raw: bytes) -> Screened:
        check_size("the transaction", len(raw), self._limits.max_transaction_bytes)
        try:
            return self._judge_parts(raw)
        except Refused:
            self._require_known_types(raw)
            raise

    def _require_known_types(self, raw: bytes) -> None:
        """Raise what is wrong with the types in the body, if anything is, before whatever else is wrong.

        Reasons are compared between nodes. Skipping over a body takes stack for each level of nesting, so whether that
        succeeds depends on the caller's stack. Decoding by types does not: it stops at the first thing that does not
        belong, and what belongs nests a few levels deep only.
        """
        if raw.startswith(_LONGER_PAIRS):
            raise NonCanonical
        if raw[:1] != _PAIR:
            raise Malformed("it is not an array of body and signatures")
        try:
            self._body.decode(raw[1:])
        except NotCanonical:
            pass  # of known types, with nothing behind it
        except ValueError as error:
            if _TRAILING not in str(error):  # the signatures, so the body itself is of known types
                raise _why(error) from None

    def _judge_parts(self, raw: bytes) -> Screened:
        limits = self._limits
        transaction = _decode(_RAW_TRANSACTION, raw)
        check_size("the number of signatures", len(transaction.signatures), limits.max_signatures)
        body = bytes(transaction.body)
        try:
            decoded = self._body.decode(body)
        except NotCanonical:
            raise NonCanonical from None
        except ValueError as error:
            raise _why(error) from None
        count = len(decoded.instructions)
        if count == 0:
            raise Malformed("it has no instruction")
        check_size("the number of instructions", count, limits.max_instructions)
        identity = transaction_id(body)
        signers = _verified(transaction.signatures, signing_message(identity))
        return Screened(identity, signatures_hash(transaction.signatures), signers, None)

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        """The answer for an envelope, without its transactions."""
        limits = self._limits
        try:
            check_size("the envelope", len(raw), limits.max_envelope_bytes)
            envelope = _decode(_ENVELOPE, raw)
            count = len(envelope.body.transactions)
            if count == 0:
                raise Malformed("the envelope is empty")
            check_size("the number of transactions", count, limits.max_envelope_transactions)
            identity = envelope_id(envelope.body)
            signature = envelope.signature
            _verified((signature,), envelope_signing_message(identity, signature.key))
            return ScreenedEnvelope(envelope, identity, signatures_hash((signature,)), None)
        except Refused as refusal:
            return ScreenedEnvelope(None, b"", b"", refusal.failure())


def check_size(what: str, size: int, limit: int) -> None:
    """Raise ``TooLarge`` beyond a limit."""
    if size > limit:
        raise TooLarge(what, size, limit)


def _decode(codec: Codec[T], raw: bytes) -> T:
    try:
        return codec.decode(raw)
    except NotCanonical:
        raise NonCanonical from None
    except ValueError as error:
        raise Malformed(_brief(error)) from None


def _verified(signatures: tuple[Signature, ...], message: bytes) -> tuple[bytes, ...]:
    previous = b""
    for index, signature in enumerate(signatures):
        if signature.key <= previous:
            raise SignatureOrder
        previous = signature.key
        if not crypto.is_valid(signature.key, message, signature.value):
            raise SignatureWrong(index)
    return tuple(signature.key for signature in signatures)


def _brief(error: ValueError) -> str:
    return str(error)[:200]


def _why(error: ValueError) -> Refused:
    """An unknown instruction deserves a code of its own, because the cure is an upgrade, not a repair."""
    unknown = _UNKNOWN_TAG.fullmatch(str(error))
    return Malformed(_brief(error)) if unknown is None else UnknownInstruction(unknown[1][:64])


def encode_transaction(body: bytes, signatures: tuple[Signature, ...]) -> bytes:
    """The wire form of a transaction from its encoded body and its signatures (sorted here by key)."""
    ordered = tuple(sorted(signatures, key=lambda signature: signature.key))
    return encode(RawTransaction(msgspec.Raw(body), ordered))
