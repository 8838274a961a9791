"""The keys of epochs, as the wrapped copies in the book give them to who has the member's X25519 key.

So nothing secret is stored beside the key store: a copy of the book is of no use without it.
"""

from collections.abc import Mapping
from typing import Final

from traco.channels.sealing.errors import CopyRefused, SealingError
from traco.channels.sealing.keys import EpochSecret, Place
from traco.channels.sealing.wrapping import check_offer, offered, unwrap, wrap_all
from traco.channels.seat.book import Book
from traco.channels.seat.ports import SeatKeys
from traco.modules.channel.parts import EpochKey

REMEMBERED: Final = 4_096  # opened keys kept in memory; a cache


class Secrets:
    """Opens, checks and makes the keys of epochs for the members of one node."""

    def __init__(self, network: bytes, book: Book, seats: Mapping[bytes, SeatKeys]) -> None:
        self._network = network
        self._book = book
        self._seats = seats
        self._opened: dict[tuple[bytes, int], EpochSecret] = {}

    def make(
        self, channel: bytes, epoch: int, members: tuple[bytes, ...], boxes: tuple[bytes, ...]
    ) -> EpochKey:
        """A new key, all its copies kept, to be given to whom they are for: what the offer says of it."""
        place, secret = Place(self._network, channel, epoch), EpochSecret.generate()
        copies = wrap_all(secret, place, members, boxes)
        self._book.keep_copies(channel, epoch, list(zip(members, copies, strict=True)))
        return offered(secret, place, copies)

    def take(
        self, channel: bytes, epoch: int, member: bytes, copy: bytes,
        members: tuple[bytes, ...], boxes: tuple[bytes, ...], key: EpochKey,
    ) -> None:  # fmt: skip
        """Keep a member's copy of an offered key if it opens, and all members' copies are of the same key.

        Raises ``SealingError``: then the member must not accept.
        """
        place = Place(self._network, channel, epoch)
        secret = self._unwrap(copy, place, member)
        check_offer(secret, place, members, boxes, key)
        # the others' copies follow from the key: whoever asks this node for one gets it
        copies = wrap_all(secret, place, members, boxes)
        self._book.keep_copies(channel, epoch, list(zip(members, copies, strict=True)))

    def adopt(self, channel: bytes, epoch: int, member: bytes, copy: bytes) -> bool:
        """Keep a member's copy of the key of an epoch that began, if it is of the key that was offered; whether it is."""
        place = Place(self._network, channel, epoch)
        try:
            secret = self._unwrap(copy, place, member)
        except SealingError:
            return False
        if secret.commitment(place) != self._book.commitment(channel, epoch):
            return False
        self._book.keep_copies(channel, epoch, [(member, copy)])
        return True

    def find(self, channel: bytes, epoch: int) -> EpochSecret | None:
        """The key of an epoch, or None where no member of this node has a copy."""
        found = self._opened.get((channel, epoch))
        if found is not None:
            return found
        place = Place(self._network, channel, epoch)
        for member in self._seats:
            copy = self._book.copy(channel, epoch, member)
            if copy is None:
                continue
            try:
                secret = self._unwrap(copy, place, member)
            except SealingError:
                continue  # of a box key that this node has not
            if secret.commitment(place) != self._book.commitment(channel, epoch):
                continue  # of another key than was offered
            if len(self._opened) >= REMEMBERED:
                self._opened.clear()
            self._opened[channel, epoch] = secret
            return secret
        return None

    def _unwrap(self, copy: bytes, place: Place, member: bytes) -> EpochSecret:
        for box in reversed(self._seats[member].boxes):
            try:
                return unwrap(copy, box, place, member)
            except CopyRefused:
                continue
        raise CopyRefused
