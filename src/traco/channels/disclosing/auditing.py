"""Executes a disclosed period again and compares it with what the channel's members confirmed on the root.

    1. the file is what a member put on record: the root has the commitment to its hash
    2. its points' digests, from its opening on, make the digests that the root confirmed
    3. its stream is the root's; each payload has the hash that was ordered, and opens with the key that it is bound to
    4. executing it from the opening state gives, point by point, the states, outcomes and results that were attested

2 says that the members attested what the file says; 4, whether that is right. Where 2 fails, members attested something else
than the disclosing member found: then what executing gives here is compared with the root directly.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.finding import AuditReport, Counts, Difference
from traco.channels.disclosing.form import (
    End,
    Head,
    Ids,
    Leaves,
    Links,
    Opening,
    Payload,
    Point,
    Reader,
    Slots,
    commitment,
    malformed,
)
from traco.channels.disclosing.opening import MemoryStore, read_opening
from traco.channels.disclosing.rerun import Found, Rerun
from traco.channels.disclosing.root import AuditedRoot, RootRecord, read_root
from traco.kernel.genesis import network_id
from traco.modules.channel.digests import FIRST_DIGEST, PointSummary, point_digest
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.points import agreed_word, word_of

Progress = Callable[[int, int], None]
"""Told which of how many points was executed."""


class _Claims(NamedTuple):
    """What the file says by itself. ``proven``: up to where its digests are those that the root confirmed; -1: nowhere."""

    head: Head
    opening: Opening | None
    record: RootRecord
    proven: int
    confirmed: int
    digest: bytes


def audit(path: Path, root: AuditedRoot, progress: Progress | None = None) -> AuditReport:
    """Audit a disclosure. Raises ``DisclosureRefused`` for a file that is no disclosure of this root, ``ExecutingError``, ``OSError``."""
    with path.open("rb") as file:
        claims = _read_claims(file, root)
        file.seek(0)
        return _Audit(claims, root, progress).run(file)


def _read_claims(file: BinaryIO, root: AuditedRoot) -> _Claims:
    """Read the file once: whether it is whole and on record, and up to where its digests are confirmed."""
    reader = Reader(file)
    head = reader.next(Head)
    if head.network != network_id(root.genesis):
        raise DisclosureRefused(
            "disclosure.other_network", "The disclosure is of another network than this node's ledger."
        )
    if head.last < head.first:
        raise malformed("its period ends before it begins")
    opening = _opening(reader, head)
    from_height = _first_height(reader) if opening is None else opening.height
    record = read_root(root, head.channel, from_height)
    chain = FIRST_DIGEST if opening is None else point_digest(opening.summary)
    ordinal, proven, is_chained = head.first - 1, 0 if opening is None else -1, True
    if opening is not None and record.confirmed.get(ordinal) == chain:
        proven = ordinal
    for summary in _summaries(reader, head):
        if (summary.channel, summary.ordinal) != (head.channel, ordinal + 1):
            raise malformed(f"point {summary.ordinal} stands where {ordinal + 1} is next")
        is_chained = is_chained and summary.previous == chain
        ordinal, chain = summary.ordinal, point_digest(summary)
        if is_chained and record.confirmed.get(ordinal) == chain:
            proven = ordinal
    _require_recorded(reader, head, record)
    reader.require_end()
    confirmed = min((each for each in record.confirmed if each >= head.last), default=0)
    if not confirmed:
        raise DisclosureRefused(
            "disclosure.not_confirmed",
            f"The root, as this node has it, has not confirmed point {head.last} of the channel. Audit again when it has.",
        )
    return _Claims(head, opening, record, proven, confirmed, record.confirmed[confirmed])


def _opening(reader: Reader, head: Head) -> Opening | None:
    if head.first == 1:
        return None
    opening = reader.next(Opening)
    if (opening.summary.channel, opening.summary.ordinal) != (head.channel, head.first - 1):
        raise malformed("its opening is of another point")
    for _ in reader.all(Slots):
        pass
    for _ in reader.all(Ids):
        pass
    return opening


def _first_height(reader: Reader) -> int:
    found = reader.peek()
    if not isinstance(found, Point):
        raise malformed("it has no points")
    return found.context.height


def _summaries(reader: Reader, head: Head) -> Iterator[PointSummary]:
    for _ in range(head.first, head.last + 1):
        point = reader.next(Point)
        for _ in range(point.payloads):
            reader.next(Payload)
        for _ in reader.all(Leaves):
            pass
        yield point.summary
    for links in reader.all(Links):
        yield from links.points


def _require_recorded(reader: Reader, head: Head, record: RootRecord) -> None:
    content, end = reader.content(), reader.next(End)
    if end.content != content:
        raise DisclosureRefused(
            "disclosure.changed", "The file was changed after it was made: its hash is not the one that it ends with."
        )  # fmt: skip
    said = record.disclosed.get(end.origin)
    wanted = (head.channel, head.member, commitment(head, content))
    if said is None or (said.channel, said.member, said.commitment) != wanted:
        raise DisclosureRefused(
            "disclosure.not_recorded",
            "The root, as this node has it, does not have the commitment to this file: it was changed after it was disclosed, "
            "or this node is behind.",
        )


class _Audit:
    """The second reading, which executes."""

    def __init__(self, claims: _Claims, root: AuditedRoot, progress: Progress | None) -> None:
        self._claims = claims
        self._root = root
        self._progress = progress
        self._keeper = Keeper()
        self._counts = Counts()
        self._parties: dict[bytes, None] = {}
        self._from_ms = self._until_ms = 0

    def run(self, file: BinaryIO) -> AuditReport:
        """What executing gives."""
        claims, head = self._claims, self._claims.head
        reader = Reader(file)
        reader.next(Head)
        store = MemoryStore()
        if claims.opening is not None:
            store = read_opening(reader.next(Opening), reader)
            if claims.proven < head.first - 1:
                return self._report(self._unproven(claims.opening))
        rerun = Rerun(claims.head, claims.opening, claims.record, self._root, store)
        agreed = head.first - 1
        for ordinal in range(head.first, head.last + 1):
            found = rerun.next(reader)
            self._count(found)
            difference = self._compare(found, agreed)
            if difference is not None:
                return self._report(difference)
            if claims.record.confirmed.get(ordinal) == found.digest:
                agreed = ordinal
            if self._progress is not None:
                self._progress(ordinal - head.first + 1, head.last - head.first + 1)
        if max(agreed, claims.proven) < head.last:
            return self._report(self._narrowed(agreed, claims.confirmed, rerun.digests))
        return self._report(None)

    def _compare(self, found: Found, agreed: int) -> Difference | None:
        claims, ordinal = self._claims, found.ordinal
        if ordinal <= claims.proven:
            return found.difference  # what the file says of this point is what its members attested
        confirmed = claims.record.confirmed.get(ordinal)
        if confirmed is None or confirmed == found.digest:
            return None
        return self._narrowed(max(agreed, claims.proven), ordinal, found.digests)

    def _narrowed(self, after: int, through: int, digests: dict[int, bytes]) -> Difference:
        """Which point the root confirmed with another digest than executing gives, by votes that it still has."""
        expected = self._claims.record.confirmed[through]
        for ordinal in range(after + 1, through + 1):
            voted = self._voted(ordinal)
            if voted is not None and ordinal in digests and voted != digests[ordinal]:
                return Difference("digest", ordinal, ordinal, None, None, voted.hex(), digests[ordinal].hex())
        found = digests.get(through)
        shown = "another digest" if found is None else found.hex()
        return Difference("digest", after + 1, through, None, None, expected.hex(), shown)

    def _voted(self, ordinal: int) -> bytes | None:
        with self._root.reading() as root:
            point = self._keeper.point(root.state, self._claims.head.channel, ordinal)
            then = (
                None
                if point is None
                else self._keeper.as_of(root.state, point.height, self._claims.head.channel)
            )
            word = None if point is None or then is None else agreed_word(point, then.terms.policy)
        return None if word is None else word.digest

    def _unproven(self, opening: Opening) -> Difference:
        """The opening is not known to be what was attested: nothing that is executed on it would say anything."""
        ordinal, digest = opening.summary.ordinal, point_digest(opening.summary)
        confirmed = self._claims.record.confirmed
        near = ordinal if ordinal in confirmed else self._claims.confirmed
        return Difference("opening", ordinal, near, None, None, confirmed[near].hex(), digest.hex())

    def _count(self, found: Found) -> None:
        self._counts = Counts(*(old + new for old, new in zip(self._counts, found.counts, strict=True)))
        self._parties |= dict.fromkeys(found.parties)
        self._from_ms = self._from_ms or found.time_ms
        self._until_ms = found.time_ms

    def _report(self, difference: Difference | None) -> AuditReport:
        claims, head = self._claims, self._claims.head
        return AuditReport(
            head.channel, head.member, head.first, head.last, self._from_ms, self._until_ms, self._counts,
            tuple(sorted(self._parties)), claims.confirmed, claims.digest, self._attesters(), difference,
        )  # fmt: skip

    def _attesters(self) -> tuple[bytes, ...]:
        claims = self._claims
        with self._root.reading() as root:
            point = self._keeper.point(root.state, claims.head.channel, claims.confirmed)
        return () if point is None else tuple(
            vote.member for vote in point.votes if word_of(vote).digest == claims.digest
        )  # fmt: skip
