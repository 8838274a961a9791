"""Asking a CometBFT process, over its unix socket: broadcasting, headers and commits, validators, peers.

The engine answers JSON with 64-bit integers as strings, hashes in upper-case hex and times in nanoseconds; from here on they
are the records of ``kernel.light``. What an answer says is not verified here: ``kernel.light`` does that.
"""

import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import httpx
import msgspec

from traco.engine.cometbft.answers import (
    AnswerInvalid,
    EngineStatus,
    Peer,
    read_peer,
    read_signed_header,
    read_status,
    read_validator,
)
from traco.engine.cometbft.errors import EngineBusy, EngineGone, EngineRefused, KnownTransaction
from traco.engine.cometbft.home import MIN_TRANSACTION_LIMIT
from traco.kernel.light.records import SignedHeader, Validator

TIMEOUT_SECONDS: Final = 10.0
KEEP_SECONDS: Final = 5.0  # the engine closes a connection that was idle for ten
CONNECTIONS: Final = 16
PAGE: Final = 100
"""Validators asked for at once: the engine's limit."""

Kind = TypeVar("Kind")

_BROADCAST: Final = "broadcast_tx_sync"
_FORM_BEGIN: Final = b"tx=0x"
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_KNOWN: Final = "tx already exists in cache"
_BUSY: Final = (
    "mempool is full",
    "is considered as full",
    "catching up",
    "broadcast confirmation not received",
    "appConn mempool",  # it has lost the application, and ends
    "CheckTx request for tx",
)
_ABSENT: Final = ("must be less than or equal to", "is not available", "could not find", "cannot find")


class CheckAnswer(NamedTuple):
    """What the application said to an envelope: 0 for yes, else the code and words of its refusal."""

    code: int
    log: str


class EngineClient:
    """Asks the engine behind a unix socket. Every method raises ``EngineGone`` where nobody answers."""

    def __init__(self, socket: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx.AsyncClient(
            base_url="http://engine", timeout=timeout_seconds, trust_env=False,
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # unused; reading the authorities takes time
                limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEP_SECONDS)
            ),
        )  # fmt: skip
        self._encoder = msgspec.json.Encoder()

    async def broadcast(self, envelope: bytes) -> CheckAnswer:
        """Offer an envelope and wait for the application's word (``broadcast_tx_sync``).

        0 does not mean that it will be in a block: a full pool may still drop it.
        Raises ``EngineBusy``, ``KnownTransaction``, ``EngineRefused``.
        """
        if (
            len(envelope) > MIN_TRANSACTION_LIMIT
        ):  # beyond what the engine reads of a form, and would take for nothing
            found = await self._ask(_BROADCAST, {"tx": base64.b64encode(envelope).decode()})
        else:
            # As a form with hex: in JSON the engine reads every byte some ten times, which costs it four times as much.
            content = _FORM_BEGIN + envelope.hex().encode()
            found = _result(_BROADCAST, await self._post(_BROADCAST, f"/{_BROADCAST}", content, _FORM))
        return CheckAnswer(int(found["code"]), str(found["log"]))

    async def signed_header(self, height: int) -> SignedHeader | None:
        """The header of a height and a commit of it; None where the engine does not have it.

        The commit of the last height is made of the votes that this node has seen, so it may differ between nodes; it counts all the same.
        """
        found = await self._look("commit", {"height": str(height)})
        return None if found is None else _read(read_signed_header, found["signed_header"])

    async def validators(self, height: int) -> tuple[Validator, ...] | None:
        """The set that signs a height, in its order; None where the engine does not have it."""
        validators: list[Validator] = []
        total = 1
        while len(validators) < total:
            page = len(validators) // PAGE + 1
            wanted = {"height": str(height), "page": str(page), "per_page": str(PAGE)}
            found = await self._look("validators", wanted)
            if found is None or not found["validators"]:
                return None
            total = int(found["total"])
            validators += [_read(read_validator, each) for each in found["validators"]]
        return tuple(validators)

    async def consensus_params(self, height: int) -> Mapping[str, Any] | None:
        """The engine's consensus parameters as of a height, in its own JSON; None where it does not have them."""
        found = await self._look("consensus_params", {"height": str(height)})
        return None if found is None else found["consensus_params"]

    async def relayed(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's own result of a method that gateways hand on to nodes that join (see ``relay``).

        Raises ``EngineRefused`` with the engine's words.
        """
        return await self._ask(method, parameters)

    async def status(self) -> EngineStatus:
        """Where the engine stands."""
        return _read(read_status, await self._ask("status", {}))

    async def peers(self) -> tuple[Peer, ...]:
        """Whom the engine is connected to."""
        found = await self._ask("net_info", {})
        return tuple(_read(read_peer, each) for each in found["peers"])

    async def waiting(self) -> int:
        """How many transactions its pool has."""
        return int((await self._ask("num_unconfirmed_txs", {}))["total"])

    async def dial(self, peers: Sequence[str]) -> None:
        """Connect to peers (``id@host:port``), each once. Whether it worked is seen from ``peers`` some seconds later."""
        wanted = {"peers": list(peers), "persistent": False, "unconditional": False, "private": False}
        await self._ask("dial_peers", wanted)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _look(self, method: str, parameters: Mapping[str, Any]) -> Any:
        """As ``_ask``; None where the engine does not have that height."""
        try:
            return await self._ask(method, parameters)
        except EngineRefused as refused:
            if any(text in refused.text for text in _ABSENT):
                return None
            raise

    async def _ask(self, method: str, parameters: Mapping[str, Any]) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        return _result(method, await self._post(method, "/", self._encoder.encode(request), _JSON))

    async def _post(self, method: str, path: str, content: bytes, kind: str) -> httpx.Response:
        """Post a request; once more where the engine closed an idle connection at that moment. Asking twice does no harm."""
        headers = {"Content-Type": kind}
        try:
            try:
                return await self._http.post(path, content=content, headers=headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return await self._http.post(path, content=content, headers=headers)
        except httpx.TimeoutException:
            raise EngineGone("engine.silent", f"the engine gave no answer to {method} in time") from None
        except httpx.TransportError as error:
            raise EngineGone(
                "engine.gone", f"the engine cannot be reached ({type(error).__name__}); it is being started, or see engine.log"
            ) from None  # fmt: skip


def _result(method: str, answer: httpx.Response) -> Any:
    """The result in an answer. Raises ``EngineError`` for what the engine did not do."""
    try:
        document = msgspec.json.decode(answer.content, type=dict[str, Any])
        error = document.get("error")
        if error is None:
            return document["result"]
        said = f"{error['message']}: {error.get('data', '')}"
    except (ValueError, LookupError, TypeError):
        raise EngineRefused(
            "engine.answer_unknown", f"the engine's answer to {method} is not understood (status {answer.status_code})"
        ) from None  # fmt: skip
    if _KNOWN in said:
        raise KnownTransaction("engine.known_transaction", "the engine has this transaction already")
    if any(text in said for text in _BUSY):
        raise EngineBusy("engine.busy", f"the engine takes nothing at the moment ({said})")
    raise EngineRefused("engine.refused", f"the engine refused {method}: {said}")


def _read(reader: Callable[[Any], Kind], document: Any) -> Kind:
    try:
        return reader(document)
    except AnswerInvalid as error:
        raise EngineRefused(
            "engine.answer_unknown", f"an answer of the engine is not understood: {error}"
        ) from None
