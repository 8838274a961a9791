"""A small server that answers the light client of an engine that joins by a snapshot, from what gateways of others say.

CometBFT's light client asks "RPC servers" (POST, JSON-RPC) for ``commit``, ``validators`` and ``consensus_params``, and
for nothing else. No node shows its engine's own RPC to others, which could do far more; gateways answer these three,
and this relay, on a unix socket of the joining node, hands them on.

The engine verifies headers, sets and parameters from the trusted hash on, which comes from evidence that the founding
validators can judge (``trust_of``). But it ends at the first lie, and knows one address only: this one. So the relay
finds out who lies, and asks the next. A commit has to prove itself, and is handed on as far as it does (``proven``).
Sets and parameters are compared with those of a second gateway where there is one, and of more until two agree: one
thing of sets no hash covers, in which order they propose (their priorities), and a node with a wrong one would take
proposals of the right proposer for forged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Protocol

import msgspec
import uvicorn

from traco.engine.cometbft.answers import read_signed_header, read_validator
from traco.engine.cometbft.errors import EngineError, EngineGone, EngineRefused
from traco.engine.cometbft.proven import commit_document, proven
from traco.engine.cometbft.relayed import read_parameters
from traco.kernel.codec import Codec
from traco.kernel.light import (
    MAX_VALIDATORS,
    Evidence,
    LightInvalid,
    SignedHeader,
    Validator,
    ValidatorSet,
    header_hash,
    validators_hash,
    verify_evidence,
)

PROVEN: Final = "commit"
"""This proves itself; of the other methods, a second source has to say the same."""

PAGE: Final = 100
"""Validators asked for at once: the engine's limit."""

KEPT_SETS: Final = 16

MAX_REQUEST_BYTES: Final = 4_096
INTERNAL_ERROR: Final = -32_603
INVALID_REQUEST: Final = -32_600

_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode

log = logging.getLogger("traco.relay")

Message = dict[str, Any]


class LightSource(Protocol):
    """Somebody who asks an engine for us: another member's gateway, at the address ``url``."""

    url: str

    async def ask(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's own result, as JSON values. Raises ``EngineGone`` where nobody answers, ``EngineRefused`` with
        the engine's own words (its light client reads in them whether a height is missing)."""


class Trust(NamedTuple):
    """Where an engine's light client begins."""

    height: int
    hash: bytes


def trust_of(evidence: bytes, chain: str, founders: ValidatorSet) -> Trust:
    """The header that evidence ends with, once the founding validators' rules have shown it. Raises ``LightInvalid``."""
    verify_evidence(evidence, chain, founders)
    header = _EVIDENCE.trusted(evidence).last.header
    return Trust(header.height, header_hash(header))


class _Page(msgspec.Struct, frozen=True):
    """Some of a set's validators, and how many there are."""

    validators: Annotated[list[Any], msgspec.Meta(min_length=1)]
    total: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,9}$")]


