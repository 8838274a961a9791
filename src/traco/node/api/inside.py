"""What the API process has for those who run the node, put together: counting, watching, traces, the port for Prometheus."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from litestar import Litestar

from traco.kernel.errors import LedgerError
from traco.node.api.guard import Guard
from traco.node.api.observing import observe
from traco.node.api.operations import MetricsOnly, Operations, operations_routes
from traco.node.api.patience import PatientProtocol
from traco.node.api.serving import OwnServer
from traco.node.api.tls import find_certificate
from traco.node.channels.link import ChannelsAway, ChannelsEnd
from traco.node.channels.requests import FiguresAre, FiguresOf
from traco.node.configuration import NodeConfig
from traco.node.health import BEFORE_SNAPSHOT, Watch
from traco.node.link import ApiEnd
from traco.node.metrics import ApiMeter
from traco.node.tracing import make_tracer
from traco.projections.database import ProjectionDatabase
from traco.projections.errors import NotReady

SCRAPES: Final = 16  # connections at once on the port for Prometheus
BEFORE: Final = -1


class Inside:
    """Made before the application: give it ``routes``, then ``observe`` it, ``start`` and ``stop`` with it."""

    def __init__(
        self, directory: Path, config: NodeConfig, link: ApiEnd, height: Callable[[], int],
        projections: ProjectionDatabase | None, metrics_listener: socket.socket | None = None,
        first_height: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self._config, self._listener = config, metrics_listener
        certificate = find_certificate(directory, config)
        self.meter = ApiMeter(0 if certificate is None else certificate.ends().timestamp())
        self.tracer = make_tracer(config.tracing, "api")
        link.trace = self.tracer.context
        self._database, self._first_height = projections, first_height
        watch = Watch(
            directory,
            config.health,
            link.figures,
            height,
            None if self._database is None else self._projected,
            partial(_channel_figures, ChannelsEnd(directory)) if config.channels.enabled else None,
        )
        self._operations = Operations(watch, self.meter)
        self.routes: list[Any] = operations_routes(self._operations, config.metrics.enabled)
        self._server: OwnServer | None = None
        self._serving: asyncio.Task[None] | None = None

    def observe(self, app: Litestar) -> None:
        """Have every request counted."""
        observe(app, self.meter, self._config.log.access, self.tracer)

    async def start(self) -> None:
        """Serve Prometheus, where a port is configured."""
        if self._listener is None:
            return
        app: Any = Guard(MetricsOnly(self._operations))
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", http=PatientProtocol, proxy_headers=False,
            server_header=False, limit_concurrency=SCRAPES, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = OwnServer(config)
        self._serving = asyncio.create_task(
            self._server.serve(sockets=[self._listener]), name="traco-metrics"
        )

    async def stop(self) -> None:
        """End what was started, and send the last spans."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        if self._database is not None:
            self._database.close()
        await asyncio.to_thread(self.tracer.close)

    def _projected(self) -> int:
        """The height up to which projections are complete; -1 where that cannot be read (see ``health.Seen``)."""
        if self._database is None:
            return BEFORE
        try:
            with self._database.reading() as (_, found):
                height = found.height
        except NotReady:
            height = 0
        except LedgerError:
            return BEFORE
        return BEFORE_SNAPSHOT if height < self._first_height() else height


async def _channel_figures(end: ChannelsEnd) -> FiguresAre:
    """Those of the channels' process. Raises ``ChannelsAway``."""
    answer = await end.ask(FiguresOf())
    if not isinstance(answer, FiguresAre):
        raise ChannelsAway("the channels' process gives no figures; node.log says why")
    return answer
