"""HTTP to one node: problem documents become errors, and what got no answer is asked again.

Asking again is safe: reads change nothing, and a transaction's id makes it count once however often it is sent. Only
what may not be repeated (the fingerprint service counts requests) is sent once.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from traco.client.results import NodeProblem, NodeUnreachable

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
PAUSES_SECONDS: Final = (0.1, 0.3, 1.0, 2.0)
"""Waits between attempts: enough for a node's interface to be started again by its supervisor."""

_PASSING: Final = 503  # the node says itself that it will be able to answer soon


class Transport:
    """Requests to one address. For several threads; close it after use."""

    def __init__(
        self, url: str, *, pauses: tuple[float, ...] = PAUSES_SECONDS, wait: Callable[[float], None] = time.sleep,
        http: httpx.Client | None = None,
    ) -> None:  # fmt: skip
        self.url = url.rstrip("/")
        self._pauses = pauses
        self._wait = wait
        # no proxies from the environment: what goes to a node goes to that node only
        self._http = http or httpx.Client(
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS), trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str) -> httpx.Response:
        """A read. Raises ``NodeUnreachable``, ``NodeProblem``."""
        return self._repeated("GET", path, None, {})

    def post(
        self, path: str, content: bytes, *, kind: str = "application/json", accept: tuple[int, ...] = (),
        once: bool = False,
    ) -> httpx.Response:  # fmt: skip
        """A request with a body; statuses in ``accept`` are answers too. Raises as ``get``."""
        headers = {"content-type": kind}
        if once:
            return self._checked(self._send("POST", path, content, headers), accept)
        return self._repeated("POST", path, content, headers, accept)

    def _repeated(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        accept: tuple[int, ...] = (),
    ) -> httpx.Response:
        for pause in self._pauses:
            try:
                answer = self._send(method, path, content, headers)
            except NodeUnreachable:
                self._wait(pause)
                continue
            if answer.status_code != _PASSING:
                return self._checked(answer, accept)
            self._wait(pause)
        return self._checked(self._send(method, path, content, headers), accept)

    def _send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        try:
            return self._http.request(method, self.url + path, content=content, headers=headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise NodeUnreachable(self.url, str(error) or type(error).__name__) from None

    def _checked(self, answer: httpx.Response, accept: tuple[int, ...]) -> httpx.Response:
        if answer.is_success or answer.status_code in accept:
            return answer
        raise _problem(answer)


def _problem(answer: httpx.Response) -> NodeProblem:
    try:
        document: Any = msgspec.json.decode(answer.content)
        code, detail = str(document.pop("code")), str(document.pop("detail"))
    except (ValueError, AttributeError, KeyError, TypeError):
        return NodeProblem(
            answer.status_code,
            f"http.{answer.status_code}",
            "The answer is not that of a Traco node; check its address.",
        )
    fields = {name: value for name, value in document.items() if name not in ("type", "title", "status")}
    return NodeProblem(answer.status_code, code, detail, fields)
