"""All channel business of the members that one node hosts, in steps, each of which may be the last.

    step:  read the root's blocks -> note -> execute what can be -> fetch what is missing -> attest -> tick -> order what waits

Nothing is kept in memory that a crash would lose: a node that starts again looks at the root, the book and custody, and
goes on. A channel that cannot go on holds up no other; ``problems`` says why it cannot.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

from traco.channels.custody.fetching import Fetcher
from traco.channels.custody.store import CustodyStore
from traco.channels.executing.composition import Compositions
from traco.channels.executing.errors import ExecutingError, GenerationStale
from traco.channels.executing.points import Point
from traco.channels.executing.registry_view import RegistryView
from traco.channels.seat.attesting import Attester
from traco.channels.seat.book import Book
from traco.channels.seat.errors import KeyMissing, SubmissionRefused
from traco.channels.seat.following import Follower
from traco.channels.seat.hosting import Hosted, Outcome
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.messages import Calls, CustodyCalls
from traco.channels.seat.offers import Offers
from traco.channels.seat.ports import Root, RootReading, RootUnavailable, SeatKeys, Stores
from traco.channels.seat.secrets import Secrets
from traco.channels.seat.seeking import Seeker
from traco.channels.seat.sending import Sender
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure, LedgerError
from traco.kernel.execution import Alarm
from traco.kernel.genesis import network_id
from traco.kernel.receipt import Receipt
from traco.kernel.screening import Screened
from traco.kernel.store import Refusal
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Attest, Tick

RENEWED: Final = 64  # points looked at for another generation, with each step

_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)


class Draw(NamedTuple):
    """Chance: numbers from 0 to 1, and random bytes. Anything but the system's is for tests."""

    number: Callable[[], float]
    octets: Callable[[int], bytes]


class Standing(NamedTuple):
    """How far a transaction has come: ``received``, ``executed``, ``confirmed``, or ``refused`` with a code.

    ``outcome`` says where it was executed, and why it was rejected, if it was.
    """

    name: str
    outcome: Outcome | None = None
    code: str = ""


