"""Reads the root's blocks by itself: who attested what, what was decided and why, and what can never change any more.

It takes nothing from the keeper of channels: votes are counted again, by organisation, from the transactions themselves.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torture.report import Counts, Difference
from torture_channels.town import Town
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.instruction import Event, Instruction
from traco.kernel.store import CommittedBlock
from traco.kernel.transaction import Envelope, RawTransaction, transaction_id
from traco.modules.channel.entries import Batch, Decided, EpochBegun, Erased, Leg, Resumed, Voided
from traco.modules.channel.events import (
    AttemptDecided,
    Confirmed,
    CustodyFailed,
    Dissented,
    Entered,
    MissingReported,
    OfferLapsed,
    Supplied,
)
from traco.modules.channel.messages import Attempt, Attest
from traco.modules.channel.parts import SettlementTerms, Terms

_ENVELOPE: Codec[Envelope] = Codec(Envelope)
_RAW: Codec[RawTransaction] = Codec(RawTransaction)


class Done(NamedTuple):
    """A transaction or due item of the root."""

    instructions: tuple[Instruction, ...]
    failure: Failure | None
    events: tuple[Event, ...]


class Tried(NamedTuple):
    """An attempt: what was agreed, when it was ordered, and where its legs stand, (channel, ordinal) -> place in the terms."""

    terms: SettlementTerms
    height: int
    legs: dict[tuple[bytes, int], int]


class Stream:
    """What the root has said of one channel."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, Terms]] = []  # (height, terms)
        self.heights: list[int] = []  # of its points
        self.ordinals: list[int] = []  # of its entries
        self.payloads: list[tuple[int, bytes]] = []  # number of the entry, hash
        self.confirmed: list[tuple[int, bytes]] = []  # (ordinal, digest)
        self.votes: dict[tuple[int, bytes], bytes] = {}  # (ordinal, member) -> digest
        self.decided: dict[bytes, bool] = {}

    def terms_at(self, height: int) -> Terms:
        """As of the end of a block."""
        return [terms for begun, terms in self.epochs if begun <= height][-1]

    def is_confirmed(self, ordinal: int) -> bool:
        """Whether a point stands for good."""
        return bool(self.confirmed) and ordinal <= self.confirmed[-1][0]


