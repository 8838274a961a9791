"""All channel business of the members that one node hosts, in steps, each of which may be the last.

    step:  read the root's blocks -> note -> execute what can be -> begin errands: fetch and report what is missing, show what
           others miss, attest, tick, order what waits -> look what has become of errands

Nothing is kept in memory that a crash would lose: a node that starts again looks at the root, the book and custody, and
goes on. A channel that cannot go on holds up no other; ``problems`` says why it cannot.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from traco.channels.custody.fetching import Fetcher
from traco.channels.custody.gathering import Gathering
from traco.channels.custody.messages import Refusal
from traco.channels.custody.store import CustodyStore
from traco.channels.custody.tally import Tally
from traco.channels.executing.composition import Compositions
from traco.channels.executing.errors import ExecutingError
from traco.channels.executing.registry_view import RegistryView
from traco.channels.seat.archive import Archive
from traco.channels.seat.attesting import ITEMS, Attester
from traco.channels.seat.book import Book, Emptied, Stood
from traco.channels.seat.completeness import Completeness
from traco.channels.seat.dealing import Dealer
from traco.channels.seat.disclosing import Discloser
from traco.channels.seat.entrusting import Entrusting
from traco.channels.seat.erasing import Eraser
from traco.channels.seat.errands import GLANCE_S, Errands
from traco.channels.seat.errors import (
    Disputed,
    KeyMissing,
    NotHosted,
    NotReady,
    NotRebuilt,
    SnapshotNeeded,
    SubmissionRefused,
)
from traco.channels.seat.executing import OwnProcess
from traco.channels.seat.figures import SeatFigures
from traco.channels.seat.following import Follower
from traco.channels.seat.hosting import Hosted, Outcome, Proven
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.joining import Joiner
from traco.channels.seat.messages import NO_SNAPSHOT, AboutSnapshots, Answer, Calls, CustodyCalls
from traco.channels.seat.offers import Offers
from traco.channels.seat.ordering import Ordering
from traco.channels.seat.ports import Executors, Root, RootReading, SeatKeys, Stores
from traco.channels.seat.rebuilding import Rebuilder
from traco.channels.seat.replicas import Replicas
from traco.channels.seat.secrets import Secrets
from traco.channels.seat.seeking import Seeker
from traco.channels.seat.sending import Sender
from traco.channels.seat.snapshotting import Snapshots
from traco.channels.seat.supplying import Supplier
from traco.channels.seat.turns import Turns
from traco.channels.seat.watching import Watcher
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure, LedgerError, TooManyEvents
from traco.kernel.execution import Alarm
from traco.kernel.genesis import network_id, write_genesis
from traco.kernel.receipt import Receipt
from traco.kernel.registry import Registry
from traco.kernel.screening import Screened, Screener
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Attest, Tick
from traco.modules.channel.parts import Attested

TURN_MS: Final = 2_000  # until the next member ticks, if nobody before it did
OUTBOX: Final = 100_000  # transactions of a channel that wait here, at most

_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)


class Draw(NamedTuple):
    """Chance: numbers from 0 to 1, and random bytes. Anything but the system's is for tests."""

    number: Callable[[], float]
    octets: Callable[[int], bytes]


class Standing(NamedTuple):
    """How far a transaction has come: ``received``, ``executed``, ``confirmed``, or ``refused`` with a code.

    ``disputed``: its point is confirmed, but not with the digest that this node found. ``outcome`` says where it was executed here,
    and why it was rejected, if it was.
    """

    name: str
    outcome: Outcome | None = None
    code: str = ""


