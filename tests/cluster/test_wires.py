"""The proxies between tortured nodes do what they are told, and nothing else."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from torture_cluster.wires import UNKNOWN, Switchboard, Weather, all_pairs, between, one_way, ring, star

NAMES = ("ann", "ben", "cas", "dot")
SHORT_SECONDS = 0.3
TO_BEN = (UNKNOWN, "ben")  # this process is nobody's engine
FROM_BEN = ("ben", UNKNOWN)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while piece := connection.recv(65_536):
                connection.sendall(piece)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def board() -> Iterator[Switchboard]:
    made = Switchboard()
    yield made
    made.close()


@pytest.fixture
def caller(board: Switchboard, echo: int) -> Iterator[socket.socket]:
    """A connection to ben, through its proxy."""
    with socket.create_connection(("127.0.0.1", board.add("ben", echo)), timeout=60) as connection:
        yield connection


def said_back(caller: socket.socket, said: bytes, seconds: float = 10.0) -> bytes:
    """What comes back within the time; nothing if nothing does."""
    caller.sendall(said)
    return heard(caller, seconds)


def heard(caller: socket.socket, seconds: float = 10.0) -> bytes:
    caller.settimeout(seconds)
    try:
        return caller.recv(65_536)
    except TimeoutError:
        return b""


def test_what_is_sent_arrives(caller: socket.socket) -> None:
    assert said_back(caller, b"hello") == b"hello"


@pytest.mark.parametrize("pair", [TO_BEN, FROM_BEN])
def test_held_line_lets_nothing_pass_and_delivers_it_when_it_is_opened(
    board: Switchboard, caller: socket.socket, pair: tuple[str, str]
) -> None:
    said_back(caller, b"first")
    board.hold([pair])
    held = said_back(caller, b"second", SHORT_SECONDS)
    board.heal()
    assert (held, heard(caller)) == (b"", b"second")


def test_line_of_another_pair_is_not_held(board: Switchboard, caller: socket.socket) -> None:
    board.hold([("ann", "cas"), (UNKNOWN, "cas")])
    assert said_back(caller, b"hello") == b"hello"


def test_connection_over_a_held_line_gets_no_answer_until_it_is_opened(board: Switchboard, echo: int) -> None:
    port = board.add("ben", echo)
    board.hold([TO_BEN])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        held = said_back(caller, b"hello", SHORT_SECONDS)
        board.heal()
        assert (held, heard(caller)) == (b"", b"hello")


def test_delay_makes_what_is_sent_late(board: Switchboard, caller: socket.socket) -> None:
    said_back(caller, b"first")
    board.weather(Weather(delay=SHORT_SECONDS), [TO_BEN])
    began = time.monotonic()
    said_back(caller, b"second")
    assert time.monotonic() - began >= SHORT_SECONDS


def test_pieces_keep_their_order_in_bad_weather(board: Switchboard, caller: socket.socket) -> None:
    board.weather(Weather(0.001, 0.02, 0.2), [TO_BEN, FROM_BEN])
    sent = b"".join(b"%06d" % number for number in range(200))
    for start in range(0, len(sent), 60):
        caller.sendall(sent[start : start + 60])
    got = b""
    while len(got) < len(sent):
        got += heard(caller)
    assert got == sent


def test_cut_connection_ends(board: Switchboard, caller: socket.socket) -> None:
    said_back(caller, b"hello")
    board.cut("ben")
    with suppress(ConnectionError):
        assert heard(caller) == b""
    assert board.counts["cut"] == 1
    deadline = time.monotonic() + 10
    while board.connected("ben", 0.0) and time.monotonic() < deadline:
        time.sleep(0.01)  # this end has heard of it before the line is gone
    assert board.connected("ben", 0.0) == 0


def test_connection_that_lasted_is_counted(board: Switchboard, caller: socket.socket) -> None:
    said_back(caller, b"hello")
    assert (board.connected("ben", 0.0), board.connected("ben", 60.0), board.connected("ann", 0.0)) == (
        1,
        0,
        0,
    )


def test_groups_are_held_apart_in_both_directions() -> None:
    assert between([["ann"], ["ben", "cas"]]) == {
        ("ann", "ben"),
        ("ben", "ann"),
        ("ann", "cas"),
        ("cas", "ann"),
    }


def test_in_a_ring_each_sees_two_others() -> None:
    seen = all_pairs(NAMES) - ring(NAMES)
    assert {name: {other for one, other in seen if one == name} for name in NAMES} == {
        "ann": {"ben", "dot"}, "ben": {"ann", "cas"}, "cas": {"ben", "dot"}, "dot": {"cas", "ann"},
    }  # fmt: skip


def test_in_a_star_all_see_the_first_alone() -> None:
    seen = all_pairs(NAMES) - star(NAMES)
    assert seen == {pair for other in NAMES[1:] for pair in (("ann", other), (other, "ann"))}


def test_mute_one_hears_everybody() -> None:
    assert one_way("ann", NAMES) == {("ann", "ben"), ("ann", "cas"), ("ann", "dot")}
