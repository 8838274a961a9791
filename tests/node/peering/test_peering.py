"""Calls between nodes: who is believed, what is limited, and that the ledger's word about certificates takes effect at once."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from traco.node.peering.caller import Peers
from traco.node.peering.certificate import SeatCertificate, make_seat_certificate
from traco.node.peering.errors import PeerFailed
from traco.node.peering.server import CALLS_OF_PEER, MAX_BYTES, PATH, peer_server
from traco.node.peering.trust import Peer, Trust

A, B, C = (name * 16 for name in (b"a", b"b", b"c"))
SEATS = {member: make_seat_certificate() for member in (A, B, C)}


async def echo(member: bytes, request: bytes) -> bytes:
    return member + request


@asynccontextmanager
async def serving(
    seat: SeatCertificate, answer: Callable[[bytes, bytes], Awaitable[bytes]] = echo
) -> AsyncIterator[tuple[Trust, str]]:
    """A node's server on a loopback port, which trusts nobody yet: its trust and its address."""
    trust, listener = Trust(seat.pem), socket.create_server(("127.0.0.1", 0))
    server = peer_server(trust, answer)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield trust, f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def calling(
    seat: SeatCertificate, **peers: tuple[bytes, str, bytes]
) -> AsyncIterator[tuple[Peers, Trust]]:
    trust = Trust(seat.pem)
    trust.renew({member: Peer(address, der) for member, address, der in peers.values()})
    caller = Peers(trust, jitter=lambda: 0.0)
    try:
        yield caller, trust
    finally:
        await caller.close()


def seen(*members: bytes) -> dict[bytes, Peer]:
    return {member: Peer("", SEATS[member].der) for member in members}


def test_the_server_knows_whose_node_calls() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B, C))
            assert await peers.call(A, b" hello") == B + b" hello"

    asyncio.run(scene())


def test_a_node_without_a_seat_does_not_get_in() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[C], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"hello", attempts=1)
            assert caught.value.code == "peer.unreachable"

    asyncio.run(scene())


def test_a_node_with_another_members_certificate_is_not_believed() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[C]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der), c=(C, "", SEATS[C].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"hello", attempts=1)
            assert caught.value.code == "peer.unreachable"

    asyncio.run(scene())


def test_a_replaced_certificate_is_refused_on_the_connection_that_it_opened() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            assert await peers.call(A, b"1") == B + b"1"
            trust.renew({B: Peer("", make_seat_certificate().der)})
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"2", attempts=1)
            assert caught.value.code == "peer.refused"
            trust.renew(seen(B))
            assert await peers.call(A, b"3") == B + b"3"

    asyncio.run(scene())


def test_a_certificate_that_changes_under_many_calls_leaves_no_connection_behind() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, calls),
        ):
            trust.renew(seen(B))
            await peers.call(A, b"1")
            calls.renew({A: Peer(address, make_seat_certificate().der)})
            calls.renew({A: Peer(address, SEATS[A].der)})
            await asyncio.gather(*(peers.call(A, b"2") for _ in range(6)))  # each finds the old one
            await peers.close()
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"3")
            assert (caught.value.code, caught.value.retry) == ("peer.closed", False)

    asyncio.run(scene())
    gc.collect()  # a connection that was left open is a warning, and a warning fails


def test_a_member_without_a_seat_cannot_be_called() -> None:
    async def scene() -> None:
        async with calling(SEATS[B]) as (peers, _):
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"hello")
            assert (caught.value.code, caught.value.retry) == ("peer.unknown", False)

    asyncio.run(scene())


def test_a_certificate_that_cannot_be_read_leaves_its_member_out_and_no_other() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew({**seen(B), C: Peer("", b"no certificate")})
            assert await peers.call(A, b"") == B

    asyncio.run(scene())


def test_a_certificate_of_a_version_or_with_a_key_that_nobody_knows_leaves_its_member_out_and_no_other() -> (
    None
):
    der = SEATS[C].der
    version, curve = bytes.fromhex("a003020102"), bytes.fromhex("06082a8648ce3d030107")
    assert (der.count(version), der.count(curve)) == (1, 1)
    seats = {
        bytes([place]) * 16: Peer("", der.replace(old, new))
        for place, (old, new) in enumerate((
            (version, bytes.fromhex("a003020103")),
            (curve, bytes.fromhex("06082a8648ce3d030001")),
            (version, bytes.fromhex("a0030201ff")),
            (b"traco seat", b"traco\xff\xffeat"),
        ))
    }  # fmt: skip

    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, calls),
        ):
            trust.renew({**seen(B), **seats})
            calls.renew({A: Peer(address, SEATS[A].der), **seats})
            assert await peers.call(A, b"") == B

    asyncio.run(scene())


