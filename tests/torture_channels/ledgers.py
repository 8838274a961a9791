"""What members' nodes have: alike at every confirmed point, and what the confirmed business makes of it in the end."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from channels.seat.sites import Site
from torture.report import Counts, Difference
from torture_channels.auditor import Auditor
from torture_channels.deals import ISSUED, ON_ROOT, Deal, Square
from torture_channels.lines import Line, Sent
from torture_channels.town import Town

HARMLESS: Final = (
    "transaction.expired", "transaction.signature_missing", "channel.not_member", "channel.closed",
    "channel.before_snapshot",
)  # fmt: skip
"""Why a transaction that was acknowledged may be refused: its time ran out, its key was replaced, or its sender had left."""

_LOOKED_AT: Final = 4  # acknowledged transactions asked for after each step


class Ledgers:
    """Compares. Every method raises ``Difference``."""

    def __init__(self, town: Town, auditor: Auditor, square: Square, counts: Counts) -> None:
        self._town, self._auditor, self._square, self._counts = town, auditor, square, counts
        self._digests: dict[
            tuple[bytes, int], tuple[bytes, bytes]
        ] = {}  # what is confirmed: digest, app hash
        self._compared: dict[tuple[bytes, str], int] = {}  # up to which point a node was compared
        self._confirmed: dict[
            bytes, tuple[str, str]
        ] = {}  # what a node said of a transaction: outcome, and which node

    # all along

    def compare(self, lines: Sequence[Line]) -> None:
        """What nodes have of confirmed points is alike, and is what was confirmed."""
        for line in lines:
            stream = self._auditor.streams.get(line.channel)
            if stream is None or not stream.confirmed or line.channel in self._auditor.beyond:
                continue
            said, last = dict(stream.confirmed), stream.confirmed[-1][0]
            for name in self._town.names_running():
                self._compare_node(line.channel, name, said, last)

    def _compare_node(self, channel: bytes, name: str, said: dict[int, bytes], last: int) -> None:
        site = self._town[name]
        book, height = site.book, site.running._follower.height
        if book.standing(channel) != "followed" or height < self._auditor.height - 1:
            return
        if book.stale(channel) is not None or channel in book.with_outdated():
            return
        first = max(self._compared.get((channel, name), 0), book.base(channel).ordinal) + 1
        for ordinal in range(first, last + 1):
            result = book.result(channel, ordinal)
            if result is None:
                return
            self._compared[channel, name] = ordinal
            seen = self._digests.setdefault((channel, ordinal), (result.digest, result.app_hash))
            if seen != (result.digest, result.app_hash):
                raise Difference("digests", f"{name} has another point {ordinal} than others")
            if said.get(ordinal, result.digest) != result.digest:
                raise Difference("digests", f"{name} has another point {ordinal} than was confirmed")
            self._counts["work: points compared"] += 1

    def look_at(self, sent: Sequence[Sent]) -> None:
        """Nothing that a node called confirmed is undone; nothing that was acknowledged is forgotten."""
        for each in self._town.random.sample(sent, min(_LOOKED_AT, len(sent))):
            site = self._town[each.sender]
            if site.seats is None or each.line.channel in self._auditor.beyond:
                continue
            if not self.knows(each.sender, each.line):
                continue
            standing = self._town.standing(each.sender, each.line.channel, each.identity)
            if standing == "unknown" and self._has_all(each.line.channel, each.sender):
                raise Difference(
                    "lost", f"{each.sender} acknowledged a transaction ({each.kind}), and does not know it"
                )
            self._keep(each, each.sender, standing)

    def _has_all(self, channel: bytes, name: str) -> bool:
        """Whether a node's replica has all that the node has noted: after a loss it is made again."""
        site = self._town[name]
        return site.running.hosted(channel).replica.cursor.ordinal == site.book.cursor(channel).ordinal

    def _keep(self, each: Sent, name: str, standing: str) -> None:
        if standing.split(maxsplit=1)[0] != "confirmed":
            known = self._confirmed.get(each.identity)
            if (
                known is not None
                and known[1] == name
                and standing.split(maxsplit=1)[0] in ("refused", "received")
                and self._has_all(each.line.channel, name)
            ):
                raise Difference("undone", f"{name} said confirmed, and now {standing}")
            return
        known = self._confirmed.setdefault(each.identity, (standing, name))
        if known[0] != standing:
            raise Difference("undone", f"{known[1]} said {known[0]}, {name} says {standing}")

    # in the end

    def conclude(self, lines: Sequence[Line], sent: Sequence[Sent], deals: Sequence[Deal]) -> None:
        """Everything that was acknowledged happened once or was refused for a reason, and nothing else did."""
        for line in lines:
            if line.channel in self._auditor.beyond:
                continue
            mine = [each for each in sent if each.line is line]
            done = [each for each in mine if self._ended(each)]
            settled = [deal for deal in deals if deal.is_committed(self._auditor)]
            for name in line.names():
                if self._town[name].book.standing(line.channel) == "followed":
                    self._count(line, name, mine)
                    self._add_up(line, name, done, settled)
        self._root(lines, deals)

    def knows(self, name: str, line: Line) -> bool:
        """Whether a node has all of a channel's history: not after it went on from a snapshot, or had left."""
        site = self._town[name]
        return (
            site.seats is not None
            and site.book.standing(line.channel) == "followed"
            and not _since(site, line)
        )

    def word(self, each: Sent) -> str:
        """What became of a transaction: what a node calls confirmed, else what the sender's own says. Raises ``Difference``."""
        own = self._town.standing(each.sender, each.line.channel, each.identity)
        self._keep(each, each.sender, own)
        for name in each.line.names() if not own.startswith("confirmed") else ():
            if (
                self._town[name].seats is None
                or self._town[name].book.standing(each.line.channel) != "followed"
            ):
                continue
            said = self._town.standing(name, each.line.channel, each.identity)
            if said.startswith("confirmed"):
                if own.startswith("refused") and self.knows(each.sender, each.line):
                    raise Difference("ended", f"{each.sender} says {own}, {name} says {said} ({each.kind})")
                self._keep(each, name, said)
                return said
        return own

    def _ended(self, each: Sent) -> bool:
        """Whether it had its effects."""
        standing = self.word(each)
        word, _, code = standing.partition(" ")
        self._counts[f"outcome: {each.kind}, {standing}"] += 1
        if word == "confirmed":
            return not code
        if word == "refused" and code in HARMLESS:
            return False
        if word == "unknown" and not self.knows(each.sender, each.line):
            return False  # its sender left, and came back with what others had
        raise Difference(
            "lost" if word == "unknown" else "ended", f"{each.kind} of {each.sender} ended {standing}"
        )

    def _count(self, line: Line, name: str, sent: Sequence[Sent]) -> None:
        """No transaction is in the channel's history twice, and every member has the same history."""
        hosted = self._town[name].running.hosted(line.channel)
        first = self._town[name].book.base(line.channel).ordinal + 1
        ordinals = range(first, hosted.replica.cursor.ordinal + 1)
        found = [leaf.identity for each in ordinals for leaf in hosted.replica.leaves(each)]
        twice = [identity for identity, times in Counter(found).items() if times > 1]
        if twice:
            raise Difference("twice", f"{name} has {len(twice)} transactions twice")
        there = set(found)
        for each in sent if first == 1 else ():
            known = self._confirmed.get(each.identity)
            if known is not None and each.identity not in there:
                raise Difference("lost", f"{name} has not what {known[1]} calls confirmed")
        faults = [check(hosted.replica.state) for _, check in hosted.replica.registry.ledger_invariants]
        if any(faults):
            raise Difference("invariants", f"{name}: {[each for each in faults if each]}")
        self._counts["work: transactions compared"] += len(found)

    def _add_up(self, line: Line, name: str, done: Sequence[Sent], deals: Sequence[Deal]) -> None:
        expected = Counter({
            (label, each): line.funds for label in ("security", "cash") for each in line.founders
        })  # fmt: skip
        for each in done:
            for label, who, change in each.effects:
                expected[label, who] += change
        for deal in deals:
            for side in deal.sides:
                if side.line is line:
                    for label, who, change in side.effects:
                        expected[label, who] += change
        for (label, who), amount in expected.items():
            owned = line.owned(name, label, who)
            if owned != amount:
                raise Difference(
                    "units", f"{line.label}: {name} says {who} owns {owned} of {label}, not {amount}"
                )
            holding = line.holding(name, label, who)
            if holding is not None and (holding.bucket or holding.incoming):
                raise Difference("holds", f"{line.label}: {name} still holds {label} of {who}")
        for label in ("security", "cash"):
            if line.outstanding(name, label) != line.funds * len(line.founders):
                raise Difference("units", f"{line.label}: {name} has another total of {label}")

    def _root(self, lines: Sequence[Line], deals: Sequence[Deal]) -> None:
        expected = Counter(dict.fromkeys(ON_ROOT, ISSUED))
        for deal in deals:
            if deal.is_committed(self._auditor):
                for side in deal.sides:
                    for label, who, change in side.effects:
                        expected[who] += change * (label == "root")
        for who, amount in expected.items():
            if self._square.owned(who) != amount:
                raise Difference("units", f"root: {who} owns {self._square.owned(who)}, not {amount}")
        self.total(lines)
        faults = self._town.root.ledger.check_invariants()
        if faults:
            raise Difference("invariants", f"root: {faults}")

    def total(self, lines: Sequence[Line]) -> None:
        """Of what root and channels share, there is as much as was issued: at one place of the root, so nothing is in transit."""
        total = self._square.outstanding()
        for line in lines:
            up_to_date = [name for name in line.names() if self._is_up_to_date(line.channel, name)]
            if not up_to_date:
                return
            total += line.outstanding(up_to_date[0], "bridged")
        if total != ISSUED * len(ON_ROOT):
            raise Difference("units", f"root and channels have {total} together, not {ISSUED * len(ON_ROOT)}")
        self._counts["work: totals over root and channels"] += 1

    def _is_up_to_date(self, channel: bytes, name: str) -> bool:
        """Whether a node has executed all that the root has."""
        site = self._town[name]
        if (
            site.seats is None
            or site.book.standing(channel) != "followed"
            or site.book.stale(channel) is not None
        ):
            return False
        if site.running._follower.height < self._town.root.ledger.application.info().height:
            return False
        ordinal = self._town.stream(channel).ordinal
        result = site.book.result(channel, ordinal) if ordinal else None
        return result is not None and channel not in site.book.with_outdated()


def _since(site: Site, line: Line) -> int:
    """From which point on a node went on from another member's snapshot; 0 where it has everything."""
    base = site.book.base(line.channel)
    return max(base.ordinal, base.since)
