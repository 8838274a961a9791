"""Our ledger as an ABCI 2.0 application: every call of CometBFT, translated for ``kernel.application.Application``.

Votes of the last commit and evidence of misbehaviour are not looked at: a validator's power changes by decisions on the ledger only.
Votes carry no extensions. An exception that leaves this class means that the node must stop.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from traco.engine.cometbft.abci.messages import (
    ApplyResult,
    BlockParams,
    CheckTxType,
    ConsensusParams,
    ExecTxResult,
    PublicKey,
    RequestApplySnapshotChunk,
    RequestCheckTx,
    RequestCommit,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    RequestVerifyVoteExtension,
    ResponseCheckTx,
    ResponseCommit,
    ResponseExtendVote,
    ResponseFinalizeBlock,
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
)
from traco.engine.cometbft.abci.ports import NoSnapshots, ScreeningMemory, ScreeningPool, Snapshots
from traco.engine.cometbft.abci.wire import Message
from traco.engine.cometbft.foreign import ForeignScreening
from traco.kernel.application import Application, Finalized
from traco.kernel.block import EnvelopeAnswer
from traco.kernel.crypto import Scheme
from traco.kernel.errors import Failure, Halt, Malformed
from traco.kernel.instruction import KernelParameters
from traco.kernel.light.protobuf import varint
from traco.kernel.protocol import protocol_of
from traco.kernel.state import State

CODESPACE: Final = "traco"
REFUSED: Final = 1  # the one code beside 0; which refusal it is stands in the log, which is hashed nowhere
UNLIMITED_GAS: Final = -1
MIN_TRANSACTION_BYTES: Final = 64
"""No transaction is shorter: its body has a network id and a salt. Refusing one that is shorter takes more bytes in the ledger
than it has itself, so a node could fill the disks of all others with a block full of them."""
FILTER_ADDRESS: Final = "/p2p/filter/addr/"
FILTER_PEER: Final = "/p2p/filter/id/"

_ORDERED: Final = ExecTxResult()
_PASSED: Final = ResponseQuery()


class ChainTerms(NamedTuple):
    """What the engine's genesis must say. ``room_bytes``: what a block of the engine may have beyond ``max_block_bytes``."""

    chain_id: str
    time_ms: int
    protocol: int
    room_bytes: int


class _Engine(NamedTuple):
    """What the ledger's state decides in the engine."""

    protocol: int
    max_bytes: int
    validators: tuple[tuple[bytes, int], ...]


class _Pending(NamedTuple):
    """A finalized block that is not committed."""

    finalized: Finalized
    engine: _Engine
    seconds: float


