"""What goes wrong by itself while business goes on. Each kind is drawn, done, counted, and mended some time later."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from support.founding import ALL_ROLES
from support.ledger import Key
from torture_channels.lines import Line
from torture_channels.town import ORGANISATIONS, Town
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Fetch, Found, Hold, Refusal, Signed
from traco.channels.seat.messages import Copy, GetCopy
from traco.modules.channel.messages import Attest, Resume, Supply
from traco.modules.channel.parts import Attested
from traco.modules.party.messages import ChangeKeys, DecideStatus
from traco.modules.party.state import PartyKey

MOMENTS: Final = 40  # within so many durable writes, calls and submissions a node dies


def wrong_bytes(request: Any, answer: Any) -> Any:
    """A custodian gives something else."""
    return Found(b"something else") if isinstance(request, Fetch) else answer


def silence(request: Any, answer: Any) -> Any:
    """A custodian hangs up."""
    raise TransportFailed("custody.unreachable", "it hangs up")


def refusal(request: Any, answer: Any) -> Any:
    """A custodian has nothing, it says."""
    return Refusal("custody.not_held") if isinstance(request, Fetch) else answer


def wrong_receipts(request: Any, answer: Any) -> Any:
    """A custodian signs something else."""
    return Signed(bytes([1]) + bytes(64)) if isinstance(request, Hold) else answer


def wrong_copies(request: Any, answer: Any) -> Any:
    """A member gives a wrong copy of an epoch's key."""
    return Copy(bytes(80)) if isinstance(request, GetCopy) else answer


LIES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "custodian gives wrong bytes": wrong_bytes, "custodian answers nothing": silence,
    "custodian says it has nothing": refusal, "custodian signs something else": wrong_receipts,
    "wrong copies of keys handed out": wrong_copies,
}  # fmt: skip


def other_bytes(towards: str) -> Callable[[str, Any], Any]:
    """A sender that gives one custodian other bytes."""

    def changed(name: str, request: Any) -> Any:
        if not isinstance(request, Hold) or name != towards:
            return request
        content = request.content[:-1] + bytes([request.content[-1] ^ 1])
        return Hold(request.channel, request.custodian, request.epoch, request.order_by, content)

    return changed


