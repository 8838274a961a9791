"""A channel's life at random, executed by nodes that get it at other times: their results are always the same."""

import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from channels.executing.desk import CHANNEL, Node, Trade
from support.ledger import Key
from support.memory_store import MemoryStore
from traco.kernel.batch_hold import Movement
from traco.modules.channel.entries import Decided, Entry, Tick
from traco.modules.holding.messages import Attach, Hold
from traco.modules.leg.messages import Export, Import, LegContent
from traco.modules.party.messages import SetStatus
from traco.modules.party.state import Status
from traco.storage import LedgerStore

TRADERS = ("t0", "t1", "t2")


class Life:
    """What happens in the channel and on the root, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.trade = Trade()
        self.town, self.node = self.trade.town, self.trade.node
        self.accounts: dict[str, bytes] = {}
        self.suspended: set[str] = set()
        self.undecided: list[bytes] = []
        opening = []
        for name in TRADERS:
            self.town.ids[name] = self.town.founding.register(name, sponsor="depository")
            wire, self.accounts[name] = self.town.account(name)
            opening.append(wire)
        self.node.run(Tick())
        self.node.do(*opening)
        self.node.do(
            *[self.town.issue(self.trade.bond, account, 1_000) for account in self.accounts.values()]
        )

    def amount(self) -> int:
        return self.random.choice((1, 7, 300, 900, 5_000))

    def someone(self) -> str:
        return self.random.choice(TRADERS)

    def transaction(self) -> bytes:
        """Something that succeeds or not."""
        town, bond, name, other = self.town, self.trade.bond, self.someone(), self.someone()
        kind = self.random.randrange(5)
        if kind == 0:
            order = Attach(
                town.ids["court"], self.accounts[name], bond, self.amount(), bytes(32), town.salt()
            )
            return town.sign("court", order)
        if kind == 1:
            expires = town.time_ms + self.random.randrange(2_000, 9_000)
            hold = Hold(
                town.ids[name], self.accounts[name], bond, self.amount(), town.ids["court"], expires, b"", town.salt()
            )  # fmt: skip
            return town.sign(name, hold)
        if kind == 2:
            return self.random.randbytes(40)
        return town.pay(name, bond, self.accounts[name], self.accounts[other], self.amount())

    def leg(self) -> Entry:
        """A leg that is held or not."""
        bond, name, other = self.trade.bond, self.someone(), self.someone()
        content = LegContent(
            (Movement(bond, self.accounts[name], self.accounts[other], self.amount(), b""),),
            (Export(bond, self.accounts[name], self.amount()),) * self.random.randrange(2),
            (Import(bond, self.accounts[other], self.amount()),) * self.random.randrange(2),
        )
        net = sum(item.amount for item in content.imports) - sum(item.amount for item in content.exports)
        crosses = bool(content.imports or content.exports)
        attempt = sha256(self.town.salt()).digest()
        self.undecided.append(attempt)
        return self.town.enter(attempt, self.town.leg(name, content), {bond: net} if crosses else {})

    def entry(self) -> Entry:
        """The next entry of the stream."""
        kind = self.random.randrange(8)
        if kind == 0:
            return Tick()
        if kind == 1:
            return self.town.unopened("payload.wrong_key")
        if kind == 2:
            return self.leg()
        if kind == 3 and self.undecided:
            attempt = self.undecided.pop(self.random.randrange(len(self.undecided)))
            held = any(
                leg.attempt == attempt and leg.held for point in self.node.executed for leg in point.legs
            )
            return Decided(attempt, committed=held and self.random.random() < 0.6)
        return self.town.batch(*[self.transaction() for _ in range(self.random.randrange(4))])

    def on_root(self) -> list[bytes]:
        """What the root decides in the same block."""
        if self.random.random() < 0.7:
            return []
        name = self.someone()
        status: Status = "active" if name in self.suspended else "suspended"
        self.suspended ^= {name}
        change = SetStatus(self.town.ids["depository"], self.town.ids[name], status, "test.reason")
        return [self.town.founding.ledger.transaction([change], Key("depository"))]

    def step(self) -> None:
        """One block of the root with a point of the channel; sometimes one without before."""
        if self.random.random() < 0.3:
            self.town.founding.ledger.run_block()
        entries = [self.entry() for _ in range(self.random.randrange(1, 4))]
        self.town.order(*entries, after_ms=self.random.randrange(3_000), on_root=self.on_root())
        self.node.take_all()


def app_hashes(seed: int, points: int) -> list[str]:
    """What a life comes to."""
    life = Life(seed)
    for _ in range(points):
        life.step()
    return [executed.app_hash.hex() for executed in life.node.executed]


@pytest.mark.parametrize("seed", range(6))
def test_nodes_agree_whenever_they_execute(seed: int, tmp_path: Path) -> None:
    life, other = Life(seed), random.Random(~seed)
    town = life.town
    network = town.founding.ledger.application.network
    late, store = Node(town), LedgerStore(tmp_path / "channel.db", network, CHANNEL)
    restarted = Node(town, store)
    for _ in range(40):
        life.step()
        if other.random() < 0.2:
            late.take_all()
        if other.random() < 0.3:
            restarted.take_all()
            store.close()
            store = LedgerStore(tmp_path / "channel.db", network, CHANNEL)
            executed = restarted.executed
            restarted = Node(town, store)
            restarted.executed = executed
        if other.random() < 0.3 and len(late.executed) < len(town.points):
            begun = town.points[len(late.executed)]
            late.replica.execute(begun.point, begun.contents, town.root)  # and not committed
    late.take_all()
    restarted.take_all()
    assert late.executed == life.node.executed
    assert restarted.executed == life.node.executed
    assert life.node.broken() == late.broken() == restarted.broken() == []
    assert [kind for kind, _ in life.node.alarms] == []
    store.close()


def test_a_life_has_what_it_is_to_show() -> None:
    life = Life(3)
    for _ in range(60):
        life.step()
    codes = [code for executed in life.node.executed for code in life.node.codes(executed)]
    legs = [leg.held for executed in life.node.executed for leg in executed.legs]
    assert {"", "party.suspended", "holding.insufficient"} <= set(codes)
    assert set(legs) == {True, False}
    assert isinstance(life.node.store, MemoryStore)


def test_hash_seeds_do_not_matter() -> None:
    program = "from channels.executing.test_timing import *; from traco.kernel import protocol; protocol.NEWEST_PROTOCOL = 3; print(app_hashes(1, 15))"
    found = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0]) > 1_000