class Relay:
    """Answers from several sources: from the next one where one does not answer, or lies."""

    def __init__(self, sources: Sequence[LightSource], chain: str, founders: ValidatorSet) -> None:
        """``chain`` is the name of the chain; ``founders`` are its first validators."""
        if not sources:
            raise ValueError("a relay needs a source")
        self._sources = list(sources)
        self._chain = chain
        self._sets = {validators_hash(founders): founders}

    async def ask(self, method: str, given: Mapping[str, Any]) -> Any:
        """The result of a relayed method. Raises ``EngineGone``, ``EngineRefused``."""
        parameters = read_parameters(method, given)
        if method == PROVEN:
            return await self._prove(parameters)
        return await self._confirm(method, parameters)

    async def _prove(self, parameters: Mapping[str, str]) -> Any:
        """A commit from the first source whose answer proves itself."""
        failure: EngineError = EngineGone("relay.no_source", "no gateway answers")
        for source in tuple(self._sources):
            try:
                signed = read_signed_header((await source.ask(PROVEN, parameters))["signed_header"])
                if str(signed.header.height) != parameters.get("height", str(signed.header.height)):
                    raise LightInvalid("light.height")
                return commit_document(proven(signed, await self._signers(signed), self._chain))
            except EngineError as error:
                failure = error
            except (LightInvalid, LookupError, TypeError, ValueError) as error:
                log.error("%s gives a commit for %s that proves nothing: %s", source.url, parameters, error)
                failure = EngineGone("relay.no_proof", "no gateway gives a commit that proves itself")
            self._put_last(source)
        raise failure

    async def _signers(self, signed: SignedHeader) -> ValidatorSet:
        """The set that a header names, or another if its sender lies. Raises ``EngineError``, ``ValueError``."""
        header = signed.header
        known = self._sets.get(header.validators_hash)
        if known is not None:
            return known
        found: list[Validator] = []
        total = 1
        while len(found) < total:
            wanted = {"height": header.height, "page": len(found) // PAGE + 1, "per_page": PAGE}
            page = msgspec.convert(await self.ask("validators", wanted), _Page)
            found += map(read_validator, page.validators)
            total = min(int(page.total), MAX_VALIDATORS)
        validators = tuple(found)
        while len(self._sets) >= KEPT_SETS:
            del self._sets[next(iter(self._sets))]
        self._sets[validators_hash(validators)] = validators
        return validators

    async def _confirm(self, method: str, parameters: Mapping[str, str]) -> Any:
        """What two sources say, or the only one."""
        answers: list[tuple[LightSource, Any]] = []
        failure: EngineError = EngineGone("relay.no_source", "no gateway answers")
        for source in tuple(self._sources):
            try:
                answer = await source.ask(method, parameters)
            except EngineError as error:
                self._put_last(source)
                failure = error
                continue
            if any(answer == other for _, other in answers):
                self._distrust([each for each, other in answers if other != answer], method, parameters)
                return answer
            answers.append((source, answer))
        if not answers:
            raise failure
        if len(answers) > 1:
            log.error(
                "%s give different %s for %s, no two the same; some lie",
                ", ".join(each.url for each, _ in answers), method, parameters,
            )  # fmt: skip
            raise EngineRefused(
                "relay.sources_differ", "two gateways give different answers; one of them lies"
            )
        return answers[0][1]

    def _distrust(self, sources: Sequence[LightSource], method: str, parameters: Mapping[str, str]) -> None:
        """Ask those last that said something else than two others."""
        for source in sources:
            log.error("%s gives other %s for %s than two others do", source.url, method, parameters)
            self._put_last(source)

    def _put_last(self, source: LightSource) -> None:
        self._sources.remove(source)
        self._sources.append(source)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:  # fmt: skip
        """The relay as an ASGI application."""
        if scope["type"] != "http":
            return
        document = await self._answer(await _body(receive))
        await send({
            "type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": msgspec.json.encode(document)})

    async def _answer(self, body: bytes | None) -> Message:
        number: Any = -1
        try:
            request = _DECODE(body or b"")
            number = request["id"]
            result = await self.ask(str(request["method"]), request.get("params") or {})
        except (LookupError, ValueError, TypeError, AttributeError):
            return _error(number, INVALID_REQUEST, "Invalid request", "a call of JSON-RPC is expected")
        except EngineError as error:
            return _error(number, INTERNAL_ERROR, "Internal error", error.text)
        return {"jsonrpc": "2.0", "id": number, "result": result}


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """The body of a request, or None where it is too long."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_REQUEST_BYTES:
            return None
    return body


def _error(number: Any, code: int, message: str, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message, "data": text}}


class _Server(uvicorn.Server):
    """A server among other work: signals are for the process that it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RelayServer:
    """A relay at a unix socket, inside a running event loop."""

    def __init__(self, relay: Relay, path: Path) -> None:
        """``path`` is short (below 100 bytes), in a folder of the node alone."""
        self.address = f"unix://{path}"
        self._path = path
        config = uvicorn.Config(
            relay, uds=str(path), log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises ``OSError`` where the socket cannot be made."""
        self._task = asyncio.create_task(self._server.serve(), name="traco-relay")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"the relay at {self._path} did not start")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._server.should_exit = True
            await asyncio.wait({self._task})
            with suppress(FileNotFoundError):
                self._path.unlink()
