"""Traces by OpenTelemetry, where an endpoint is configured: request -> submit -> block, with the correlation id.

The packages of the extra ``tracing`` are imported only then. Without an endpoint every call here does nothing. The trace
context crosses the link as a W3C ``traceparent``; a block is a trace of its own, linked to the submissions in it.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from traco.node.configuration import ConfigurationInvalid, TracingConfig

MOST_LINKS: Final = 64
"""Submissions that the span of a block is linked to; a block may hold thousands."""


class Span(Protocol):
    """A request's span."""

    def end(self, route: str, status: int, identity: str) -> None:
        """The answer was given."""
        ...


class Tracer(Protocol):
    """Makes spans; ``NO_TRACES`` makes none."""

    def request(self, method: str, parent: bytes | None) -> Any:
        """A context with the span of a request. ``parent``: the caller's ``traceparent``."""
        ...

    def context(self) -> str:
        """The ``traceparent`` of the span that is open, to be sent over the link; empty where there is none."""
        ...

    def submission(self, parent: str, identity: str, transactions: int) -> Any:
        """A context with the span of a submission in the ledger process."""
        ...

    def block(self, height: int, seconds: float, requests: Sequence[str]) -> None:
        """A block was made; ``requests`` are the correlation ids of the submissions in it."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class _NoSpan:
    def end(self, route: str, status: int, identity: str) -> None:
        """Nothing."""


class _NoTraces:
    """Does nothing, at no cost worth naming."""

    @contextmanager
    def request(self, method: str, parent: bytes | None) -> Iterator[Span]:
        """No span."""
        yield _NO_SPAN

    def context(self) -> str:
        """None."""
        return ""

    @contextmanager
    def submission(self, parent: str, identity: str, transactions: int) -> Iterator[None]:
        """No span."""
        yield

    def block(self, height: int, seconds: float, requests: Sequence[str]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


_NO_SPAN: Final = _NoSpan()
NO_TRACES: Final[Tracer] = _NoTraces()


def make_tracer(config: TracingConfig, process: str) -> Tracer:
    """The tracer of a process. Raises ``ConfigurationInvalid`` (``node.tracing_missing``) without the packages."""
    if config.endpoint is None:
        return NO_TRACES
    try:
        spans = importlib.import_module("traco.node.spans")
    except ModuleNotFoundError as error:
        raise ConfigurationInvalid(
            "node.tracing_missing",
            [f"tracing.endpoint is set, but {error.name} is not installed; install it with: pip install 'traco[tracing]'"],
        ) from None  # fmt: skip
    tracer: Tracer = spans.exporting_to(config.endpoint, process)
    return tracer
