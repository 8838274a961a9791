"""The messages of ABCI 2.0, as far as a ledger needs them: the declarations are the codec (see ``wire``).

Field numbers are those of ``tendermint/abci/types.proto`` in CometBFT v0.39. What the ledger never looks at (commits, evidence of
misbehaviour, some parameters) stays raw; events and proofs, which it never sends, are left out.
"""

from enum import IntEnum
from typing import Annotated, Final, NamedTuple

from traco.engine.cometbft.abci.wire import Field, Kind, Message, WireError, decode, encode, read_varint
from traco.kernel.light.protobuf import varint


class Timestamp(Message, frozen=True):
    """``google.protobuf.Timestamp``: seconds since 1970, UTC, and nanoseconds."""

    seconds: Annotated[int, Field(1, Kind.INT64)] = 0
    nanos: Annotated[int, Field(2, Kind.INT64)] = 0


class BlockParams(Message, frozen=True):
    """Limits of a block; -1 is no limit."""

    max_bytes: Annotated[int, Field(1, Kind.INT64)] = 0
    max_gas: Annotated[int, Field(2, Kind.INT64)] = 0


class VersionParams(Message, frozen=True):
    """The application's version: the ledger's protocol."""

    app: Annotated[int, Field(1, Kind.UINT64)] = 0


class AbciParams(Message, frozen=True):
    """From which height on votes carry extensions; 0 for never."""

    vote_extensions_enable_height: Annotated[int, Field(1, Kind.INT64)] = 0


class ConsensusParams(Message, frozen=True):
    """Parameters of the engine; in an answer only those that change."""

    block: Annotated[BlockParams | None, Field(1, Kind.MESSAGE)] = None
    evidence: Annotated[bytes | None, Field(2, Kind.RAW)] = None
    validator: Annotated[bytes | None, Field(3, Kind.RAW)] = None
    version: Annotated[VersionParams | None, Field(4, Kind.MESSAGE)] = None
    abci: Annotated[AbciParams | None, Field(5, Kind.MESSAGE)] = None
    authority: Annotated[bytes | None, Field(6, Kind.RAW)] = None


class PublicKey(Message, frozen=True):
    """A validator's key, 32 bytes. The ledger uses no other type."""

    ed25519: Annotated[bytes, Field(1, Kind.BYTES)] = b""


class ValidatorUpdate(Message, frozen=True):
    """A validator's voting power from now on; 0 removes it."""

    pub_key: Annotated[PublicKey, Field(1, Kind.MESSAGE)] = PublicKey()
    power: Annotated[int, Field(2, Kind.INT64)] = 0


class Snapshot(Message, frozen=True):
    """A snapshot that a node can give. ``format``, ``hash`` and ``metadata`` mean what the application wants."""

    height: Annotated[int, Field(1, Kind.UINT64)] = 0
    format: Annotated[int, Field(2, Kind.UINT32)] = 0
    chunks: Annotated[int, Field(3, Kind.UINT32)] = 0
    hash: Annotated[bytes, Field(4, Kind.BYTES)] = b""
    metadata: Annotated[bytes, Field(5, Kind.BYTES)] = b""


class ExecTxResult(Message, frozen=True):
    """What became of one transaction of the engine. Only ``code`` and ``data`` are hashed into the next header."""

    code: Annotated[int, Field(1, Kind.UINT32)] = 0
    data: Annotated[bytes, Field(2, Kind.BYTES)] = b""
    log: Annotated[str, Field(3, Kind.STRING)] = ""
    codespace: Annotated[str, Field(8, Kind.STRING)] = ""


class RequestEcho(Message, frozen=True):
    """Asks for the same text."""

    message: Annotated[str, Field(1, Kind.STRING)] = ""


class RequestFlush(Message, frozen=True):
    """Asks for all answers so far."""


class RequestInfo(Message, frozen=True):
    """Asks where the application stands."""

    version: Annotated[str, Field(1, Kind.STRING)] = ""
    block_version: Annotated[int, Field(2, Kind.UINT64)] = 0
    p2p_version: Annotated[int, Field(3, Kind.UINT64)] = 0
    abci_version: Annotated[str, Field(4, Kind.STRING)] = ""


class RequestInitChain(Message, frozen=True):
    """The engine's genesis, once."""

    time: Annotated[Timestamp, Field(1, Kind.MESSAGE)] = Timestamp()
    chain_id: Annotated[str, Field(2, Kind.STRING)] = ""
    consensus_params: Annotated[ConsensusParams | None, Field(3, Kind.MESSAGE)] = None
    validators: Annotated[tuple[ValidatorUpdate, ...], Field(4, Kind.MESSAGE)] = ()
    app_state_bytes: Annotated[bytes, Field(5, Kind.BYTES)] = b""
    initial_height: Annotated[int, Field(6, Kind.INT64)] = 0