class Seats:
    """The members' part in their channels, on one node. ``close`` it in the end."""

    def __init__(
        self, root: Root, seats: Mapping[bytes, SeatKeys], book: Book, custody: CustodyStore, calls: Calls,
        stores: Stores, alarm: Alarm, draw: Draw, clock_ms: Callable[[], int] | None = None,
        wake: Callable[[], None] = lambda: None, archive: Archive | None = None,
        screener: Callable[[Registry], Screener] | None = None, executors: Executors | None = None,
    ) -> None:  # fmt: skip
        """``clock_ms``: this machine's, for what is to happen although the root makes no blocks; None: the root's alone.

        ``archive``: where its snapshots of channels are; without it there are none.
        ``wake`` is called when there is something to do for ``step`` because something ended that an earlier one began.
        ``screener``: as for ``Compositions``. ``executors``: where channels are executed; without them in this process.
        """
        self._root = root
        self._network = network_id(root.genesis)
        self._seats = dict(seats)
        self._book = book
        self._custody = custody
        self._clock_ms = clock_ms
        self._keeper = Keeper()
        self._compositions = Compositions(RegistryView(), root.genesis.kernel_parameters(), screener)
        self.secrets = Secrets(self._network, book, self._seats)
        transport = self._gathering = Gathering(CustodyCalls(calls))
        self.offers = Offers(self._keeper, book, self.secrets, calls, self._seats)
        self._errands = Errands(wake)
        self._follower = Follower(root, book, custody, self._seats)
        self._attester = Attester(self._keeper, book, self._seats)
        self._instructing = Instructing(self._network, root, self._seats, draw.octets)
        tally = Tally()
        self._seeker = Seeker(
            self._keeper, book, custody, Fetcher(transport, tally=tally), self._instructing, self._seats, self._errands
        )  # fmt: skip
        self._supplier = Supplier(self._keeper, custody, self._seats)
        self._watcher = Watcher(
            self._keeper, book, custody, self._seats, self._seeker, self._supplier, self.offers, tally
        )
        entrusting = Entrusting(
            self._network, self._keeper, custody, self.secrets, transport, draw.number, tally=tally
        )
        self._sender = Sender(self._keeper, book, entrusting, self._instructing, self._errands)
        self.dealer = Dealer(self._network, self._keeper, root, entrusting, self._seats, self._compositions)
        self.ordering = Ordering(self._network, self._keeper, root, self._instructing, self._seats)
        self.discloser = Discloser(
            root, book, self.secrets, self._instructing, self._seats, self.hosted, alarm
        )
        self._executors = executors or OwnProcess(root.genesis, self._compositions, stores, alarm)
        self._replicas = Replicas(stores, book, archive, write_genesis(root.genesis), self._opened)
        self._snapshots, self.joiner = self._prepared(archive, calls)
        self._unconfirmed = dict.fromkeys(book.channels())  # may have something to attest
        self._is_fresh = True  # not all blocks that were there at the start are read
        self.problems: dict[bytes, LedgerError] = {
            channel: SnapshotNeeded(channel) for channel in book.late()
        }
        self._rebuilder = Rebuilder(
            self._keeper, book, custody, self.problems, self._seeker.answers, self._rebuild_anew,
            {} if self.joiner is None else self.joiner.parts,
        )  # fmt: skip
        self._eraser = Eraser(book, custody, stores, self._replicas, archive, self._seeker, self.problems)
        self._turns = Turns(self._executors, book, self._replicas, self._snapshots, self.problems, self._ran)
        self._mend()

    def _mend(self) -> None:
        """The last thing before a crash may have been results whose points replicas do not have."""
        for last in self._book.executed_last():
            try:
                self._host(last)
            except ExecutingError as error:
                self.problems[last] = error
            else:
                self._book.has_kept(last)

    async def step(self, glance_s: float = GLANCE_S) -> bool:
        """Do what can be done now; whether there was anything. Raises ``Halt`` where this node must stop.

        ``glance_s``: for how long it waits for what it began; who is woken need not wait.
        """
        moved = self._errands.collect()
        self._seeker.keep()
        moved = self._read() or moved
        with self._root.reading() as root:
            time_ms = self._time_ms(root)
            is_current = self._follower.height == root.height  # else what is executed may be void by now
            if is_current and self._is_fresh:
                self._is_fresh = False
                self._book.unseal_unordered()
                self._supplier.find_reported(root)
            moved = self._join(root, time_ms) or moved
            moved = self._rebuilder.step(root, time_ms) or moved
            moved = await self._turns.take(root) or moved
            self._seek(root, time_ms)
            if self._snapshots is not None:
                self._eraser.step(self._snapshots.want)
            if is_current:
                self._attest(root)
                self._tick(root, time_ms)
                self._supply(root, time_ms)
                self._give(root, time_ms)
            self._send(root, is_current=is_current)
        if is_current and self._book.open_offers() and not self._errands.is_running("offers"):
            self._errands.start(("offers",), self._judge_offers())
        self._recover_keys()
        self._replicas.rest(time_ms)
        return await self._errands.look(glance_s) or moved

    def _time_ms(self, root: RootReading) -> int:
        return root.time_ms if self._clock_ms is None else max(root.time_ms, self._clock_ms())

    def _read(self) -> bool:
        noted = self._follower.advance()
        if noted is None:
            return False
        self._watcher.note(noted)
        for change in noted.changes:
            self._unconfirmed[change.channel] = None
            if isinstance(change, Emptied):
                self._replicas.close(change.channel)  # opened again, as it would be after a start
            elif isinstance(change, Stood):
                self.problems.pop(change.channel, None)
                if change.standing == "late":
                    self.problems[change.channel] = SnapshotNeeded(change.channel)
        for channel, number in noted.reported:
            self._supplier.report(channel, number)
        return True

    # executing

    def _ran(self, channel: bytes) -> None:
        self._unconfirmed[channel] = None

    def _host(self, channel: bytes) -> Hosted:
        """The channel's replica, brought into line with the book. Raises ``ExecutingError``."""
        return self._replicas.host(channel)

    def _opened(self, channel: bytes) -> Hosted:
        replica = self._executors.open(channel)
        return Hosted(self._network, channel, replica, self._book, self._custody, self.secrets)

    def _rebuild_anew(self, channel: bytes, is_whole: bool) -> None:
        """Have a channel executed again, from as early as can be, if that can be done with what is here."""
        with self._root.reading() as root:
            self._replicas.repeat(channel, root, is_whole=is_whole)

    # snapshots

    def _prepared(self, archive: Archive | None, calls: Calls) -> tuple[Snapshots | None, Joiner | None]:
        if archive is None:
            return None, None
        genesis, keeper, book, root = write_genesis(self._root.genesis), self._keeper, self._book, self._root
        snapshots = Snapshots(archive, keeper, book, root, genesis, self.secrets, self._errands, self._host)
        joiner = Joiner(
            archive, keeper, book, root, genesis, self._seats, calls, self.secrets, self._errands, self._recover_key
        )  # fmt: skip
        return snapshots, joiner

    def give(self, member: bytes, request: AboutSnapshots) -> Answer:
        """What another member is given of the snapshots here."""
        return Refusal(NO_SNAPSHOT) if self._snapshots is None else self._snapshots.give(member, request)

    def _join(self, root: RootReading, time_ms: int) -> bool:
        """Take snapshots, ask for those that channels need, and go on from those that came."""
        if self._snapshots is None or self.joiner is None:
            return False
        self._snapshots.take(root, time_ms)
        ready = self.joiner.taken()
        for channel, joined in ready.items():
            if joined.base.ordinal < self._book.base(channel).since:
                continue  # meanwhile a later one is needed, which is asked for
            changes = self._follower.again(channel, joined.point.end)
            self._replicas.adopt(channel, joined, changes, self._follower.height)
            self._unconfirmed[channel] = None
            self.problems.pop(channel, None)
        self.joiner.ask(root, time_ms, self.problems)
        return bool(ready)

    # errands

    def _seek(self, root: RootReading, time_ms: int) -> None:
        wanted = []
        for channel in self._book.unexecuted():
            if not isinstance(self.problems.get(channel), ExecutingError):
                wanted += self._host(channel).wanted()
        wanted += self._rebuilder.wanted()
        self._seeker.seek(wanted, root, time_ms)
        self.problems |= self._seeker.unavailable

    def _attest(self, root: RootReading) -> None:
        if all(self._errands.is_running("attest", member) for member in self._seats):
            return  # what there is to say is looked for when the last words are in a block
        for channel in self._unconfirmed:
            if self._book.is_disputed(channel):
                self.problems[channel] = Disputed(channel)
            elif isinstance(self.problems.get(channel), Disputed):
                del self.problems[channel]
        words = self._attester.words(root, list(self._unconfirmed))
        until_ms = self._instructing.until(root)
        for member, items in words.items():
            if not self._errands.is_running("attest", member):
                self._errands.start(("attest", member), self._say(member, items, until_ms))
        if all(len(items) < ITEMS for items in words.values()):  # else there may be more to say
            said = {item.channel for items in words.values() for item in items}
            self._unconfirmed = {
                channel: None
                for channel in self._unconfirmed
                if channel in said or not self._attester.is_done(root, channel)
            }

    async def _say(self, member: bytes, items: tuple[Attested, ...], until_ms: int) -> bool:
        """Attest; in halves where so many words at once decide more than one receipt has room for."""
        code = await self._instructing.submit(member, Attest(member, items), until_ms)
        if code == TooManyEvents.code and len(items) > 1:
            half = len(items) // 2
            first = await self._say(member, items[:half], until_ms)
            return await self._say(member, items[half:], until_ms) or first
        return not code

    def _tick(self, root: RootReading, time_ms: int) -> None:
        """Have a channel's time move on. Members take turns: one tick is enough, and the root refuses another in its block."""
        for channel, due_ms in self._book.due(time_ms):
            record = self._keeper.channel(root.state, channel)
            stream = self._keeper.stream(root.state, channel)
            if record is None or record.status != "open" or self._errands.is_running("tick", channel):
                continue
            if self._book.result(channel, stream.ordinal) is None:
                continue  # it may be done by what is to be executed
            for turn, member in enumerate(record.terms.members):
                if member in self._seats and time_ms >= due_ms + turn * TURN_MS:
                    ticking = self._instructing.succeed(
                        member, Tick(member, channel), self._instructing.until(root)
                    )
                    self._errands.start(("tick", channel), ticking)
                    break

    def _supply(self, root: RootReading, time_ms: int) -> None:
        for shown in self._supplier.answers(root, time_ms):
            key = ("supply", shown.channel, shown.number)
            if not self._errands.is_running(*key):
                showing = self._instructing.succeed(shown.party, shown, self._instructing.until(root))
                self._errands.start(key, showing)

    def _give(self, root: RootReading, time_ms: int) -> None:
        for gift in self.offers.gifts(root, time_ms):
            key = ("give", gift.channel, gift.member)
            if not self._errands.is_running(*key):
                giving = self._instructing.succeed(gift.party, gift, self._instructing.until(root))
                self._errands.start(key, giving)

    def _send(self, root: RootReading, *, is_current: bool) -> None:
        self._sender.send(root, is_current=is_current)
        for channel in [each for each, error in self.problems.items() if isinstance(error, NotReady)]:
            del self.problems[channel]
        for channel, error in self._sender.held_up.items():
            self.problems.setdefault(channel, error)

    def _recover_keys(self) -> None:
        for error in self.problems.values():
            if isinstance(error, KeyMissing) and not self._errands.is_running("key", error.channel):
                self._errands.start(("key", error.channel), self._recover_key(error.channel, error.epoch))

    async def _recover_key(self, channel: bytes, epoch: int) -> bool:
        with self._root.reading() as root:
            return await self.offers.recover(channel, epoch, root)

    async def _judge_offers(self) -> bool:
        with self._root.reading() as root:
            return await self.offers.step(root)

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
        if self._book.standing(channel) == "late":
            raise SubmissionRefused(
                "channel.snapshot_needed", "this node has no snapshot of that channel yet"
            )
        screened = list(self._compositions.of(record.terms.modules).screener.screen(transactions))
        taken = [
            (answer.identity, raw)
            for answer, raw in zip(screened, transactions, strict=True)
            if answer.refusal is None
        ]
        if self._book.count(channel) + len(taken) > OUTBOX:
            raise SubmissionRefused(
                "channel.outbox_full", "too much of this channel waits here; try again later"
            )
        self._book.post(channel, member, taken)
        return screened

    def standing(self, channel: bytes, identity: bytes) -> Standing | None:
        """How far a transaction has come; None where this node does not know it."""
        if self._book.standing(channel) not in ("followed", "left"):
            return None
        outcome = self._host(channel).outcome(identity, _failure)
        if outcome is not None:
            with self._root.reading() as root:
                confirmed = self._keeper.stream(root.state, channel).confirmed
            if outcome.ordinal > confirmed:
                return Standing("executed", outcome)
            return Standing("disputed" if self._book.is_disputed(channel) else "confirmed", outcome)
        if self._book.is_waiting(channel, identity):
            return Standing("received")
        code = self._book.refusal(channel, identity)
        return None if code is None else Standing("refused", None, code)

    def proof(self, channel: bytes, identity: bytes) -> Proven | None:
        """What shows somebody outside what became of a transaction; None where it is not confirmed, or not here.

        Raises ``NotHosted``, ``KeyMissing``.
        """
        return self.hosted(channel).proof(identity)

    def hosted(self, channel: bytes) -> Hosted:
        """A channel of this node, for reads at once: with other channels it may be closed. Raises ``NotHosted``,
        ``ExecutingError``.
        """
        if self._book.standing(channel) not in ("followed", "left"):
            raise NotHosted(channel)
        return self._host(channel)

    def rebuild(self, channel: bytes) -> Completeness:
        """Begin to rebuild a channel, if that is not under way; how far it is. Raises ``NotHosted``."""
        with self._root.reading() as root:
            record = self._keeper.channel(root.state, channel)
            members = () if record is None else record.terms.members
            if self._book.standing(channel) is None and not any(each in self._seats for each in members):
                raise NotHosted(channel)
            if self._book.standing(channel) == "followed":
                # a replica that is gone shows here; the report says what comes of it
                with suppress(ExecutingError):
                    self._host(channel)
            self._rebuilder.begin(channel, root)
        return self.rebuilding(channel)

    def rebuilding(self, channel: bytes) -> Completeness:
        """How far the rebuild of a channel is, or what it found. Raises ``NotRebuilt``."""
        with self._root.reading() as root:
            found = self._rebuilder.report(channel, root)
        if found is None:
            raise NotRebuilt(channel)
        return found

    def figures(self) -> SeatFigures:
        """How everything is now, for those who run the node. Raises ``BookStopped``, ``RootUnavailable``."""
        with self._root.reading() as root:
            return self._watcher.look(root, self._time_ms(root), self._follower.height, self.problems)

    def close(self) -> None:
        """Leave what is under way, and close every channel's store."""
        self._errands.abandon()
        self._gathering.close()
        self._replicas.close_all()


def _failure(receipt: bytes) -> Failure | None:
    return _RECEIPT.trusted(receipt).failure
