"""One disclosed point after the other, checked against the root's stream and executed again."""

from collections import Counter
from typing import Final, NamedTuple

from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.finding import Counts, Difference
from traco.channels.disclosing.form import Head, Leaves, Opening, Payload, Point, Reader, malformed
from traco.channels.disclosing.opening import MemoryStore
from traco.channels.disclosing.root import AuditedRoot, RootRecord, entries_hash
from traco.channels.executing.composition import Compositions
from traco.channels.executing.points import VOIDED, Content, Nothing, chain_behind
from traco.channels.executing.points import Point as ChannelPoint
from traco.channels.executing.registry_view import RegistryView
from traco.channels.executing.replica import ChannelReplica, ExecutedPoint
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.keys import KEY_BYTES, PayloadKey, Place
from traco.channels.sealing.payloads import read_head, unseal_disclosed
from traco.kernel.codec import Codec
from traco.kernel.errors import Halt
from traco.kernel.receipt import Leaf
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.channel.digests import (
    FIRST_DIGEST,
    PointSummary,
    blinded,
    outcome_hash,
    outcomes_root,
    point_digest,
)
from traco.modules.channel.entries import Batch, Leg
from traco.modules.channel.signing import payload_hash

_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)
_NO_SALT: Final = bytes(32)


class Found(NamedTuple):
    """What executing a point gives. ``difference``: from what the file says that its members attested."""

    ordinal: int
    time_ms: int
    digest: bytes
    digests: dict[int, bytes]
    counts: Counts
    parties: tuple[bytes, ...]
    difference: Difference | None


