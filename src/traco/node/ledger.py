"""The ledger part of a node: application, store, engine, verifiers and gateway, put together over one directory."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from traco.engine.embedded.engine import EmbeddedEngine
from traco.engine.seam import Engine
from traco.kernel import crypto
from traco.kernel.application import Application
from traco.kernel.codec import Codec
from traco.kernel.errors import Failure, Halt
from traco.kernel.execution import Alarm
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, network_id, parse_genesis
from traco.kernel.protocol import stops_at
from traco.kernel.receipt import Receipt
from traco.kernel.screening import DirectScreener
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock
from traco.modules.composition import compose
from traco.node.child import COLLECTOR
from traco.node.clock import wall_clock_ms
from traco.node.cluster import Cluster
from traco.node.configuration import NodeConfig
from traco.node.directory import LEDGER_FILE, OUTBOX_FILE
from traco.node.figures import Figures, Meter
from traco.node.gateway import EnvelopeSigner, Gateway
from traco.node.light import LedgerLight
from traco.node.link import Sealed
from traco.node.logs import REQUEST
from traco.node.outbox import Outbox
from traco.node.own_screener import make_screener
from traco.node.remembering import RememberingScreener
from traco.node.verifiers import VerifierPool
from traco.storage import LedgerStore

_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)


FILE_WATCH_S: Final = 1.0


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name now; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _loading() -> Iterator[None]:
    """While the state is loaded, nothing is garbage; afterwards it stays, and the collector need not walk it again
    and again during blocks."""
    gc.disable()
    try:
        yield
        gc.freeze()
        gc.set_threshold(*COLLECTOR)
    finally:
        gc.enable()


def _embedded(application: Application, seal_key: EnvelopeSigner | None, now_ms: Callable[[], int]) -> Engine:
    if seal_key is None:
        raise Halt("the embedded engine needs the key that seals")
    engine = EmbeddedEngine(application, seal_key, now_ms)
    engine.start()
    return engine


class MeasuredStore(LedgerStore):
    """The store, with how long it takes to make a block durable."""

    def __init__(self, path: Path, network: bytes, meter: Meter) -> None:
        super().__init__(path, network)
        self._meter = meter

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        """As ``LedgerStore.commit``."""
        begun = self._meter.clock()
        super().commit(block, tree)
        self._meter.commit(self._meter.clock() - begun)


class LedgerNode:
    """One ledger, opened for work. Make it, ``start`` it inside an event loop, ``stop`` it in the end."""

    def __init__(
        self, directory: Path, genesis: bytes, member: bytes, node_key: EnvelopeSigner, seal_key: EnvelopeSigner | None,
        alarm: Alarm, verifiers: int = 1, now_ms: Callable[[], int] = wall_clock_ms, config: NodeConfig | None = None,
    ) -> None:  # fmt: skip
        founding: Genesis = parse_genesis(genesis)
        limits = founding.kernel_parameters()
        crypto.check_library()
        with ExitStack() as opened:
            # before the state is loaded: the processes start while this one reads
            self._pool = VerifierPool(partial(make_screener, limits), verifiers)
            opened.callback(self._pool.stop)
            registry = compose()
            self._screener = RememberingScreener(DirectScreener(registry.body, limits))
            self.meter = Meter(now_ms)
            self._alarm = alarm
            self.store = MeasuredStore(directory / LEDGER_FILE, network_id(founding), self.meter)
            opened.callback(self.store.close)
            self._file = directory / LEDGER_FILE
            self._opened_file = _identity(self._file)
            with _loading():
                self.application = Application(founding, registry, self.store, self._alarmed, self._screener)
            self.cluster: Cluster | None = None
            if founding.seal.kind == SIGNED_BY_VALIDATORS:
                self.cluster = Cluster(
                    directory, founding, self.application, self._pool, self._screener, config or NodeConfig(),
                    self.store, self._file_replaced,
                )  # fmt: skip
                opened.callback(self.cluster.close)
                self.engine: Engine = self.cluster.engine
            else:
                self.engine = _embedded(self.application, seal_key, now_ms)
            self.light = LedgerLight(self.application, None if self.cluster is None else self.cluster.client)
            self._outbox = Outbox(directory / OUTBOX_FILE)
            opened.callback(self._outbox.close)
            self.gateway = Gateway(
                self.engine, self._outbox, self._pool, self._screener, self.application.network, member, node_key,
                self._find, self.meter,
            )  # fmt: skip
            self.recovered = self.gateway.recover()
            self._opened = opened.pop_all()

    def _alarmed(self, kind: str, identity: bytes, error: BaseException) -> None:
        """An alarm belongs to the request that brought its transaction."""
        self.meter.alarm(kind, identity)
        token = REQUEST.set(self.gateway.request_of(identity))
        try:
            self._alarm(kind, identity, error)
        finally:
            REQUEST.reset(token)

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
        return asyncio.create_task(self._work(), name="traco-node")

    async def _work(self) -> None:
        """Make blocks as long as all verifier processes live. Raises ``Halt``."""
        tasks = {
            asyncio.create_task(self.gateway.run(), name="traco-blocks"),
            asyncio.create_task(self._pool.watch(), name="traco-watch"),
            asyncio.create_task(self._watch_file(), name="traco-file"),
        }
        if self.cluster is not None:
            tasks.add(asyncio.create_task(self.cluster.run(), name="traco-cluster"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _file_replaced(self) -> None:
        """A restored snapshot took the ledger's place."""
        self._opened_file = _identity(self._file)

    async def _watch_file(self) -> None:
        """Whether the ledger's file is still the one that was opened. Raises ``Halt``.

        A deleted file can be written for as long as it is open, and all of it is gone afterwards.
        """
        while _identity(self._file) == self._opened_file:
            await asyncio.sleep(FILE_WATCH_S)
        raise Halt(
            f"{self._file} was deleted or replaced while the node ran; nothing more is acknowledged. Restore a backup."
        )

    async def finish(self) -> None:
        """Leave the event loop: no more screening. Call before ``stop``."""
        await self._pool.disconnect()

    async def sealed(self, at_least: int = 0) -> Sealed:
        """The newest seal, at best of a block at or above a height, and where the ledger stands."""
        seal, height = await self.engine.sealed(at_least)
        return Sealed(seal, height, self.engine.block_time_ms(), self.application.info().height)

    def figures(self) -> Figures:
        """What this process counts of itself, now."""
        info = self.application.info()
        return self.meter.figures(
            info.height, info.time_ms, len(self.application.tree), self.recovered, self.gateway.occupancy(),
            None if self.cluster is None else self.cluster.figures(), stops_at(self.application.state),
        )  # fmt: skip

    def stop(self) -> None:
        """End the verifier processes and close the files."""
        self._opened.close()
