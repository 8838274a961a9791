"""A consortium's ledger behind several gateways, each with the real REST interface; validators that a test's keys play sign it.

Blocks come one per submission, and an empty one whenever somebody waits for the next. All gateways stand before the same
ledger; one may be down, know only the first blocks of it (``behind``), or answer what a test lined up.
"""

import asyncio
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from litestar.testing import TestClient

from support.founding import member_section
from support.ledger import START_MS, Key, Ledger
from support.light_chain import LightChain
from support.light_gateways import Crossroads, SignedChain
from support.scripted_node import Awaited, ScriptedNode, connect, connect_asynchronously, problem
from traco.client.access import Scope
from traco.client.credentials import Access
from traco.client.gateways import GatewayFault
from traco.client.ledger import LedgerClient
from traco.client.trust import Trust
from traco.client.witness import KeyProofs
from traco.kernel.codec import Codec, encode
from traco.kernel.genesis import Genesis, SealTerms, network_id, write_genesis
from traco.kernel.light import LightBlock, chain_id
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.composition import compose
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.party.genesis import founding_member_id
from traco.node.api.app import make_app
from traco.node.api.concerns import CONCERNS_FILE, Concerns
from traco.node.api.events import Filter, _read, _start
from traco.node.api.principals import LOCAL
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.api.settings import AccessSettings
from traco.node.light import LedgerLight
from traco.node.link import LightBlockFound, Sealed
from traco.node.submission import Result, Status
from traco.storage import LedgerStore, SnapshotReader
from traco.storage.committed import Position

MEMBERS: Final = ("ann", "ben", "cas", "dot")
VALIDATORS: Final = {f"{name} validator": 10 for name in MEMBERS}
ANN: Final = founding_member_id(Key("ann").public)
EUR: Final = instrument_id(ANN, "EUR")
SALTS: Final = (b"1" * 16, b"2" * 16)
ACCOUNTS: Final = tuple(account_id(ANN, salt) for salt in SALTS)
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)
EVENTS: Final = 3
"""How many a stream gives before the node stops."""

_END: Final = b'event: end\ndata: {"code": "node.stopping", "detail": "x"}\n\n'


def consortium_genesis() -> Genesis:
    """Four members, each with a validator; the first issues cash."""
    nodes = [
        {
            "member": name, "key": Key(f"{name} node").public.hex(), "consensus": Key(f"{name} validator").public.hex(),
            "peer": f"{number:040x}", "address": f"node-{name}.example:26656", "role": "validator", "power": 10,
        }
        for number, name in enumerate(MEMBERS, 1)
    ]  # fmt: skip
    party = {
        "members": [
            member_section(name, roles=["cash_operator"] if name == "ann" else []) for name in MEMBERS
        ],
        "council": {"threshold": 3, "members": list(MEMBERS)},
    }
    return Genesis(
        name="Consortium", purpose="test", time_ms=START_MS, protocol=NEWEST_PROTOCOL, seal=SealTerms("cometbft", ""),
        modules={"party": party, "network": {"nodes": nodes}},
    )  # fmt: skip


class ReadStore(LedgerStore):
    """The store with a reader of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, durable=False)
        self.reader = SnapshotReader(path)

    def app_hash(self, height: int) -> bytes:
        """The app hash after a block."""
        snapshot = self.reader.snapshot()
        assert snapshot is not None
        with snapshot:
            block = snapshot.block(height)
        assert block is not None
        return block.app_hash


class BoxChain(SignedChain):
    """The headers of a ledger's blocks: each carries the app hash after the one before."""

    def __init__(self, store: ReadStore, network: bytes) -> None:
        super().__init__(((1, VALIDATORS),), chain=LightChain(chain_id(network)))
        self._store = store

    def block(self, height: int) -> LightBlock:
        """The light block at a height."""
        changes = self.changes.setdefault(height, {})
        if "app_hash" not in changes:
            changes["app_hash"] = self._store.app_hash(height - 1)
        return super().block(height)


