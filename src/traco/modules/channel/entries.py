"""The entries of a channel's stream, and the chain that lets anybody check a stream against the root's state.

chain(n) = digest("traco/entry/1", chain(n - 1), encode((context, entry)));  context is nil but for the first entry of a point
"""

from typing import Annotated, Final

import msgspec

from traco.kernel.codec import Count, Hash, Height, Record, TimeMs, digest, encode
from traco.modules.channel.parts import MAX_MOVEMENTS, EdgeMovement, Epoch, Number, Payload, Terms

ENTRY_TAG: Final = b"traco/entry/1"
FIRST_CHAIN: Final = bytes(32)


class PointContext(Record, frozen=True):
    """The root block whose entries a point executes: what handlers inside see of height, time and protocol."""

    height: Height
    time_ms: TimeMs
    protocol: Count
    ordinal: Number


class Batch(Record, frozen=True, tag="batch"):
    """Sealed transactions, executed in order."""

    epoch: Epoch
    payload: Payload


class Leg(Record, frozen=True, tag="leg"):
    """This channel's part of a settlement across channels: one sealed transaction that ends in a batch hold.

    ``edges`` are those of the leg's terms, so that nothing crosses inside that the root was not told.
    """

    attempt: Hash
    terms: Hash
    commitment: Hash
    epoch: Epoch
    payload: Payload
    edges: Annotated[tuple[EdgeMovement, ...], msgspec.Meta(max_length=MAX_MOVEMENTS)] = ()


class Decided(Record, frozen=True, tag="decided"):
    """The decision about an attempt: its hold is executed, or released."""

    attempt: Hash
    committed: bool


class Voided(Record, frozen=True, tag="voided"):
    """An entry that nobody could show, or that stopped every executor, is empty from this generation on."""

    number: Number
    generation: Count


class Tick(Record, frozen=True, tag="tick"):
    """Nothing but time: what is due inside runs."""


class EpochBegun(Record, frozen=True, tag="epoch"):
    """Another key, and these terms, from here on."""

    epoch: Epoch
    terms: Terms


class Suspended(Record, frozen=True, tag="suspended"):
    """No digest can reach the policy any more."""

    ordinal: Number


class Resumed(Record, frozen=True, tag="resumed"):
    """Business goes on; ``generation`` counts attestations anew from the first point that was not confirmed."""

    generation: Count


class Erased(Record, frozen=True, tag="erased"):
    """Payloads up to this entry may be, and by those who obey are, destroyed."""

    through: Number


class Closed(Record, frozen=True, tag="closed"):
    """Nothing enters any more but decisions; the last confirmed state stands."""


Entry = Batch | Leg | Decided | Voided | Tick | EpochBegun | Suspended | Resumed | Erased | Closed


def next_chain(chain: bytes, context: PointContext | None, entry: Entry) -> bytes:
    """The chain's hash behind another entry; ``context`` where the entry is the first of its point."""
    return digest(ENTRY_TAG, chain, encode((context, entry)))