class Harm:
    """Does harm to a town, and mends it. ``lines``: channels where members may lie."""

    def __init__(self, town: Town, lines: Sequence[Line], random: Random) -> None:
        self._town, self._lines, self._random = town, lines, random
        self._keys = 0
        self.suspended: list[str] = []  # parties
        self._kinds: list[tuple[int, Callable[[], str]]] = [
            (3, self._die), (3, self._power), (1, self._gone), (3, self._cut), (2, self._isolate), (1, self._part),
            (2, self._stop), (1, self._hours), (2, self._forget), (1, self._collude), (2, self._root), (2, self._slow),
            (3, self._lie), (2, self._forge), (2, self._die_sending), (2, self._lose_payloads), (1, self._lose_replica), (2, self._attest_wrong),
            (2, self._attest_nothing), (1, self._differ), (1, self._suspend), (2, self._revoke), (4, self._mend_some),
        ]  # fmt: skip

    def strike(self) -> None:
        """Something goes wrong, or is mended."""
        (strike,) = self._random.choices(
            [each for _, each in self._kinds], [weight for weight, _ in self._kinds]
        )
        kind = strike()
        if kind:
            self._town.counts[f"disturbance: {kind}"] += 1

    def _name(self) -> str:
        return self._random.choice(ORGANISATIONS)

    # nodes and disks

    def _die(self) -> str:
        site = self._town.disk_site(self._name())
        site.cuts_power = self._random.random() < 0.5
        site.fuse.light(self._random.randrange(1, MOMENTS))
        return "a node to die between two steps"

    def _power(self) -> str:
        site = self._town.disk_site(self._name())
        if site.seats is None:
            return ""
        site.crash(power=True)
        site.start()
        return "power lost and back"

    def _gone(self) -> str:
        site = self._town.disk_site(self._name())
        if site.seats is None:
            return ""
        site.crash(power=self._random.random() < 0.5)
        return "a node dead for some time"

    def _stop(self) -> str:
        site = self._town[self._name()]
        if site.seats is None:
            site.start()
            return "a node started again"
        site.stop()
        return "a node stopped for some time"

    def _hours(self) -> str:
        """Time jumps for everybody; whoever is away is away for hours."""
        away = self._town[self._name()]
        if away.seats is None:
            return ""
        away.stop()
        self.jump_ms = self._random.choice((600_000, 3_600_000, 4 * 3_600_000))
        return "a member offline for hours"

    jump_ms = 0

    def _lose_payloads(self) -> str:
        """One node loses everything that it holds for channels, while all others have theirs."""
        if any(site.seats is None for site in self._town.sites.values()) or not self._all_are_whole():
            return ""
        site = self._town.disk_site(self._name())
        site.stop()
        site.lose_custody()
        site.start()
        return "all payloads lost at a vault" if site.name == "e" else "all payloads lost at a member"

    def _all_are_whole(self) -> bool:
        """Whether all members have executed all there is, so that one may lose everything."""
        town = self._town
        return all(
            town[name].book.standing(line.channel) != "followed"
            or town[name].book.result(line.channel, town.stream(line.channel).ordinal) is not None
            for line in self._lines
            for name in line.names()
        )

    def _lose_replica(self) -> str:
        site = self._town.disk_site(self._name())
        if site.seats is not None:
            site.stop()
        site.lose_replica(self._random.choice(self._lines).channel)
        site.start()
        return "a channel's state lost"

    # wires

    def _cut(self) -> str:
        name, other = self._random.sample(ORGANISATIONS, 2)
        self._town.cut.add((name, other))
        return "a line cut one way"

    def _isolate(self, name: str = "") -> str:
        """Nobody gets anything from a node any more, but it sends."""
        name = name or self._name()
        self._town.cut |= {(other, name) for other in ORGANISATIONS if other != name}
        return "a node cannot be asked"

    def _part(self) -> str:
        half = self._random.sample(ORGANISATIONS, 2)
        for name in ORGANISATIONS:
            for other in ORGANISATIONS:
                if (name in half) != (other in half):
                    self._town.cut.add((name, other))
        return "two nodes parted from the others"

    def _root(self) -> str:
        trouble = self._random.choice(("before", "behind"))
        self._town[self._name()].root_trouble = trouble
        return "root unreachable" if trouble == "before" else "root does not answer, and takes it"

    def _slow(self) -> str:
        self._town.delays = {self._name(): self._random.choice((3.0, 30.0))}
        return "a custodian is slow"

    # custodians and senders

    def _forget(self, *names: str) -> str:
        """These sign without storing, and no others."""
        for name in ORGANISATIONS:
            self._town[name].custody.forgets = name in (names or (self._name(),))
        return "a custodian signs without storing"

    def _collude(self) -> str:
        """Beyond what is assumed: what this node sends now may become void."""
        name = self._name()
        self._isolate(name)
        self._town[name].withheld = (Supply,)
        self._forget(*(other for other in ORGANISATIONS if other != name))
        return "custodians collude"

    def _lie(self) -> str:
        kind = self._random.choice(list(LIES))
        self._town.lies = {self._name(): LIES[kind]}
        return kind

    def _forge(self) -> str:
        name, other = self._random.sample(ORGANISATIONS, 2)
        self._town.forgeries = {name: other_bytes(other)}
        return "a sender gives one custodian other bytes"

    def _die_sending(self) -> str:
        """A sender dies once so many custodians have what it sent, before it has it ordered."""
        name, left = self._name(), self._random.randrange(1, 4)
        site = self._town.disk_site(name)
        site.cuts_power = self._random.random() < 0.5

        def counted(towards: str, request: Any) -> Any:
            nonlocal left
            left -= isinstance(request, Hold)
            if not left:
                site.fuse.light(1)
                self._town.forgeries.pop(name, None)
            return request

        self._town.forgeries = {name: counted}
        return "a sender to die after some receipts, before ordering"

    # members

    def _attest_wrong(self) -> str:
        """A member of a channel that bears one says something wrong of the newest point; its node corrects that later."""
        bearing = [line for line in self._lines if line.terms.faults and line.is_open]
        if not bearing:
            return ""
        line = self._random.choice(bearing)
        name = self._random.choice(line.names())
        return self._speak(line, name) and "a member attests a wrong root"

    def _differ(self) -> str:
        """A member of a channel that bears nobody does: it is suspended."""
        lines = [line for line in self._lines if not line.terms.faults and line.is_open]
        if not lines:
            return ""
        line = self._random.choice(lines)
        return self._speak(line, self._random.choice(line.names())) and "two members differ"

    def _speak(self, line: Line, name: str) -> str:
        stream = self._town.stream(line.channel)
        if stream.confirmed == stream.ordinal:
            return ""
        word = Attested(
            line.channel,
            self._town.record(line.channel).generation,
            stream.ordinal,
            self._random.randbytes(32),
        )
        self._town.by_node(name, Attest(self._town.ids[name], (word,)))
        return name

    def _attest_nothing(self) -> str:
        self._town[self._name()].withheld = (Attest,)
        return "a member attests nothing"

    # the registry

    def _suspend(self) -> str:
        """The council suspends a party; what was held before goes on."""
        if self.suspended:
            return ""
        self.suspend(self._random.choice("bcd"))
        return "a party suspended"

    def suspend(self, name: str) -> None:
        """Have the council suspend somebody, until everything is mended."""
        self.suspended.append(name)
        self._decide(name, "suspended")

    def _revoke(self) -> str:
        """A party's key is replaced, perhaps in the very block of what it signed with the old one."""
        name = self._random.choice("bcd")
        if name in self.suspended:
            return ""
        self.revoke(name)
        return "a key revoked in a batch's own block"

    def revoke(self, name: str) -> None:
        """Have somebody's key replaced in the next block."""
        town = self._town
        self._keys += 1
        old, new = town.keys[name], Key(f"{name} {self._keys}")
        change = ChangeKeys(town.ids[name], (PartyKey(new.public, ALL_ROLES),), (), (old.public,))
        town.on_root_soon(name, change)
        town.keys[name] = new

    def _decide(self, name: str, status: Any) -> None:
        town = self._town
        council = [each for each in ("a", "e") if each != name]
        decided = DecideStatus(
            tuple(sorted(town.ids[each] for each in council)), town.ids[name], status, "test"
        )
        town.on_root_soon(council[0], decided, extra=council[1:])

    # mending

    def _mend_some(self) -> str:
        self.mend()
        return "mended"

    def mend(self) -> None:
        """Everybody is there again, and honest."""
        town = self._town
        town.cut.clear()
        town.delays.clear()
        town.lies.clear()
        town.forgeries.clear()
        while self.suspended:
            self._decide(self.suspended.pop(), "active")
        for site in town.sites.values():
            site.root_trouble, site.withheld = "", ()
            if site.seats is None:
                site.start()
            elif self._random.random() < 0.3:
                site.restart()
            site.custody.forgets = False

    def calm(self) -> None:
        """As ``mend``, and nobody is about to die."""
        self.mend()
        for site in self._town.sites.values():
            site.fuse.renew()
        self.resume()

    def resume(self) -> None:
        """The adjudicator lets suspended channels go on."""
        town = self._town
        for line in self._lines:
            if town.record(line.channel).status == "suspended":
                town.on_root_soon("e", Resume((town.ids["e"],), line.channel))
