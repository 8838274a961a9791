"""Epochs that rotate, members that come and go, and offers of keys that nobody must accept."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from channels.seat.fuses import Died
from torture.report import Difference
from torture_channels.lines import Line
from torture_channels.town import Town
from traco.channels.seat.offers import OpenOffer
from traco.modules.channel.messages import AcceptEpoch, GiveCopy, OfferEpoch
from traco.modules.channel.parts import EpochKey, Terms

AGAIN: Final = 6  # steps until an acceptance is sent again that had no effect
GIVEN: Final = 12  # steps after which a proposer gives silent members their copies on the root


class Epochs:
    """Has epochs offered, and members accept what their nodes find right."""

    def __init__(self, town: Town, lines: Sequence[Line], random: Random) -> None:
        self._town, self._lines, self._random = town, lines, random
        self._bad: dict[
            tuple[bytes, int, bytes], str
        ] = {}  # offers that nobody must accept: channel, epoch, commitment
        self._accepted: dict[tuple[bytes, str], int] = {}
        self._offered: dict[bytes, int] = {}  # when: step
        self._keys: list[tuple[bytes, int, EpochKey]] = []  # channel, epoch
        self._step = 0

    def offer(self, line: Line, by: str, terms: Terms | None = None) -> bool:
        """Offer the next epoch: another key, and perhaps other members; whether it was sent."""
        terms = terms or line.terms
        epoch = self._town.record(line.channel).epoch + 1
        if self._town[by].seats is None or self._town.module.keeper.offer(self._town.state, line.channel):
            return False
        key = self._made(line, by, terms, epoch)
        self._keys.append((line.channel, epoch, key))
        self._send(line, by, terms, epoch, key)
        return True

    def offer_wrong(self, line: Line, by: str) -> str:
        """Offer an epoch with a key that is not the same for all, or of another place; its kind, or nothing."""
        town, terms = self._town, line.terms
        epoch = town.record(line.channel).epoch + 1
        if town[by].seats is None or town.module.keeper.offer(town.state, line.channel):
            return ""
        kind = self._random.choice(("different keys handed out", "wrong epoch key", "replayed epoch key"))
        other, key = self._made(line, by, terms, epoch), self._made(line, by, terms, epoch)
        fitting = [
            old
            for channel, before, old in self._keys
            if (channel, before) != (line.channel, epoch) and len(old.copies) == len(terms.members)
        ]
        if kind == "different keys handed out":
            made = EpochKey(key.commitment, (other.copies[0], *key.copies[1:]))
        elif kind == "wrong epoch key" or not fitting:
            kind, made = "wrong epoch key", EpochKey(other.commitment, key.copies)
        else:
            made = fitting[-1]
        self._bad[line.channel, epoch, made.commitment] = kind
        self._send(line, by, terms, epoch, made)
        return kind

    def _made(self, line: Line, by: str, terms: Terms, epoch: int) -> EpochKey:
        """A key that a member's node makes; where it dies over that, it is started again and asked again."""
        try:
            return self._town.offered(by, line.channel, terms, epoch)
        except Died:
            self._town[by].restart()
            return self._town.offered(by, line.channel, terms, epoch)

    def _send(self, line: Line, by: str, terms: Terms, epoch: int, key: EpochKey) -> None:
        self._offered[line.channel] = self._step
        self._town.on_root_soon(by, OfferEpoch(self._town.ids[by], line.channel, epoch, terms, key))

    def step(self) -> None:
        """Members accept what is right. Raises ``Difference`` where a node calls something right that is not."""
        self._step += 1
        with self._town.root.reading() as root:
            found = [
                (name, offer)
                for name in self._town.names_running()
                for offer in self._town[name].running.offers.open_offers(root)
            ]
        for name, offer in found:
            self._judge(name, offer)

    def _judge(self, name: str, found: OpenOffer) -> None:
        town, offer = self._town, found.offer
        kind = self._bad.get((found.channel, offer.epoch, offer.key.commitment))
        if found.status == "ready" and kind:
            raise Difference("keys", f"{name} would accept an offer with {kind}")
        if found.status == "ready":
            last = self._accepted.get((offer.id, name), -AGAIN)
            if self._step - last >= AGAIN:
                self._accepted[offer.id, name] = self._step
                town.on_root_soon(name, AcceptEpoch(found.member, found.channel, offer.epoch, offer.id))
        elif town.names[offer.proposer] != name and self._step - self._offered.get(found.channel, 0) == GIVEN:
            self._give(town.names[offer.proposer], name, found)

    def _give(self, proposer: str, silent: str, found: OpenOffer) -> None:
        town = self._town
        if town[proposer].seats is None:
            return
        copy = town[proposer].book.copy(found.channel, found.offer.epoch, town.ids[silent])
        if copy is not None:
            message: Any = GiveCopy(
                town.ids[proposer], found.channel, found.offer.epoch, town.ids[silent], copy
            )
            town.by_node(proposer, message)
            town.counts["disturbance: a silent member given its copy on the root"] += 1