class RequestQuery(Message, frozen=True):
    """A question by path: peer filters, and what people ask the engine's RPC."""

    data: Annotated[bytes, Field(1, Kind.BYTES)] = b""
    path: Annotated[str, Field(2, Kind.STRING)] = ""
    height: Annotated[int, Field(3, Kind.INT64)] = 0
    prove: Annotated[bool, Field(4, Kind.BOOL)] = False


class CheckTxType(IntEnum):
    """Whether a transaction is new, or was in the pool when a block was committed."""

    NEW = 0
    RECHECK = 1


class RequestCheckTx(Message, frozen=True):
    """Whether the pool may take a transaction."""

    tx: Annotated[bytes, Field(1, Kind.BYTES)] = b""
    type: Annotated[CheckTxType, Field(2, Kind.CHOICE)] = CheckTxType.NEW


class RequestCommit(Message, frozen=True):
    """Make the finalized block durable."""


class RequestListSnapshots(Message, frozen=True):
    """Which snapshots this node can give."""


class RequestOfferSnapshot(Message, frozen=True):
    """Whether to restore a snapshot that peers have."""

    snapshot: Annotated[Snapshot | None, Field(1, Kind.MESSAGE)] = None
    app_hash: Annotated[bytes, Field(2, Kind.BYTES)] = b""


class RequestLoadSnapshotChunk(Message, frozen=True):
    """A chunk for a peer."""

    height: Annotated[int, Field(1, Kind.UINT64)] = 0
    format: Annotated[int, Field(2, Kind.UINT32)] = 0
    chunk: Annotated[int, Field(3, Kind.UINT32)] = 0


class RequestApplySnapshotChunk(Message, frozen=True):
    """A chunk from a peer."""

    index: Annotated[int, Field(1, Kind.UINT32)] = 0
    chunk: Annotated[bytes, Field(2, Kind.BYTES)] = b""
    sender: Annotated[str, Field(3, Kind.STRING)] = ""


class RequestPrepareProposal(Message, frozen=True):
    """What to propose, of the transactions in this node's pool."""

    max_tx_bytes: Annotated[int, Field(1, Kind.INT64)] = 0
    txs: Annotated[tuple[bytes, ...], Field(2, Kind.BYTES)] = ()
    local_last_commit: Annotated[bytes, Field(3, Kind.RAW)] = b""
    misbehavior: Annotated[tuple[bytes, ...], Field(4, Kind.RAW)] = ()
    height: Annotated[int, Field(5, Kind.INT64)] = 0
    time: Annotated[Timestamp, Field(6, Kind.MESSAGE)] = Timestamp()
    next_validators_hash: Annotated[bytes, Field(7, Kind.BYTES)] = b""
    proposer_address: Annotated[bytes, Field(8, Kind.BYTES)] = b""


class _Block(Message, frozen=True):
    """A block that is proposed or decided: both messages have the same fields."""

    txs: Annotated[tuple[bytes, ...], Field(1, Kind.BYTES)] = ()
    last_commit: Annotated[bytes, Field(2, Kind.RAW)] = b""
    misbehavior: Annotated[tuple[bytes, ...], Field(3, Kind.RAW)] = ()
    hash: Annotated[bytes, Field(4, Kind.BYTES)] = b""
    height: Annotated[int, Field(5, Kind.INT64)] = 0
    time: Annotated[Timestamp, Field(6, Kind.MESSAGE)] = Timestamp()
    next_validators_hash: Annotated[bytes, Field(7, Kind.BYTES)] = b""
    proposer_address: Annotated[bytes, Field(8, Kind.BYTES)] = b""


class RequestProcessProposal(_Block, frozen=True):
    """Whether this node may vote for a proposed block."""


class RequestFinalizeBlock(_Block, frozen=True):
    """Execute a decided block."""


class RequestExtendVote(Message, frozen=True):
    """What to add to a vote. Not in use."""

    hash: Annotated[bytes, Field(1, Kind.BYTES)] = b""
    height: Annotated[int, Field(2, Kind.INT64)] = 0