class CometAdapter:
    """Answers the calls of one engine. Give it to ``AbciServer`` as its handler; all but ``answer_at_once`` happens in the ledger's loop.

    ``validators(state)``: 33-byte keys with power, ascending by key. ``peers(state)``: 20-byte ids that may connect;
    ``bootstrap_peers`` may as well while the ledger is at height 0, and while ``is_joining()``: what it knows may be old. ``on_block(finalized, seconds)`` is called after each
    commit (seconds: executing and committing). ``retain_height(height)``: the lowest height whose block the engine keeps, 0 for all.
    """

    def __init__(
        self, application: Application, terms: ChainTerms, pool: ScreeningPool, memory: ScreeningMemory, *,
        validators: Callable[[State], Sequence[tuple[bytes, int]]],
        peers: Callable[[State], Iterable[bytes]],
        on_block: Callable[[Finalized, float], None],
        retain_height: Callable[[int], int] = lambda height: 0,
        snapshots: Snapshots | None = None,
        bootstrap_peers: frozenset[bytes] = frozenset(),
        is_joining: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._application, self._terms, self._memory = application, terms, memory
        self._screening = ForeignScreening(pool, memory)
        self._validators, self._peers, self._bootstrap_peers = validators, peers, bootstrap_peers
        self._is_joining = is_joining
        self._on_block, self._retain_height, self._clock = on_block, retain_height, clock
        self._snapshots: Snapshots = NoSnapshots() if snapshots is None else snapshots
        self._pending: _Pending | None = None
        self._at_once: dict[type[Message], Callable[[Any], Message]] = {
            RequestInfo: self._info,
            RequestInitChain: self._init_chain,
            RequestCheckTx: self._check_tx,
            RequestPrepareProposal: self._prepare_proposal,
            RequestProcessProposal: self._process_proposal,
            RequestExtendVote: self._extend_vote,
            RequestVerifyVoteExtension: self._verify_vote_extension,
            RequestCommit: self._commit,
            RequestQuery: self._query,
        }
        self._in_time: dict[type[Message], Callable[[Any], Awaitable[Message]]] = {
            RequestFinalizeBlock: self._finalize_block,
            RequestListSnapshots: self._list_snapshots,
            RequestOfferSnapshot: self._offer_snapshot,
            RequestLoadSnapshotChunk: self._load_snapshot_chunk,
            RequestApplySnapshotChunk: self._apply_snapshot_chunk,
        }
        self.refresh()

    def refresh(self) -> None:
        """Read the committed state anew: after the application was restored under the adapter.

        Not between a block's execution and its commit: the application's state is that after the block then.
        """
        self._pending = None
        founded = self._application.info().app_hash != b""
        self._engine = (
            self._engine_of(self._application.state) if founded else _Engine(self._terms.protocol, 0, ())
        )
        self._set_filter()

    def _engine_of(self, state: State) -> _Engine:
        limits = self._application.parameters.get(state, KernelParameters)
        max_bytes = limits.max_block_bytes + self._terms.room_bytes
        return _Engine(protocol_of(state).current, max_bytes, tuple(self._validators(state)))

    def _set_filter(self) -> None:
        """Who may connect from now on. One assignment, since another thread reads it."""
        info = self._application.info()
        allowed = frozenset(self._peers(self._application.state)) if info.app_hash else frozenset[bytes]()
        is_new = info.height == 0 or self._is_joining()
        self._allowed = allowed | self._bootstrap_peers if is_new else allowed

    def answer_at_once(self, request: Message) -> Message | None:
        """The answer to a query, from what the last commit left; None for anything else. Safe in any thread."""
        return self._query(request) if isinstance(request, RequestQuery) else None

    def _query(self, request: RequestQuery) -> ResponseQuery:
        path = request.path
        if path.startswith(FILTER_ADDRESS):
            return _PASSED  # an address proves nothing; the id, which the peer has proved by then, is asked for next
        if not path.startswith(FILTER_PEER):
            return ResponseQuery(
                REFUSED, "query.unknown: the node's own API answers queries", codespace=CODESPACE
            )
        if _peer_id(path.removeprefix(FILTER_PEER)) in self._allowed:
            return _PASSED
        return ResponseQuery(
            REFUSED, "peer.not_admitted: the ledger admits no node of this id", codespace=CODESPACE
        )

    async def answer(self, requests: Sequence[Message]) -> list[Message]:
        """One answer per request, in order. What it raises stops the node."""
        answers = list[Message]()
        for request in requests:
            at_once = self._at_once.get(type(request))
            answers.append(
                at_once(request) if at_once is not None else await self._in_time[type(request)](request)
            )
        return answers

    def _info(self, request: RequestInfo) -> ResponseInfo:
        """Height 0 without an app hash until block 1 is committed: so the engine calls ``InitChain``."""
        info = self._application.info()
        app_hash = info.app_hash if info.height else b""
        return ResponseInfo("traco", "", self._engine.protocol, info.height, app_hash)

    def _init_chain(self, request: RequestInitChain) -> ResponseInitChain:
        """The engine begins: at the founding, and again until block 1 is committed."""
        params = request.consensus_params or ConsensusParams()
        block, version = params.block or BlockParams(), params.version or VersionParams()
        self._require("chain id", request.chain_id, self._terms.chain_id)
        self._require("time", request.time, _timestamp(self._terms.time_ms))
        self._require("initial height", request.initial_height, 1)
        self._require("protocol", version.app, self._terms.protocol)
        if params.abci is not None:
            self._require("first height of vote extensions", params.abci.vote_extensions_enable_height, 0)
        if self._application.info().height != 0:
            raise Halt(
                "the engine begins at its genesis, but the ledger has blocks: this node's engine lost its files"
            )
        if not self._application.info().app_hash:
            self._application.init_chain()
            self.refresh()
        self._require("block limits", block, BlockParams(self._engine.max_bytes, UNLIMITED_GAS))
        founders = sorted((_scheme_first(update.pub_key), update.power) for update in request.validators)
        self._require("validators", tuple(founders), self._engine.validators)
        return ResponseInitChain(app_hash=self._application.info().app_hash)

    def _require(self, what: str, theirs: object, ours: object) -> None:
        if theirs != ours:
            raise Halt(
                f"the engine's genesis and the ledger's do not agree on the {what}: {theirs!r} and {ours!r}."
                " Have the engine's files written anew from the ledger's genesis"
            )

    def _check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        failure = self._application.check_tx(request.tx, self._application.info().time_ms)
        if failure is None and self._has_scraps(request.tx):
            failure = Malformed("the envelope has what is too short for a transaction").failure()
        if failure is not None:
            return ResponseCheckTx(REFUSED, log=failure.code, codespace=CODESPACE)
        if request.type is CheckTxType.NEW:
            self._screening.begin(self._transactions_in(request.tx))
        return ResponseCheckTx()

    def _transactions_in(self, raw: bytes) -> tuple[bytes, ...]:
        envelope = self._memory.screen_envelope(raw).envelope
        return () if envelope is None else envelope.body.transactions

    def _has_scraps(self, raw: bytes) -> bool:
        """Whether an envelope has what is too short for a transaction; no node packs it that screens what it packs."""
        return any(len(each) < MIN_TRANSACTION_BYTES for each in self._transactions_in(raw))

    def _prepare_proposal(self, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        """What the engine has waiting always fits with its overhead; the rest is the application's."""
        overhead = sum(1 + len(varint(len(raw))) for raw in request.txs)
        room = max(0, request.max_tx_bytes - overhead)
        offered = [raw for raw in request.txs if not self._has_scraps(raw)]
        return ResponsePrepareProposal(
            self._application.prepare_proposal(offered, room, _time_ms(request.time))
        )

    def _process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        acceptable = self._application.process_proposal(request.txs, _time_ms(request.time))
        if not acceptable or any(map(self._has_scraps, request.txs)):
            return ResponseProcessProposal(Verdict.REJECT)
        for raw in request.txs:
            self._screening.begin(self._transactions_in(raw))
        return ResponseProcessProposal(Verdict.ACCEPT)

    async def _finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        """Execute a decided block on the last committed state; the engine may repeat it after it was started again."""
        time_ms = _time_ms(request.time)
        self._pending = None
        acceptable = [raw for raw in request.txs if self._application.check_tx(raw, time_ms) is None]
        await self._screening.complete([each for raw in acceptable for each in self._transactions_in(raw)])
        begun = self._clock()
        finalized = self._application.finalize_block(request.height, time_ms, request.txs)
        after = self._engine_of(self._application.state)
        self._pending = _Pending(finalized, after, self._clock() - begun)
        return ResponseFinalizeBlock(
            tuple(map(_result, finalized.answers)), validator_updates(self._engine.validators, after.validators),
            _changed_params(self._engine, after), finalized.block.app_hash,
        )  # fmt: skip

    def _commit(self, request: RequestCommit) -> ResponseCommit:
        if self._pending is None:
            raise Halt("the engine commits a block that it did not have executed")
        (finalized, self._engine, seconds), self._pending = self._pending, None
        begun = self._clock()
        info = self._application.commit()
        self._set_filter()
        self._on_block(finalized, seconds + self._clock() - begun)
        return ResponseCommit(self._retain_height(info.height))

    def _extend_vote(self, request: RequestExtendVote) -> ResponseExtendVote:
        return ResponseExtendVote()

    def _verify_vote_extension(self, request: RequestVerifyVoteExtension) -> ResponseVerifyVoteExtension:
        return ResponseVerifyVoteExtension(Verdict.REJECT if request.vote_extension else Verdict.ACCEPT)

    async def _list_snapshots(self, request: RequestListSnapshots) -> ResponseListSnapshots:
        return ResponseListSnapshots(tuple(await self._snapshots.list_snapshots()))

    async def _offer_snapshot(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot:
        snapshot = request.snapshot or Snapshot()
        return ResponseOfferSnapshot(await self._snapshots.offer(snapshot, request.app_hash))

    async def _load_snapshot_chunk(self, request: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk:
        chunk = await self._snapshots.load_chunk(request.height, request.format, request.chunk)
        return ResponseLoadSnapshotChunk(chunk)

    async def _apply_snapshot_chunk(self, request: RequestApplySnapshotChunk) -> Message:
        answer = await self._snapshots.apply_chunk(request.index, request.chunk, request.sender)
        if answer.result is ApplyResult.ACCEPT:
            self.refresh()  # with the last chunk the state is another
        return answer


def validator_updates(
    before: Sequence[tuple[bytes, int]], after: Sequence[tuple[bytes, int]]
) -> tuple[ValidatorUpdate, ...]:
    """What the engine must change in its validators, ascending by key; power 0 removes. Raises ``Halt``.

    The engine fails on all nodes at once if it is left without validators, or told to remove one that it does not have.
    """
    old, new = dict(before), dict(after)
    if not new:
        raise Halt("no validator is left after this block; the ledger's own rules should have refused that")
    return tuple(
        ValidatorUpdate(PublicKey(key[1:]), new.get(key, 0))
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    )


def _changed_params(before: _Engine, after: _Engine) -> ConsensusParams | None:
    """The engine's parameters that follow the ledger, where they change."""
    block = BlockParams(after.max_bytes, UNLIMITED_GAS) if before.max_bytes != after.max_bytes else None
    version = VersionParams(after.protocol) if before.protocol != after.protocol else None
    return None if block is None and version is None else ConsensusParams(block=block, version=version)


def _result(answer: EnvelopeAnswer) -> ExecTxResult:
    """Code 0 for an envelope with a leaf. Neither data nor gas: the app hash says the rest."""
    if answer.leaf >= 0:
        return _ORDERED
    failure = answer.failure or Failure("envelope.refused", ())
    return ExecTxResult(REFUSED, log=failure.code, codespace=CODESPACE)


def _time_ms(timestamp: Timestamp) -> int:
    """Block time is in whole milliseconds; the rest is cut off, so it never decreases where the engine's does not."""
    return timestamp.seconds * 1_000 + timestamp.nanos // 1_000_000


def _timestamp(time_ms: int) -> Timestamp:
    return Timestamp(time_ms // 1_000, time_ms % 1_000 * 1_000_000)


def _scheme_first(key: PublicKey) -> bytes:
    return bytes([Scheme.ED25519]) + key.ed25519


def _peer_id(text: str) -> bytes:
    """The id in a filter's path; empty, which is nobody's, where there is none."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
