"""Keeps the engine connected to the nodes that the ledger admits, and to no others.

CometBFT itself redials a lost peer ever more rarely, and one that refused it hardly ever; and it asks its filter only when a
connection is made, so whoever is removed from the ledger stays connected. So this looks at who is connected every few
seconds, has the engine dial who is missing, and asks for a restart of the engine where somebody is connected who must not be.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from traco.engine.cometbft.answers import EngineStatus, Peer
from traco.engine.cometbft.errors import EngineError
from traco.engine.cometbft.home import peer_address

LOOK_SECONDS: Final = 2.0
PAUSES_SECONDS: Final = (2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses between attempts to reach one peer; the last one from then on."""

TOLD_AFTER_SECONDS: Final = 10.0
"""An engine that is started again answers sooner; one that does not, so long, is told of."""

CUT_STEP_SECONDS: Final = 2.0
"""Nodes restart their engines one after the other, so that the network goes on while a removed node is cut off."""
MAX_CUT_STEPS: Final = 20
CUT_AGAIN_SECONDS: Final = (
    60.0  # a peer that is back after a restart is not a reason for the next one at once
)

log = logging.getLogger("traco.engine")


class WantedPeer(NamedTuple):
    """Where a node of the network listens (``host:port``), and its voting power; 0 for an observer."""

    address: str
    power: int = 0


class Sight(NamedTuple):
    """What was seen last. Heights and power are of the last answer; ``silent_s``: how long ago that was.

    ``power_reached``: the voting power of this node and of those it is connected to, of ``power`` in all.
    """

    height: int
    is_catching_up: bool
    wanted: int
    present: int
    power: int
    power_reached: int
    silent_s: float


class PeerSource(Protocol):
    """What of ``EngineClient`` is used."""

    async def status(self) -> EngineStatus:
        """Where the engine stands."""

    async def peers(self) -> tuple[Peer, ...]:
        """Whom it is connected to."""

    async def dial(self, peers: Sequence[str]) -> None:
        """Connect to these."""


Cut = Callable[[Collection[bytes]], Awaitable[None]]
"""End the connections to these peers: write the engine's files anew and restart it."""


class PeerWatch:
    """Compares whom the ledger wants connected with who is. ``wanted`` has every node of the network but this one."""

    def __init__(
        self, client: PeerSource, own: bytes, wanted: Callable[[], Mapping[bytes, WantedPeer]], cut: Cut,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._client, self._own, self._wanted, self._cut, self._clock = client, own, wanted, cut, clock
        self._attempts: dict[bytes, tuple[int, float]] = {}  # peer: how often, and when again
        self._foreign_since: dict[bytes, float] = {}
        self._cut_at: dict[bytes, float] = {}
        self._answered = clock()
        self._failing_since: float | None = None
        self._told = ""  # the code of what was logged last
        self._seen = Sight(0, True, 0, 0, 0, 0, 0.0)

    @property
    def sight(self) -> Sight:
        """What was seen last."""
        return self._seen._replace(silent_s=self._clock() - self._answered)

    async def run(self) -> None:
        """Look every few seconds, until cancelled. What keeps it from looking is logged once, and again when it changes."""
        while True:
            try:
                await self.look()
            except EngineError as error:
                self._note_failure(error)
            else:
                self._note_success()
            await asyncio.sleep(LOOK_SECONDS)

    def _note_failure(self, error: EngineError) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= TOLD_AFTER_SECONDS and error.code != self._told:
            self._told = error.code
            log.warning("peers cannot be looked at, so nobody is dialled or cut off: %s", error)

    def _note_success(self) -> None:
        if self._told:
            log.warning("peers are looked at again")
        self._failing_since, self._told = None, ""

    async def look(self) -> None:
        """Look once; dial who is missing, cut who must not be there. Raises ``EngineError``."""
        status = await self._client.status()
        connected = {each.peer for each in await self._client.peers()}
        wanted = dict(self._wanted())
        wanted.pop(self._own, None)
        self._note(status, wanted, connected)
        await self._dial_missing(wanted, connected)
        if not status.is_catching_up and status.height > 0:
            await self._cut_foreign(wanted, connected)

    def _note(
        self, status: EngineStatus, wanted: Mapping[bytes, WantedPeer], connected: Collection[bytes]
    ) -> None:
        present = [peer for peer in wanted if peer in connected]
        self._answered = self._clock()
        self._seen = Sight(
            status.height, status.is_catching_up, len(wanted), len(present),
            status.voting_power + sum(each.power for each in wanted.values()),
            status.voting_power + sum(wanted[peer].power for peer in present), 0.0,
        )  # fmt: skip

    async def _dial_missing(self, wanted: Mapping[bytes, WantedPeer], connected: Collection[bytes]) -> None:
        now = self._clock()
        missing = {peer: each for peer, each in wanted.items() if peer not in connected}
        self._attempts = {peer: seen for peer, seen in self._attempts.items() if peer in missing}
        for peer, each in missing.items():
            count, due = self._attempts.get(peer, (0, now))
            if now < due:
                continue
            self._attempts[peer] = count + 1, now + PAUSES_SECONDS[min(count, len(PAUSES_SECONDS) - 1)]
            try:
                await self._client.dial((peer_address(peer, each.address),))
            except EngineError as error:
                log.warning("peer %s at %s cannot be dialled: %s", peer.hex(), each.address, error)

    async def _cut_foreign(self, wanted: Mapping[bytes, WantedPeer], connected: Collection[bytes]) -> None:
        now = self._clock()
        foreign = [peer for peer in connected if peer not in wanted]
        self._foreign_since = {peer: self._foreign_since.get(peer, now) for peer in foreign}
        patience = min(sum(peer < self._own for peer in wanted), MAX_CUT_STEPS) * CUT_STEP_SECONDS
        due = [
            peer for peer, since in self._foreign_since.items()
            if now - since >= patience and now - self._cut_at.get(peer, -CUT_AGAIN_SECONDS) >= CUT_AGAIN_SECONDS
        ]  # fmt: skip
        if due:
            self._cut_at = {peer: at for peer, at in self._cut_at.items() if now - at < CUT_AGAIN_SECONDS}
            self._cut_at |= dict.fromkeys(due, now)
            log.warning("not admitted, but connected: %s", ", ".join(peer.hex() for peer in due))
            await self._cut(due)
