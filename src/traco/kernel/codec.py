"""Canonical bytes of everything that is hashed, signed or stored. Not for JSON at the edges.

Records are msgspec structs written as MessagePack arrays. Whatever is decoded must re-encode to the same
bytes, so that one meaning has one form; golden vectors under ``tests/vectors`` pin that form.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

MAX_AMOUNT: Final = 2**63 - 1
MAX_TIME_MS: Final = 2**53 - 1  # exact in JSON for every client language; the year 287396

Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Salt = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Ledger = Annotated[bytes, msgspec.Meta(max_length=32)]  # b"" is the root; a channel has 32 bytes
PublicKey = Annotated[bytes, msgspec.Meta(min_length=33, max_length=34)]  # scheme byte + raw key
SignatureBytes = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]  # scheme byte + raw
Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
PositiveAmount = Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Height = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
RatePpm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Reference = Annotated[bytes, msgspec.Meta(max_length=64)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]*\Z")]
IsoDate = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")]
CurrencyCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]

ROOT: Final[bytes] = b""


class Record(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Base of every canonical record. State records add an integer ``tag``: their version, written first."""


T = TypeVar("T")

_encoder: Final = msgspec.msgpack.Encoder()
encode: Final = _encoder.encode


class NotCanonical(ValueError):
    """The bytes decode, but are not the one form that their meaning has."""


class Codec(Generic[T]):
    """Strict decoder of one type.

    ``trusted`` is as ``decode``, for bytes this ledger wrote itself: the form is not checked again.
    """

    __slots__ = ("trusted",)

    def __init__(self, kind: Any) -> None:
        self.trusted: Final[Callable[[bytes], T]] = msgspec.msgpack.Decoder(kind).decode

    def decode(self, raw: bytes) -> T:
        """The value of ``raw``. Raises ``msgspec.DecodeError`` or ``NotCanonical``, both ``ValueError``."""
        try:
            value = self.trusted(raw)
            canonical = encode(value)
        except RecursionError:
            # where this happens depends on the caller's stack: the same answer as for bytes that do not decode
            raise msgspec.DecodeError("nested too deeply") from None
        if canonical != raw:
            raise NotCanonical("another encoding of the same value exists")
        return value


def digest(tag: bytes, *parts: bytes) -> bytes:
    """SHA-256 over a type tag, a zero byte and the parts. At most one part may have a variable length."""
    hasher = sha256(tag)
    hasher.update(b"\0")
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def derive_id(kind: str, creator: bytes, salt: bytes) -> bytes:
    """The 16-byte id of something that ``creator`` (a party) makes. Nobody else can take that id first.

    The creating client knows it before the transaction is ordered, so that one transaction can create and use.
    """
    return digest(b"traco/id/1/" + kind.encode(), len(creator).to_bytes(1, "big"), creator, salt)[:16]
