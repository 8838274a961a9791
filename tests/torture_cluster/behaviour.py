"""How a node misbehaves without being killed from outside: planted in its processes, since no such thing is in the product.

Several are joined by commas, such as ``propose=garbage,clock=3600``.

    crash=Commit:after:3   die with signal 9 at the third Commit, when it is done and before the engine is told; once
    diverge=20             from block 20 on, move one unit less than was paid: another state than everybody else's
    propose=garbage        what is no envelope; also: oversized, duplicates, stale, forged, censoring
    clock=3600             the clock is an hour ahead
    pool=4                 the engine's pool holds four transactions
    filter=open            everybody may connect
    undurable=5            blocks are made durable five at a time, and acknowledged at once
    forgetful=yes          the outbox keeps nothing
    machine=second         the lock of the validator's key is another machine's
    release=next           the release after this one, which has another protocol and what leads there
    snapshot=head          offers a snapshot, newer than all others, of a state that never was; also: pieces, which are changed
    evidence=forged        its seals, and the evidence with its snapshots, have a signature that nobody made
    relayed=commit         as a gateway, it changes what its engine says to light clients; also: validators, consensus_params
"""

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from traco.engine.cometbft import exclusion, home, snapshots
from traco.engine.cometbft.abci.messages import (
    RequestPrepareProposal,
    RequestProcessProposal,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    Snapshot,
    Verdict,
)
from traco.engine.cometbft.abci.wire import Message
from traco.engine.cometbft.adapter import CometAdapter
from traco.engine.cometbft.seals import Seals
from traco.engine.cometbft.snapshots import HEADERS_BEHIND, NodeSnapshots
from traco.kernel import protocol
from traco.kernel.codec import Codec
from traco.kernel.light import Evidence, SignedHeader, Vote, make_evidence
from traco.kernel.module import Context, Module
from traco.modules.holding.keeper import Keeper
from traco.modules.network.parameters import NetworkParameters
from traco.node.light import LedgerLight
from traco.node.outbox import Outbox
from traco.storage.copying.form import decode_head, encode_head, snapshot_hash
from traco.storage.ledger_store import LedgerStore

SPENT_VARIABLE: Final = "TRACO_TORTURE_SPENT"  # a file that says that a crash has happened
GARBAGE: Final = b"this is no envelope"
_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)
NEXT_PROTOCOL: Final = protocol.NEWEST_PROTOCOL + 1  # of a release that only tests have
PROVIDER_LIMIT_PPM: Final = 990_000  # what that protocol brings: a parameter of the network changes


def plant(names: str) -> None:
    """Plant what is named, before the node's modules are used."""
    for each in names.split(","):
        name, _, argument = each.partition("=")
        _BEHAVIOUR[name](argument)


def _crash(argument: str) -> None:
    """Die before or after a call of the engine is answered."""
    wanted, when, number = argument.split(":")
    spent, calls = Path(os.environ[SPENT_VARIABLE]), Counter[str]()
    original = CometAdapter.answer

    def die_if(name: str, moment: str) -> None:
        if (
            name == f"Request{wanted}"
            and moment == when
            and calls[name] == int(number)
            and not spent.exists()
        ):
            spent.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    async def answer(self: CometAdapter, requests: Sequence[Message]) -> list[Message]:
        answers = []
        for request in requests:
            name = type(request).__name__
            calls[name] += 1
            die_if(name, "before")
            answers += await original(self, [request])
            die_if(name, "after")
        return answers

    _replace(CometAdapter, "answer", answer)


def _diverge(argument: str) -> None:

    original = Keeper.move

    def move(
        self: Keeper, context: Any, instrument: bytes, sender: bytes, receiver: bytes, amount: int, *rest: Any
    ) -> None:
        taken = amount - 1 if context.block.height >= int(argument) and amount > 1 else amount
        original(self, context, instrument, sender, receiver, taken, *rest)

    _replace(Keeper, "move", move)


