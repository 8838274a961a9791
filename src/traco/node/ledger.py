"""The ledger part of a node: application, store, engine, verifiers and gateway, put together over one directory."""

import asyncio
import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel import crypto
from traco.kernel.application import Application
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure
from traco.kernel.execution import Alarm
from traco.kernel.genesis import Genesis, network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.receipt import Receipt
from traco.kernel.screening import DirectScreener
from traco.modules.composition import compose
from traco.node.directory import LEDGER_FILE, OUTBOX_FILE
from traco.node.gateway import EnvelopeSigner, Gateway
from traco.node.link import Sealed
from traco.node.outbox import Outbox
from traco.node.remembering import RememberingScreener
from traco.node.verifiers import VerifierPool
from traco.storage import LedgerStore

_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)


def wall_clock_ms() -> int:
    """The machine's clock in ms, UTC."""
    return time.time_ns() // 1_000_000


def make_screener(limits: KernelParameters) -> DirectScreener:
    """The screener that each verifier process makes for itself."""
    crypto.check_library()
    return DirectScreener(compose().body, limits)


class LedgerNode:
    """One ledger, opened for work. Make it, ``start`` it inside an event loop, ``stop`` it in the end."""

    def __init__(
        self, directory: Path, genesis: bytes, member: bytes, node_key: EnvelopeSigner, seal_key: EnvelopeSigner,
        alarm: Alarm, verifiers: int = 2, now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:  # fmt: skip
        founding: Genesis = parse_genesis(genesis)
        limits = founding.kernel_parameters()
        crypto.check_library()
        # before the state is loaded: the processes start while this one reads
        self._pool = VerifierPool(partial(make_screener, limits), verifiers)
        registry = compose()
        self._screener = RememberingScreener(DirectScreener(registry.body, limits))
        self.store = LedgerStore(directory / LEDGER_FILE, network_id(founding))
        self.application = Application(founding, registry, self.store, alarm, self._screener)
        self.engine = EmbeddedEngine(self.application, seal_key, now_ms)
        self.engine.start()
        gc.collect()
        gc.freeze()  # the state stays: without this the collector walks millions of objects during a block
        self._outbox = Outbox(directory / OUTBOX_FILE)
        self.gateway = Gateway(
            self.engine, self._outbox, self._pool, self._screener, self.application.network, member, node_key,
            limits, self._find,
        )  # fmt: skip
        self.recovered = self.gateway.recover()

    def _find(self, identity: bytes) -> tuple[int, int, Failure | None] | None:
        place = self.store.find_transaction(identity)
        if place is None:
            return None
        height, leaf = place
        receipt = _RECEIPT.trusted(self.store.leaves(height)[leaf].receipt)
        return height, leaf, receipt.failure

    async def start(self) -> "asyncio.Task[None]":
        """Attach to the running event loop and make blocks; the task ends with an exception when the node must stop."""
        await self._pool.connect()
        return asyncio.create_task(self.gateway.run(), name="traco-blocks")

    async def finish(self) -> None:
        """Leave the event loop: no more screening. Call before ``stop``."""
        await self._pool.disconnect()

    def sealed(self) -> Sealed:
        """The seal of the last block, its height, and the time that a block made now would have."""
        return Sealed(self.engine.seal(), self.application.info().height, self.engine.block_time_ms())

    def stop(self) -> None:
        """End the verifier processes and close the files."""
        self._pool.stop()
        self._outbox.close()
        self.store.close()