@pytest.mark.parametrize("address", ["https://xn--a", "https://xn--a.example:8443", "https://[1::2::3]"])
def test_an_address_that_names_no_host_is_a_call_that_failed(address: str) -> None:
    async def scene() -> None:
        async with calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _):
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"hello")
            assert (caught.value.code, caught.value.retry) == ("peer.unreachable", False)

    asyncio.run(scene())


def test_who_says_that_anothers_certificate_is_its_own_keeps_nobody_from_calling() -> None:
    async def scene() -> None:
        async with serving(SEATS[A]) as (trust, address), calling(SEATS[B]) as (_, calls):
            trust.renew({**seen(B), C: Peer("", SEATS[B].der)})
            calls.renew({A: Peer(address, SEATS[A].der)})
            for named, answer in ((B, B), (C, C), (A, None), (None, None)):
                peers = Peers(calls, jitter=lambda: 0.0, member=named)
                if answer is None:
                    with pytest.raises(PeerFailed) as caught:
                        await peers.call(A, b"", attempts=1)
                    assert caught.value.code == "peer.refused"
                else:
                    assert await peers.call(A, b"") == answer
                await peers.close()

    asyncio.run(scene())


def test_a_caller_is_only_whom_its_certificate_names() -> None:
    trust = Trust(SEATS[A].pem)
    trust.renew(seen(B, C))
    der = SEATS[B].der
    assert [trust.member_of(der, each) for each in (None, B, C, b"")] == [B, B, None, None]
    assert trust.member_of(None, B) is None


def test_a_request_larger_than_the_limit_is_refused() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            with pytest.raises(PeerFailed):
                await peers.call(A, bytes(MAX_BYTES + 1), attempts=1)

    asyncio.run(scene())


def test_an_answer_larger_than_the_limit_is_not_read() -> None:
    async def flood(_member: bytes, _request: bytes) -> bytes:
        return bytes(MAX_BYTES + 1)

    async def scene() -> None:
        async with (
            serving(SEATS[A], flood) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"", attempts=1)
            assert caught.value.code == "peer.answer"

    asyncio.run(scene())


def test_one_peer_has_so_many_calls_at_once_and_another_is_still_answered() -> None:
    held, going = asyncio.Event(), asyncio.Event()
    running = 0

    async def hold(member: bytes, request: bytes) -> bytes:
        nonlocal running
        if member == B:
            running += 1
            if running == CALLS_OF_PEER:
                held.set()
            await going.wait()
        return member + request

    async def scene() -> None:
        async with (
            serving(SEATS[A], hold) as (trust, address),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (first, _),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (second, _),
            calling(SEATS[B], a=(A, address, SEATS[A].der)) as (third, _),
            calling(SEATS[C], a=(A, address, SEATS[A].der)) as (other, _),
        ):
            trust.renew(seen(B, C))
            tasks = [
                asyncio.create_task(peers.call(A, b""))
                for peers in (first, second)
                for _ in range(CALLS_OF_PEER // 2)
            ]
            await held.wait()
            with pytest.raises(PeerFailed) as caught:
                await third.call(A, b"", attempts=1)
            assert caught.value.code == "peer.busy"
            assert await other.call(A, b"x") == C + b"x"
            going.set()
            assert await asyncio.gather(*tasks) == [B] * CALLS_OF_PEER

    asyncio.run(scene())


def test_a_call_is_repeated_until_the_peer_is_there() -> None:
    async def scene() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        trust = Trust(SEATS[A].pem)
        trust.renew(seen(B))
        server = peer_server(trust, echo)
        async with calling(SEATS[B], a=(A, address, SEATS[A].der)) as (peers, own):
            own.renew({A: Peer("https://127.0.0.1:1", SEATS[A].der)})
            call = asyncio.create_task(peers.call(A, b"late"))
            await asyncio.sleep(0)
            own.renew({A: Peer(address, SEATS[A].der)})
            serving_task = asyncio.create_task(server.serve(sockets=[listener]))
            assert await call == B + b"late"
            server.should_exit = True
            await serving_task

    asyncio.run(scene())


def test_only_the_one_path_is_there() -> None:
    async def scene() -> None:
        async with (
            serving(SEATS[A]) as (trust, address),
            calling(SEATS[B], a=(A, address + "/other", SEATS[A].der)) as (peers, _),
        ):
            trust.renew(seen(B))
            with pytest.raises(PeerFailed) as caught:
                await peers.call(A, b"")
            assert caught.value.code == "peer.refused"

    assert PATH == "/v1/peer"
    asyncio.run(scene())