class Box:
    """The ledger, its headers, and what became of transactions."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.founding = consortium_genesis()
        self.genesis, self.network = write_genesis(self.founding), network_id(self.founding)
        self.store = ReadStore(directory / "ledger.db")
        self.ledger = Ledger(self.founding, compose(), ANN, Key("ann node"), self.store)
        self.chain = BoxChain(self.store, self.network)
        self.light = LedgerLight(self.ledger.application, None)
        self.results: dict[bytes, Result] = {}
        keys = [Key("ann")]
        self.ledger.submit(
            CreateInstrument(ANN, "EUR", InstrumentKind.CASH, "EUR", 2, bytes(32), (ANN,)), keys=keys
        )
        for salt, account in zip(SALTS, ACCOUNTS, strict=True):
            opening = OpenAccount(
                ANN, ANN, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
            )
            issue = Issue(ANN, EUR, account, 1_000, b"start")
            assert self.ledger.submit(opening, issue, keys=keys).failure is None

    @property
    def height(self) -> int:
        """The height of the ledger."""
        return self.ledger.application.info().height

    def now_ms(self) -> int:
        """The clock of everybody: the time of the last block."""
        return self.ledger.time_ms

    def transfer(self, amount: int) -> bytes:
        """A signed transfer between the two accounts, not submitted."""
        return self.ledger.transaction(
            [Transfer(ANN, EUR, ACCOUNTS[0], ACCOUNTS[1], amount, b"rent")], Key("ann")
        )

    def order(self, raw: bytes) -> Result:
        """Put a transaction into a block of its own, unless it was in one."""
        identity = transaction_id(bytes(_RAW.decode(raw).body))
        known = self.results.get(identity)
        if known is not None:
            return known
        (answer,) = self.ledger.run_block([raw])
        if answer.leaf < 0:
            return Result(answer.identity, Status.REFUSED, -1, -1, answer.failure)
        status = Status.FINAL if answer.failure is None else Status.REJECTED
        made = self.results[identity] = Result(identity, status, self.height, answer.leaf, answer.failure)
        return made


class BoxLink:
    """What a gateway's API process would ask its ledger process."""

    def __init__(self, box: Box, gateway: "Replica") -> None:
        self._box, self._gateway = box, gateway

    async def seal(self, at_least: int = 0) -> Sealed:
        """The newest seal; where none covers the height yet, the next block is made."""
        self._wait_for(at_least + 1 if at_least else 2)
        head = self._gateway.head
        return Sealed(self._box.chain.seal(head), head - 1, self._box.now_ms(), head)

    async def next_block(self, after: int) -> int:
        """An empty block comes."""
        self._wait_for(after + 1)
        return self._gateway.head

    def _wait_for(self, height: int) -> None:
        while self._gateway.head < height:
            self._box.ledger.run_block()

    async def light_block(self, height: int) -> LightBlockFound:
        """The signed header."""
        return LightBlockFound(encode(self._box.chain.block(height)), True)

    async def prove(self, keys: tuple[bytes, ...]) -> KeyProofs:
        """Proofs of the newest state."""
        return self._box.light.prove(keys)

    async def submit(self, transactions: tuple[bytes, ...], until_final: bool) -> list[Result]:
        """Each in a block of its own."""
        return [self._box.order(raw) for raw in transactions]

    async def result(self, identity: bytes) -> Result | None:
        """What became of a transaction."""
        return self._box.results.get(identity)


