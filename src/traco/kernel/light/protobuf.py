"""As much of writing protobuf as hashes and signatures of the engine need. Not for reading, and not for ABCI."""

from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2


def varint(value: int) -> bytes:
    """An integer of at least zero, seven bits at a time, the lowest first."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def integer(number: int, value: int) -> bytes:
    """A field of an integer of at least zero; nothing for zero, as proto3 has it."""
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


def fixed64(number: int, value: int) -> bytes:
    """A field of type sfixed64; nothing for zero."""
    return varint(number << 3 | _FIXED64) + value.to_bytes(8, "little") if value else b""


def octets(number: int, value: bytes) -> bytes:
    """A field of bytes or text; nothing where it is empty."""
    return message(number, value) if value else b""


def message(number: int, value: bytes) -> bytes:
    """A field of an embedded message; written even where it is empty, as gogoproto does if it cannot be null."""
    return varint(number << 3 | _BYTES) + delimited(value)


def delimited(value: bytes) -> bytes:
    """A message with its length before it."""
    return varint(len(value)) + value