class RequestVerifyVoteExtension(Message, frozen=True):
    """Whether what another added to its vote is right. Not in use."""

    hash: Annotated[bytes, Field(1, Kind.BYTES)] = b""
    validator_address: Annotated[bytes, Field(2, Kind.BYTES)] = b""
    height: Annotated[int, Field(3, Kind.INT64)] = 0
    vote_extension: Annotated[bytes, Field(4, Kind.BYTES)] = b""


class ResponseException(Message, frozen=True):
    """The application cannot answer; the engine ends."""

    error: Annotated[str, Field(1, Kind.STRING)] = ""


class ResponseEcho(Message, frozen=True):
    """The same text."""

    message: Annotated[str, Field(1, Kind.STRING)] = ""


class ResponseFlush(Message, frozen=True):
    """All answers so far were sent."""


class ResponseInfo(Message, frozen=True):
    """Where the application stands."""

    data: Annotated[str, Field(1, Kind.STRING)] = ""
    version: Annotated[str, Field(2, Kind.STRING)] = ""
    app_version: Annotated[int, Field(3, Kind.UINT64)] = 0
    last_block_height: Annotated[int, Field(4, Kind.INT64)] = 0
    last_block_app_hash: Annotated[bytes, Field(5, Kind.BYTES)] = b""


class ResponseInitChain(Message, frozen=True):
    """What the application changes of the engine's genesis, and its app hash."""

    consensus_params: Annotated[ConsensusParams | None, Field(1, Kind.MESSAGE)] = None
    validators: Annotated[tuple[ValidatorUpdate, ...], Field(2, Kind.MESSAGE)] = ()
    app_hash: Annotated[bytes, Field(3, Kind.BYTES)] = b""


class ResponseQuery(Message, frozen=True):
    """The answer to a question; a code other than 0 is a refusal."""

    code: Annotated[int, Field(1, Kind.UINT32)] = 0
    log: Annotated[str, Field(3, Kind.STRING)] = ""
    key: Annotated[bytes, Field(6, Kind.BYTES)] = b""
    value: Annotated[bytes, Field(7, Kind.BYTES)] = b""
    height: Annotated[int, Field(9, Kind.INT64)] = 0
    codespace: Annotated[str, Field(10, Kind.STRING)] = ""


class ResponseCheckTx(Message, frozen=True):
    """Whether the pool may take it: code 0."""

    code: Annotated[int, Field(1, Kind.UINT32)] = 0
    data: Annotated[bytes, Field(2, Kind.BYTES)] = b""
    log: Annotated[str, Field(3, Kind.STRING)] = ""
    codespace: Annotated[str, Field(8, Kind.STRING)] = ""


class ResponseCommit(Message, frozen=True):
    """It is durable; blocks below ``retain_height`` may be forgotten (0: none)."""

    retain_height: Annotated[int, Field(3, Kind.INT64)] = 0


class ResponseListSnapshots(Message, frozen=True):
    """The snapshots."""

    snapshots: Annotated[tuple[Snapshot, ...], Field(1, Kind.MESSAGE)] = ()


class OfferResult(IntEnum):
    """Whether a snapshot will be restored."""

    UNKNOWN = 0
    ACCEPT = 1
    ABORT = 2
    REJECT = 3
    REJECT_FORMAT = 4
    REJECT_SENDER = 5


class ResponseOfferSnapshot(Message, frozen=True):
    """Whether it will be restored."""

    result: Annotated[OfferResult, Field(1, Kind.CHOICE)] = OfferResult.UNKNOWN


class ResponseLoadSnapshotChunk(Message, frozen=True):
    """The chunk; empty where there is none."""

    chunk: Annotated[bytes, Field(1, Kind.BYTES)] = b""


class ApplyResult(IntEnum):
    """What became of a chunk."""

    UNKNOWN = 0
    ACCEPT = 1
    ABORT = 2
    RETRY = 3
    RETRY_SNAPSHOT = 4
    REJECT_SNAPSHOT = 5


class ResponseApplySnapshotChunk(Message, frozen=True):
    """What became of a chunk, which to fetch again, and which peers to ask no more."""

    result: Annotated[ApplyResult, Field(1, Kind.CHOICE)] = ApplyResult.UNKNOWN
    refetch_chunks: Annotated[tuple[int, ...], Field(2, Kind.PACKED)] = ()
    reject_senders: Annotated[tuple[str, ...], Field(3, Kind.STRING)] = ()


class ResponsePrepareProposal(Message, frozen=True):
    """What to propose, in this order."""

    txs: Annotated[tuple[bytes, ...], Field(1, Kind.BYTES)] = ()


