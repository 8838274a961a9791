"""The watch over peers: who is missing is dialled with growing pauses, who is not admitted is cut off, one node after the other."""

import asyncio
from collections.abc import Collection, Sequence
from itertools import pairwise

import pytest

from traco.engine.cometbft.answers import EngineStatus, Peer
from traco.engine.cometbft.errors import EngineGone, EngineRefused
from traco.engine.cometbft.peers import (
    CUT_AGAIN_SECONDS,
    CUT_STEP_SECONDS,
    PAUSES_SECONDS,
    TOLD_AFTER_SECONDS,
    PeerWatch,
    WantedPeer,
)

OWN, A, B, C = (bytes([number]) * 20 for number in range(4))


class Surroundings:
    """An engine, a ledger and a clock as a test sets them."""

    def __init__(self, own: bytes = OWN) -> None:
        self.now = 0.0
        self.height, self.is_catching_up, self.is_gone, self.power = 10, False, False, 1
        self.answers = True  # to the question for peers
        self.connected: set[bytes] = set()
        self.wanted = {peer: WantedPeer(f"host{peer[0]}:1", 1) for peer in (OWN, A, B, C)}
        self.dialled: list[str] = []
        self.unreachable: set[str] = set()
        self.cuts: list[set[bytes]] = []
        self.watch = PeerWatch(self, own, lambda: self.wanted, self.cut, lambda: self.now)

    async def status(self) -> EngineStatus:
        if self.is_gone:
            raise EngineGone("engine.gone", "nobody answers")
        return EngineStatus(OWN, "traco-1", self.height, None, b"", 1, self.is_catching_up, self.power)

    async def peers(self) -> tuple[Peer, ...]:
        if not self.answers:
            raise EngineRefused("engine.answer_unknown", "an answer of the engine is not understood")
        return tuple(Peer(peer, "", "", True) for peer in sorted(self.connected))

    async def dial(self, peers: Sequence[str]) -> None:
        self.dialled += peers
        if self.unreachable.intersection(peers):
            raise EngineRefused("engine.refused", "invalid address")

    async def cut(self, peers: Collection[bytes]) -> None:
        self.cuts.append(set(peers))

    def look(self, after: float = 0.0) -> list[str]:
        """Look once, some seconds later; who was dialled."""
        self.now += after
        self.dialled = []
        asyncio.run(self.watch.look())
        return self.dialled


def name(peer: bytes) -> str:
    return f"{peer.hex()}@host{peer[0]}:1"


def test_who_is_missing_is_dialled_and_nobody_else() -> None:
    around = Surroundings()
    around.connected = {B}
    assert around.look() == [name(A), name(C)]


def test_a_node_does_not_dial_itself() -> None:
    around = Surroundings()
    around.connected = {A, B, C}
    assert around.look() == []
    assert around.watch.sight.wanted == 3


def test_a_peer_out_of_reach_is_dialled_ever_more_rarely() -> None:
    around = Surroundings()
    around.connected = {B, C}
    dialled = []
    for _ in range(200):
        if around.look():
            dialled.append(around.now)
        around.now += 0.5
    pauses = [later - earlier for earlier, later in pairwise(dialled)]
    assert pauses == [*PAUSES_SECONDS, PAUSES_SECONDS[-1]][: len(pauses)]
    assert len(pauses) >= len(PAUSES_SECONDS)


def test_a_peer_that_was_back_is_dialled_at_once_when_it_is_lost() -> None:
    around = Surroundings()
    around.connected = {B, C}
    for _ in range(5):
        around.look(after=30)
    around.connected = {A, B, C}
    assert around.look() == []
    around.connected = {B, C}
    assert around.look() == [name(A)]


def test_one_bad_address_does_not_keep_the_others_from_being_dialled() -> None:
    around = Surroundings()
    around.unreachable = {name(A)}
    assert around.look() == [name(A), name(B), name(C)]


def test_a_peer_at_a_new_address_is_dialled_there() -> None:
    around = Surroundings()
    around.connected = {B, C}
    around.look()
    around.wanted[A] = WantedPeer("moved:2", 1)
    assert around.look(after=PAUSES_SECONDS[0]) == [f"{A.hex()}@moved:2"]


