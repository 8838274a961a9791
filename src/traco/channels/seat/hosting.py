"""One channel on a node: its replica, and what executing each point gave, as it is attested.

    noted points -> contents (own custody, or fetched) -> replica -> result in the book -> durable

A result is in the book before the replica commits, so that what was committed can always be attested; after a crash between the
two, the point is executed again (``Book.executed_last``). After a void the replica is made again from the first point, without the
entry: everything it needs is in custody.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from traco.channels.custody.errors import PayloadDamaged
from traco.channels.custody.store import CustodyStore
from traco.channels.executing.points import VOIDED, Content, Nothing, Point
from traco.channels.executing.registry_view import RootState
from traco.channels.executing.replica import ExecutedPoint
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.keys import Place
from traco.channels.sealing.payloads import unseal
from traco.channels.seat.book import Book, Delivered, Result
from traco.channels.seat.errors import KeyMissing, NotExecuted, SnapshotNeeded
from traco.channels.seat.ports import Executing
from traco.channels.seat.secrets import Secrets
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure, Halt
from traco.kernel.receipt import Leaf
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.channel.digests import FIRST_DIGEST, OutcomeProof, PointSummary, point_digest
from traco.modules.channel.entries import EpochBegun
from traco.modules.channel.parts import LegResult, Payload

AHEAD: Final = 32  # points whose payloads are fetched at once
MAX_POINTS: Final = 1_024  # between an outcome and its confirmation, in a receipt
NO_EFFECT: Final = "channel.no_effect"


class Wanted(NamedTuple):
    """A payload that is needed to go on, and is not here."""

    channel: bytes
    number: int
    payload: Payload


class Proven(NamedTuple):
    """The parts of a channel receipt (``client.channel_receipts``), but for the root's own about ``origin``."""

    transaction: bytes
    receipt: bytes
    proof: OutcomeProof
    points: tuple[PointSummary, ...]
    origin: bytes


class Shown(NamedTuple):
    """An executed point with what hides it, for those to whom it is disclosed."""

    point: Point
    result: Result
    summary: PointSummary
    blinding: Blinding
    leaves: tuple[Leaf, ...]


class Outcome(NamedTuple):
    """What became of a channel transaction: where it stands, and its failure, if it was rejected."""

    ordinal: int
    leaf: int
    failure: Failure | None


