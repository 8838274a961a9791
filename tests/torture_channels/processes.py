"""A real node that does the channel business of three members, its processes killed with signal 9 at random moments under load.

What it acknowledged must be confirmed in the end, once, for all members, and every balance must be what those payments make of it.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from support.api import PASSPHRASE
from support.channel_town import MEMBERS, make_members, make_seats, member_of
from support.running import Running, free_port
from support.town import GENEROUS, NamedKey, salt
from torture.report import Counts, Difference
from traco.client.credentials import Access
from traco.client.forms import from_form
from traco.client.results import ClientError
from traco.client.sdk import LedgerClient
from traco.kernel.instruction import Instruction
from traco.modules.channel.messages import AcceptEpoch, OpenChannel
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.signing import channel_id
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.party.messages import RegisterNode
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import NodeConfig

T = TypeVar("T")

BEGIN: Final = 1_000_000  # what each member has of a channel's instrument
LARGEST: Final = 1_000
ANSWER_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 240.0  # a busy machine may need a minute to start a node
LIFE_SECONDS: Final = (0.3, 2.5)  # between two kills
VALID_MS: Final = 500_000
VICTIMS: Final = ("traco-channels", "traco-channels", "traco-api", "all")


class Made(NamedTuple):
    """A payment that the node acknowledged."""

    channel: bytes
    sender: str
    receiver: str
    amount: int
    identity: bytes


class Processes:
    """One node's directory, through many lives."""

    def __init__(self, folder: Path, seed: str, counts: Counts) -> None:
        self.directory, self.counts = folder / "node", counts
        self.random = random.Random(f"processes {seed}")
        self.ids = {name: member_of(name) for name in MEMBERS}
        port = free_port()
        hosted = ChannelsConfig(enabled=True, members=tuple(each.hex() for each in self.ids.values()))
        config = NodeConfig(port=port, limits=GENEROUS, channels=hosted)
        make_members(self.directory, config=config)
        self.seats = make_seats(self.directory)
        self.url = f"http://127.0.0.1:{port}"
        self.clients = {
            name: LedgerClient(self.url, access=Access(self.ids[name], NamedKey(name))) for name in MEMBERS
        }
        self.channels: dict[bytes, tuple[str, ...]] = {}
        self.made: list[Made] = []
        self.running = Running(self.directory, self.url, PASSPHRASE)

    def close(self) -> None:
        """The node ends, whatever it does."""
        for client in self.clients.values():
            client.close()
        self.running.__exit__(None, None, None)

    # beginning

    def found(self) -> None:
        """Seats on the root, and two channels with money."""
        self.await_ready()
        for name, seat in self.seats.items():
            self.on_root(name, RegisterNode(self.ids[name], seat.node), seat)
        for names in (MEMBERS[:2], MEMBERS):
            channel = self._opened(*names)
            self.channels[channel] = names
            for name in names:
                own = self.ids[name]
                self._do(channel, name, OpenAccount(
                    own, own, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
                ))  # fmt: skip
            issuer = self.ids["bank"]
            kind = InstrumentKind.SECURITY
            self._do(channel, "bank", CreateInstrument(issuer, "NOTE", kind, None, 2, bytes(32), (issuer,)))
            issued = [Issue(issuer, self.instrument, self.account(name), BEGIN, b"") for name in names]
            self._do(channel, "bank", *issued)

    @property
    def instrument(self) -> bytes:
        """The money of both channels."""
        return instrument_id(self.ids["bank"], "NOTE")

    def account(self, name: str) -> bytes:
        """A member's account."""
        return account_id(self.ids[name], salt(name))

    def on_root(self, name: str, *messages: Instruction) -> None:
        """Have it done on the root."""
        self.clients[name].transact(messages, [NamedKey(name)], timeout=PATIENCE_SECONDS)

    def _opened(self, *names: str) -> bytes:
        members = tuple(sorted(self.ids[name] for name in names))
        terms = Terms(members, (), 0, len(members), 1, None, ("holding", "settlement"))
        opening, proposer = salt("-".join(names)), self.clients[names[0]]
        channel = channel_id(proposer.network, self.ids[names[0]], opening)
        form = {"channel": channel, "epoch": 1, "member": self.ids[names[0]], "members": members}
        made = self.until(lambda: proposer.post("/v1/channels/keys", form))
        self.on_root(names[0], OpenChannel(self.ids[names[0]], opening, terms, from_form(EpochKey, made)))
        for name in names:
            offer = self.until(partial(self._ready_offer, name, channel))
            self.on_root(name, AcceptEpoch(self.ids[name], channel, 1, offer))
        self.until(lambda: proposer.get(f"/v1/channels/{channel.hex()}")["executed"])
        return channel

    def _ready_offer(self, name: str, channel: bytes) -> bytes | None:
        for each in self.clients[name].get("/v1/channels")["offers"]:
            if (each["channel"], each["status"]) == (channel.hex(), "ready"):
                return bytes.fromhex(each["offer"])
        return None

    def _do(self, channel: bytes, name: str, *messages: Instruction) -> None:
        identity = self.send(channel, name, *messages)
        self.until(lambda: self.standing(name, channel, identity) == "confirmed")

    # load and deaths

    def live(self, until: float) -> None:
        """Payments, and deaths of processes, until the time is over."""
        while True:
            end = time.monotonic() + self.random.uniform(*LIFE_SECONDS)
            while time.monotonic() < end:
                self.pay()
            self.kill(self.random.choice(VICTIMS))
            if time.monotonic() > until:
                return

    def pay(self) -> None:
        """Somebody pays somebody; it is sent again, the same, until it is acknowledged."""
        channel = self.random.choice(list(self.channels))
        sender, receiver = self.random.sample(self.channels[channel], 2)
        amount = self.random.randrange(1, LARGEST)
        message = Transfer(
            self.ids[sender], self.instrument, self.account(sender), self.account(receiver), amount, b""
        )
        identity = self.send(channel, sender, message)
        self.made.append(Made(channel, sender, receiver, amount, identity))
        self.counts["work: transactions acknowledged"] += 1

    def send(self, channel: bytes, name: str, *messages: Instruction) -> bytes:
        """Send it until it is acknowledged; its id."""
        client = self.clients[name]
        raw = self.until(lambda: client.build(messages, [NamedKey(name)], VALID_MS, ledger=channel))
        sent = self.until(lambda: client.submit_to_channel(channel, raw, timeout=ANSWER_SECONDS))
        return sent.identity

    def kill(self, victim: str) -> None:
        """A process of the node, or all of them, which are started again."""
        self.counts[f"disturbance: {victim} killed with signal 9"] += 1
        if victim == "all":
            os.killpg(self.running.process.pid, signal.SIGKILL)
            self.running.process.wait()
            self.running = Running(self.directory, self.url, PASSPHRASE)
            self.await_ready()
            return
        for process in self.running.children():
            # one that has just ended is started again anyway
            with suppress(OSError):
                if Path(f"/proc/{process}/comm").read_text().strip() == victim:
                    os.kill(process, signal.SIGKILL)

    def await_ready(self) -> None:
        """The node answers."""
        self.until(self.clients["bank"].status)

    def until(self, look: Callable[[], T | None]) -> T:
        """What a look gives, once it gives something; the node may be dying meanwhile. Raises ``Difference``."""
        deadline, last = time.monotonic() + PATIENCE_SECONDS, ""
        while time.monotonic() < deadline:
            if self.running.process.poll() is not None:
                raise Difference("node", f"it ended by itself: {self.running.said()[-1_000:]}")
            try:
                if found := look():
                    return found
            except ClientError as error:
                last = f"{error}"
            time.sleep(0.02)
        raise Difference("liveness", f"the node does not come to it: {last} {self.running.log()[-1_000:]}")

    # the end

    def standing(self, name: str, channel: bytes, identity: bytes) -> str:
        """How far a transaction is, as the node says to a member."""
        found = self.clients[name].channel_result(channel, identity, timeout=ANSWER_SECONDS)
        if found is None:
            return ""
        return found.status if found.failure is None else f"{found.status} {found.failure.code}"

    def conclude(self) -> None:
        """All that was acknowledged is confirmed, and every balance is what it makes of it. Raises ``Difference``."""
        for each in self.made:
            for name in self.channels[each.channel]:
                said = self.until(partial(self._ended, name, each))
                if said != "confirmed":
                    raise Difference("lost", f"a payment that was acknowledged is {said}, says {name}")
            self.counts["work: transactions compared"] += 1
        for channel, names in self.channels.items():
            owned = dict.fromkeys(names, BEGIN)
            for each in self.made:
                if each.channel == channel:
                    owned[each.sender] -= each.amount
                    owned[each.receiver] += each.amount
            for at in names:
                for name in names:
                    found = self._owned(at, channel, name)
                    if found != owned[name]:
                        raise Difference("units", f"{at} says that {name} owns {found}, not {owned[name]}")
            view = self.clients[names[0]].get(f"/v1/channels/{channel.hex()}")
            self.counts["work: entries"] += view["stream"]["entries"]
            self.counts["work: points"] += view["stream"]["ordinal"]

    def _ended(self, name: str, each: Made) -> str:
        said = self.standing(name, each.channel, each.identity)
        return "" if said in ("received", "executed") else said

    def _owned(self, at: str, channel: bytes, name: str) -> int:
        fields = {"instrument": self.instrument.hex(), "account": self.account(name).hex()}
        path = f"/v1/channels/{channel.hex()}/queries/holding.get"
        answer: Any = self.until(lambda: self.clients[at].post(path, fields))
        return int(answer["answer"]["available"])


def torture_processes(seed: str, counts: Counts, seconds: float) -> None:
    """Kill and go on until the time is over. Raises ``Difference``."""
    with tempfile.TemporaryDirectory(prefix="traco-torture-") as folder:
        processes = Processes(Path(folder), seed, counts)
        try:
            processes.found()
            processes.live(time.monotonic() + seconds)
            processes.conclude()
        finally:
            processes.close()
