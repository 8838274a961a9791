"""Submissions through the routes take turns: a principal with many on their way leaves room for the others."""

import asyncio
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from support.gateway import until
from traco.kernel.instruction import KernelParameters
from traco.node.api.limits import FairQueue
from traco.node.api.principals import Principal, Role, set_principal
from traco.node.api.problems import HANDLERS
from traco.node.api.transactions import submission_routes
from traco.node.submission import Result, Status


class SlowLedger:
    """Stands for the link: takes transactions and answers when it is told to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.answering = asyncio.Event()

    async def submit(self, transactions: tuple[bytes, ...], until_final: bool) -> list[Result]:
        self.taken += transactions
        await self.answering.wait()
        return [Result(bytes(32), Status.FINAL, 1, 1, None) for _ in transactions]


class Texts:
    """Stands for the reads that give failures their texts."""

    def failure(self, failure: object) -> None:
        return None


def named(app: ASGIApp) -> ASGIApp:
    """The principal is the one that the header names."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        party = dict(scope["headers"])[b"authorization"] * 16
        set_principal(scope, Principal(Role.PARTY, party, None, "submit"))
        await app(scope, receive, send)

    return serve


async def post(client: httpx.AsyncClient, party: str, content: bytes, path: str = "") -> httpx.Response:
    headers = {"authorization": party, "content-type": "application/octet-stream"}
    return await client.post(f"/v1/transactions{path}", content=content, headers=headers)


def test_a_flood_of_one_does_not_hold_up_the_others() -> None:
    async def work() -> None:
        ledger: Any = SlowLedger()
        reads: Any = Texts()
        routes = submission_routes(ledger, reads, KernelParameters(), FairQueue(3, 6, 50))
        app = Litestar(
            routes, exception_handlers=HANDLERS, middleware=[named], logging_config=None, openapi_config=None
        )
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            flood = [asyncio.create_task(post(client, "a", b"a%d" % number)) for number in range(50)]
            await until(lambda: len(ledger.taken) == 3)
            batch = msgspec.msgpack.encode([b"b0", b"b1"])
            others = [
                asyncio.create_task(post(client, "b", batch, "/batch")),
                asyncio.create_task(post(client, "c", b"c0")),
            ]
            await until(lambda: len(ledger.taken) == 6)
            assert {raw[:1] for raw in ledger.taken[3:]} == {b"b", b"c"}
            ledger.answering.set()
            answers = await asyncio.gather(*flood, *others)
            assert {answer.status_code for answer in answers} == {200}
            assert len(ledger.taken) == 53

    asyncio.run(work())


def test_what_would_wait_too_long_is_told_to_come_back() -> None:
    async def work() -> None:
        ledger: Any = SlowLedger()
        reads: Any = Texts()
        routes = submission_routes(ledger, reads, KernelParameters(), FairQueue(1, 6, 2))
        app = Litestar(
            routes, exception_handlers=HANDLERS, middleware=[named], logging_config=None, openapi_config=None
        )
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            tasks = [asyncio.create_task(post(client, "a", b"a%d" % number)) for number in range(4)]
            await until(lambda: any(task.done() for task in tasks))
            ledger.answering.set()
            answers = await asyncio.gather(*tasks)
            assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]
            (refused,) = [answer for answer in answers if answer.status_code == 429]
            assert (refused.json()["code"], refused.headers["retry-after"]) == ("limit.in_flight", "1")

    asyncio.run(work())
