"""Gateways of one network in front of one chain of headers, each of which may lie in its own way; without a network."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx

from support.light_chain import LightChain, Powers, light_genesis, set_of
from support.scripted_node import ScriptedNode, _Unsleeping, problem, status
from traco.client.light import LightClient
from traco.client.transport import Patience, Transport
from traco.client.trust import Trust
from traco.kernel.codec import encode
from traco.kernel.genesis import network_id
from traco.kernel.light import Evidence, Handover, LightBlock, chain_id

GENESIS = light_genesis()
NETWORK = network_id(GENESIS)
CHAIN = LightChain(chain_id(NETWORK))
FOUNDERS: Powers = {"ann": 10, "ben": 10, "cas": 10, "dot": 10}

Terms = Sequence[tuple[int, Powers]]
"""From which height on which validators sign, the first from 1."""


class SignedChain:
    """Blocks with handovers between sets of validators, made when they are asked for."""

    def __init__(
        self, terms: Terms = ((1, FOUNDERS),), changes: dict[int, dict[str, Any]] | None = None,
        chain: LightChain = CHAIN, signing: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.terms, self.changes, self.chain, self.signing = terms, changes or {}, chain, signing or {}
        self._made: dict[int, LightBlock] = {}

    def powers(self, height: int) -> Powers:
        return [powers for begins, powers in self.terms if begins <= height][-1]

    def block(self, height: int) -> LightBlock:
        if height not in self._made:
            powers, following = self.powers(height), self.powers(height + 1)
            header = self.chain.header(height, powers, following, **self.changes.get(height, {}))
            signed = self.chain.signed(header, powers, **self.signing)
            self._made[height] = LightBlock(signed, set_of(powers), set_of(following))
        return self._made[height]

    def seal(self, height: int) -> bytes:
        """The evidence whose last header is at this height."""
        handovers = []
        for begins, _ in self.terms[1:]:
            if begins <= height:
                block = self.block(begins - 1)
                handovers.append(Handover(block.signed, block.next_validators))
        return encode(Evidence(tuple(handovers), self.block(height).signed))


class LightGateway(ScriptedNode):
    """A gateway with the blocks of a chain up to its head. What a test lined up goes first."""

    def __init__(self, chain: SignedChain | None = None, head: int = 100) -> None:
        super().__init__()
        self.chain, self.head = chain or SignedChain(), head
        self.alter: Callable[[LightBlock], LightBlock] = lambda block: block

    @property
    def fetched(self) -> list[int]:
        """The heights of the blocks that it was asked for."""
        paths = [request.url.path for request in self.requests]
        return [int(path.rpartition("/")[2]) for path in paths if path.startswith("/v1/light/blocks/")]

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in self.answers:
            return super().answer(request)
        self.requests.append(request)
        if path == "/v1/light/head":
            return httpx.Response(200, json={"height": self.head, "time_ms": 0})
        if path == "/v1/light/seal":
            return httpx.Response(200, content=self.chain.seal(self.head))
        if path.startswith("/v1/light/blocks/"):
            height = int(path.rpartition("/")[2])
            if height > self.head:
                return problem(404, "light.no_block")
            return httpx.Response(200, content=encode(self.alter(self.chain.block(height))))
        if path == "/v1/status":
            return httpx.Response(200, json=status(network=NETWORK.hex(), height=self.head))
        return problem(404, "transaction.unknown")


class Crossroads(ScriptedNode):
    """Brings each request to the gateway of its host: ``https://a``, ``https://b`` and so on."""

    def __init__(self, *gateways: ScriptedNode) -> None:
        super().__init__()
        self.gateways = {
            f"https://{letter}": gateway for letter, gateway in zip("abcdef", gateways, strict=False)
        }

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self.gateways)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.gateways[f"https://{request.url.host}"].answer(request)


def light_client(*gateways: LightGateway, now_ms: int, **terms: Any) -> LightClient:
    """A light client of these gateways, by this clock."""
    roads = Crossroads(*gateways)
    transport = Transport(roads.urls, _Unsleeping(roads), Patience(()))
    return LightClient(transport, GENESIS, Trust(clock_ms=lambda: now_ms, **terms))
