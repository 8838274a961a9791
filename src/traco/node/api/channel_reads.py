"""Reads of the channels that this node keeps for its members: who may read which, and what they see there.

A member reads everything in its channels. A party that it vouches for sees in them what concerns it, as on the root. Nobody else
sees anything, whatever is on the node's disk: neither its operators nor its auditors. The one exception is the development
network, which answers whoever is on its machine.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from traco.channels.executing.composition import Compositions
from traco.channels.executing.record import EPOCHS
from traco.channels.executing.registry_view import RegistryView
from traco.channels.executing.rehearsing import rehearse
from traco.client.forms import from_form, to_form
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.state import Channel
from traco.modules.leg.ports import Entering
from traco.modules.party.queries import GetParty
from traco.node.api.concerns import Concerns
from traco.node.api.principals import LOCAL, Principal, Role
from traco.node.api.problems import REFUSALS, Problem, failure_text
from traco.node.api.reads import Reads
from traco.node.api.visibility import View, hidden
from traco.node.channels.stores import concerns_path, replica_path
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import CommittedLeaf, LeafKind
from traco.storage.rows import StoredBlock
from traco.storage.snapshot import file_identity

OPEN: Final = 64  # replicas whose files are kept open
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)
_CONTENT: Final[Codec[tuple[bytes, ...]]] = Codec(tuple[bytes, ...])


class Entry(NamedTuple):
    """Who asks about a channel: the member of this node by which it may, and what it sees (None: everything)."""

    channel: bytes
    record: Channel
    member: bytes
    party: bytes | None


class Inside(NamedTuple):
    """A channel's replica as committed, with the modules of its terms, and as somebody sees it."""

    snapshot: ReadSnapshot
    modules: tuple[str, ...]
    registry: Registry
    view: View


class _Root(NamedTuple):
    """The root as committed by a block."""

    height: int
    state: State


class _Replica:
    """An open file of a replica; ``concerns`` once a party asked that does not see everything."""

    def __init__(self, path: Path, network: bytes, channel: bytes) -> None:
        self.path = path
        self.identity = file_identity(str(path))
        self.reader = SnapshotReader(path, network, channel)
        self.concerns: Concerns | None = None

    def close(self) -> None:
        self.reader.close()
        if self.concerns is not None:
            self.concerns.close()


