"""Driving coroutines without an event loop. What needs real connections is in tests/live/test_client_wires.py."""

import asyncio
from collections.abc import Generator

import httpx
import pytest

from traco.client.blocking_wire import BlockingWire, run
from traco.client.results import ClientClosed


class Suspending:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def waiting() -> None:
    await Suspending()


async def answering() -> int:
    return 5


async def failing() -> None:
    raise ValueError("no")


def test_a_coroutine_that_does_not_wait_is_run_to_its_end() -> None:
    assert run(answering()) == 5


def test_an_error_of_a_coroutine_passes() -> None:
    with pytest.raises(ValueError, match="no"):
        run(failing())


def test_a_coroutine_that_waits_for_an_event_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        run(waiting())


def test_it_runs_also_where_an_event_loop_does() -> None:
    async def inside() -> int:
        return run(answering())

    assert asyncio.run(inside()) == 5


def wire(answer: httpx.Response) -> BlockingWire:
    return BlockingWire(lambda: httpx.Client(transport=httpx.MockTransport(lambda _: answer)))


def test_a_closed_wire_takes_no_more_requests() -> None:
    closed = wire(httpx.Response(200))
    run(closed.close())
    with pytest.raises(ClientClosed):
        run(closed.request("GET", "http://node/", None, {}, 1.0))


def test_closing_twice_is_harmless() -> None:
    closed = wire(httpx.Response(200))
    run(closed.close())
    run(closed.close())
    assert closed.is_closed


def test_after_a_fork_connections_are_made_anew() -> None:
    made: list[httpx.Client] = []

    def connect() -> httpx.Client:
        made.append(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"x"))))
        return made[-1]

    forked = BlockingWire(connect)
    forked.after_fork()
    assert run(forked.request("GET", "http://node/", None, {}, 1.0)).content == b"x"
    assert len(made) == 2
    assert not made[0].is_closed  # the parent uses it


def test_a_closed_wire_is_closed_after_a_fork_too() -> None:
    closed = wire(httpx.Response(200))
    run(closed.close())
    closed.after_fork()
    assert closed.is_closed
