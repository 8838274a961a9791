"""The client over real connections: threads, forks, closing, interruptions, deadlines, TLS, streams that break."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from support.certificates import make_certificate
from support.scripted_node import IDENTITY, result, status
from support.small_server import Answer, Asked, serving, small_server
from traco.client.asynchronous import AsyncLedgerClient
from traco.client.ledger import LedgerClient
from traco.client.results import AddressRefused, ClientClosed, NodeUnreachable, OutcomeUnknown, TimedOut
from traco.client.transport import Patience

IMPATIENT = Patience(pauses=(0.01, 0.02))
Serve = Callable[[Answer], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(small_server(answer))


def ordinary(asked: Asked) -> None:
    """A node that answers each block with its own height."""
    if asked.path == "/v1/status":
        asked.say(status())
    else:
        asked.say({"height": int(asked.path.rpartition("/")[2])})


def silent(held: threading.Event) -> Answer:
    """A node that says nothing until it is released."""

    def answer(asked: Asked) -> None:
        held.wait(120)
        asked.close_connection = True

    return answer


def test_threads_that_share_a_client_get_their_own_answers(serve: Serve) -> None:
    with LedgerClient(serve(ordinary)) as client, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda height: client.block(height)["height"], range(400)))
    assert found == list(range(400))


def test_a_child_of_a_fork_goes_on_over_connections_of_its_own(serve: Serve) -> None:
    peers: dict[int, int] = {}

    def answer(asked: Asked) -> None:
        peers[int(asked.path.rpartition("/")[2])] = asked.client_address[1]
        ordinary(asked)

    with LedgerClient(serve(answer)) as client:
        client.block(1)
        child = os.fork()
        if child == 0:  # no test may go on here, whatever happens
            try:
                os._exit(0 if client.block(2)["height"] == 2 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.block(3)
    assert peers[1] == peers[3] != peers[2]


def test_a_child_of_a_fork_is_not_held_up_by_what_a_thread_of_the_parent_held(serve: Serve) -> None:
    with LedgerClient(serve(ordinary)) as client:
        wire = client._client._node.transport.wire
        with wire._lock:  # type: ignore[attr-defined]
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if client.block(2)["height"] == 2 else 1)
                finally:
                    os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_closing_lets_what_is_under_way_have_its_answer(serve: Serve) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def answer(asked: Asked) -> None:
        arrived.set()
        go_on.wait(120)
        ordinary(asked)

    with ThreadPoolExecutor(1) as pool:
        client = LedgerClient(serve(answer))
        waiting = pool.submit(client.block, 5)
        assert arrived.wait(120)
        client.close()
        with pytest.raises(ClientClosed):
            client.block(6)
        go_on.set()
        assert waiting.result(20)["height"] == 5


def test_closing_ends_a_stream_that_another_thread_reads(serve: Serve) -> None:
    held, reading = threading.Event(), threading.Event()

    def answer(asked: Asked) -> None:
        if asked.path == "/v1/status":
            asked.say(status())
            return
        asked.begin()
        asked.write(b"event: progress\nid: 1.0.0\ndata: {}\n\n")
        reading.set()
        held.wait(120)

    with ThreadPoolExecutor(1) as pool:
        client = LedgerClient(serve(answer))
        waiting = pool.submit(next, client.events())
        assert reading.wait(120)
        begun = time.monotonic()
        client.close()
        with pytest.raises(ClientClosed):
            waiting.result(20)
        held.set()
    assert time.monotonic() - begun < 60


def test_closing_ends_the_pauses_between_attempts(serve: Serve) -> None:
    asked_once = threading.Event()

    def answer(asked: Asked) -> None:
        asked_once.set()
        asked.say({"code": "node.starting", "detail": "No."}, 503)

    with ThreadPoolExecutor(1) as pool:
        client = LedgerClient(serve(answer), patience=Patience(pauses=(60.0,)))
        waiting = pool.submit(client.block, 5)
        assert asked_once.wait(120)
        begun = time.monotonic()
        client.close()
        with pytest.raises(ClientClosed):
            waiting.result(30)
    assert time.monotonic() - begun < 10


PROGRAM = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, it is ignored
from traco.client.ledger import LedgerClient
with LedgerClient(sys.argv[1]) as client:
    try:
        client.block(1)
    except KeyboardInterrupt:
        print("interrupted", client.block(2)["height"], flush=True)
"""


