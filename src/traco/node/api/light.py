"""What clients need that trust no gateway: signed headers, seals, and answers of queries with their proofs.

Headers and seals hold nobody's business and are open to everybody. An answer with its proof is for whom the query answers;
but a proof says more than the answer: it names the next key of the state, and a proof of absence also the hash of the
record before. Therefore only the queries in ``PROVEN`` have proofs, and of what is not everybody's no absence is proven.
"""

import asyncio
from collections import OrderedDict
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.params import PathParameter, QueryParameter

from traco.client.forms import form_type, from_form
from traco.client.witness import PROVEN, KeyProof, ReadKeys, Witness, encode_witness
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, parse_genesis
from traco.kernel.light.records import MAX_HEIGHT
from traco.kernel.state import State
from traco.node.api.admission import Admits, admits
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.api.transactions import OCTETS, json_body, require_exact
from traco.node.link import ApiEnd

UNAVAILABLE: Final = "the engine does not answer at the moment"
WAIT_SECONDS: Final = 10.0  # for the next block: an idle network makes one every few seconds
WAITING: Final = 64  # requests at a time that wait for a block that is not there yet; beyond, they ask again
AT_ONCE: Final = 8  # requests to the engine
KEPT_BLOCKS: Final = 512  # light blocks that need not be asked for again
SETTLED: Final = 2  # the commit of the last block still gets votes
STATES: Final = 3  # how many blocks ago the state may be that the ledger process proved
TRIES: Final = 20
PAUSE_SECONDS: Final = 0.05
_TABLE_BYTES: Final = 2  # what the keys of a table begin with

ChainHeight = Annotated[int, PathParameter(ge=1, le=MAX_HEIGHT, description="a height: 1 is the first block")]
EngineMethod = Annotated[
    str, PathParameter(max_length=32, description="commit, validators or consensus_params")
]
OptionalNumber = Annotated[
    int | None, QueryParameter(ge=0, le=MAX_HEIGHT, description="as the engine's own RPC takes it")
]
AtLeast = Annotated[int, QueryParameter(ge=0, le=MAX_HEIGHT, description="of this height or above, at best")]


class Headers:
    """Light blocks from the ledger process, and those that were asked for before."""

    def __init__(self, link: ApiEnd) -> None:
        self._link = link
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def block(self, height: int) -> bytes:
        """The light block at a height, encoded. Raises ``Problem``."""
        kept = self._kept.get(height)
        if kept is not None:
            self._kept.move_to_end(height)
            return kept
        newest = await self.beyond(height - 1)
        if newest < height:
            raise _no_block(height, newest)
        async with self._turns:
            found = await self._link.light_block(height)
        if not found.is_available:
            raise Problem(
                503,
                "light.unavailable",
                "the engine does not answer at the moment",
                headers={"Retry-After": "1"},
            )
        if not found.block:
            raise _no_block(height, newest)
        if height <= newest - SETTLED:
            self._keep(height, found.block)
        return found.block

    async def beyond(self, height: int) -> int:
        """The height of the ledger; where it is this one, the next block is waited for, for some seconds."""
        newest = (await self._link.seal()).ledger_height
        if newest != height or self._waiting >= WAITING:
            return newest
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._link.next_block(height)
        except TimeoutError:
            return newest
        finally:
            self._waiting -= 1

    def _keep(self, height: int, block: bytes) -> None:
        self._kept[height] = block
        while len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)


def light_routes(link: ApiEnd, reads: Reads, genesis: bytes) -> list[Any]:
    """The routes. The genesis document says whether validators sign headers."""
    return [*_header_routes(link, genesis), *(_proof_route(link, reads, name) for name in PROVEN)]