class Seats:
    """The members' part in their channels, on one node. ``close`` it in the end."""

    def __init__(
        self, root: Root, seats: Mapping[bytes, SeatKeys], book: Book, custody: CustodyStore, calls: Calls,
        stores: Stores, alarm: Alarm, draw: Draw,
    ) -> None:  # fmt: skip
        self._root = root
        self._network = network_id(root.genesis)
        self._seats = dict(seats)
        self._book = book
        self._custody = custody
        self._stores = stores
        self._alarm = alarm
        self._keeper = Keeper()
        self._compositions = Compositions(RegistryView(), root.genesis.kernel_parameters())
        self.secrets = Secrets(self._network, book, self._seats)
        transport = CustodyCalls(calls)
        self.offers = Offers(self._keeper, book, self.secrets, calls, self._seats)
        self._follower = Follower(root, book, custody, self._seats)
        self._attester = Attester(self._keeper, book, self._seats)
        self._instructing = Instructing(self._network, root, self._seats, draw.octets)
        self._seeker = Seeker(self._keeper, book, custody, Fetcher(transport), self._instructing, self._seats)
        self._sender = Sender(
            self._network, self._keeper, book, custody, self.secrets, transport, self._instructing, self._seats,
            draw.number,
        )  # fmt: skip
        self._hosted: dict[bytes, Hosted] = {}
        self._voided: dict[bytes, set[int]] = {}
        self._unconfirmed = dict.fromkeys(book.channels())  # may have something to attest
        self.problems: dict[bytes, LedgerError] = {}
        book.unseal_all()

    async def step(self) -> bool:
        """Do what can be done now; whether there was anything. Raises ``Halt`` where this node must stop."""
        moved = self._read()
        with self._root.reading() as root:
            moved = self._execute(root) or moved
            try:
                moved = await self.offers.step(root) or moved
                moved = await self._seek(root) or moved
                if self._book.read_height() == root.height:  # else what is executed may be void by now
                    moved = await self._attest(root) or moved
                    moved = await self._tick(root) or moved
                moved = await self._send(root) or moved
            except RootUnavailable:
                return moved  # everything is found again with the next step
        return moved

    def _read(self) -> bool:
        noted = self._follower.advance()
        if noted is None:
            return False
        for channel, number in noted.voided:
            self._voided.setdefault(channel, set()).add(number)
            if channel in self._hosted:
                self._hosted[channel].voided(number)
        for channel, number, content in noted.supplied:
            self._seeker.keep(channel, number, content)
        self._unconfirmed.update(dict.fromkeys(channel for channel, _ in noted.points))
        return True

    # executing

    def _execute(self, root: RootReading) -> bool:
        moved = False
        for channel in self._book.unexecuted():
            try:
                moved = self._go_on(channel, root) or moved
                self.problems.pop(channel, None)
            except GenerationStale:
                self._begin_anew(channel)
                moved = True
            except (ExecutingError, KeyMissing) as error:
                self.problems[channel] = error
        return moved

    def _go_on(self, channel: bytes, root: RootReading) -> bool:
        """Execute the next points of a channel, as far as their payloads are here."""
        hosted, moved = self._host(channel), False
        while (point := hosted.next_point()) is not None:
            contents, wanted = hosted.contents(point)
            if wanted:
                break
            generation = self._generation(channel, point, root)
            self._deliver(channel, point, hosted, hosted.execute(point, contents, root, generation))
            moved = True
        return moved

    def _generation(self, channel: bytes, point: Point, root: RootReading) -> int:
        """Which generation a point is in: as its record says, or, where that is gone, as the channel was then."""
        kept = self._keeper.point(root.state, channel, point.context.ordinal)
        if kept is not None:
            return kept.generation
        then = self._keeper.as_of(root.state, point.context.height, channel)
        return 0 if then is None else then.generation

    def _deliver(self, channel: bytes, point: Point, hosted: Hosted, refusals: Sequence[Refusal]) -> None:
        """Note what became of our own transactions in the point."""
        for payload in point.payloads().values():
            identities = self._book.in_payload(channel, payload.hash)
            if identities:
                codes = {refusal.identity: refusal.failure.code for refusal in refusals}
                known = [each for each in identities if hosted.outcome(each, _failure) is None]
                refused = {each: codes.get(each, "channel.no_effect") for each in known}
                self._book.delivered(channel, identities, refused)

    def _host(self, channel: bytes) -> Hosted:
        found = self._hosted.get(channel)
        if found is None:
            found = Hosted(
                self._root.genesis, self._network, channel, self._compositions, self._stores.open(channel), self._book,
                self._custody, self.secrets, self._alarm,
            )  # fmt: skip
            for number in self._voided.get(channel, ()):
                found.voided(number)
            self._hosted[channel] = found
        return found

    def _begin_anew(self, channel: bytes) -> None:
        """Have a channel executed from its first point: an entry was voided that had been executed here."""
        self._hosted.pop(channel).close()
        self._stores.discard(channel)
        self._book.forget_results(channel)

    # the root

    async def _seek(self, root: RootReading) -> bool:
        wanted = []
        for channel in self._book.unexecuted():
            hosted = self._host(channel)
            point = hosted.next_point()
            if point is not None:
                wanted += hosted.wanted(point)
        moved = await self._seeker.seek(wanted, root)
        self.problems |= self._seeker.unavailable
        return moved

    async def _attest(self, root: RootReading) -> bool:
        for channel in list(self._unconfirmed):
            self._renew(channel, root)
        words = self._attester.words(root, list(self._unconfirmed))
        for member, items in words.items():
            await self._instructing.submit(member, Attest(member, items), root)
        if not words:
            self._unconfirmed = {
                channel: None for channel in self._unconfirmed if not self._is_confirmed(channel, root)
            }
        return bool(words)

    def _is_confirmed(self, channel: bytes, root: RootReading) -> bool:
        stream = self._keeper.stream(root.state, channel)
        return stream.confirmed == stream.ordinal

    def _renew(self, channel: bytes, root: RootReading) -> None:
        """Bring results into the generation in which the root wants them."""
        confirmed = self._keeper.stream(root.state, channel).confirmed
        for ordinal, point in self._keeper.points(root.state, channel, confirmed, RENEWED):
            result = self._book.result(channel, ordinal)
            if result is None:
                return
            if result.generation != point.generation:
                self._host(channel).renew(ordinal, point.generation)

    async def _tick(self, root: RootReading) -> bool:
        moved = False
        for channel in self._book.due(root.time_ms):
            record = self._keeper.channel(root.state, channel)
            stream = self._keeper.stream(root.state, channel)
            if (
                record is None
                or record.status != "open"
                or self._book.cursor(channel).ordinal != stream.ordinal
            ):
                continue
            if self._book.result(channel, stream.ordinal) is None:
                continue  # it may be done by what is to be executed
            member = next((each for each in record.terms.members if each in self._seats), None)
            if member is not None:
                answer = await self._instructing.submit(member, Tick(member, channel), root)
                moved = not answer.code or moved
        return moved

    async def _send(self, root: RootReading) -> bool:
        moved = False
        for channel in self._book.posted():
            moved = await self._sender.send(channel, root) or moved
        return moved

    # clients

    def submit(self, channel: bytes, member: bytes, transactions: Sequence[bytes]) -> list[Screened]:
        """Take transactions of a channel, for which ``member`` answers. The well-formed ones are durable when this returns.

        Raises ``SubmissionRefused``, ``BookStopped``.
        """
        if member not in self._seats:
            raise SubmissionRefused("channel.not_hosted", "the member has no seat on this node; ask its own")
        with self._root.reading() as root:
            record = self._keeper.channel(root.state, channel)
        if record is None or not record.epoch or member not in record.terms.members:
            raise SubmissionRefused("channel.not_member", "the member is not in that channel")
        screened = list(self._compositions.of(record.terms.modules).screener.screen(transactions))
        taken = [
            (answer.identity, raw)
            for answer, raw in zip(screened, transactions, strict=True)
            if answer.refusal is None
        ]
        self._book.post(channel, member, taken)
        return screened

    def standing(self, channel: bytes, identity: bytes) -> Standing | None:
        """How far a transaction has come; None where this node does not know it."""
        outcome = self._host(channel).outcome(identity, _failure)
        if outcome is not None:
            with self._root.reading() as root:
                confirmed = self._keeper.stream(root.state, channel).confirmed
            return Standing("confirmed" if outcome.ordinal <= confirmed else "executed", outcome)
        if self._book.is_waiting(channel, identity):
            return Standing("received")
        code = self._book.refusal(channel, identity)
        return None if code is None else Standing("refused", None, code)

    def hosted(self, channel: bytes) -> Hosted:
        """A channel of this node, for reads."""
        return self._host(channel)

    def close(self) -> None:
        """Close every channel's store."""
        with ExitStack() as closing:
            for hosted in self._hosted.values():
                closing.callback(hosted.close)


def _failure(receipt: bytes) -> Failure | None:
    return _RECEIPT.trusted(receipt).failure