class Rerun:
    """A replica of the channel that executes what is disclosed. ``digest``: of the last point; ``digests``: of all of them."""

    def __init__(
        self, head: Head, opening: Opening | None, record: RootRecord, root: AuditedRoot, store: MemoryStore
    ) -> None:
        self._head = head
        self._record = record
        self._root = root
        compositions = Compositions(RegistryView(), root.genesis.kernel_parameters())
        self._replica = ChannelReplica(root.genesis, head.channel, compositions, store, lambda *_: None)
        self.digest = FIRST_DIGEST if opening is None else point_digest(opening.summary)
        self.digests: dict[int, bytes] = {}
        cursor = self._replica.cursor
        wanted = (0, cursor.chain) if opening is None else (opening.summary.ordinal, opening.summary.chain)
        if (cursor.ordinal, cursor.chain) != wanted:
            raise DisclosureRefused(
                "disclosure.opening", "The opening state is of another place of the stream."
            )

    def next(self, reader: Reader) -> Found:
        """The next point of the file. Raises ``DisclosureRefused``, ``ExecutingError``."""
        said = reader.next(Point)
        point = self._point(said)
        contents = self._contents(point, [reader.next(Payload) for _ in range(said.payloads)])
        salts, outcomes = list[bytes](), list[bytes]()
        for part in reader.all(Leaves):
            salts += part.salts
            outcomes += part.outcomes
        if not len(salts) == len(outcomes) == said.leaves:
            raise malformed(f"point {point.context.ordinal} has not as many outcomes as it says")
        executed = self._execute(point, contents)
        summary = self._summary(said, executed, salts)
        self.digest = self.digests[summary.ordinal] = point_digest(summary)
        difference = self._difference(said, summary, executed, salts, outcomes, contents)
        registry = self._replica.registry
        receipts = [registry.receipt.trusted(leaf.receipt) for leaf in executed.leaves]
        raws = [raw for content in contents.values() if isinstance(content, tuple) for raw in content]
        emptied = Counter(each.code for each in contents.values() if isinstance(each, Nothing))
        counts = Counts(
            1, len(point.entries), len(contents), emptied[VOIDED], emptied.total() - emptied[VOIDED], len(raws),
            sum(receipt.failure is not None for receipt in receipts),
            sum(each.transaction >= 0 for each in executed.refusals),
        )  # fmt: skip
        return Found(
            summary.ordinal, point.context.time_ms, self.digest, self.digests, counts, self._parties(raws), difference
        )  # fmt: skip

    def _point(self, said: Point) -> ChannelPoint:
        """The point, which has to be the one that the root has there."""
        ordinal = said.context.ordinal
        known = self._record.points.get(ordinal)
        is_same = known is not None and (known.context, known.first, known.entries) == (
            said.context, said.first, entries_hash(said.entries),
        )  # fmt: skip
        if not is_same:
            raise DisclosureRefused(
                "disclosure.stream",
                f"Point {ordinal} of the disclosure is not the one that the root ordered: entries were left out, changed or added.",
            )
        cursor = self._replica.cursor
        return ChannelPoint(
            said.context, said.first, said.entries, chain_behind(cursor.chain, said.context, said.entries)
        )

    def _contents(self, point: ChannelPoint, payloads: list[Payload]) -> dict[int, Content]:
        given = {payload.number: payload for payload in payloads}
        found = dict[int, Content]()
        for number, ordered in point.payloads().items():
            if number in self._record.voided:
                found[number] = Nothing(VOIDED)
                continue
            payload = given.pop(number, None)
            if payload is None:
                raise _refused(number, "payload", "is not disclosed")
            content = ordered.shown or payload.content
            if payload_hash(content) != ordered.hash or len(content) != ordered.size:
                raise _refused(number, "payload", "is not the one that was ordered")
            found[number] = self._open(point, number, content, payload)
        if given:
            raise malformed("it has a payload of no entry")
        return found

    def _open(self, point: ChannelPoint, number: int, content: bytes, payload: Payload) -> Content:
        entry = point.entries[number - point.first]
        epoch = entry.epoch if isinstance(entry, Batch | Leg) else 0
        opened: Content
        try:
            if len(payload.key) == KEY_BYTES:
                place = Place(self._head.network, self._head.channel, epoch)
                opened = unseal_disclosed(content, PayloadKey(payload.key), place)
            else:
                read_head(content)
                opened = Nothing("payload.wrong_key")
        except PayloadRefused as refused:
            opened = Nothing(refused.code)
        code = opened.code if isinstance(opened, Nothing) else ""
        if code != payload.code:
            raise _refused(
                number, "payload_key", f"does not open with the disclosed key ({code or 'it opens'})"
            )
        return opened

    def _execute(self, point: ChannelPoint, contents: dict[int, Content]) -> ExecutedPoint:
        try:
            with self._root.reading() as root:
                executed = self._replica.execute(point, contents, root)
            self._replica.commit()
        except Halt as error:
            raise DisclosureRefused(
                "disclosure.opening", f"Nothing can follow the opening state: {error}."
            ) from None
        return executed

    def _summary(self, said: Point, executed: ExecutedPoint, salts: list[bytes]) -> PointSummary:
        hashes = _hashes(executed.leaves, salts)
        return PointSummary(
            self._head.channel, said.summary.generation, executed.ordinal, self.digest, executed.chain,
            blinded(said.blind, executed.app_hash), outcomes_root(hashes), tuple(leg.result() for leg in executed.legs),
        )  # fmt: skip

    def _difference(
        self, said: Point, summary: PointSummary, executed: ExecutedPoint, salts: list[bytes], outcomes: list[bytes],
        contents: dict[int, Content],
    ) -> Difference | None:  # fmt: skip
        """The first thing in which the point, as executed here, is not as it was attested."""
        ordinal = summary.ordinal
        if point_digest(summary) == point_digest(said.summary):
            return None
        if summary.outcomes != said.summary.outcomes:
            if outcomes_root(outcomes) != said.summary.outcomes:
                return _other_outcomes(ordinal, said.summary.outcomes.hex(), summary.outcomes.hex())
            hashes = _hashes(executed.leaves, salts)
            for leaf, mine, theirs in zip(executed.leaves, hashes, outcomes, strict=False):
                if mine != theirs:
                    entry = _entry_of(leaf.identity, contents)
                    return Difference(
                        "outcome", ordinal, ordinal, entry, leaf.identity, f"outcome {theirs.hex()}", self._outcome(leaf)
                    )  # fmt: skip
            return _other_outcomes(ordinal, f"{len(outcomes)} outcomes", f"{len(hashes)} outcomes")
        if summary.legs != said.summary.legs:
            return Difference("legs", ordinal, ordinal, None, None, _legs(said.summary), _legs(summary))
        if summary.state != said.summary.state:
            return Difference(
                "state", ordinal, ordinal, None, None, said.summary.state.hex(), summary.state.hex()
            )
        return Difference(
            "digest",
            ordinal,
            ordinal,
            None,
            None,
            point_digest(said.summary).hex(),
            point_digest(summary).hex(),
        )

    def _outcome(self, leaf: Leaf) -> str:
        failure = self._replica.registry.receipt.trusted(leaf.receipt).failure
        return "executed" if failure is None else f"rejected: {failure.code}"

    def _parties(self, raws: list[bytes]) -> tuple[bytes, ...]:
        """Who acts in these transactions; those that are malformed have nobody."""
        acting = dict[bytes, None]()
        for raw in raws:
            try:
                body = self._replica.registry.transaction.decode(raw).body
            except ValueError:
                continue
            for instruction in body.instructions:
                acting |= dict.fromkeys(instruction.actors())
        return tuple(acting)


def _hashes(leaves: tuple[Leaf, ...], salts: list[bytes]) -> list[bytes]:
    """The salted hashes of outcomes. One for which there is no salt counts all the same: it is one too many."""
    lacking = [_NO_SALT] * (len(leaves) - len(salts))
    return [outcome_hash(salt, leaf) for salt, leaf in zip((*salts, *lacking), leaves, strict=False)]


def _entry_of(identity: bytes, contents: dict[int, Content]) -> int | None:
    for number, content in contents.items():
        for raw in content if isinstance(content, tuple) else ():
            if raw_identity(raw) == identity:
                return number
    return None


def raw_identity(raw: bytes) -> bytes:
    """The id of a transaction as it was signed; empty for bytes that are none."""
    try:
        return transaction_id(bytes(_RAW.trusted(raw).body))
    except ValueError:
        return b""


def _other_outcomes(ordinal: int, said: str, found: str) -> Difference:
    """A point whose outcomes are others as a whole."""
    return Difference("outcomes", ordinal, ordinal, None, None, said, found)


def _legs(summary: PointSummary) -> str:
    return (
        ", ".join(f"{leg.attempt.hex()} {'held' if leg.held else 'refused'}" for leg in summary.legs)
        or "none"
    )


def _refused(number: int, code: str, what: str) -> DisclosureRefused:
    return DisclosureRefused(f"disclosure.{code}", f"The payload of entry {number} {what}.")
