"""Snapshots of a cluster node, put together: taking them, giving them, and joining by one of the others'.

    block committed -> SnapshotTaker                      every so many blocks
    engine          -> NodeSnapshots -> shelf             what peers ask for, and what comes from them
    a restored file -> the node's ledger                  swapped in, and the application goes on from it
    engine          -> relay (unix socket) -> gateways    what its light client asks while it joins

A node joins by a snapshot where its configuration says so and its ledger has executed no block. It trusts the
header that a gateway's seal ends with, after the validators of the genesis have vouched for it, hand over by hand over.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from traco.client.wire import connection_options
from traco.engine.cometbft.errors import EngineGone, EngineRefused
from traco.engine.cometbft.home import EVIDENCE_BLOCKS, StateSync
from traco.engine.cometbft.relay import Relay, RelayServer, Trust, trust_of
from traco.engine.cometbft.seals import Seals
from traco.engine.cometbft.snapshots import NodeSnapshots
from traco.engine.cometbft.taking import SnapshotTaker
from traco.engine.cometbft.witness import SealWitness
from traco.kernel.application import Application
from traco.kernel.genesis import Genesis, write_genesis
from traco.kernel.light import LightInvalid, ValidatorSet, chain_id, founding_validators
from traco.node.configuration import EngineConfig
from traco.node.directory import LEDGER_FILE, SNAPSHOTS_FOLDER
from traco.storage import LedgerStore
from traco.storage.copying.form import terms_of
from traco.storage.copying.shelf import Shelf
from traco.storage.copying.swap import replace_ledger

TIMEOUT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 8_388_608
PAUSE_SECONDS: Final = 5.0  # before the gateways are asked again for a seal
RELAY_SOCKET: Final = "relay.sock"
MAX_SOURCES: Final = 8

log = logging.getLogger("traco.snapshots")


class GatewaySource:
    """One gateway, asked for what its engine says (see ``engine.cometbft.relay.LightSource``)."""

    def __init__(
        self, url: str, ca_file: Path | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:  # fmt: skip
        """``ca_file``: certificates of authorities, where they are not the system's. ``transport``: another way there."""
        self.url = url
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_SECONDS, transport=transport, **connection_options(url, ca_file)
        )

    async def ask(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's result there. Raises ``EngineGone``, ``EngineRefused``."""
        try:
            return msgspec.json.decode(await self._get(f"/v1/light/engine/{method}", parameters))
        except ValueError:
            raise EngineGone("gateway.gone", f"{self.url} answers with something else than JSON") from None

    async def seal(self) -> bytes:
        """The newest seal there. Raises ``EngineGone``, ``EngineRefused``."""
        return await self._get("/v1/light/seal", {})

    async def _get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        try:
            answer = await self._http.get(path, params=dict(parameters))
        except httpx.HTTPError as error:
            raise EngineGone("gateway.gone", f"{self.url} does not answer ({type(error).__name__})") from None
        if answer.status_code == 404:
            raise EngineRefused("gateway.refused", _detail(answer.content))
        if answer.status_code != 200 or len(answer.content) > MAX_ANSWER_BYTES:
            raise EngineGone("gateway.gone", f"{self.url} answers with status {answer.status_code}")
        return answer.content

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _detail(problem: bytes) -> str:
    """What a problem document says happened; the engine's own words, where it refused."""
    try:
        return str(msgspec.json.decode(problem, type=dict[str, Any]).get("detail", ""))
    except ValueError:
        return "the gateway has no such thing"


class Joining:
    """A node's snapshots, and how it joins by one. ``replaced`` is called when the ledger's file is another one."""

    def __init__(
        self, directory: Path, founding: Genesis, application: Application, store: LedgerStore, seals: Seals,
        config: EngineConfig, replaced: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._ledger = directory / LEDGER_FILE
        self._application, self._store, self._config, self._replaced = application, store, config, replaced
        self._chain = chain_id(application.network)
        self._founders: ValidatorSet = founding_validators(founding)
        shelf = Shelf(directory / SNAPSHOTS_FOLDER)
        self.snapshots = NodeSnapshots(
            shelf, write_genesis(founding), lambda: application.info().height, lambda: store.first_height, self._adopt,
            SealWitness(seals, self._chain, self._founders),
        )  # fmt: skip
        self.taker = SnapshotTaker(
            self._ledger, shelf, config.snapshot_interval_blocks, lambda: terms_of(application.state)
        )
        self._ca_file = None if config.ca_file is None else directory / config.ca_file
        self._server: RelayServer | None = None
        self._sources: list[GatewaySource] = []

    def retain_height(self, height: int) -> int:
        """The oldest block that the engine must keep; 0 for all."""
        return self.snapshots.retain_height(height, self._config.retain_blocks, EVIDENCE_BLOCKS)

    async def _adopt(self, made: Path) -> None:
        # All at once, in the ledger's event loop: nobody finds the store closed, or the file another one.
        self._store.replace(lambda: replace_ledger(made, self._ledger))
        self._application.reload()
        self._replaced()

    def wants_to_join(self) -> bool:
        """Whether this node is to begin with a snapshot: also where it restored one, and its engine does not know of it."""
        return self._config.state_sync and self._application.info().height == self._store.first_height

    async def begin(self, runtime: Path, gateways: Sequence[str]) -> StateSync | None:
        """Start the relay in the folder ``runtime``; what the engine has to be told. None where no gateway is known."""
        urls = list(dict.fromkeys(url for url in gateways if url))[:MAX_SOURCES]
        if not urls:
            log.error(
                "no gateway of another node is known; this node begins with the first block instead of a snapshot"
            )
            return None
        self._sources = [GatewaySource(url, self._ca_file) for url in urls]
        relay = Relay(self._sources, self._chain, self._founders)
        self._server = RelayServer(relay, runtime / RELAY_SOCKET)
        await self._server.start()
        trust = await self._trust()
        log.info(
            "joining by a snapshot; trusted is the header of block %d, hash %s",
            trust.height,
            trust.hash.hex(),
        )
        # The engine wants two addresses; the relay judges gateways itself.
        return StateSync(
            rpc_servers=(self._server.address, self._server.address),
            trust_height=trust.height,
            trust_hash=trust.hash,
        )

    async def _trust(self) -> Trust:
        """From the newest seal that any gateway gives and the founding validators vouch for.

        All are asked: an old seal is as true as a new one, but it may be of a block that the others have no more.
        """
        while True:
            found = await asyncio.gather(*map(self._trust_from, self._sources))
            if known := [each for each in found if each is not None]:
                return max(known)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _trust_from(self, source: GatewaySource) -> Trust | None:
        try:
            return trust_of(await source.seal(), self._chain, self._founders)
        except (EngineGone, EngineRefused) as error:
            log.warning("no seal from %s: %s", source.url, error)
        except LightInvalid as error:
            log.error("%s gave a seal that the founding validators do not vouch for: %s", source.url, error)
        return None

    async def end(self) -> None:
        """Stop relaying and taking."""
        await self.taker.stop()
        if self._server is not None:
            await self._server.stop()
        for source in self._sources:
            await source.aclose()