class Replica(ScriptedNode):
    """A gateway over the box."""

    def __init__(self, box: Box, number: int, opened: ExitStack) -> None:
        super().__init__()
        self._box = box
        self.behind = 0
        self.is_down = False
        self.loses_answers = False  # it does what it is asked to, and the answer never arrives
        concerns = Concerns(box.directory / f"{number}-{CONCERNS_FILE}", box.ledger.registry)
        opened.callback(concerns.close)
        self.reads = Reads(box.store.reader, box.ledger.registry, concerns)
        app = make_app(
            BoxLink(box, self), self.reads, box.ledger.registry, box.genesis, box.network,  # type: ignore[arg-type]
            box.founding.kernel_parameters(), [], [], [],
            access=AccessSettings(node=Key(f"{MEMBERS[number]} node").public, purpose="test"), now_ms=box.now_ms,
        )  # fmt: skip
        self._client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    @property
    def head(self) -> int:
        """The last block that it has."""
        return self._box.height - self.behind

    def answer(self, request: httpx.Request) -> httpx.Response:
        """As the REST interface does, unless a test lined up something."""
        path = request.url.path
        if path in self.answers:
            return super().answer(request)
        self.requests.append(request)
        if self.is_down:
            raise httpx.ConnectError("connection refused")
        answer = self._answered(request)
        if self.loses_answers:
            raise httpx.ReadError("broken")
        return answer

    def _answered(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/events":
            return self._events(request)
        if path.startswith("/v1/transactions/") and request.method == "GET":
            known = self._box.results.get(bytes.fromhex(path.split("/")[3]))
            if known is not None and known.height > self.head:
                return problem(404, "transaction.unknown")
        passed = ("authorization", "content-type")
        headers = {name: value for name, value in request.headers.items() if name in passed}
        answer = self._client.request(
            request.method, request.url.raw_path.decode(), content=request.content, headers=headers
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def _events(self, request: httpx.Request) -> httpx.Response:
        """The next few events behind a position, as the operator sees them; then the node stops."""
        try:
            position = _start(self.reads, request.url.params.get("after", "0.0.0"))
        except Problem as refused:
            return problem(refused.status, refused.code)
        if position.height > self.head:
            return problem(400, "stream.position_ahead")
        text = str(position)
        parts = [f'event: progress\nid: {text}\ndata: {{"position": "{text}"}}\n\n'.encode()]
        for message in _read(self.reads, LOCAL, position, Filter()).messages.split(b"\n\n"):
            place = message.partition(b"id: ")[2].partition(b"\n")[0].decode()
            if place and Position.parse(place).height <= self.head and len(parts) <= EVENTS:
                parts.append(message + b"\n\n")
        content = b"".join([*parts, _END])
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=content)


class Replicas(NamedTuple):
    """The box and its gateways."""

    box: Box
    gateways: tuple[Replica, ...]


class AnnSigner:
    """The key of the first member."""

    public_key = Key("ann").public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return Key("ann").sign(message)


def ann(scope: Scope = "submit") -> Access:
    """The access of the first member."""
    return Access(ANN, AnnSigner(), scope)


def clients(place: Replicas, kind: str) -> Iterator[Any]:
    """A client of all gateways, of one kind."""
    roads = Crossroads(*place.gateways)
    if kind == "synchronous":
        yield connect(roads, **_options(place, roads))
        return
    with asyncio.Runner() as runner:
        client = Awaited(connect_asynchronously(roads, **_options(place, roads)), runner)
        yield client
        client.close()


def _options(place: Replicas, roads: Crossroads) -> dict[str, Any]:
    trust = Trust(clock_ms=place.box.now_ms)
    return {"url": roads.urls, "genesis": place.box.genesis, "access": ann(), "trust": trust}


def one_client(place: Replicas, **options: Any) -> LedgerClient:
    """A synchronous client of all gateways, or of those that ``url`` names."""
    roads = Crossroads(*place.gateways)
    return connect(roads, **{**_options(place, roads), **options})


def caught(client: Any, url: str) -> GatewayFault | None:
    """Why a client does not ask a gateway any more."""
    plain: LedgerClient = getattr(client, "_what", client)
    return next(state.fault for state in plain.gateways() if state.url == url)


@contextmanager
def replicas(directory: Path, count: int = 2) -> Generator[Replicas, None, None]:
    """A ledger in a directory behind so many gateways."""
    directory.mkdir(parents=True)
    with ExitStack() as opened:
        box = Box(directory)
        opened.callback(box.store.close)
        opened.callback(box.store.reader.close)
        yield Replicas(box, tuple(Replica(box, number, opened) for number in range(count)))