class Hosted:
    """A channel whose content this node can read."""

    def __init__(
        self, network: bytes, channel: bytes, replica: Executing, book: Book, custody: CustodyStore, secrets: Secrets
    ) -> None:  # fmt: skip
        self.channel = channel
        self.replica = replica
        self._network = network
        self._book = book
        self._custody = custody
        self._secrets = secrets
        self._held_to = 0  # the payloads of the points before that one, from the next but one on, are here

    def next_point(self) -> Point | None:
        """The next point to execute, or None."""
        return self._book.point(self.channel, self.replica.cursor.ordinal + 1)

    def wanted(self) -> list[Wanted]:
        """The payloads of the next points that are not here: those of some points at once, so that catching up is not one
        fetch after the other.
        """
        found, following = list[Wanted](), self.replica.cursor.ordinal + 1
        stop, is_whole = following + AHEAD, True
        for ordinal in (following, *range(max(following, self._held_to) + 1, stop)):
            point = self._book.point(self.channel, ordinal)
            if point is None:
                break
            lacking = self._lacking(point, is_next=ordinal == following)
            found += lacking
            is_whole = is_whole and not lacking
            if is_whole:
                self._held_to = ordinal if ordinal > following else max(ordinal, self._held_to)
        return found

    def _lacking(self, point: Point, *, is_next: bool) -> list[Wanted]:
        return [
            Wanted(self.channel, number, payload)
            for number, payload in point.payloads().items()
            if payload.shown is None
            and not self._is_held(payload.hash, is_next=is_next)
            and not self._book.is_voided(self.channel, number)
        ]

    def contents(self, point: Point) -> dict[int, Content] | None:
        """The contents of a point's entries; None where a payload is not here. Raises ``KeyMissing``."""
        found = dict[int, Content]()
        for number, payload in point.payloads().items():
            if self._book.is_voided(self.channel, number):
                found[number] = Nothing(VOIDED)
                continue
            raw = payload.shown or self._held(payload.hash)
            if raw is None:
                return None
            found[number] = self._open(point, number, raw)
        return found

    def _is_held(self, payload: bytes, *, is_next: bool) -> bool:
        """Whether a payload is here; only what is needed next is read for that."""
        return self._held(payload) is not None if is_next else self._custody.holds(self.channel, payload)

    def _held(self, payload: bytes) -> bytes | None:
        try:
            return self._custody.get(self.channel, payload)
        except PayloadDamaged:
            return None  # fetched again

    def _open(self, point: Point, number: int, raw: bytes) -> Content:
        entry = point.entries[number - point.first]
        epoch: int = getattr(entry, "epoch")  # noqa: B009 - both kinds that have a payload have one
        secret = self._secrets.find(self.channel, epoch)
        if secret is None:
            raise KeyMissing(self.channel, epoch)
        try:
            return unseal(raw, secret, Place(self._network, self.channel, epoch))
        except PayloadRefused as refused:
            return Nothing(refused.code)

    async def execute(self, point: Point, contents: Mapping[int, Content], root: RootState) -> None:
        """Execute the next point and keep what it gave.

        Raises ``ExecutingError``: ``GenerationStale`` where the replica must be made again; ``KeyMissing``; ``ExecutorAway``.
        """
        ordinal = point.context.ordinal
        executed, due_ms = await self.replica.run(point, contents, root)
        legs = tuple(leg.result() for leg in executed.legs)
        epoch, generation = self._epoch_of(point), self._book.generation(self.channel, ordinal)
        result = self._judged(point, generation, epoch, executed.app_hash, executed.leaves, legs)
        delivered = self._delivered(point, executed)
        self._book.executed(self.channel, ordinal, result, due_ms, delivered)
        await self.replica.keep()
        self._book.has_kept(self.channel)

    def _delivered(self, point: Point, executed: ExecutedPoint) -> Delivered:
        """What became of transactions that this node answers for."""
        done = dict.fromkeys(leaf.identity for leaf in executed.leaves)
        whole = {each.envelope: each.failure.code for each in executed.refusals if each.transaction < 0}
        codes = {each.identity: each.failure.code for each in executed.refusals if each.transaction >= 0}
        refused, emptied = dict[bytes, str](), list[bytes]()
        for number, payload in point.payloads().items():
            code = whole.get(number - point.first)
            sent = self._book.in_payload(self.channel, payload.hash)
            # a custodian may have ordered our payload where it cannot be opened, so as to have it refused
            if code == VOIDED or (code and any(member != payload.submitter for _, member in sent)):
                emptied.append(payload.hash)
                continue
            for identity, _ in sent:
                # one that is refused because it was executed before has its outcome
                if identity not in done and self.replica.find_transaction(identity) is None:
                    refused[identity] = code or codes.get(identity, NO_EFFECT)
        return Delivered(tuple(done), refused, emptied)

    def renew(self) -> None:
        """Bring the results of executed points into the generation that counts now, in order. Raises ``KeyMissing``,
        ``SnapshotNeeded``.
        """
        base = self._book.base(self.channel).ordinal
        for ordinal in self._book.outdated(self.channel):
            if ordinal == base:  # the outcomes and the point before, which its digest is of, are not here
                raise SnapshotNeeded(self.channel)
            point, before = self._book.point(self.channel, ordinal), self._book.result(self.channel, ordinal)
            if point is None or before is None:
                raise Halt(f"point {ordinal} of channel {self.channel.hex()} was not executed here")
            leaves, generation = self.replica.leaves(ordinal), self._book.generation(self.channel, ordinal)
            result = self._judged(point, generation, before.epoch, before.app_hash, leaves, before.legs)
            self._book.judged(self.channel, ordinal, result)

    def _judged(
        self, point: Point, generation: int, epoch: int, app_hash: bytes, leaves: tuple[Leaf, ...],
        legs: tuple[LegResult, ...],
    ) -> Result:  # fmt: skip
        ordinal = point.context.ordinal
        secret = self._secrets.find(self.channel, epoch)
        if secret is None:
            raise KeyMissing(self.channel, epoch)
        blinding = Blinding(secret, generation, ordinal)
        before = self._book.result(self.channel, ordinal - 1)
        summary = self._summarised(point, generation, blinding, before, app_hash, leaves, legs)
        return Result(generation, epoch, app_hash, legs, point_digest(summary))

    def proof(self, identity: bytes) -> Proven | None:
        """What shows somebody outside what became of a transaction; None where it was not executed, or is not confirmed.

        Raises ``KeyMissing``.
        """
        place = self.replica.find_transaction(identity)
        confirmed = None if place is None else self._book.confirmation(self.channel, place[0])
        if place is None or confirmed is None or self._book.is_disputed(self.channel):
            return None
        (ordinal, leaf), (last, origin) = place, confirmed
        if last > self.replica.cursor.ordinal or last - ordinal >= MAX_POINTS:
            return None
        leaves, raw = self.replica.leaves(ordinal), self._raw(ordinal, identity)
        result = self._result(ordinal)
        if raw is None:
            return None
        proof = self._blinding(ordinal, result).prove(leaves, leaf)
        points = tuple(self.summary(each) for each in range(ordinal, last + 1))
        return Proven(raw, leaves[leaf].receipt, proof, points, origin)

    def _raw(self, ordinal: int, identity: bytes) -> bytes | None:
        """A transaction as it was signed, from the payload that brought it; None for what nobody signed, or what is erased."""
        point = self._book.point(self.channel, ordinal)
        contents = None if point is None else self.contents(point)
        for content in (contents or {}).values():
            for raw in content if isinstance(content, tuple) else ():
                if _identity(raw) == identity:
                    return raw
        return None

    def _result(self, ordinal: int) -> Result:
        found = self._book.result(self.channel, ordinal)
        if found is None:
            raise NotExecuted(self.channel, ordinal)
        return found

    def _blinding(self, ordinal: int, result: Result) -> Blinding:
        secret = self._secrets.find(self.channel, result.epoch)
        if secret is None:
            raise KeyMissing(self.channel, result.epoch)
        return Blinding(secret, result.generation, ordinal)

    def shown(self, ordinal: int) -> Shown:
        """An executed point, to be disclosed. Raises ``KeyMissing``, ``NotExecuted``."""
        point, result = self._book.point(self.channel, ordinal), self._result(ordinal)
        if point is None:
            raise NotExecuted(self.channel, ordinal)
        leaves = self.replica.leaves(ordinal)
        return Shown(point, result, self.summary(ordinal), self._blinding(ordinal, result), leaves)

    def payload(self, payload: Payload) -> bytes:
        """The bytes of a payload that ``contents`` found; empty where they are gone since."""
        return payload.shown or self._held(payload.hash) or b""

    def summary(self, ordinal: int) -> PointSummary:
        """What the digest of an executed point is of. Raises ``KeyMissing``, ``NotExecuted``."""
        point, result, before = (
            self._book.point(self.channel, ordinal),
            self._result(ordinal),
            self._book.result(self.channel, ordinal - 1),
        )
        if point is None:
            raise NotExecuted(self.channel, ordinal)
        return self._summarised(
            point, result.generation, self._blinding(ordinal, result), before, result.app_hash, self.replica.leaves(ordinal),
            result.legs,
        )  # fmt: skip

    def _summarised(
        self, point: Point, generation: int, blinding: Blinding, before: Result | None, app_hash: bytes,
        leaves: tuple[Leaf, ...], legs: tuple[LegResult, ...],
    ) -> PointSummary:  # fmt: skip
        return PointSummary(
            self.channel, generation, point.context.ordinal, FIRST_DIGEST if before is None else before.digest, point.chain,
            blinding.state_root(app_hash), blinding.outcomes_root(leaves), legs,
        )  # fmt: skip

    def _epoch_of(self, point: Point) -> int:
        """The epoch whose key hides the point: the one in force behind it."""
        begun = [entry.epoch for entry in point.entries if isinstance(entry, EpochBegun)]
        if begun:
            return begun[-1]
        before = self._book.result(self.channel, point.context.ordinal - 1)
        if before is None:
            raise Halt(f"the stream of channel {self.channel.hex()} does not begin with an epoch")
        return before.epoch

    def outcome(self, identity: bytes, failure_of: Callable[[bytes], Failure | None]) -> Outcome | None:
        """What became of a transaction that was executed, or None. ``failure_of`` reads it from a receipt."""
        place = self.replica.find_transaction(identity)
        if place is None:
            return None
        ordinal, leaf = place
        return Outcome(ordinal, leaf, failure_of(self.replica.leaves(ordinal)[leaf].receipt))

    def close(self) -> None:
        """Close the replica."""
        self.replica.close()


_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)


def _identity(raw: bytes) -> bytes | None:
    """The id of a transaction as it was signed; None for bytes that are none."""
    try:
        return transaction_id(bytes(_RAW.trusted(raw).body))
    except ValueError:
        return None
