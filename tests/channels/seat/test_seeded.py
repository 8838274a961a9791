"""A seed decides who pays whom, who dies, which lines are cut and what is lost. In the end all is as if nothing had happened.

``TRACO_SEAT_SEEDS`` and ``TRACO_SEAT_STEPS`` make longer runs: how many seeds, and how many steps each has.
"""

import os
from pathlib import Path
from random import Random
from typing import Final

import pytest

from channels.seat.markers import forms, found_in, found_under
from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.modules.channel.entries import Voided
from traco.modules.channel.messages import Supply
from traco.modules.channel.parts import Limits

SEEDS: Final = int(os.environ.get("TRACO_SEAT_SEEDS", "8"))
STEPS: Final = int(os.environ.get("TRACO_SEAT_STEPS", "60"))
NAME: Final = "PLANTEDXQZ"
KINDS: Final = (
    "die", "die", "cut", "mend", "stop or start", "stop or start", "isolate", "forget", "collude", "root", "slow",
)  # fmt: skip
AMOUNTS: Final = (91_827_364_554_637_281, 82_736_455_463_728_193)  # eight bytes each


class Play:
    """Two channels: ``a``, ``b``, ``c`` with the vault ``d``, of whom one may be faulty; and ``a`` with ``b``."""

    def __init__(self, sites: Sites, seed: int) -> None:
        self.sites, self.random = sites, Random(f"play {seed}")
        self.paid: list[tuple[Purse, str, str, int, bytes]] = []  # purse, sender, receiver, amount, id
        self.purses: list[tuple[Purse, str]] = []

    async def open(self) -> None:
        """Open both, and give everybody something."""
        sites, limits = self.sites, Limits(answer_ms=20_000)
        vaults = (sites.ids["d"],)
        terms = sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults, limits=limits)
        for names, of in (("abc", terms), ("ab", sites.terms("a", "b", limits=limits))):
            purse = Purse(sites, await sites.opened(of), NAME)
            await purse.fill(*names, amount=10 * max(AMOUNTS))
            self.purses.append((purse, names))

    def pay(self) -> None:
        """Somebody pays somebody."""
        purse, names = self.random.choice(self.purses)
        sender, receiver = self.random.sample(names, 2)
        if self.sites[sender].seats is not None:
            amount = self.random.choice(AMOUNTS)
            self.paid.append((purse, sender, receiver, amount, purse.pay(sender, receiver, amount)))

    def hurt(self) -> None:
        """Something goes wrong, or is mended."""
        sites, random = self.sites, self.random
        name, other = random.sample("abcd", 2)
        kind = random.choice(KINDS)
        if kind == "die":
            sites[name].fuse.light(random.randrange(1, 40))
        elif kind == "cut":
            sites.cut.add((name, other))
        elif kind == "isolate":
            self.isolate(name)
        elif kind == "forget":
            self.forget(name)
        elif kind == "collude":  # beyond what is assumed: what is sent now may become void
            self.isolate(name)
            sites[name].withheld = (Supply,)
            self.forget(*"abcd".replace(name, ""))
        elif kind == "root":
            sites[name].root_trouble = random.choice(["", "before", "behind"])
        elif kind == "slow":
            sites.delays = {name: random.choice([0, 3, 30])}
        elif kind == "mend":
            self.mend()
        else:
            self.stop_or_start(name)

    def stop_or_start(self, name: str) -> None:
        """A node is away for some time, and may lose what it can make again."""
        site, (purse, _) = self.sites[name], self.random.choice(self.purses)
        if site.seats is not None:
            site.stop()
            return
        if self.random.random() < 0.5:
            (site.folder / f"{purse.channel.hex()}.db").unlink(missing_ok=True)
        site.start()

    def forget(self, *names: str) -> None:
        """These sign without storing, and no others."""
        for name in "abcd":
            self.sites[name].custody.forgets = name in names

    def isolate(self, name: str) -> None:
        """Nobody gets anything from a node any more, but it sends."""
        self.sites.cut |= {(other, name) for other in "abcd" if other != name}

    def mend(self) -> None:
        """Everybody is there again, and honest."""
        self.sites.cut.clear()
        self.sites.delays.clear()
        for name in "abcd":
            site = self.sites[name]
            site.root_trouble, site.withheld = "", ()
            site.custody.forgets = False
            if site.seats is None:
                site.start()
            elif self.random.random() < 0.3:
                site.restart()

    async def go(self, steps: int) -> None:
        """So many steps, and then until everything has ended."""
        for _ in range(steps):
            for _ in range(self.random.randrange(3)):
                self.pay()
            if self.random.random() < 0.2:
                self.hurt()
            await self.sites.tick()
        for name in "abcd":
            self.sites[name].fuse.renew()
        self.mend()
        await self.sites.until(self.is_over, limit=400)

    def is_over(self) -> bool:
        """Whether everything that was sent is confirmed, or refused, and all agree."""
        ends = [self.end(*each) for each in self.paid]
        agreed = [self.sites.has_confirmed(purse.channel, *names) for purse, names in self.purses]
        return all(agreed) and not any(end in ("received", "executed", "unknown") for end in ends)

    def end(self, purse: Purse, sender: str, _receiver: str, _amount: int, identity: bytes) -> str:
        """What became of a payment, as the sender's node says."""
        return self.sites.standing(sender, purse.channel, identity)

    def check(self) -> None:
        """Every payment that is confirmed was made once, at all members, and no other was."""
        for purse, names in self.purses:
            owned = dict.fromkeys(names, 10 * max(AMOUNTS))
            for each in self.paid:
                if each[0] is purse and self.end(*each) == "confirmed":
                    owned[each[1]] -= each[3]
                    owned[each[2]] += each[3]
            for name in names:
                assert purse.balances(name, *names) == tuple(owned.values())
        lost = {self.end(*each) for each in self.paid} - {"confirmed", "confirmed holding.insufficient"}
        assert lost <= {"refused transaction.expired"}


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_whatever_goes_wrong_all_members_end_alike_and_nothing_is_lost_done_twice_or_shown(
    tmp_path: Path, seed: int
) -> None:
    sites = Sites(tmp_path / "sites", seed=seed)

    async def scene() -> None:
        play = Play(sites, seed)
        await play.open()
        await play.go(STEPS)
        play.check()
        assert len(play.paid) > STEPS // 4
        for channel in (purse.channel for purse, _ in play.purses):
            assert len(sites.entries(channel, Voided)) == sites.record(channel).generation

    run(scene())
    planted = forms(NAME, AMOUNTS)
    root = b"".join(raw for block in sites.root.ledger.store.blocks for raw in block.envelopes)
    assert found_in(root, planted) == []
    seen = b"".join(raw for _, _, raw in sites.traffic)  # sealed for everybody on the wires
    assert found_in(seen, planted) == []
    sites.close()
    assert sites.alarms == []
    assert found_under(sites["d"].folder, planted) == []
    assert found_under(sites["a"].folder, planted) != []  # or the search finds nothing anywhere
