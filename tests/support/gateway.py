"""A gateway over a whole ledger of counters in one process: real engine, real outbox, a clock that tests turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from support.counters import ALICE, MEMBER, NODE, SOLO, Add, counter_genesis, counter_registry
from support.ledger import START_MS, Key
from support.memory_store import MemoryStore
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.application import Application
from traco.kernel.codec import ROOT, Codec, encode
from traco.kernel.errors import Failure
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
from traco.kernel.screening import DirectScreener, Screened, encode_transaction
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.figures import Figures, Meter
from traco.node.gateway import Gateway
from traco.node.outbox import Outbox
from traco.node.remembering import RememberingScreener

SEAL = Key("seal")
_RECEIPT: Codec[Receipt] = Codec(Receipt)


class DirectPool:
    """Screens in this process; a closed ``gate`` holds every batch back but the first ``free`` ones."""

    def __init__(self, screener: DirectScreener) -> None:
        self._screener = screener
        self.batches: list[int] = []
        self.free = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def screen(self, batch: Sequence[bytes]) -> list[Screened]:
        """One answer per transaction, in order."""
        self.batches.append(len(batch))
        if len(self.batches) > self.free:
            await self.gate.wait()
        return self._screener.screen(batch)


class Office:
    """One node's gateway and everything below it. Opened again over the same store and outbox, it is the node restarted."""

    def __init__(
        self, path: Path, store: MemoryStore, genesis: Genesis | None = None, now_ms: int = START_MS + 1_000,
        vfs: str | None = None,
    ) -> None:  # fmt: skip
        self.genesis = counter_genesis() if genesis is None else genesis
        self.now_ms = now_ms
        self.store = store
        self.path = path
        registry, limits = counter_registry(), self.genesis.kernel_parameters()
        direct = DirectScreener(registry.body, limits)
        self.screener = RememberingScreener(direct)
        self.alarms: list[str] = []
        self.application = Application(
            self.genesis, registry, store, lambda kind, _, error: self.alarms.append(kind), self.screener
        )
        self.engine = EmbeddedEngine(self.application, SEAL_SIGNER, lambda: self.now_ms)
        self.engine.start()
        self.outbox = Outbox(path, vfs)
        self.pool = DirectPool(direct)
        self.finds = 0
        self.meter = Meter()
        self.gateway = Gateway(
            self.engine,
            self.outbox,
            self.pool,
            self.screener,
            self.application.network,
            MEMBER,
            NODE_SIGNER,
            self.find,
            self.meter,
        )
        self.recovered = self.gateway.recover()
        self._salt = now_ms

    def find(self, identity: bytes) -> tuple[int, int, Failure | None] | None:
        """Height, leaf and failure of an id, as committed."""
        self.finds += 1
        for block in self.store.blocks:
            for index, leaf in enumerate(block.leaves):
                if leaf.identity == identity:
                    return block.height, index, _RECEIPT.trusted(leaf.receipt).failure
        return None

    def figures(self) -> Figures:
        """What the gateway counts."""
        info = self.application.info()
        return self.meter.figures(
            info.height, info.time_ms, len(self.application.tree), self.recovered, self.gateway.occupancy()
        )

    def sign(self, *instructions: Instruction, key: Key = ALICE, valid_ms: int = 60_000) -> bytes:
        """A signed transaction with a salt of its own."""
        self._salt += 1
        body = encode(
            Body(
                self.application.network,
                ROOT,
                self.now_ms + valid_ms,
                self._salt.to_bytes(16, "big"),
                instructions,
            )
        )
        return encode_transaction(body, (key.signature(signing_message(transaction_id(body))),))

    def add(self, name: str = "a", amount: int = 1, **more: int) -> bytes:
        """A transaction that adds to a counter."""
        return self.sign(Add(SOLO, name, amount), **more)  # type: ignore[arg-type]

    def total(self, name: str = "a") -> int:
        """A counter, as committed."""
        registry = self.application.registry
        request = registry.queries["counter.total"].request(name)
        total: int = self.application.query("counter.total", request)
        return total

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """With blocks being made."""
        blocks = asyncio.create_task(self.gateway.run())
        try:
            yield blocks
        finally:
            blocks.cancel()
            await asyncio.gather(blocks, return_exceptions=True)


class TestSigner:
    """A key of the tests as a node's signer."""

    __test__ = False

    def __init__(self, key: Key) -> None:
        self._key = key

    @property
    def public_key(self) -> bytes:
        """The public key, scheme byte first."""
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return self._key.sign(message)


NODE_SIGNER, SEAL_SIGNER = TestSigner(NODE), TestSigner(SEAL)


async def until(holds: Callable[[], bool], turns: int = 10_000) -> None:
    """Let the event loop turn until something holds; not by the clock."""
    for _ in range(turns):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")
