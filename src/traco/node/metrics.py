"""Figures for Prometheus: those of the ledger process, which come over the link, and those of the API process.

Names and units follow Prometheus (https://prometheus.io/docs/practices/naming): seconds, bytes, ``_total`` for what only
grows. ``METRICS`` lists every name; the table in docs/operating.md is made from it. Nothing here is labelled by party, but
for the members whose nodes this one does channel business with (``channel_metrics``).
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from traco.node.channel_metrics import CHANNEL_METRICS, of_channels
from traco.node.families import Described, family
from traco.node.figures import BLOCK_BOUNDS, EngineFigures, Figures, Spread, memory_bytes
from traco.node.health import Health, Seen, lag, used_bytes

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE: Final = "(none)"
"""The route of a request that fits none: paths are the caller's, and would make series without end."""
NO_METHOD: Final = "(other)"
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_MICRO: Final = 1_000_000


METRICS: Final = {
    "traco_ready": Described("gauge", "1 if the node is ready, else 0"),
    "traco_not_ready_reason": Described("gauge", "1 for each reason why the node is not ready", ("code",)),
    "traco_warning": Described("gauge", "1 for each warning of the node's health", ("code",)),
    "traco_ledger_up": Described("gauge", "1 if the ledger process answers, else 0"),
    "traco_start_time_seconds": Described("gauge", "when the ledger process started, seconds since 1970"),
    "traco_height": Described("gauge", "height of the last block"),
    "traco_block_time_seconds": Described("gauge", "time of the last block, seconds since 1970"),
    "traco_block_idle_seconds": Described("gauge", "since the last block was made, or the start"),
    "traco_blocks_total": Described("counter", "blocks made since the start"),
    "traco_envelopes_total": Described("counter", "envelopes in these blocks"),
    "traco_transactions_total": Described(
        "counter", "transactions by what became of them: final, rejected, refused", ("outcome",)
    ),
    "traco_transactions_rejected_total": Described("counter", "rejected transactions by code", ("code",)),
    "traco_transactions_refused_total": Described("counter", "refused transactions by code", ("code",)),
    "traco_block_seconds": Described("histogram", "from the proposal of a block until it is durable"),
    "traco_commit_seconds": Described("histogram", "making a block durable"),
    "traco_alarms_total": Described("counter", "alarms of the kernel by kind", ("kind",)),
    "traco_on_way_transactions": Described("gauge", "transactions taken in that have no result yet"),
    "traco_queued_transactions": Described("gauge", "verified transactions that wait for an envelope"),
    "traco_queued_bytes": Described("gauge", "bytes of these"),
    "traco_verifying_transactions": Described("gauge", "transactions that verifiers have"),
    "traco_outbox_envelopes": Described("gauge", "envelopes in the outbox that are in no block yet"),
    "traco_oldest_waiting_seconds": Described(
        "gauge", "how long the oldest transaction on its way has waited"
    ),
    "traco_state_keys": Described("gauge", "keys in the state"),
    "traco_engine_up": Described("gauge", "1 if the engine of a cluster runs and can go on, else 0"),
    "traco_engine_height": Described("gauge", "height of the engine's last block"),
    "traco_engine_catching_up": Described(
        "gauge", "1 while the engine fetches blocks that others have, else 0"
    ),
    "traco_engine_peers_wanted": Described("gauge", "other nodes of the network"),
    "traco_engine_peers_present": Described("gauge", "those that the engine is connected to"),
    "traco_engine_power": Described("gauge", "voting power of the network"),
    "traco_engine_power_reached": Described(
        "gauge", "voting power of this node and of those it is connected to"
    ),
    "traco_engine_silent_seconds": Described("gauge", "since the engine answered last"),
    "traco_engine_starts_total": Described(
        "counter", "starts of the engine since that of the ledger process"
    ),
    "traco_engine_offered_again_total": Described("counter", "envelopes offered again after silence"),
    "traco_file_bytes": Described("gauge", "sizes of the files in the node's directory", ("file",)),
    "traco_disk_free_bytes": Described("gauge", "free space on the disk of the node's directory"),
    "traco_memory_bytes": Described(
        "gauge", "resident memory by process: ledger, api, channels (with their executors)", ("process",)
    ),
    "traco_projections_lag_blocks": Described("gauge", "blocks that projections are behind"),
    "traco_api_requests_total": Described("counter", "answered requests", ("method", "route", "status")),
    "traco_api_request_seconds": Described(
        "histogram", "time to answer, without streams", ("method", "route")
    ),
    "traco_api_requests_in_progress": Described("gauge", "requests being answered"),
    "traco_api_streams": Described("gauge", "open event streams"),
    "traco_certificate_end_time_seconds": Described(
        "gauge", "when the node's certificate ends, seconds since 1970; 0 without one"
    ),
    "traco_api_rate_limited_total": Described("counter", "requests answered with 429"),
    **CHANNEL_METRICS,
}
"""Every metric of a node, by its name."""


