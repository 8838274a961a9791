"""What this node answers other members' nodes: custody receipts, payloads, wrapped copies, snapshots. Everything asked is untrusted."""

from collections.abc import Iterable
from typing import Protocol

from traco.channels.custody.messages import AllSaid, Found, HoldAll, Refusal
from traco.channels.custody.messages import Answer as CustodyAnswer
from traco.channels.custody.receiving import Asked, Custodian
from traco.channels.seat.book import Book
from traco.channels.seat.messages import (
    NO_SNAPSHOT,
    AboutSnapshots,
    Answer,
    Copy,
    GetCopy,
    GetPart,
    GetSnapshot,
    Request,
    request_codec,
)
from traco.kernel.codec import encode


def all_said(answers: Iterable[CustodyAnswer]) -> AllSaid:
    """The answers to several requests to hold something."""
    return AllSaid(tuple(each for each in answers if not isinstance(each, Found)))


class Giving(Protocol):
    """Who has snapshots."""

    def give(self, member: bytes, request: AboutSnapshots) -> Answer:
        """The answer to a member's request."""


class Answering:
    """Answers requests of members, whom the transport has made sure of."""

    def __init__(self, custodian: Custodian, book: Book) -> None:
        self._custodian = custodian
        self._book = book
        self.snapshots: Giving | None = None
        """Without it, this node gives none."""

    def answer(self, member: bytes, request: Request) -> Answer:
        """The answer to one request. Raises ``CustodyStopped``, ``BookStopped``: then nothing was signed or given."""
        if isinstance(request, GetSnapshot | GetPart):
            return Refusal(NO_SNAPSHOT) if self.snapshots is None else self.snapshots.give(member, request)
        if isinstance(request, HoldAll):
            return all_said(self._custodian.answer([Asked(member, each) for each in request.requests]))
        if not isinstance(request, GetCopy):
            return self._custodian.answer([Asked(member, request)])[0]
        copy = None
        if request.member == member:  # nobody gets another's: it would not open, and is not needed
            copy = self._book.copy(request.channel, request.epoch, member)
        return Refusal("custody.not_held") if copy is None else Copy(copy)

    def answer_bytes(self, member: bytes, raw: bytes) -> bytes:
        """The same on the wire; what is no request is refused."""
        try:
            request = request_codec.decode(raw)
        except ValueError:
            return encode(Refusal("custody.malformed"))
        return encode(self.answer(member, request))
