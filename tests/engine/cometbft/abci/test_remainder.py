"""The rest of a long frame is read in one go, as far as it comes, and the socket stays what it was."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from traco.engine.cometbft.abci.remainder import RemainderReader

Ends = tuple[socket.socket, RemainderReader]


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = socket.socketpair()
    near.setblocking(False)
    reader = RemainderReader(near.fileno())
    with near, far:
        yield far, reader
        reader.close()
        assert not os.get_blocking(near.fileno())


def test_more_than_fits_into_the_socket_comes_whole(ends: Ends) -> None:
    far, reader = ends
    sent = os.urandom(3_000_000)
    writing = threading.Thread(target=far.sendall, args=(sent,))
    writing.start()
    assert reader.read(len(sent)) == sent
    writing.join()


def test_what_follows_stays_for_whoever_reads_next(ends: Ends) -> None:
    far, reader = ends
    far.sendall(b"abcdef")
    assert (reader.read(4), reader.read(2)) == (b"abcd", b"ef")


def test_an_engine_that_stops_in_the_middle_is_not_waited_for(ends: Ends) -> None:
    far, reader = ends
    far.sendall(b"abc")
    assert reader.read(100_000) == b"abc"
    assert reader.read(100_000) == b""


def test_the_end_of_the_connection_is_the_end_of_waiting(ends: Ends) -> None:
    far, reader = ends
    far.sendall(b"abc")
    far.close()
    assert (reader.read(100_000), reader.read(100_000)) == (b"abc", b"")
