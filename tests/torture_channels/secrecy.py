"""What is planted in channels and must be nowhere else: names and amounts, in all that non-members store, get and send.

And what must not be guessed: whoever knows the whole state of a point, but not the epoch's key, must not be able to tell from the
published digest that he is right.
"""

from channels.seat.markers import forms, found_in
from torture.report import Counts, Difference
from torture_channels.auditor import Auditor
from torture_channels.lines import Line
from torture_channels.town import Town
from traco.kernel.codec import digest
from traco.kernel.receipt import Leaf
from traco.modules.channel.digests import (
    BLINDED_TAG,
    PointSummary,
    blinded,
    outcome_hash,
    outcomes_root,
    point_digest,
)

_KNOWN_SALTS = (b"", bytes(32))
_GUESSED = 3  # points of a channel, each time


class Secrecy:
    """Looks. Every method raises ``Difference``."""

    def __init__(self, town: Town, auditor: Auditor, counts: Counts) -> None:
        self._town, self._auditor, self._counts = town, auditor, counts
        self._read = 0  # blocks of the root

    def look(self, lines: list[Line]) -> None:
        """At everything that passed since, on wires and on the root."""
        passed = self._town.drop_traffic()
        blocks = self._town.root.ledger.store.blocks[self._read :]
        self._read += len(blocks)
        on_root = b"".join(raw for block in blocks for raw in block.envelopes)
        for line in lines:
            planted = forms(line.code, line.amounts)
            # members give each other snapshots, which are theirs to read; everybody else gets what is sealed
            seen = b"".join(
                message
                for sender, receiver, message in passed
                if not (sender in line.ever and receiver in line.ever)
            )
            for where, content in (("on the root", on_root), ("on a wire", seen)):
                if found := found_in(content, planted):
                    raise Difference("secrecy", f"{line.label}: {found[:3]} {where}")
            self._counts["work: bytes searched for what is planted"] += len(on_root) + len(seen)

    def look_at_disks(self, lines: list[Line]) -> None:
        """Of all who never were members. And at a member's: there it is, or the search finds nothing anywhere."""
        for line in lines:
            planted = forms(line.code, line.amounts)
            for name in self._town.sites:
                content = self._town.disk_site(name).content()
                found = found_in(content, planted)
                if found and name not in line.ever:
                    raise Difference("secrecy", f"{line.label}: {found[:3]} on the disk of {name}")
                if not found and name == line.names()[0]:
                    raise Difference("secrecy", f"{line.label}: the search finds nothing where it is")
                self._counts["work: bytes searched for what is planted"] += len(content)

    def guess(self, lines: list[Line]) -> None:
        """As somebody who knows everything of a point but its key."""
        for line in lines:
            confirmed = self._auditor.streams[line.channel].confirmed[-_GUESSED:]
            name = line.names()[0]
            if self._town[name].seats is None or line.channel in self._auditor.beyond:
                continue
            for ordinal, published in confirmed:
                self._guess(line, name, ordinal, published)

    def _guess(self, line: Line, name: str, ordinal: int, published: bytes) -> None:
        hosted = self._town[name].running.hosted(line.channel)
        result = hosted._book.result(line.channel, ordinal)
        if ordinal <= hosted._book.base(line.channel).ordinal:
            return
        if result is None or result.digest != published or hosted.replica.cursor.ordinal < ordinal:
            return
        told = hosted.summary(ordinal)  # parts of it may be known from a receipt
        leaves = hosted.replica.leaves(ordinal)
        states = [told.state, result.app_hash, digest(BLINDED_TAG, result.app_hash)]
        states += [blinded(blind, result.app_hash) for blind in _KNOWN_SALTS]
        outcomes = [told.outcomes, *(outcomes_root(_unsalted(leaves, salt)) for salt in _KNOWN_SALTS)]
        for place, state in enumerate(states):
            for other, outcome in enumerate(outcomes):
                if not place and (not other or not leaves):
                    continue  # nothing of it is guessed
                guessed = PointSummary(
                    told.channel,
                    told.generation,
                    told.ordinal,
                    told.previous,
                    told.chain,
                    state,
                    outcome,
                    told.legs,
                )
                if point_digest(guessed) == published:
                    raise Difference(
                        "guess", f"{line.label}: whoever guesses point {ordinal} can tell that he is right"
                    )
                self._counts["work: guesses at digests"] += 1


def _unsalted(leaves: tuple[Leaf, ...], salt: bytes) -> list[bytes]:
    return [outcome_hash(salt, leaf) for leaf in leaves]