def test_ctrl_c_interrupts_a_request_and_the_client_goes_on(serve: Serve) -> None:
    arrived, held = threading.Event(), threading.Event()

    def answer(asked: Asked) -> None:
        if asked.path.endswith("/1"):
            arrived.set()
            held.wait(120)
        ordinary(asked)

    url = serve(answer)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert arrived.wait(120)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
        held.set()
    assert (out, errors) == (b"interrupted 2\n", b"")


def test_a_node_that_is_silent_is_waited_for_no_longer_than_allowed(serve: Serve) -> None:
    held = threading.Event()
    begun = time.monotonic()
    with LedgerClient(serve(silent(held))) as client, pytest.raises(TimedOut):
        client.block(1, timeout=0.3)
    held.set()
    assert 0.3 <= time.monotonic() - begun < 60


def dripping(asked: Asked) -> None:
    asked.begin()
    for _ in range(1_200):
        asked.write(b" ")
        time.sleep(0.05)


def test_a_node_that_answers_byte_by_byte_is_waited_for_no_longer_than_allowed(serve: Serve) -> None:
    begun = time.monotonic()
    with LedgerClient(serve(dripping)) as client, pytest.raises(TimedOut):
        client.block(1, timeout=0.4)
    assert time.monotonic() - begun < 30


def test_the_asynchronous_client_waits_no_longer_either(serve: Serve) -> None:
    async def ask(url: str) -> None:
        async with AsyncLedgerClient(url) as client:
            with pytest.raises(TimedOut):
                await client.block(1, timeout=0.4)

    begun = time.monotonic()
    asyncio.run(ask(serve(dripping)))
    assert time.monotonic() - begun < 30


def test_many_tasks_share_an_asynchronous_client(serve: Serve) -> None:
    async def ask(url: str) -> list[int]:
        async with AsyncLedgerClient(url) as client:
            blocks = await asyncio.gather(*(client.block(height) for height in range(200)))
            return [block["height"] for block in blocks]

    assert asyncio.run(ask(serve(ordinary))) == list(range(200))


def test_closing_an_asynchronous_client_ends_what_is_under_way(serve: Serve) -> None:
    held = threading.Event()

    async def ask(url: str) -> None:
        client = AsyncLedgerClient(url)
        waiting = asyncio.create_task(client.block(1))
        await asyncio.sleep(0.1)
        await client.close()
        with pytest.raises((ClientClosed, NodeUnreachable)):
            async with asyncio.timeout(10):
                await waiting
        with pytest.raises(ClientClosed):
            await client.block(2)

    asyncio.run(ask(serve(silent(held))))
    held.set()


