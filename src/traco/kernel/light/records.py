"""Headers, commits and validator sets as records: how the ledger stores and sends what the engine signed.

The fields are those of CometBFT v0.39 (``types/block.go``); only what is hashed or signed is here. What comes from
outside goes through one of the ``decode_`` functions, which bound every length and number.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Final, TypeVar

import msgspec

from traco.kernel.codec import Codec, Hash, Record
from traco.kernel.crypto import ED25519_KEY_BYTES
from traco.kernel.light.errors import LightInvalid, require

MAX_VALIDATORS: Final = 128
MAX_TOTAL_POWER: Final = (2**63 - 1) // 8
"""CometBFT's own limit on the power of a set."""
MAX_HEIGHT: Final = 2**53 - 1
MAX_SECONDS: Final = 253_402_300_799
"""The last second of the year 9999, which is where the engine's times end."""

MaybeHash = Annotated[bytes, msgspec.Meta(max_length=32)]  # 0 or 32 bytes: `commits` checks it
Address = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
ConsensusKey = Annotated[bytes, msgspec.Meta(min_length=ED25519_KEY_BYTES, max_length=ED25519_KEY_BYTES)]
Power = Annotated[int, msgspec.Meta(ge=1, le=MAX_TOTAL_POWER)]
ChainHeight = Annotated[int, msgspec.Meta(ge=1, le=MAX_HEIGHT)]
Exact = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Moment(Record, frozen=True):
    """A point in time as the engine has it, to the nanosecond. UTC."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS)]
    nanos: Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]

    @property
    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self.seconds * 1_000_000_000 + self.nanos

    @property
    def time_ms(self) -> int:
        """Whole milliseconds since 1970, as the ledger counts time."""
        return self.time_ns // 1_000_000


class BlockId(Record, frozen=True):
    """The hash of a header, and number and root of the parts that the block was sent in. All empty before block 1."""

    hash: MaybeHash
    part_count: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    parts_hash: MaybeHash


class Header(Record, frozen=True):
    """The header of a block: everything that its hash covers. ``app_hash`` is that after the block before it."""

    block_protocol: Exact
    app_protocol: Exact
    chain: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    height: ChainHeight
    time: Moment
    last_block: BlockId
    last_commit_hash: MaybeHash
    data_hash: MaybeHash
    validators_hash: Hash
    next_validators_hash: Hash
    consensus_hash: MaybeHash
    app_hash: Annotated[bytes, msgspec.Meta(max_length=64)]
    last_results_hash: MaybeHash
    evidence_hash: MaybeHash
    proposer: Address


class Vote(Record, frozen=True):
    """A validator's precommit: for the block of the commit, or for none."""

    for_block: bool
    address: Address
    time: Moment
    signature: Annotated[
        bytes, msgspec.Meta(min_length=64, max_length=64)
    ]  # without a scheme: always ed25519


class Commit(Record, frozen=True):
    """What the validators signed for a block: one place per validator, in the order of the set; None who is absent."""

    height: ChainHeight
    round: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    block: BlockId
    votes: Annotated[tuple[Vote | None, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


class SignedHeader(Record, frozen=True):
    """A header with the commit for its block."""

    header: Header
    commit: Commit


class Validator(Record, frozen=True):
    """A consensus key (ed25519, scheme byte first) and its voting power."""

    key: ConsensusKey
    power: Power


ValidatorSet = Annotated[tuple[Validator, ...], msgspec.Meta(min_length=1, max_length=MAX_VALIDATORS)]
"""By power, the greatest first; then by address (``in_order``)."""


class Handover(Record, frozen=True):
    """A signed header that names another set for the next block, and that set."""

    signed: SignedHeader
    next_validators: ValidatorSet


class LightBlock(Record, frozen=True, tag="traco.light-block/1"):
    """What a live client is given for one height. ``next_validators`` lets it skip from here later."""

    signed: SignedHeader
    validators: ValidatorSet
    next_validators: ValidatorSet


Kind = TypeVar("Kind")

_SIGNED: Final[Codec[SignedHeader]] = Codec(SignedHeader)
_HANDOVER: Final[Codec[Handover]] = Codec(Handover)
_BLOCK: Final[Codec[LightBlock]] = Codec(LightBlock)
MAX_BLOCK_BYTES: Final = 65_536
"""More than a light block with the most validators has."""


def decode_signed_header(raw: bytes) -> SignedHeader:
    """The signed header in these bytes. Raises ``LightInvalid`` (``light.malformed``, ``light.too_large``)."""
    return _decoded(_SIGNED, raw)


def decode_handover(raw: bytes) -> Handover:
    """The handover in these bytes. Raises ``LightInvalid`` (``light.malformed``, ``light.too_large``)."""
    return _decoded(_HANDOVER, raw)


def decode_light_block(raw: bytes) -> LightBlock:
    """The light block in these bytes. Raises ``LightInvalid`` (``light.malformed``, ``light.too_large``)."""
    return _decoded(_BLOCK, raw)


def address(key: bytes) -> bytes:
    """The 20 bytes by which the engine names the validator with this key (scheme byte first)."""
    return sha256(key[1:]).digest()[:20]


def in_order(validators: Iterable[Validator]) -> ValidatorSet:
    """These validators as a set: by power, the greatest first, then by address."""
    return tuple(sorted(validators, key=lambda each: (-each.power, address(each.key))))


def _decoded(codec: Codec[Kind], raw: bytes) -> Kind:
    require(len(raw) <= MAX_BLOCK_BYTES, "light.too_large")
    try:
        return codec.decode(raw)
    except ValueError:
        raise LightInvalid("light.malformed") from None
