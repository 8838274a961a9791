"""Padmé: padding that hides a length but for its order of magnitude, at a cost of 12 % at most.

A length of n bits keeps its highest bits, as many as the length of n has, and the others are rounded up: of m bytes an
observer learns O(log log m) bits. (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: Reducing Metadata Leakage from
Encrypted Files and Communication with PURBs, 2019, algorithm 1.)

    padded = length of the content in 4 bytes, content, zeros

The size that is rounded is that of the whole, with what the caller adds in front and behind (``around`` bytes).
"""

from typing import Final

LENGTH_BYTES: Final = 4


def padded_size(size: int) -> int:
    """The size that something of ``size`` bytes is padded to."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def whole_size(length: int, around: int) -> int:
    """The size of everything, for a content of ``length`` bytes."""
    return padded_size(around + LENGTH_BYTES + length)


def pad(content: bytes, around: int) -> bytes:
    """The content with its length in front and zeros behind."""
    prefixed = len(content).to_bytes(LENGTH_BYTES, "big") + content
    return prefixed + bytes(whole_size(len(content), around) - around - len(prefixed))


def unpad(padded: bytes, around: int) -> bytes:
    """The content. Raises ``ValueError`` for anything that ``pad`` does not make."""
    length = int.from_bytes(padded[:LENGTH_BYTES], "big")
    if len(padded) < LENGTH_BYTES or len(padded) + around != whole_size(length, around):
        raise ValueError("the size is not the one that this length is padded to")
    end = LENGTH_BYTES + length
    if padded.count(0, end) != len(padded) - end:
        raise ValueError("there is something behind the content")
    return padded[LENGTH_BYTES:end]