def test_an_asynchronous_request_can_be_cancelled_and_the_client_goes_on(serve: Serve) -> None:
    held = threading.Event()

    def answer(asked: Asked) -> None:
        if asked.path.endswith("/1"):
            held.wait(120)
        ordinary(asked)

    async def ask(url: str) -> int:
        async with AsyncLedgerClient(url) as client:
            waiting = asyncio.create_task(client.block(1))
            await asyncio.sleep(0.1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            height: int = (await client.block(2))["height"]
            return height

    assert asyncio.run(ask(serve(answer))) == 2
    held.set()


def test_a_transaction_whose_answer_is_lost_is_sent_again_as_it_was(serve: Serve) -> None:
    sent: list[bytes] = []

    def answer(asked: Asked) -> None:
        sent.append(asked.content)
        if len(sent) < 3:
            asked.close_connection = True  # without a word
            return
        asked.say(result())

    with LedgerClient(serve(answer), patience=IMPATIENT) as client:
        assert client.submit(b"raw").identity == IDENTITY
    assert sent == [b"raw"] * 3


def test_a_transaction_that_never_gets_an_answer_is_in_doubt(serve: Serve) -> None:
    def answer(asked: Asked) -> None:
        asked.close_connection = True

    with LedgerClient(serve(answer), patience=IMPATIENT) as client, pytest.raises(OutcomeUnknown):
        client.submit(b"raw")


def test_a_node_that_is_not_there_leaves_nothing_in_doubt() -> None:
    with small_server(ordinary) as url:
        gone = url
    with LedgerClient(gone, patience=IMPATIENT) as client, pytest.raises(NodeUnreachable) as caught:
        client.submit(b"raw")
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_server_is_believed_whose_authority_is_named(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    with small_server(ordinary, serving(chain, key)) as url, LedgerClient(url, ca_file=chain) as client:
        assert client.block(4)["height"] == 4


def test_a_server_is_not_believed_whose_authority_nobody_knows(tmp_path: Path) -> None:
    with (
        small_server(ordinary, serving(*make_certificate(tmp_path))) as url,
        LedgerClient(url, patience=IMPATIENT) as client,
        pytest.raises(NodeUnreachable, match=r"(?i)certificate"),
    ):
        client.block(4)


def test_a_server_is_not_believed_whose_certificate_is_for_another_name(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path, addresses=())
    with (
        small_server(ordinary, serving(chain, key)) as url,
        LedgerClient(url, ca_file=chain, patience=IMPATIENT) as client,
        pytest.raises(NodeUnreachable, match=r"(?i)certificate"),
    ):
        client.block(4)


def test_a_file_without_authorities_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    file.write_text("nothing")
    with pytest.raises(AddressRefused, match="authority_unusable"):
        LedgerClient("https://127.0.0.1:1", ca_file=file)


def ledger_event(number: int) -> bytes:
    form = {
        "position": f"{number}.1.0", "time_ms": 5, "transaction": IDENTITY.hex(), "kind": "transaction",
        "event": {"type": "x.y/1", "number": number},
    }  # fmt: skip
    return f"event: ledger\nid: {number}.1.0\n".encode() + b"data: " + msgspec.json.encode(form) + b"\n\n"


def breaking(asked: Asked) -> None:
    """Two events for each connection, behind the position asked for; then it breaks, sometimes within a message."""
    if asked.path == "/v1/status":
        asked.say(status())
        return
    behind = int(asked.path.partition("after=")[2].partition(".")[0] or 0)
    asked.begin()
    asked.write(f"event: progress\nid: {behind}.9.0\ndata: {{}}\n\n".encode())
    asked.write(ledger_event(behind + 1) + ledger_event(behind + 2))
    if behind % 4 == 0:
        asked.write(ledger_event(behind + 3)[:-20])
    else:
        asked.write(b"event: end\ndata: {}\n\n")


def test_a_stream_that_breaks_gives_each_event_once(serve: Serve) -> None:
    patience = Patience(pauses=(0.001,))
    with LedgerClient(serve(breaking), patience=patience) as client, client.events(after="0.0.0") as events:
        numbers = [next(events).event["number"] for _ in range(11)]
        assert events.position == "11.1.0"
    assert numbers == list(range(1, 12))


def test_an_asynchronous_stream_that_breaks_gives_each_event_once(serve: Serve) -> None:
    async def read(url: str) -> list[int]:
        async with (
            AsyncLedgerClient(url, patience=Patience(pauses=(0.001,))) as client,
            client.events(after="0.0.0") as events,
        ):
            return [(await anext(events)).event["number"] for _ in range(11)]

    assert asyncio.run(read(serve(breaking))) == list(range(1, 12))


def test_an_asynchronous_stream_that_is_given_up_for_a_moment_loses_nothing(serve: Serve) -> None:
    def slow(asked: Asked) -> None:
        if asked.path == "/v1/status":
            asked.say(status())
            return
        behind = int(asked.path.partition("after=")[2].partition(".")[0] or 0)
        asked.begin()
        for number in range(behind + 1, behind + 4):
            time.sleep(0.1)
            asked.write(ledger_event(number))

    async def read(url: str) -> list[int]:
        numbers: list[int] = []
        async with (
            AsyncLedgerClient(url, patience=Patience(pauses=(0.001,))) as client,
            client.events(after="0.0.0") as events,
        ):
            while len(numbers) < 5:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.15):
                        numbers.append((await anext(events)).event["number"])
        return numbers

    assert asyncio.run(read(serve(slow))) == [1, 2, 3, 4, 5]