class Auditor:
    """Everything that the root has said. ``beyond`` are channels in which more are faulty than they declare."""

    def __init__(self, town: Town, counts: Counts) -> None:
        self._town, self._counts = town, counts
        self.height = 0
        self.streams: dict[bytes, Stream] = {}
        self.attempts: dict[bytes, Tried] = {}
        self.said: dict[tuple[bytes, bytes, bytes], bool] = {}  # (attempt, channel, member) -> held
        self.decided: dict[bytes, AttemptDecided] = {}
        self.by_terms: dict[bytes, list[AttemptDecided]] = {}
        self.beyond: set[bytes] = set()

    def look(self) -> None:
        """Read the blocks that came since. Raises ``Difference``."""
        for block in self._town.root.ledger.store.blocks[self.height + 1 :]:
            self.height = block.height
            self._counts["work: blocks"] += 1
            for done in self._transactions(block):
                self._read(block, done)

    def _transactions(self, block: CommittedBlock) -> Iterator[Done]:
        registry, sent = self._town.root.ledger.registry, dict[bytes, Any]()
        for raw in block.envelopes:
            for transaction in _ENVELOPE.decode(raw).body.transactions:
                identity = transaction_id(bytes(_RAW.decode(transaction).body))
                sent[identity] = registry.transaction.decode(transaction).body.instructions
        for leaf in block.leaves:
            receipt = registry.receipt.decode(leaf.receipt)
            yield Done(sent.get(receipt.identity, ()), receipt.failure, receipt.events)

    def _read(self, block: CommittedBlock, done: Done) -> None:
        if done.failure is not None:
            if done.failure.code == "kernel.fault":
                raise Difference("fault", f"the root stumbled over {done.instructions}")
            self._counts[f"outcome: root refused, {done.failure.code}"] += 1
            return
        for instruction in done.instructions:
            if isinstance(instruction, Attest):
                self._vote(instruction)
        entered = [event for event in done.events if isinstance(event, Entered)]
        for event in entered:
            self._enter(block, event)
        for instruction in done.instructions:
            if isinstance(instruction, Attempt):
                self._try(block, instruction, entered)
        for other in done.events:
            self._note(block, other)

    def _vote(self, message: Attest) -> None:
        for item in message.items:
            stream = self.streams.get(item.channel)
            if stream is None or item.ordinal > len(stream.heights):
                continue
            is_final = stream.is_confirmed(item.ordinal)
            if not is_final or (item.ordinal, message.party) not in stream.votes:
                stream.votes[item.ordinal, message.party] = item.digest
                for result in item.legs:
                    self.said[result.attempt, item.channel, message.party] = result.held

    def _enter(self, block: CommittedBlock, event: Entered) -> None:
        stream = self.streams.setdefault(event.channel, Stream())
        self._counts["work: entries"] += 1
        if event.context is not None:
            stream.heights.append(block.height)
            self._counts["work: points"] += 1
        stream.ordinals.append(len(stream.heights))
        if event.number != len(stream.ordinals):
            raise Difference("stream", f"entry {event.number} came as number {len(stream.ordinals)}")
        entry = event.entry
        self._counts[f"kind: entry, {type(entry).__name__.lower()}"] += 1
        if isinstance(entry, EpochBegun):
            stream.epochs.append((block.height, entry.terms))
        elif isinstance(entry, Decided):
            if entry.attempt in stream.decided:
                raise Difference("decision", f"attempt {entry.attempt.hex()} is decided twice in a stream")
            stream.decided[entry.attempt] = entry.committed
        elif isinstance(entry, Voided | Resumed):
            first = stream.confirmed[-1][0] + 1 if stream.confirmed else 1
            if isinstance(entry, Voided):
                first = stream.ordinals[entry.number - 1]
            stream.votes = {place: vote for place, vote in stream.votes.items() if place[0] < first}
        elif isinstance(entry, Erased):
            self._town.erased |= {
                (event.channel, payload) for number, payload in stream.payloads if number <= entry.through
            }
        elif isinstance(entry, Batch | Leg):
            stream.payloads.append((event.number, entry.payload.hash))
            self._counts["kind: payload shown on the root"] += entry.payload.shown is not None

    def _try(self, block: CommittedBlock, message: Attempt, entered: list[Entered]) -> None:
        legs, attempt = dict[tuple[bytes, int], int](), b""
        places = {leg.ledger: place for place, leg in enumerate(message.terms.legs)}
        for event in entered:
            if isinstance(event.entry, Leg):
                attempt = event.entry.attempt
                legs[event.channel, len(self.streams[event.channel].heights)] = places[event.channel]
        self.attempts[attempt] = Tried(message.terms, block.height, legs)
        self._counts["work: attempts"] += 1

    def _note(self, block: CommittedBlock, event: Event) -> None:
        if isinstance(event, Confirmed):
            self._confirm(event)
        elif isinstance(event, AttemptDecided):
            self._decide(block, event)
        elif isinstance(event, Dissented):
            self._counts["outcome: dissent named"] += 1
        elif isinstance(event, MissingReported):
            self._counts["outcome: payload reported missing"] += 1
        elif isinstance(event, Supplied):
            self._counts["outcome: payload supplied on the root"] += 1
        elif isinstance(event, CustodyFailed):
            self._counts["outcome: custodians named"] += 1
        elif isinstance(event, OfferLapsed):
            self._counts["outcome: offer lapsed"] += 1

    def _confirm(self, event: Confirmed) -> None:
        stream = self.streams[event.channel]
        if stream.is_confirmed(event.ordinal):
            raise Difference(
                "confirmed", f"point {event.ordinal} is confirmed again, or another behind it was"
            )
        terms = stream.terms_at(stream.heights[event.ordinal - 1])
        alike = [name for name in terms.members if stream.votes.get((event.ordinal, name)) == event.digest]
        if len(alike) < terms.policy:
            raise Difference(
                "policy",
                f"point {event.ordinal} is confirmed by {len(alike)} organisations, not {terms.policy}",
            )
        stream.confirmed.append((event.ordinal, event.digest))
        self._counts["work: points confirmed at once"] += 1

    def _decide(self, block: CommittedBlock, event: AttemptDecided) -> None:
        tried = self.attempts.get(event.attempt)
        if tried is None or event.attempt in self.decided:
            raise Difference("decision", f"attempt {event.attempt.hex()} was not ordered, or decided before")
        if any(other.committed for other in self.by_terms.get(event.terms, [])):
            raise Difference("decision", "terms that were committed are attempted again")
        self.decided[event.attempt] = event
        self.by_terms.setdefault(event.terms, []).append(event)
        self._counts[f"outcome: {'committed' if event.committed else 'aborted'}, {event.reason}"] += 1
        if event.committed:
            for (channel, ordinal), place in tried.legs.items():
                self._require_held(event.attempt, tried, channel, ordinal, place)
        elif event.reason == "deadline":
            is_past = block.time_ms >= tried.terms.deadline_ms
            if not is_past:
                raise Difference("decision", "an attempt was aborted before its deadline")
        for channel, _ in tried.legs:
            if self.streams[channel].decided.get(event.attempt) != event.committed:
                raise Difference("decision", "a leg's channel was told something else, or nothing")

    def _require_held(self, attempt: bytes, tried: Tried, channel: bytes, ordinal: int, place: int) -> None:
        """A leg that is committed was held: by the policy, by its attesters, at a confirmed point. Raises ``Difference``."""
        stream, terms = self.streams[channel], tried.terms.legs[place]
        pinned = stream.terms_at(tried.height)
        held = [name for name in pinned.members if self.said.get((attempt, channel, name))]
        if not stream.is_confirmed(ordinal):
            raise Difference("decision", "a leg is committed whose point is not confirmed")
        if len(held) < pinned.policy:
            raise Difference(
                "policy", f"a leg is committed by {len(held)} organisations, not {pinned.policy}"
            )
        if any(attester not in held for attester in terms.attesters):
            raise Difference("attester", "a leg is committed without a required attester's word")

    def finish(self) -> None:
        """Nothing is left undecided. Raises ``Difference``."""
        left = [attempt for attempt in self.attempts if attempt not in self.decided]
        if left:
            raise Difference("holds", f"{len(left)} attempts were never decided")
