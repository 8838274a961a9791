"""One message of each ABCI kind and more, with values at the edges of their ranges; for vectors and for tests."""

from enum import IntEnum
from typing import Any

from traco.engine.cometbft.abci.messages import (
    REQUESTS,
    AbciParams,
    ApplyResult,
    BlockParams,
    CheckTxType,
    ConsensusParams,
    ExecTxResult,
    OfferResult,
    PublicKey,
    RequestApplySnapshotChunk,
    RequestCheckTx,
    RequestCommit,
    RequestEcho,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestFlush,
    RequestInfo,
    RequestInitChain,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    RequestVerifyVoteExtension,
    ResponseApplySnapshotChunk,
    ResponseCheckTx,
    ResponseCommit,
    ResponseEcho,
    ResponseException,
    ResponseExtendVote,
    ResponseFinalizeBlock,
    ResponseFlush,
    ResponseInfo,
    ResponseInitChain,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
    ResponseVerifyVoteExtension,
    Snapshot,
    Timestamp,
    ValidatorUpdate,
    Verdict,
    VersionParams,
    encode_request,
    encode_response,
)
from traco.engine.cometbft.abci.wire import Message, read_varint

HASH = bytes(range(32))
TIME = Timestamp(1_790_000_000, 999_999_999)
COMMIT = bytes.fromhex("0802" + "120d" + "0a0b" + "0a07" + "01020304050607" + "180a")  # round 2, one vote
MISBEHAVIOR = bytes.fromhex(
    "0801" + "1200" + "1805" + "2204" + "08b0ea01" + "2864"
)  # duplicate vote at height 5
EVIDENCE_PARAMS = bytes.fromhex("08a08d06" + "1204" + "0880a30a" + "18808040")
VALIDATOR_PARAMS = b"\x0a\x07ed25519"
PARAMS = ConsensusParams(
    BlockParams(4_456_448, -1), EVIDENCE_PARAMS, VALIDATOR_PARAMS, VersionParams(2), AbciParams(), b""
)
VALIDATORS = (
    ValidatorUpdate(PublicKey(HASH), 1),
    ValidatorUpdate(PublicKey(HASH[::-1]), 2**63 - 1),
    ValidatorUpdate(PublicKey(HASH)),
)
SNAPSHOT = Snapshot(2**64 - 1, 1, 2**32 - 1, HASH, b"metadata")

SAMPLES: tuple[Message, ...] = (
    RequestEcho(), RequestEcho("über"),
    RequestFlush(),
    RequestInfo(), RequestInfo("0.39.4", 11, 8, "2.0.0"),
    RequestInitChain(), RequestInitChain(TIME, "traco-test", PARAMS, VALIDATORS, b"{}", 1),
    RequestQuery(), RequestQuery(b"\x00", "/p2p/filter/id/" + "0a" * 20, -1, True),
    RequestCheckTx(), RequestCheckTx(bytes(200), CheckTxType.RECHECK),
    RequestCommit(),
    RequestListSnapshots(),
    RequestOfferSnapshot(), RequestOfferSnapshot(SNAPSHOT, HASH), RequestOfferSnapshot(Snapshot()),
    RequestLoadSnapshotChunk(7, 1, 2),
    RequestApplySnapshotChunk(3, bytes(300), "aa" * 20),
    RequestPrepareProposal(), RequestPrepareProposal(1_048_576, (b"a", b"", bytes(128)), COMMIT, (MISBEHAVIOR,), 9, TIME, HASH, HASH[:20]),
    RequestProcessProposal(), RequestProcessProposal((b"a", b""), COMMIT, (MISBEHAVIOR, MISBEHAVIOR), HASH, 2**63 - 1, TIME, HASH, HASH[:20]),
    RequestFinalizeBlock(), RequestFinalizeBlock((b"", b"b"), COMMIT, (), HASH, 1, Timestamp(-1, 1), HASH, HASH[:20]),
    RequestExtendVote(HASH, 4),
    RequestVerifyVoteExtension(HASH, HASH[:20], 4, b"x"),
    ResponseException("it went wrong"),
    ResponseEcho("über"),
    ResponseFlush(),
    ResponseInfo(), ResponseInfo("traco", "0.1.0", 2, 5, HASH),
    ResponseInitChain(), ResponseInitChain(PARAMS, VALIDATORS, HASH),
    ResponseQuery(), ResponseQuery(4, "refused", b"k", b"v", 3, "traco"),
    ResponseCheckTx(), ResponseCheckTx(1, b"d", "transaction.expired", "traco"),
    ResponseCommit(), ResponseCommit(100),
    ResponseListSnapshots(), ResponseListSnapshots((SNAPSHOT, Snapshot())),
    ResponseOfferSnapshot(OfferResult.REJECT_SENDER),
    ResponseLoadSnapshotChunk(bytes(300)),
    ResponseApplySnapshotChunk(ApplyResult.RETRY, (0, 1, 300, 2**32 - 1), ("aa", "")),
    ResponsePrepareProposal(), ResponsePrepareProposal((b"a", b"")),
    ResponseProcessProposal(Verdict.REJECT),
    ResponseExtendVote(b"x"),
    ResponseVerifyVoteExtension(Verdict.ACCEPT),
    ResponseFinalizeBlock(),
    ResponseFinalizeBlock(
        (ExecTxResult(), ExecTxResult(1, b"d", "envelope.expired", "traco"), ExecTxResult()), VALIDATORS,
        ConsensusParams(version=VersionParams(3)), HASH,
    ),
)  # fmt: skip


def payload(sample: Message) -> bytes:
    """A sample as it is sent, without its length."""
    is_request = type(sample) in REQUESTS.values()
    frame = encode_request(sample) if is_request else encode_response(sample)
    return frame[read_varint(frame, 0)[1] :]


def plain(value: Any) -> Any:
    """A message as JSON has it: bytes in hex, choices as numbers, nothing left out."""
    if isinstance(value, Message):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, IntEnum) else value