def _propose(argument: str) -> None:

    original = CometAdapter._prepare_proposal
    before: deque[bytes] = deque(maxlen=4)  # envelopes of earlier proposals
    make = _PROPOSALS[argument]

    def prepare(self: CometAdapter, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        honest = original(self, request).txs
        made = make(honest, before, request.max_tx_bytes)
        before.extend(honest)
        return ResponsePrepareProposal(tuple(made))

    def accept(self: CometAdapter, request: RequestProcessProposal) -> ResponseProcessProposal:
        return ResponseProcessProposal(Verdict.ACCEPT)

    _replace(CometAdapter, "_prepare_proposal", prepare)
    _replace(CometAdapter, "_process_proposal", accept)


def _oversized(honest: Sequence[bytes], before: Sequence[bytes], room: int) -> list[bytes]:
    """As much as the engine allows, which is more than the ledger does."""
    return [bytes([number]) * 65_536 for number in range(room // 66_000)]


def _forged(honest: Sequence[bytes], before: Sequence[bytes], room: int) -> list[bytes]:
    """Envelopes with one byte changed, at the end, where the signature is."""
    return [raw[:-1] + bytes([raw[-1] ^ 1]) for raw in honest or before]


Proposal = Callable[[Sequence[bytes], Sequence[bytes], int], list[bytes]]
_PROPOSALS: Final[dict[str, Proposal]] = {
    "garbage": lambda honest, before, room: [*honest, GARBAGE],
    "oversized": _oversized,
    "duplicates": lambda honest, before, room: [*honest, *honest],
    "stale": lambda honest, before, room: [*honest, *before],
    "forged": _forged,
    "censoring": lambda honest, before, room: [],
}
PROPOSALS: Final = tuple(_PROPOSALS)


def _clock(argument: str) -> None:
    shift = int(argument)
    time_ns, seconds = time.time_ns, time.time
    time.time_ns = lambda: time_ns() + shift * 1_000_000_000
    time.time = lambda: seconds() + shift


def _pool(argument: str) -> None:

    original = home._mempool_section

    def section(terms: home.EngineTerms) -> dict[str, Any]:
        return {**original(terms), "size": int(argument)}

    _replace(home, "_mempool_section", section)


def _filter(argument: str) -> None:
    class Everybody(frozenset[bytes]):
        def __contains__(self, peer: object) -> bool:
            return True

    original = CometAdapter._set_filter

    def set_filter(self: CometAdapter) -> None:
        original(self)
        self._allowed = Everybody()

    _replace(CometAdapter, "_set_filter", set_filter)


def _undurable(argument: str) -> None:
    begun = Counter[int]()

    @contextmanager
    def transaction(self: LedgerStore, begin: str) -> Iterator[None]:
        if not self._connection.in_transaction:
            self._connection.execute(begin)
        yield
        begun[id(self)] += 1
        if begun[id(self)] % int(argument) == 0:
            self._connection.execute("COMMIT")

    _replace(LedgerStore, "_transaction", transaction)


def _forgetful(argument: str) -> None:

    def put(self: Outbox, envelopes: Any, done: Any) -> None:
        return None

    _replace(Outbox, "put", put)


def _machine(argument: str) -> None:
    original = exclusion.ValidatorLock.__init__

    def locked(self: exclusion.ValidatorLock, address: bytes) -> None:
        original(self, argument.encode() + address)

    _replace(exclusion.ValidatorLock, "__init__", locked)


def _release(argument: str) -> None:
    next_release(_replace)


def next_release(replace: Callable[[Any, str, Any], None]) -> None:
    """Make of this release the one after it: what has a protocol more, and brings the network's parameters into its form.

    ``replace`` sets an attribute of a class or module. Before a registry is composed.
    """
    original = Module.__init__

    def made(self: Module) -> None:
        original(self)
        if self.name == "network":
            self.migrations = {NEXT_PROTOCOL: _migrate}

    replace(Module, "__init__", made)
    replace(protocol, "NEWEST_PROTOCOL", NEXT_PROTOCOL)
    replace(snapshots, "NEWEST_PROTOCOL", NEXT_PROTOCOL)


def _migrate(context: Context) -> None:
    agreed = context.parameters(NetworkParameters)
    context.set_parameters(msgspec.structs.replace(agreed, max_provider_ppm=PROVIDER_LIMIT_PPM))


def _snapshot(argument: str) -> None:
    {"head": _other_heads, "pieces": _other_pieces}[argument]()


def _other_heads() -> None:
    """A head that fits together in itself, of the newest block that a snapshot may be of."""
    original = NodeSnapshots.list_snapshots

    async def listed(self: NodeSnapshots) -> Sequence[Snapshot]:
        found = []
        for each in (await original(self))[:1]:
            head = decode_head(each.metadata)
            root, height = _changed(head.state_root), self._height() - HEADERS_BEHIND
            raw = encode_head(msgspec.structs.replace(head, state_root=root, height=height))
            found.append(Snapshot(height, each.format, each.chunks, snapshot_hash(raw), raw))
        return found

    _replace(NodeSnapshots, "list_snapshots", listed)


def _other_pieces() -> None:
    original = NodeSnapshots.load_chunk

    async def load(self: NodeSnapshots, height: int, kind: int, index: int) -> bytes:
        return _changed(await original(self, height, kind, index))

    _replace(NodeSnapshots, "load_chunk", load)


def _evidence(argument: str) -> None:
    original = Seals.evidence

    async def forged(self: Seals, height: int) -> bytes:
        evidence = _EVIDENCE.decode(await original(self, height))
        commit = evidence.last.commit
        votes = [None if vote is None else _forged_vote(vote) for vote in commit.votes]
        last = SignedHeader(evidence.last.header, msgspec.structs.replace(commit, votes=tuple(votes)))
        return make_evidence(evidence.handovers, last)

    _replace(Seals, "evidence", forged)


def _forged_vote(vote: Vote) -> Vote:
    return msgspec.structs.replace(vote, signature=_changed(vote.signature))


def _relayed(argument: str) -> None:
    original = LedgerLight.relayed

    async def changed(self: LedgerLight, method: str, parameters: Mapping[str, str]) -> Any:
        answer = await original(self, method, parameters)
        if method == argument:
            _LIES[method](answer)
        return answer

    _replace(LedgerLight, "relayed", changed)


def _other_commit(answer: Any) -> None:
    answer["signed_header"]["header"]["app_hash"] = "AB" * 32


def _other_validators(answer: Any) -> None:
    """A power that was never given; then the set has another hash."""
    answer["validators"][0]["voting_power"] = "17"


def _other_parameters(answer: Any) -> None:
    answer["consensus_params"]["block"]["max_bytes"] = "65536"


_LIES: Final[dict[str, Callable[[Any], None]]] = {
    "commit": _other_commit,
    "validators": _other_validators,
    "consensus_params": _other_parameters,
}


def _changed(raw: bytes) -> bytes:
    """With another last byte; nothing stays nothing."""
    return raw[:-1] + bytes([raw[-1] ^ 1]) if raw else raw


def _replace(owner: Any, name: str, replacement: Any) -> None:
    """In one place, so that a plant for something that is not there any more fails instead of doing nothing."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} to plant a fault in")
    setattr(owner, name, replacement)


_BEHAVIOUR: Final[dict[str, Callable[[str], None]]] = {
    "crash": _crash,
    "diverge": _diverge,
    "propose": _propose,
    "clock": _clock,
    "pool": _pool,
    "filter": _filter,
    "undurable": _undurable,
    "forgetful": _forgetful,
    "machine": _machine,
    "release": _release,
    "snapshot": _snapshot,
    "evidence": _evidence,
    "relayed": _relayed,
}