class Verdict(IntEnum):
    """On a proposal, and on an extension of a vote. The engine panics at ``UNKNOWN``."""

    UNKNOWN = 0
    ACCEPT = 1
    REJECT = 2


class ResponseProcessProposal(Message, frozen=True):
    """Whether this node may vote for it."""

    status: Annotated[Verdict, Field(1, Kind.CHOICE)] = Verdict.UNKNOWN


class ResponseExtendVote(Message, frozen=True):
    """What to add to a vote: nothing."""

    vote_extension: Annotated[bytes, Field(1, Kind.BYTES)] = b""


class ResponseVerifyVoteExtension(Message, frozen=True):
    """Whether it is right."""

    status: Annotated[Verdict, Field(1, Kind.CHOICE)] = Verdict.UNKNOWN


class ResponseFinalizeBlock(Message, frozen=True):
    """One result per transaction, what changes in the engine, and the app hash after the block."""

    tx_results: Annotated[tuple[ExecTxResult, ...], Field(2, Kind.MESSAGE)] = ()
    validator_updates: Annotated[tuple[ValidatorUpdate, ...], Field(3, Kind.MESSAGE)] = ()
    consensus_param_updates: Annotated[ConsensusParams | None, Field(4, Kind.MESSAGE)] = None
    app_hash: Annotated[bytes, Field(5, Kind.BYTES)] = b""


REQUESTS: Final[dict[int, type[Message]]] = {
    1: RequestEcho, 2: RequestFlush, 3: RequestInfo, 5: RequestInitChain, 6: RequestQuery, 8: RequestCheckTx,
    11: RequestCommit, 12: RequestListSnapshots, 13: RequestOfferSnapshot, 14: RequestLoadSnapshotChunk,
    15: RequestApplySnapshotChunk, 16: RequestPrepareProposal, 17: RequestProcessProposal, 18: RequestExtendVote,
    19: RequestVerifyVoteExtension, 20: RequestFinalizeBlock,
}  # fmt: skip
RESPONSES: Final[dict[int, type[Message]]] = {
    1: ResponseException, 2: ResponseEcho, 3: ResponseFlush, 4: ResponseInfo, 6: ResponseInitChain, 7: ResponseQuery,
    9: ResponseCheckTx, 12: ResponseCommit, 13: ResponseListSnapshots, 14: ResponseOfferSnapshot,
    15: ResponseLoadSnapshotChunk, 16: ResponseApplySnapshotChunk, 17: ResponsePrepareProposal,
    18: ResponseProcessProposal, 19: ResponseExtendVote, 20: ResponseVerifyVoteExtension, 21: ResponseFinalizeBlock,
}  # fmt: skip


class _Choice(NamedTuple):
    """A message with exactly one of several fields, each a message: ``Request`` or ``Response``."""

    name: str
    kinds: dict[int, type[Message]]
    tags: dict[type[Message], bytes]


def _choice(name: str, kinds: dict[int, type[Message]]) -> _Choice:
    return _Choice(name, kinds, {kind: varint(number << 3 | 2) for number, kind in kinds.items()})


_REQUEST: Final = _choice("Request", REQUESTS)
_RESPONSE: Final = _choice("Response", RESPONSES)


def encode_request(message: Message) -> bytes:
    """A request with its length before it, as it is sent."""
    return _encode(_REQUEST, message)


def encode_response(message: Message) -> bytes:
    """An answer with its length before it, as it is sent."""
    return _encode(_RESPONSE, message)


def decode_request(payload: bytes) -> Message:
    """The request in a frame, without its length. Raises ``WireError``."""
    return _decode(_REQUEST, payload)


def decode_response(payload: bytes) -> Message:
    """The answer in a frame, without its length. Raises ``WireError``."""
    return _decode(_RESPONSE, payload)


def _encode(choice: _Choice, message: Message) -> bytes:
    body = encode(message)
    head = choice.tags[type(message)] + varint(len(body))
    return varint(len(head) + len(body)) + head + body


def _decode(choice: _Choice, payload: bytes) -> Message:
    try:
        tag, position = read_varint(payload, 0)
        size, position = read_varint(payload, position)
    except IndexError:
        raise WireError(f"a {choice.name} ends before its message begins") from None
    kind = choice.kinds.get(tag >> 3) if tag & 7 == 2 else None
    if kind is None:
        raise WireError(f"a {choice.name} has the unknown field {tag >> 3} of wire type {tag & 7}")
    if size != len(payload) - position:
        raise WireError(f"a {choice.name} does not consist of one {kind.__name__}")
    return decode(kind, payload[position:])
