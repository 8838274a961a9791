"""What CometBFT answers in JSON, read strictly: into the records of ``kernel.light``, and what a node wants to know of its engine.

64-bit integers are strings, hashes upper-case hex, signatures and keys base64, times RFC 3339 with up to nine digits of a second.
"""

import base64
import re
from calendar import timegm
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from traco.kernel.crypto import Scheme
from traco.kernel.light.records import BlockId, Commit, Header, Moment, SignedHeader, Validator, Vote

_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_KEY_TYPE: Final = "tendermint/PubKeyEd25519"
_FOR_BLOCK: Final = 2
_FOR_NONE: Final = 3

Kind = TypeVar("Kind")

_Number = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$(?!\\n)")]
_Hex = Annotated[str, msgspec.Meta(pattern="^(?:[0-9A-F]{2})*$(?!\\n)")]


class AnswerInvalid(ValueError):
    """This is not what CometBFT v0.39 answers."""


class EngineStatus(NamedTuple):
    """Where the engine stands. ``voting_power`` is 0 where it is no validator; ``app_hash`` that of the last header."""

    peer: bytes
    chain: str
    height: int
    time: Moment | None
    app_hash: bytes
    earliest_height: int
    is_catching_up: bool
    voting_power: int


class Peer(NamedTuple):
    """A peer that the engine is connected to, as it describes itself; only its id is proven."""

    peer: bytes
    listens_at: str
    moniker: str
    is_outbound: bool


class _Document(msgspec.Struct, frozen=True):
    """A part of an answer; what is not named here is of no interest."""


class _Parts(_Document, frozen=True):
    total: int
    hash: _Hex


class _BlockId(_Document, frozen=True):
    hash: _Hex
    parts: _Parts


class _Version(_Document, frozen=True):
    block: _Number
    app: _Number = "0"


class _Header(_Document, frozen=True):
    version: _Version
    chain_id: str
    height: _Number
    time: str
    last_block_id: _BlockId
    last_commit_hash: _Hex
    data_hash: _Hex
    validators_hash: _Hex
    next_validators_hash: _Hex
    consensus_hash: _Hex
    app_hash: _Hex
    last_results_hash: _Hex
    evidence_hash: _Hex
    proposer_address: _Hex


class _Vote(_Document, frozen=True):
    block_id_flag: int
    validator_address: _Hex
    timestamp: str
    signature: str | None


class _Commit(_Document, frozen=True):
    height: _Number
    round: int
    block_id: _BlockId
    signatures: list[_Vote]


class _SignedHeader(_Document, frozen=True):
    header: _Header
    commit: _Commit


class _Key(_Document, frozen=True):
    type: str
    value: str


class _Validator(_Document, frozen=True):
    pub_key: _Key
    voting_power: _Number


class _NodeInfo(_Document, frozen=True):
    id: str
    network: str
    listen_addr: str
    moniker: str


class _Sync(_Document, frozen=True):
    latest_block_height: _Number
    latest_block_time: str
    latest_app_hash: _Hex
    earliest_block_height: _Number
    catching_up: bool


class _Power(_Document, frozen=True):
    voting_power: _Number


class _Status(_Document, frozen=True):
    node_info: _NodeInfo
    sync_info: _Sync
    validator_info: _Power


class _Peer(_Document, frozen=True):
    node_info: _NodeInfo
    is_outbound: bool


def read_signed_header(document: Any) -> SignedHeader:
    """A header with its commit. Raises ``AnswerInvalid``, as all of these."""
    found = _convert(document, _SignedHeader)
    commit = found.commit
    votes = tuple(_vote(each) for each in commit.signatures)
    return SignedHeader(
        _header(found.header), Commit(int(commit.height), commit.round, _block_id(commit.block_id), votes)
    )


def read_validator(document: Any) -> Validator:
    """A validator of a set."""
    found = _convert(document, _Validator)
    if found.pub_key.type != _KEY_TYPE:
        raise AnswerInvalid(f"a validator has a key of type {found.pub_key.type[:40]}")
    return Validator(bytes([Scheme.ED25519]) + _base64(found.pub_key.value), int(found.voting_power))


def read_status(document: Any) -> EngineStatus:
    """The status of an engine."""
    found = _convert(document, _Status)
    sync = found.sync_info
    height = int(sync.latest_block_height)
    return EngineStatus(
        _peer_id(found.node_info.id), found.node_info.network, height,
        read_moment(sync.latest_block_time) if height else None, bytes.fromhex(sync.latest_app_hash),
        int(sync.earliest_block_height), sync.catching_up, int(found.validator_info.voting_power),
    )  # fmt: skip


def read_peer(document: Any) -> Peer:
    """A peer."""
    found = _convert(document, _Peer)
    node = found.node_info
    return Peer(_peer_id(node.id), node.listen_addr, node.moniker, found.is_outbound)


def read_moment(text: str) -> Moment:
    """A time to the nanosecond."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise AnswerInvalid(f"not a time: {text[:40]}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        seconds = timegm((year, month, day, hour, minute, second))
    except ValueError:
        raise AnswerInvalid(f"not a time: {text[:40]}") from None
    return Moment(seconds, int((found[7] or "0").ljust(9, "0")))


def _convert(document: Any, kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(document, kind)
    except ValueError as error:
        raise AnswerInvalid(str(error)) from None


def _header(found: _Header) -> Header:
    return Header(
        int(found.version.block), int(found.version.app), found.chain_id, int(found.height), read_moment(found.time),
        _block_id(found.last_block_id), *(
            bytes.fromhex(each)
            for each in (
                found.last_commit_hash, found.data_hash, found.validators_hash, found.next_validators_hash,
                found.consensus_hash, found.app_hash, found.last_results_hash, found.evidence_hash, found.proposer_address,
            )
        ),
    )  # fmt: skip


def _block_id(found: _BlockId) -> BlockId:
    return BlockId(bytes.fromhex(found.hash), found.parts.total, bytes.fromhex(found.parts.hash))


def _vote(found: _Vote) -> Vote | None:
    """A precommit; None for who is absent."""
    if found.block_id_flag not in (_FOR_BLOCK, _FOR_NONE):
        return None
    return Vote(
        found.block_id_flag == _FOR_BLOCK, bytes.fromhex(found.validator_address), read_moment(found.timestamp),
        _base64(found.signature or ""),
    )  # fmt: skip


def _peer_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise AnswerInvalid(f"not a peer id: {text[:40]}") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise AnswerInvalid("not base64") from None
