"""A node on a simulated machine: the real application, store, engine, gateway and outbox, interrupted between all their calls."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from torture.checker import Checker
from torture.report import Difference
from torture.world import World
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.application import Application, Finalized, Info
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.genesis import network_id
from traco.kernel.receipt import Receipt
from traco.kernel.screening import DirectScreener, Screened, Screener
from traco.modules.composition import compose
from traco.node.gateway import Gateway
from traco.node.outbox import Outbox
from traco.node.remembering import RememberingScreener
from traco.storage import LedgerStore, SnapshotReader

LEDGER, OUTBOX = Path("/ledger.db"), Path("/outbox.db")
CHECKPOINT_PAGES = 24  # small, so that power cuts meet checkpoints too
REPEATED = 0.15  # how often a block is finalized again, first with something else
_RECEIPT: Codec[Receipt] = Codec(Receipt)


class Death(BaseException):
    """The process was killed between two calls; no handler of the program under test sees it."""


class Interruptions:
    """Counts the points between calls; at the chosen one, ``strike`` ends the process or the machine."""

    def __init__(self) -> None:
        self.passed = 0
        self._at = 0
        self._strike: Callable[[], None] = lambda: None
        self._dead = False

    def arm(self, after: int, strike: Callable[[], None]) -> None:
        """Strike at the point that comes ``after`` points from now."""
        self._at, self._strike = self.passed + after, strike

    def point(self) -> None:
        """Between two calls. Raises ``Death`` at the chosen point and at all later ones."""
        self.passed += 1
        if self.passed == self._at:
            self._dead = True
            self._strike()
        if self._dead:
            raise Death


class InterruptedApplication(Application):
    """Shows every commit to the checker, and sometimes finalizes something else first, as an engine may."""

    interruptions: Interruptions
    checker: Checker
    rng: random.Random
    decoys: Callable[[], Sequence[bytes]]

    def check_tx(self, raw: bytes, time_ms: int) -> Failure | None:
        """Interrupted before and after."""
        self.interruptions.point()
        failure = super().check_tx(raw, time_ms)
        self.interruptions.point()
        return failure

    def prepare_proposal(self, envelopes: Sequence[bytes], max_bytes: int, time_ms: int) -> tuple[bytes, ...]:
        """Interrupted after."""
        proposal = super().prepare_proposal(envelopes, max_bytes, time_ms)
        self.interruptions.point()
        return proposal

    def process_proposal(self, envelopes: Sequence[bytes], time_ms: int) -> bool:
        """Interrupted after."""
        accepted = super().process_proposal(envelopes, time_ms)
        self.interruptions.point()
        return accepted

    def finalize_block(self, height: int, time_ms: int, envelopes: Sequence[bytes]) -> Finalized:
        """Repeated sometimes: with another proposal, then with the same."""
        if self.rng.random() < REPEATED:
            other = self.rng.choice((self.decoys(), tuple(envelopes)[::-1], (), tuple(envelopes)))
            super().finalize_block(height, time_ms + self.rng.choice((0, 7, 100_000)), other)
            self.checker.counts["disturbance: block finalized again, with another proposal first"] += 1
            self.interruptions.point()
        finalized = super().finalize_block(height, time_ms, envelopes)
        self.interruptions.point()
        return finalized

    def commit(self) -> Info:
        """The checker sees the block as soon as it is durable."""
        assert self._pending is not None
        block = self._pending
        info = super().commit()
        self.checker.absorb(block)
        self.checker.compare_state(self)
        self.interruptions.point()
        return info


class SharedEngine(EmbeddedEngine):
    """Orders envelopes of other nodes, too."""

    def __init__(self, application: Application, world: World, now_ms: Callable[[], int]) -> None:
        super().__init__(application, world.seal, now_ms)

    def offer_foreign(self, envelope: bytes) -> Failure | None:
        """An envelope that does not come from the gateway."""
        return self.offer(envelope)


class InterruptedOutbox(Outbox):
    """Interrupted between its calls."""

    def __init__(self, path: Path, vfs: str, interruptions: Interruptions) -> None:
        super().__init__(path, vfs)
        self.interruptions = interruptions

    def put(self, envelopes: Sequence[tuple[bytes, bytes]], done: Iterable[bytes] = ()) -> None:
        """Interrupted before and after."""
        self.interruptions.point()
        super().put(envelopes, done)
        self.interruptions.point()


class DirectPool:
    """Screens at once, where a node has processes."""

    def __init__(self, screener: Screener) -> None:
        self._screener = screener

    async def screen(self, batch: Sequence[bytes]) -> Sequence[Screened]:
        """One answer per transaction, in order."""
        return self._screener.screen(batch)


class SimulatedNode:
    """Opened over what is on the disk. Opening raises whatever a disturbed disk raises, and ``Difference``."""

    def __init__(
        self, world: World, vfs: str, checker: Checker, rng: random.Random, interruptions: Interruptions,
        now_ms: Callable[[], int], decoys: Callable[[], Sequence[bytes]],
    ) -> None:  # fmt: skip
        limits = world.genesis.kernel_parameters()
        registry = compose()
        direct = DirectScreener(registry.body, limits)
        screener = RememberingScreener(direct, transactions=200)
        network = network_id(world.genesis)
        self.store = LedgerStore(LEDGER, network, vfs=vfs, checkpoint_pages=CHECKPOINT_PAGES)
        self.application = InterruptedApplication(
            world.genesis, registry, self.store, checker.alarm, screener
        )
        self.application.interruptions, self.application.checker = interruptions, checker
        self.application.rng, self.application.decoys = rng, decoys
        self.engine = SharedEngine(self.application, world, now_ms)
        self.engine.start()
        self._catch_up(checker, vfs, network)
        self.outbox = InterruptedOutbox(OUTBOX, vfs, interruptions)
        self.gateway = Gateway(
            self.engine,
            self.outbox,
            DirectPool(direct),
            screener,
            network,
            world.member,
            world.node,
            self._find,
        )
        self.gateway.recover()

    def _catch_up(self, checker: Checker, vfs: str, network: bytes) -> None:
        """The block that was being committed when everything ended may be there; nothing else may have changed."""
        height = self.application.info().height
        if not checker.height <= height <= checker.height + 1:
            raise Difference("durability", f"block {checker.height} was committed, the store has {height}")
        if height > checker.height:
            with SnapshotReader(LEDGER, network, vfs=vfs).snapshot() as snapshot:  # type: ignore[union-attr]
                block = snapshot.block(height)
            assert block is not None
            checker.absorb(block)
        checker.compare_state(self.application)
        self._look_up(checker)

    def _look_up(self, checker: Checker) -> None:
        """Some of what was ordered is found again, at its place."""
        known = list(checker.places)
        for identity in known[:3] + known[-5:]:
            found, wanted = self._find(identity), checker.places[identity]
            shown = None if found is None else (*found[:2], "" if found[2] is None else found[2].code)
            if shown != wanted:
                raise Difference("receipts", f"{identity.hex()} is found at {shown}, not at {wanted}")

    def _find(self, identity: bytes) -> tuple[int, int, Failure | None] | None:
        place = self.store.find_transaction(identity)
        if place is None:
            return None
        height, leaf = place
        return height, leaf, _RECEIPT.trusted(self.store.leaves(height)[leaf].receipt).failure

    def close(self) -> None:
        """As a node stops."""
        self.outbox.close()
        self.store.close()
