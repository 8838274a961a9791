"""How bytes leave this process: the one difference between the asynchronous client and its synchronous face.

Everything above a wire is written once, with ``async def``. Over ``asynchronous_wire`` it waits in the caller's event loop;
over ``blocking_wire`` nothing ever suspends, and the same code runs to its end in the thread that asks.

Exception
└── NoAnswer    one attempt got no whole answer; ``transport`` asks again, or says ``NodeUnreachable``
"""

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import httpx

from traco.client.results import AddressRefused, ClientClosed

CONNECT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 134_217_728
"""More than a node answers to anything; beyond it, what answers is not a node."""

_SYSTEM_NUMBER: Final = re.compile(
    r"^\[Errno -?[0-9]+\] "
)  # before the text of an error of the operating system

T = TypeVar("T")


class Answer(NamedTuple):
    """An answer of HTTP; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NoAnswer(Exception):
    """An attempt got no whole answer. ``may_have_arrived``: the request may have been carried out all the same."""

    def __init__(self, reason: str, *, may_have_arrived: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_arrived = may_have_arrived


class Stream(Protocol):
    """An answer whose body is read as it comes."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        ...

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises ``NoAnswer`` where none come for the idle time, or the connection breaks."""
        ...

    async def close(self) -> None:
        """Give the connection up."""
        ...


class Wire(Protocol):
    """What the client needs of the outside."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def aside(self, work: Callable[[], T]) -> T:
        """The result of work that blocks, such as asking a hardware module for a signature."""
        ...

    async def request(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """One attempt. Raises ``NoAnswer``, ``ClientClosed``."""
        ...

    async def stream(self, url: str, headers: Mapping[str, str], idle_seconds: float) -> Stream:
        """The answer to a GET as it comes. Raises as ``request``."""
        ...

    async def close(self) -> None:
        """Close the connections; later requests raise ``ClientClosed``."""
        ...


def connection_options(
    url: str | Sequence[str], ca_file: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """What an httpx client for an address, or several, is made with.

    Trusted are the authorities of ``ca_file`` alone, or those of the system. Raises ``AddressRefused``
    (``client.authority_unusable``).
    """
    urls = (url,) if isinstance(url, str) else url
    if any(each.lower().startswith("https:") for each in urls):
        try:
            context = ssl.create_default_context(cafile=None if ca_file is None else os.fspath(ca_file))
        except OSError as error:  # an SSLError is one too
            detail = f"{ca_file} cannot be read as certificates of authorities ({error.strerror or error})."
            raise AddressRefused(
                "client.authority_unusable", detail, {"file": os.fspath(ca_file or "")}
            ) from None
    else:
        context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT
        )  # reading the authorities takes time and serves nothing
    # no proxies from the environment: what goes to a node goes to that node only; and nothing comes packed
    return {"verify": context, "trust_env": False, "headers": {"accept-encoding": "identity"}}


def attempt_timeout(seconds: float) -> httpx.Timeout:
    """The limits of one attempt for httpx, which knows them for single steps only."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


@contextmanager
def translated(is_closed: Callable[[], bool]) -> Iterator[None]:
    """Around what httpx does: its errors become those of a wire."""
    if is_closed():
        raise ClientClosed
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise _no_answer(error, may_have_arrived=False) from None
    except (httpx.InvalidURL, UnicodeError) as error:  # of a name that no resolver takes, too
        raise NoAnswer(str(error), may_have_arrived=False) from None
    except httpx.TransportError as error:
        if is_closed():
            raise ClientClosed from None
        raise _no_answer(error, may_have_arrived=True) from None


def _no_answer(error: httpx.TransportError, *, may_have_arrived: bool) -> NoAnswer:
    reason = _SYSTEM_NUMBER.sub("", str(error)) or type(error).__name__
    return NoAnswer(reason, may_have_arrived=may_have_arrived)


class Received:
    """The body of an answer as it comes in, up to ``MAX_ANSWER_BYTES``."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ``NoAnswer`` beyond the limit."""
        self._size += len(chunk)
        if self._size > MAX_ANSWER_BYTES:
            raise NoAnswer(f"an answer of more than {MAX_ANSWER_BYTES} bytes", may_have_arrived=True)
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """All of them."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