class ChannelReads:
    """Answers from the replicas' files; nothing here touches the channels' process. For several threads, one at a time."""

    def __init__(
        self, directory: Path, reads: Reads, network: bytes, limits: KernelParameters, members: tuple[bytes, ...]
    ) -> None:  # fmt: skip
        self._directory = directory
        self._reads = reads
        self.network = network
        self.members = members
        self._keeper = Keeper()
        self._view = RegistryView()
        self._compositions = Compositions(self._view, limits)
        self._turn = threading.Lock()
        self._replicas: dict[bytes, _Replica] = {}

    @property
    def root(self) -> Reads:
        """Reads of the root."""
        return self._reads

    # who

    def members_of(self, principal: Principal, state: State) -> tuple[bytes, ...]:
        """The members of this node for whose business a principal may ask."""
        if principal.party is None:
            return self.members
        if principal.party in self.members:
            return (principal.party,)
        found = self._reads.registry.queries["party.get"].answer(state, GetParty(principal.party))
        sponsor = None if found is None else found.party.sponsor
        return (sponsor,) if sponsor in self.members else ()

    def require(self, principal: Principal, state: State, channel: bytes) -> Entry:
        """By whom a principal may ask about a channel. Raises ``Problem`` (404) where it may not."""
        record = self._keeper.channel(state, channel)
        for member in self.members_of(principal, state):
            if record is not None and member in record.terms.members:
                party = None if principal.party in (None, member) else principal.party
                return Entry(channel, record, member, party)
        raise hidden()

    # what

    def listed(self, principal: Principal) -> list[dict[str, Any]]:
        """The channels of the members by which a principal may ask, as the root has them."""
        rows = list[dict[str, Any]]()
        with self._reads.snapshot() as snapshot:
            state = State(snapshot)
            for member in self.members_of(principal, state):
                after = b""
                while page := self._keeper.channels_of(state, member, after, 256):
                    rows += [self._row(state, member, channel, presence.role) for channel, presence in page]
                    after = page[-1][0]
        return rows

    def _row(self, state: State, member: bytes, channel: bytes, role: str) -> dict[str, Any]:
        record, stream = self._keeper.require(state, channel), self._keeper.stream(state, channel)
        return {
            "id": channel.hex(), "member": member.hex(), "role": role, "status": record.status, "epoch": record.epoch,
            "members": [each.hex() for each in record.terms.members], "entries": stream.entries,
            "ordinal": stream.ordinal, "confirmed": stream.confirmed,
        }  # fmt: skip

    def shown(self, principal: Principal, channel: bytes) -> dict[str, Any]:
        """A channel as the root has it, and up to which point it was executed here."""
        with self._reads.snapshot() as snapshot:
            state = State(snapshot)
            entry = self.require(principal, state, channel)
            offer = self._keeper.offer(state, channel)
            shown = {
                "id": channel.hex(), "member": entry.member.hex(), "channel": to_form(entry.record),
                "stream": to_form(self._keeper.stream(state, channel)),
                "offer": None if offer is None else to_form(offer),
            }  # fmt: skip
        return {**shown, "executed": self._executed(channel)}

    def _executed(self, channel: bytes) -> int:
        with self._turn:
            replica = self._replica(channel)
            found = None if replica is None else replica.reader.snapshot()
            if found is None:
                return 0
            with found:
                return found.height

    def missing(self, principal: Principal, channel: bytes) -> list[dict[str, Any]]:
        """The entries of a channel whose payload was reported missing on the root."""
        with self._reads.snapshot() as snapshot:
            state = State(snapshot)
            self.require(principal, state, channel)
            return [
                {"number": number, **to_form(asked)}
                for number, asked in self._keeper.all_missing(state, channel)
            ]

    def query(self, principal: Principal, channel: bytes, name: str, form: Any) -> dict[str, Any]:
        """The answer of a module's query inside a channel, with the ordinal that it is as of.

        Raises ``Problem``, ``FormInvalid``.
        """
        with self._inside(self.admitted(principal, channel)) as inside:
            query = inside.registry.queries.get(name)
            if query is None:
                raise Problem(
                    404, "channel.query_unknown", f"no module of this channel answers {name[:64]}",
                    advice="The channel's terms name its modules, and the reference their queries.",
                )  # fmt: skip
            answer = inside.view.ask(name, from_form(query.request, form))
            return {"ordinal": inside.snapshot.height, "answer": to_form(answer)}

    def told(self, principal: Principal, channel: bytes, identity: bytes) -> list[Any] | None:
        """The events of a transaction, none before it was executed; None where a principal may not know what became of it."""
        entry = self.admitted(principal, channel)
        if not self._executed(channel):
            return []
        with self._inside(entry) as inside:
            place = inside.snapshot.find_transaction(identity)
            block = None if place is None else inside.snapshot.block(place.height)
            if place is None or block is None:
                return []
            leaf = _leaf(inside, block, place.leaf)
            return to_form(leaf.events) if inside.view.sees_leaf(leaf) else None

    def failure(self, principal: Principal, channel: bytes, failure: Failure | None) -> dict[str, Any] | None:
        """A failure inside a channel with its text for people."""
        if failure is None:
            return None
        with self._inside(self.admitted(principal, channel)) as inside:
            errors: Mapping[str, Any] = {**REFUSALS, **inside.registry.errors}
        text = failure_text(failure.code, failure, dict(errors))
        return {"code": failure.code, "fields": to_form(dict(failure.fields)), "text": text}

    def root_text(self, failure: Failure) -> str:
        """The sentences for a failure on the root."""
        return failure_text(failure.code, failure, self._reads.errors)

    def among(self, principal: Principal, channels: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of some channels that a principal may ask about."""
        with self._reads.snapshot() as snapshot:
            state = State(snapshot)
            members = self.members_of(principal, state)
            found = [(channel, self._keeper.channel(state, channel)) for channel in channels]
        return tuple(
            channel
            for channel, record in found
            if record is not None and any(member in record.terms.members for member in members)
        )

    def rehearsed(self, entry: Entry, leg: Entering, transaction: bytes) -> Failure | None:
        """Why a leg of a settlement would be refused in its channel now, or None. Raises ``Problem`` (503)."""
        with self._reads.snapshot() as root, self._inside(entry) as inside:
            composition = self._compositions.of(inside.modules)
            if composition.legs is None:
                raise Problem(
                    422, "channel.no_holdings", "the channel's terms have no holdings: it can have no leg"
                )
            standing = _Root(root.height, State(root))
            return rehearse(
                composition, self._view, (self.network, entry.channel), State(inside.snapshot), standing, root.time_ms, leg,
                transaction,
            )  # fmt: skip

    def own(self, principal: Principal) -> tuple[bytes, ...]:
        """As ``members_of``, as of now."""
        with self._reads.snapshot() as snapshot:
            return self.members_of(principal, State(snapshot))

    def admitted(self, principal: Principal, channel: bytes) -> Entry:
        """As ``require``, as of now."""
        with self._reads.snapshot() as snapshot:
            return self.require(principal, State(snapshot), channel)

    @contextmanager
    def _inside(self, entry: Entry) -> Iterator[Inside]:
        """The replica as who asks sees it. Raises ``Problem`` (503) before anything was executed here."""
        with self._turn:
            replica = self._replica(entry.channel)
            snapshot = None if replica is None else replica.reader.snapshot()
            if replica is None or snapshot is None:
                raise Problem(
                    503, "channel.not_executed", "nothing of this channel was executed here yet",
                    advice="Try again in a moment; the channel's problem, if it has one, says why.",
                )  # fmt: skip
            with snapshot:
                state = State(snapshot)
                epoch = EPOCHS.get(state)
                modules = () if epoch is None else epoch.terms.modules
                registry = self._compositions.of(modules).registry
                principal, concerns = LOCAL, None
                if entry.party is not None:
                    principal = Principal(Role.PARTY, entry.party, None, "read")
                    concerns = self._concerns(replica, registry, snapshot)
                yield Inside(snapshot, modules, registry, View(principal, registry, state, concerns))

    def _replica(self, channel: bytes) -> _Replica | None:
        path = replica_path(self._directory, channel)
        found = self._replicas.pop(channel, None)
        if found is not None and found.identity != file_identity(str(path)):
            found.close()  # it was executed anew, into another file
            found = None
        if found is None:
            if not path.exists():
                return None
            found = _Replica(path, self.network, channel)
        self._replicas[channel] = found
        if len(self._replicas) > OPEN:
            self._replicas.pop(next(iter(self._replicas))).close()
        return found

    def _concerns(self, replica: _Replica, registry: Registry, snapshot: ReadSnapshot) -> Concerns:
        if replica.concerns is None:
            replica.concerns = Concerns(concerns_path(replica.path), registry)
        while replica.concerns.follow(snapshot):
            continue
        return replica.concerns

    def close(self) -> None:
        """Close the files."""
        with self._turn:
            while self._replicas:
                self._replicas.popitem()[1].close()


def _leaf(inside: Inside, block: StoredBlock, index: int) -> CommittedLeaf:
    """A leaf of a channel's block: a batch is a list of transactions, without envelopes."""
    leaf = block.leaves[index]
    receipt = inside.registry.receipt.trusted(leaf.receipt)
    transaction = _transaction_of(block, leaf.identity)
    kind = LeafKind.DUE if transaction is None else LeafKind.TRANSACTION
    return CommittedLeaf(
        block.height, index, block.time_ms, kind, leaf.identity, receipt.failure, receipt.events, transaction, None
    )  # fmt: skip


def _transaction_of(block: StoredBlock, identity: bytes) -> bytes | None:
    for content in block.envelopes[:-1]:
        for raw in _CONTENT.trusted(content) if content else ():
            try:
                if transaction_id(bytes(_RAW.decode(raw).body)) == identity:
                    return raw
            except ValueError:
                continue  # a malformed neighbour in the batch
    return None
