"""A node as a client knows it: its network, its clock, who asks it, and plain requests to it; or several of one network."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from traco.client.credentials import Access, Tokens
from traco.client.forms import to_form
from traco.client.results import (
    ClientError,
    NodeStatus,
    NotFound,
    OtherNetwork,
    StrangeAnswer,
    TransactionResult,
    result_of,
    status_of,
)
from traco.client.signer import Ed25519Signer, P256Signer, Signer
from traco.client.transport import NEVER, Deadline, Request, Transport, decoded
from traco.kernel.genesis import GenesisInvalid, network_id, parse_genesis

_TIME_AGE_SECONDS: Final = 60.0
T = TypeVar("T")


class _Clock(NamedTuple):
    """The node's clock when we asked, by ours."""

    status: NodeStatus
    asked: float


class NodeSession:
    """What is known of a node, and requests that need this. ``wanted``: refuse a node of another network.

    Methods raise ``NodeUnreachable``, ``NodeProblem``, ``OtherNetwork`` and ``ClientClosed``.
    """

    def __init__(self, transport: Transport, wanted: bytes | None, access: Access | None) -> None:
        self.transport = transport
        self._wanted = wanted
        self._network: bytes | None = None
        self._clocks: dict[str, _Clock] = {}  # by address
        self.access = access
        if access is not None:
            self._tokens = {url: Tokens(access) for url in transport.gateways.urls}
            transport.credential = self._token
        if len(transport.gateways.urls) > 1:
            transport.enter = self._enter

    @property
    def wanted(self) -> bytes | None:
        """The network that is meant; None where the caller did not say."""
        return self._wanted

    async def status(self, deadline: Deadline, at: str = "") -> NodeStatus:
        """Where the ledger stands, by a new request, also at a certain gateway."""
        asked = self.transport.wire.now()
        request = Request("GET", "/v1/status", is_open=True, deadline=deadline, at=at)
        form = decoded((await self.transport.ask(request)).content)
        try:
            status = status_of(form)
        except (KeyError, TypeError, ValueError):
            raise StrangeAnswer from None
        expected = self._wanted or self._network  # it may also have been exchanged for another meanwhile
        if expected not in (None, status.network):
            raise OtherNetwork(status.network, expected or b"")
        self._network = status.network
        self._clocks[request.url] = _Clock(status, asked)
        return status

    async def _enter(self, url: str, deadline: Deadline) -> None:
        """Look at a gateway before it is asked for the first time: it must be of the same network."""
        if url not in self._clocks:
            await self.status(deadline, url)

    async def network_id(self, deadline: Deadline) -> bytes:
        """The network's id, as the node said."""
        return self._network or (await self.status(deadline)).network

    async def checked(self, deadline: Deadline) -> None:
        """Return once the node is known to be of the network that is meant."""
        if self._wanted is not None and self._network is None:
            await self.status(deadline)

    async def now(self, deadline: Deadline, at: str = "") -> tuple[int, NodeStatus]:
        """The node's time in ms, by our monotonic clock since it last told us; and what it said then."""
        clock, now = self._clocks.get(at or self.transport.url), self.transport.wire.now()
        if clock is None or now - clock.asked > _TIME_AGE_SECONDS:
            await self.status(deadline, at)
            clock, now = self._clocks.get(at or self.transport.url, clock), self.transport.wire.now()
        if clock is None:
            raise StrangeAnswer
        return clock.status.time_ms + int((now - clock.asked) * 1_000), clock.status

    async def _token(self, url: str, renew: bool, deadline: Deadline) -> str:
        """An access token that holds at a gateway; empty where none was asked for yet.

        ``renew``: the node refused the last one, perhaps by another clock or key, or asks for the first.
        """
        tokens = self._tokens[url]
        if renew:
            self._clocks.pop(url, None)
            tokens.is_wanted = True
        if not tokens.is_wanted:
            return ""
        now_ms, status = await self.now(deadline, url)
        token = None if renew else tokens.current(now_ms)
        if token is not None:
            return token
        if not status.node:
            detail = "The node does not say by which key it takes access tokens; ask its operator for a newer version."
            raise ClientError("client.no_node_key", detail)
        signer = tokens.access.signer
        return await self.signed(lambda _: tokens.renew(status.network, status.node, now_ms), (signer,))

    async def signed(self, sign: Callable[[tuple[Signer, ...]], T], signers: tuple[Signer, ...]) -> T:
        """What is made with signers; those that ask a module or a person must not hold up others meanwhile."""
        if all(isinstance(signer, Ed25519Signer | P256Signer) for signer in signers):
            return sign(signers)
        return await self.transport.wire.aside(lambda: sign(signers))

    async def result(self, identity: bytes, deadline: Deadline, at: str = "") -> TransactionResult | None:
        """What became of a transaction; None where the node has never seen it."""
        await self.checked(deadline)
        path = f"/v1/transactions/{identity.hex()}"
        try:
            return parsed(decoded(await self.transport.get(path, deadline, at=at)))
        except NotFound:
            return None

    async def genesis(self, deadline: Deadline) -> bytes:
        """The founding document, which is that of the network the node says it serves."""
        network = await self.network_id(deadline)
        raw = await self.transport.get("/v1/genesis", deadline, is_open=True)
        try:
            found = network_id(parse_genesis(raw))
        except GenesisInvalid:
            raise StrangeAnswer from None
        if found != network:
            raise OtherNetwork(found, network)
        return raw

    async def get(self, path: str, timeout: float | None) -> bytes:
        """What a path answers."""
        deadline = self.transport.deadline(timeout)
        await self.checked(deadline)
        return await self.transport.get(path, deadline)

    async def get_form(self, path: str, timeout: float | None = None) -> Any:
        """The same as plain values."""
        return decoded(await self.get(path, timeout))

    async def query(self, name: str, fields: Mapping[str, Any], deadline: Deadline = NEVER) -> Any:
        """The answer of a module's query as plain values."""
        await self.checked(deadline)
        content = msgspec.json.encode(to_form(fields))
        request = Request("POST", f"/v1/queries/{quote(name, safe='.')}", content, deadline=deadline)
        try:
            return decoded((await self.transport.ask(request)).content)["answer"]
        except (KeyError, TypeError):
            raise StrangeAnswer from None

    def left(self, deadline: Deadline) -> float | None:
        """The seconds until a deadline; None: as many as it takes."""
        return None if deadline is NEVER else max(0.0, deadline.at - self.transport.wire.now())


def parsed(form: Any) -> TransactionResult:
    """The result that a node answered. Raises ``StrangeAnswer``."""
    try:
        return result_of(form)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StrangeAnswer from None


def parsed_all(forms: Any, count: int) -> list[TransactionResult]:
    """So many results that a node answered. Raises ``StrangeAnswer``."""
    if not isinstance(forms, list) or len(forms) != count:
        raise StrangeAnswer
    return [parsed(form) for form in forms]
