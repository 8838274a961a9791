"""Connections without a complete request header end; a loop's timers are turned by hand."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from traco.node.api.patience import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF, REST = REQUEST[:20], REQUEST[20:]


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.over = at, call, False

    def cancel(self) -> None:
        self.over = True


class Line(asyncio.Transport):
    """A connection that remembers only whether it was closed."""

    closed = False
    peer: tuple[str, int] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peer if name == "peername" else default

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Connection:
    """One connection on a real loop that runs what is ready; its time stands still but for ``wait``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str = "127.0.0.1") -> None:
        self.loop, self.now = loop, 0.0
        self.timers: list[Timer] = []
        self.line = Line()
        self.line.peer = (peer, 4_711)
        loop.call_later = self.call_later  # type: ignore[assignment,method-assign]
        config = Config(answer, http=PatientProtocol, log_config=None, access_log=False, lifespan="off")
        self.protocol = PatientProtocol(config, ServerState(), {}, loop)
        self.protocol.connection_made(self.line)

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + delay, call))
        return self.timers[-1]

    def send(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def serve(self) -> None:
        """Let the request's task run to its end."""
        tasks = tuple(self.protocol.tasks)
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether the connection is closed."""
        self.now += seconds
        for timer in self.timers:
            if not timer.over and timer.at <= self.now:
                timer.over = True
                timer.call()
        return self.line.closed

    def end(self) -> None:
        """Cancel what is still being answered."""
        for task in tuple(self.protocol.tasks):
            task.cancel()
        self.serve()
        self.loop.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection(asyncio.new_event_loop())
    yield made
    made.end()


def test_a_silent_connection_is_closed_after_ten_seconds(connection: Connection) -> None:
    assert not connection.wait(9.9)
    assert connection.wait(0.1)


def test_bytes_that_make_no_header_give_no_more_time(connection: Connection) -> None:
    connection.send(HALF[:1])
    connection.wait(9.9)
    connection.send(HALF[1:])
    assert connection.wait(0.1)


def test_a_request_being_answered_has_the_time_it_takes(connection: Connection) -> None:
    connection.send(HALF)
    connection.wait(9)
    connection.send(REST)
    assert not connection.wait(100)


def test_half_a_second_request_is_closed_after_ten_seconds(connection: Connection) -> None:
    connection.send(REQUEST)
    connection.serve()
    connection.wait(4)
    connection.send(HALF)
    assert not connection.wait(9.9)
    assert connection.wait(0.1)


def test_silence_between_requests_is_closed_by_uvicorn(connection: Connection) -> None:
    connection.send(REQUEST)
    connection.serve()
    assert not connection.wait(4.9)
    assert connection.wait(0.1)


def test_a_lost_connection_leaves_no_timer(connection: Connection) -> None:
    connection.protocol.connection_lost(None)
    assert [timer for timer in connection.timers if not timer.over] == []


def test_a_client_that_takes_nothing_of_an_answer_for_a_minute_loses_it(connection: Connection) -> None:
    connection.send(REQUEST)
    connection.protocol.pause_writing()
    assert not connection.wait(59.9)
    assert connection.wait(0.1)


def test_a_client_that_takes_something_has_its_time_again(connection: Connection) -> None:
    connection.send(REQUEST)
    connection.protocol.pause_writing()
    connection.wait(59)
    connection.protocol.resume_writing()
    assert not connection.wait(1_000)


class Crowd:
    """Connections from addresses; ended with the test."""

    def __init__(self) -> None:
        self.made: list[Connection] = []

    def from_address(self, peer: str, count: int) -> list[bool]:
        """Make so many; for each, whether it was closed at once."""
        new = [Connection(asyncio.new_event_loop(), peer) for _ in range(count)]
        self.made += new
        return [one.line.closed for one in new]

    def leave(self) -> None:
        for one in self.made:
            one.protocol.connection_lost(None)
            one.end()
        self.made = []


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    monkeypatch.setattr(PatientProtocol, "most_of_one_origin", 3)
    made = Crowd()
    yield made
    made.leave()


def test_one_address_has_so_many_connections_and_no_more(crowd: Crowd) -> None:
    assert crowd.from_address("198.51.100.7", 5) == [False, False, False, True, True]


def test_another_address_has_its_own(crowd: Crowd) -> None:
    crowd.from_address("198.51.100.7", 5)
    assert crowd.from_address("198.51.100.8", 1) == [False]


def test_the_addresses_of_one_machine_in_ipv6_count_together(crowd: Crowd) -> None:
    crowd.from_address("2001:db8:1:2::1", 3)
    assert crowd.from_address("2001:db8:1:2::2", 1) == [True]


def test_connections_that_have_ended_make_room(crowd: Crowd) -> None:
    crowd.from_address("198.51.100.7", 5)
    crowd.leave()
    assert crowd.from_address("198.51.100.7", 3) == [False, False, False]


def test_this_machine_itself_has_any_number(crowd: Crowd) -> None:
    assert not any(crowd.from_address("127.0.0.1", 10) + crowd.from_address("::1", 10))