def _header_routes(link: ApiEnd, genesis: bytes) -> list[Any]:
    headers = Headers(link)

    @cache
    def has_headers() -> bool:
        return parse_genesis(genesis).seal.kind == SIGNED_BY_VALIDATORS

    @get(
        "/v1/light/head", opt=admits(Admits.EVERYBODY), operation_id="getLightHead",
        summary="How far the node is: its last block and the time of it",
    )  # fmt: skip
    async def head() -> dict[str, Any]:
        sealed = await link.seal()
        return {"height": sealed.ledger_height, "time_ms": sealed.time_ms}

    @get(
        "/v1/light/blocks/{height:int}", opt=admits(Admits.EVERYBODY), operation_id="getLightBlock", media_type=OCTETS,
        summary="A signed header with its validators and the next ones; waits for the next block where that is asked for",
    )  # fmt: skip
    async def block(height: ChainHeight) -> bytes:
        if not has_headers():
            raise Problem(
                404, "light.no_headers", "no validators sign the blocks of this network: one engine orders, and seals",
                advice="Ask for /v1/light/seal.",
            )  # fmt: skip
        return await headers.block(height)

    @get(
        "/v1/light/seal", opt=admits(Admits.EVERYBODY), operation_id="getSeal", media_type=OCTETS,
        summary="The newest seal, which the genesis document alone can judge; at best of a height or above",
    )  # fmt: skip
    async def seal(height: AtLeast = 0) -> bytes:
        newest = await headers.beyond(height) if height and has_headers() else MAX_HEIGHT
        sealed = await link.seal(height if height < newest else 0)
        if not sealed.seal:
            raise Problem(503, "light.no_seal", "nothing is sealed yet", headers={"Retry-After": "1"})
        return sealed.seal

    @get(
        "/v1/light/engine/{method:str}", opt=admits(Admits.EVERYBODY), operation_id="askEngine",
        summary="What the engine of a node that joins by a snapshot asks: commit, validators or consensus_params of a height",
    )  # fmt: skip
    async def engine(
        method: EngineMethod, height: OptionalNumber = None, page: OptionalNumber = None, per_page: OptionalNumber = None
    ) -> Response[bytes]:  # fmt: skip
        given = {"height": height, "page": page, "per_page": per_page}
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        said = await link.ask_engine(method, parameters)
        if said.refusal:
            raise Problem(404, "light.engine_refused", said.refusal)
        if not said.result:
            raise Problem(503, "light.unavailable", UNAVAILABLE, headers={"Retry-After": "1"})
        return Response(said.result, media_type=MediaType.JSON)

    return [head, block, seal, engine]


def _no_block(height: int, newest: int) -> Problem:
    return Problem(
        404, "light.no_block", f"there is no signed header of height {height}; the last block is {newest}",
        advice="Ask again later for one that comes; what was pruned, another node may have.",
    )  # fmt: skip


def _proof_route(link: ApiEnd, reads: Reads, name: str) -> Any:
    """The route that answers one module query with its proof; its body is the form of the query's request."""
    form = form_type(reads.registry.queries[name].request)

    async def prove(request: Request[Any, Any, Any], data: Any) -> bytes:
        await require_exact(request, form)
        return await _witness(link, reads, name, msgspec.to_builtins(data), principal_of(request))

    prove.__annotations__["data"] = json_body(form)
    prove.__name__ = f"prove_{name.replace('.', '_')}"
    words = [word.capitalize() for word in name.replace(".", "_").split("_")]
    return post(
        f"/v1/proofs/{name}", status_code=200, opt=admits(Admits.PRINCIPAL), media_type=OCTETS,
        summary=f"{reads.registry.queries[name].summary} With the proof: the records read, and how they lead to an app hash",
        operation_id="prove" + "".join(words),
    )(prove)  # fmt: skip


async def _witness(link: ApiEnd, reads: Reads, name: str, form: Any, principal: Principal) -> bytes:
    """What a query reads, with the proof. Raises ``Problem``, ``FormInvalid``.

    The ledger process proves on its own tree, which a block may have changed since; or is just changing, so that it
    is nobody's yet. So what was proven has to be the state of one of the last blocks.
    """
    request = from_form(reads.registry.queries[name].request, form)
    for _ in range(TRIES):
        proofs = await link.prove(_keys_read(reads, name, request, principal))
        with reads.snapshot() as snapshot:
            last = (snapshot.block(snapshot.height - ago) for ago in range(STATES) if snapshot.height >= ago)
            block = next((each for each in last if each and each.state_root == proofs.state_root), None)
            network = snapshot.network
        if block is not None:
            for each in proofs.keys:
                _require_shown(name, each)
            return encode_witness(
                Witness(network, block.height, proofs, block.history_root, block.history_size)
            )
        await asyncio.sleep(PAUSE_SECONDS)
    raise Problem(
        503,
        "proof.not_yet",
        "the state changed again and again while it was proven",
        headers={"Retry-After": "1"},
    )


def _keys_read(reads: Reads, name: str, request: Any, principal: Principal) -> tuple[bytes, ...]:
    """The keys that a query reads, if the principal may ask it. Raises ``Problem``."""
    with reads.seen(principal) as seen:
        seen.view.require(name, request)
        noted = ReadKeys(seen.snapshot)
        reads.registry.queries[name].answer(State(noted), request)
    return tuple(noted.keys)


def _require_shown(name: str, proof: KeyProof) -> None:
    """Raise ``Problem`` where a proof of absence would show the hash of a record that is not everybody's."""
    if proof.value is None and not (
        PROVEN[name] and proof.leaf_key[:_TABLE_BYTES] == proof.key[:_TABLE_BYTES]
    ):
        raise Problem(
            404, "proof.withheld", "there is no such record, and a proof of that would show something of another one",
            advice="Ask without a proof. An account's record, which can be proven, lists what it holds.",
        )  # fmt: skip