class ApiMeter:
    """Counts requests in the API process. ``certificate_end``: when the certificate ends, in seconds since 1970."""

    def __init__(self, certificate_end: float = 0) -> None:
        # a second series for each counter, which tells nothing that the start time does not
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = _counter("traco_api_requests_total", self.registry)
        self._seconds = Histogram(
            "traco_api_request_seconds", METRICS["traco_api_request_seconds"].text, ("method", "route"),
            registry=self.registry, buckets=REQUEST_BOUNDS,
        )  # fmt: skip
        self._in_progress = _gauge("traco_api_requests_in_progress", self.registry)
        self._streams = _gauge("traco_api_streams", self.registry)
        _gauge("traco_certificate_end_time_seconds", self.registry).set(certificate_end)
        self._limited = _counter("traco_api_rate_limited_total", self.registry)
        self.streams = 0

    def begin(self) -> None:
        """A request has come."""
        self._in_progress.inc()

    def begin_stream(self) -> None:
        """The request is answered by a stream."""
        self.streams += 1
        self._streams.set(self.streams)

    def end(self, method: str, route: str, status: int, seconds: float, is_stream: bool) -> None:
        """The request was answered, or given up (status 0)."""
        method = method if method in _METHODS else NO_METHOD
        self._in_progress.dec()
        self._requests.labels(method, route, str(status)).inc()
        if status == 429:
            self._limited.inc()
        if is_stream:
            self.streams -= 1
            self._streams.set(self.streams)
        else:
            self._seconds.labels(method, route).observe(seconds)


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    return Counter(name.removesuffix("_total"), METRICS[name].text, METRICS[name].labels, registry=registry)


def _gauge(name: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, METRICS[name].text, METRICS[name].labels, registry=registry)


def exposition(meter: ApiMeter, seen: Seen, health: Health, directory: Path) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Moment(seen, health, directory))
    return generate_latest(registry) + generate_latest(meter.registry)


class _Moment(Collector):
    """What was seen at one moment, as metrics."""

    def __init__(self, seen: Seen, health: Health, directory: Path) -> None:
        self._seen, self._health, self._directory = seen, health, directory

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        seen, health = self._seen, self._health
        yield _one("traco_ready", health.is_ready)
        yield _many("traco_not_ready_reason", ((code, 1) for code in health.reasons))
        yield _many("traco_warning", ((code, 1) for code in health.warnings))
        yield _one("traco_ledger_up", seen.figures is not None)
        yield _one("traco_disk_free_bytes", seen.free_bytes)
        yield _many("traco_file_bytes", sorted(used_bytes(self._directory).items()))
        memory = [("api", memory_bytes())]
        if seen.figures is not None:
            memory.append(("ledger", seen.figures.memory_bytes))
            yield _one("traco_projections_lag_blocks", lag(seen))
            yield from _of_ledger(seen.figures)
        if seen.channels is not None:
            memory.append(("channels", seen.channels.memory_bytes))
        if seen.channels is not None or seen.channels_away:
            yield from of_channels(None if seen.channels is None else seen.channels.figures)
        yield _many("traco_memory_bytes", memory)


def _of_ledger(figures: Figures) -> Iterator[Metric]:
    occupancy = figures.occupancy
    yield _one("traco_start_time_seconds", figures.started_ms / 1000)
    yield _one("traco_height", figures.height)
    yield _one("traco_block_time_seconds", figures.block_time_ms / 1000)
    yield _one("traco_block_idle_seconds", figures.idle_ms / 1000)
    yield _one("traco_blocks_total", figures.blocks)
    yield _one("traco_envelopes_total", figures.envelopes)
    yield _many("traco_transactions_total", figures.outcomes)
    yield _many("traco_transactions_rejected_total", figures.rejected)
    yield _many("traco_transactions_refused_total", figures.refused)
    yield _spread("traco_block_seconds", figures.block_seconds)
    yield _spread("traco_commit_seconds", figures.commit_seconds)
    yield _many("traco_alarms_total", figures.alarms)
    yield _one("traco_on_way_transactions", occupancy.on_way)
    yield _one("traco_queued_transactions", occupancy.ready)
    yield _one("traco_queued_bytes", occupancy.ready_bytes)
    yield _one("traco_verifying_transactions", occupancy.verifying)
    yield _one("traco_outbox_envelopes", occupancy.outbox)
    yield _one("traco_oldest_waiting_seconds", occupancy.oldest_ms / 1000)
    yield _one("traco_state_keys", figures.state_keys)
    if figures.engine is not None:
        yield from _of_engine(figures.engine)


def _of_engine(engine: EngineFigures) -> Iterator[Metric]:
    yield _one("traco_engine_up", engine.is_running and not engine.failure)
    yield _one("traco_engine_height", engine.height)
    yield _one("traco_engine_catching_up", engine.is_catching_up)
    yield _one("traco_engine_peers_wanted", engine.peers_wanted)
    yield _one("traco_engine_peers_present", engine.peers_present)
    yield _one("traco_engine_power", engine.power)
    yield _one("traco_engine_power_reached", engine.power_reached)
    yield _one("traco_engine_silent_seconds", engine.silent_ms / 1000)
    yield _one("traco_engine_starts_total", engine.starts)
    yield _one("traco_engine_offered_again_total", engine.offered_again)


def _one(name: str, value: float) -> Metric:
    return family(name, METRICS[name], [((), value)])


def _many(name: str, values: Iterable[tuple[str, float]]) -> Metric:
    return family(name, METRICS[name], [((label,), value) for label, value in values])


def _spread(name: str, spread: Spread) -> Metric:
    bounds = [*(str(bound) for bound in BLOCK_BOUNDS), "+Inf"]
    buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
    return HistogramMetricFamily(name, METRICS[name].text, buckets=buckets, sum_value=spread.sum_us / _MICRO)
