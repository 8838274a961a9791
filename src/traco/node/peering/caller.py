"""Calls other members' nodes: few at once to each, again after a pause where that may help, never waiting for ever."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import httpx

from traco.node.peering.errors import PeerFailed
from traco.node.peering.server import KEEP_S, MAX_BYTES, MEMBER_HEADER, PATH
from traco.node.peering.trust import Trust

AT_ONCE: Final = 8  # calls to one peer; half of what a server takes, so that two processes of a node may call
WAITING: Final = 64  # more that may wait for their turn; beyond it a call fails at once
CONNECT_S: Final = 3.0
ANSWER_S: Final = 10.0
IDLE_S: Final = KEEP_S - 10  # a connection is given up here before the other side may close it
ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0

_BUSY: Final = (429, 503)


class Peers:
    """The other members' nodes, as calls go to them. ``close`` it in the end."""

    def __init__(
        self, trust: Trust, jitter: Callable[[], float] = random.random, member: bytes | None = None
    ) -> None:
        """``member``: in whose name the calls are; needed where others say that they have its certificate too."""
        self._trust, self._jitter = trust, jitter
        self._headers = {} if member is None else {MEMBER_HEADER: member.hex()}
        self._clients: dict[bytes, tuple[object, httpx.AsyncClient]] = {}
        self._turns: dict[bytes, asyncio.Semaphore] = {}
        self._waiting: dict[bytes, int] = {}
        self._is_closed = False

    async def call(self, member: bytes, request: bytes, attempts: int = ATTEMPTS) -> bytes:
        """The answer of a member's node. Raises ``PeerFailed`` when the last attempt failed."""
        if self._waiting.get(member, 0) >= WAITING:
            raise PeerFailed("peer.busy", member, "has too many calls waiting for it here", retry=True)
        self._waiting[member] = self._waiting.get(member, 0) + 1
        try:
            async with self._turns.setdefault(member, asyncio.Semaphore(AT_ONCE)):
                return await self._repeat(member, request, attempts)
        finally:
            self._waiting[member] -= 1

    async def _repeat(self, member: bytes, request: bytes, attempts: int) -> bytes:
        pause = FIRST_PAUSE_S
        for left in range(attempts - 1, -1, -1):
            try:
                return await self._once(member, request)
            except PeerFailed as failed:
                if not failed.retry or not left:
                    raise
            await asyncio.sleep(pause * (0.5 + self._jitter()))
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        raise ValueError("a call needs one attempt at least")

    async def _once(self, member: bytes, request: bytes) -> bytes:
        if self._is_closed:
            raise PeerFailed("peer.closed", member, "is called no more: this process ends", retry=False)
        address = self._trust.address(member)
        if address is None:
            raise PeerFailed("peer.unknown", member, "has no seat that can be called", retry=False)
        client = await self._client(member)
        try:
            url = address.rstrip("/") + PATH
            async with client.stream("POST", url, content=request, headers=self._headers) as answer:
                if answer.status_code in _BUSY:
                    raise PeerFailed("peer.busy", member, "takes no more calls now", retry=True)
                if answer.status_code != httpx.codes.OK:
                    raise PeerFailed(
                        "peer.refused", member, f"refused the call ({answer.status_code})", retry=False
                    )
                return await _bounded(member, answer)
        except httpx.HTTPError as error:
            raise PeerFailed(
                "peer.unreachable", member, f"cannot be reached ({type(error).__name__})", retry=True
            ) from None
        except (httpx.InvalidURL, UnicodeError):  # a name may be one for the ledger and none for the resolver
            raise PeerFailed(
                "peer.unreachable", member, "has an address that names no host", retry=False
            ) from None

    async def _client(self, member: bytes) -> httpx.AsyncClient:
        """The connections to a member's node; new ones where its certificate changed."""
        context = self._trust.client(member)
        before = found = self._clients.get(member)
        if found is None or found[0] is not context:
            limits = httpx.Limits(
                max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=IDLE_S
            )
            timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
            client = httpx.AsyncClient(verify=context, limits=limits, timeout=timeout, trust_env=False)
            # the new one is there before the old one ends: other calls go on in between
            found = self._clients[member] = (context, client)
            if before is not None:
                await before[1].aclose()
        return found[1]

    async def close(self) -> None:
        """End all connections, and begin no more."""
        self._is_closed = True
        clients, self._clients = self._clients, {}
        for _, client in clients.values():
            await client.aclose()


async def _bounded(member: bytes, answer: httpx.Response) -> bytes:
    parts, size = list[bytes](), 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MAX_BYTES:
            raise PeerFailed("peer.answer", member, f"answered with more than {MAX_BYTES} bytes", retry=False)
        parts.append(part)
    return b"".join(parts)