def test_the_power_in_reach_counts_this_node_and_those_it_is_connected_to() -> None:
    around = Surroundings()
    around.power = 5
    around.wanted |= {A: WantedPeer("a:1", 7), B: WantedPeer("b:1", 0)}
    around.connected = {A, B}
    around.look()
    sight = around.watch.sight
    assert (sight.wanted, sight.present, sight.power, sight.power_reached) == (3, 2, 13, 12)


def test_who_is_not_admitted_is_cut_off() -> None:
    around = Surroundings()
    around.connected = {A, B, C}
    around.look()
    del around.wanted[B]
    around.look()
    assert around.cuts == [{B}]


def test_nodes_cut_a_peer_off_one_after_the_other() -> None:
    around = Surroundings(own=C)
    around.connected = {OWN, A, B}
    del around.wanted[B]
    around.look()
    assert around.cuts == []
    around.look(after=2 * CUT_STEP_SECONDS - 0.1)  # two of those admitted come before it
    assert around.cuts == []
    around.look(after=0.1)
    assert around.cuts == [{B}]


def test_a_peer_that_went_by_itself_is_no_reason_to_restart() -> None:
    around = Surroundings(own=C)
    around.connected = {OWN, A, B}
    del around.wanted[B]
    around.look()
    around.connected = {OWN, A}
    around.look(after=60)
    around.connected = {OWN, A, B}
    around.look()  # counted anew
    assert around.cuts == []


def test_a_peer_that_comes_back_is_not_a_reason_for_one_restart_after_the_other() -> None:
    around = Surroundings()
    around.connected = {A, B, C}
    del around.wanted[B]
    for _ in range(20):
        around.look(after=2)
    assert len(around.cuts) == 1
    around.look(after=CUT_AGAIN_SECONDS)
    assert len(around.cuts) == 2


@pytest.mark.parametrize("state", [{"is_catching_up": True}, {"height": 0}])
def test_a_node_that_does_not_know_the_newest_members_cuts_nobody_off(state: dict[str, int]) -> None:
    around = Surroundings()
    vars(around).update(state)
    around.connected = {A, B, C, b"\x09" * 20}
    around.look()
    assert around.cuts == []


def test_an_engine_that_does_not_answer_leaves_what_was_seen_and_how_long_ago() -> None:
    around = Surroundings()
    around.connected = {A, B, C}
    around.look()
    around.is_gone = True
    with pytest.raises(EngineGone):
        around.look(after=7)
    sight = around.watch.sight
    assert (sight.height, sight.present, sight.silent_s) == (10, 3, 7)


def test_before_the_first_answer_a_node_counts_as_catching_up() -> None:
    around = Surroundings()
    around.now = 3.0
    assert around.watch.sight.is_catching_up
    assert around.watch.sight.silent_s == 3.0


def test_the_watch_goes_on_while_the_engine_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    around = Surroundings()
    around.is_gone = True
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("traco.engine.cometbft.peers.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(around.watch.run())
    assert len(pauses) == 3


def watched(around: Surroundings, monkeypatch: pytest.MonkeyPatch, states: Sequence[dict[str, bool]]) -> None:
    """Run the watch as long as there are states of the surroundings, some seconds after each other."""
    following = iter(states)

    async def pause(seconds: float) -> None:
        around.now += seconds
        state = next(following, None)
        if state is None:
            raise asyncio.CancelledError
        vars(around).update(state)

    monkeypatch.setattr("traco.engine.cometbft.peers.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(around.watch.run())


LONG = int(TOLD_AFTER_SECONDS) + 1


def test_what_keeps_the_watch_from_looking_is_told_once_and_when_it_changes_or_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone, strange, well = {"is_gone": True}, {"is_gone": False, "answers": False}, {"answers": True}
    with caplog.at_level("WARNING", "traco.engine"):
        watched(Surroundings(), monkeypatch, [gone] * LONG + [strange] * LONG + [well] * LONG)
    told = [message for message in caplog.messages if "looked at" in message]
    assert [message.rpartition(": ")[0] for message in told] == [
        "peers cannot be looked at, so nobody is dialled or cut off: engine.gone",
        "peers cannot be looked at, so nobody is dialled or cut off: engine.answer_unknown",
        "",
    ]
    assert told[-1] == "peers are looked at again"


def test_an_engine_that_is_started_again_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone, back = {"is_gone": True}, {"is_gone": False}
    with caplog.at_level("WARNING", "traco.engine"):
        watched(Surroundings(), monkeypatch, ([gone] * 3 + [back]) * 4)
    assert [message for message in caplog.messages if "looked at" in message] == []
