"""The SDK against a node that runs: access, lists, streams, receipts, and signers that are elsewhere."""

import asyncio
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from support.api import PASSPHRASE, make_directory
from support.running import Running, free_port
from support.scripted_node import ScriptedNode, connect, status
from traco.client.keystore import KeyStore
from traco.client.results import AccessDenied, Forbidden, TransactionRejected
from traco.client.sdk import Access, AsyncLedgerClient, LedgerClient, Party
from traco.client.signer import Ed25519Signer, Signer
from traco.kernel.finality import ReceiptInvalid
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.holding.messages import (
    AccountKind,
    CreditControl,
    DebitControl,
    OpenAccount,
    account_id,
)
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.directory import KEYS_FILE, MEMBER_KEY, founding_member


class Place(NamedTuple):
    """A node of a network that is no development network: it wants tokens, also on the loopback address."""

    url: str
    genesis: bytes
    member: bytes
    signer: Signer

    @property
    def access(self) -> Access:
        return Access(self.member, self.signer)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("client") / "node"
    port = free_port()
    genesis = make_directory(directory, port, "test")
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        signer = keys.signer(MEMBER_KEY)
    url = f"http://127.0.0.1:{port}"
    with Running(directory, url) as node:
        node.ready()
        yield Place(url, genesis, founding_member(genesis), signer)


@pytest.fixture
def client(place: Place) -> Iterator[LedgerClient]:
    with LedgerClient(place.url, genesis=place.genesis, access=place.access) as made:
        yield made


@pytest.fixture
def member(client: LedgerClient, place: Place) -> Party:
    return client.party(place.member, place.signer)


def opening(place: Place, salt: bytes) -> OpenAccount:
    return OpenAccount(
        place.member, place.member, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
    )


def test_without_a_token_such_a_node_answers_its_status_only(place: Place) -> None:
    with LedgerClient(place.url) as client:
        assert client.status().network == network_id(parse_genesis(place.genesis))
        with pytest.raises(AccessDenied):
            client.query("party.list")


def test_a_token_of_a_stranger_is_refused_although_it_is_renewed(place: Place) -> None:
    access = Access(place.member, Ed25519Signer.generate())
    with LedgerClient(place.url, access=access) as client, pytest.raises(AccessDenied):
        client.query("party.list")


def test_a_token_for_reading_cannot_submit(place: Place) -> None:
    access = Access(place.member, place.signer, "read")
    with LedgerClient(place.url, access=access) as client, pytest.raises(Forbidden):
        client.transact([opening(place, b"r" * 16)], [place.signer])


def test_a_transaction_is_final_with_its_events_and_a_receipt_that_proves_it(
    client: LedgerClient, member: Party, place: Place
) -> None:
    done = member.transact(opening(place, b"a" * 16))
    assert [event["type"] for event in done.events] == ["holding.account_opened/1"]
    assert client.wait(done.identity, timeout=5).height == done.height
    assert len(client.receipt(done.identity, verify=True)) > 100
    with pytest.raises(TransactionRejected):
        member.transact(opening(place, b"a" * 16))


def test_a_receipt_of_another_transaction_is_refused(
    client: LedgerClient, member: Party, place: Place
) -> None:
    first = member.transact(opening(place, b"1" * 16)).identity
    second = member.transact(opening(place, b"2" * 16)).identity
    forging = ScriptedNode()
    network = network_id(parse_genesis(place.genesis)).hex()
    forging.line_up("/v1/status", httpx.Response(200, json=status(network=network)))
    forging.line_up(
        f"/v1/transactions/{second.hex()}/receipt", httpx.Response(200, content=client.receipt(first))
    )
    with (
        connect(forging, genesis=place.genesis) as deceived,
        pytest.raises(ReceiptInvalid, match=r"receipt\.transaction"),
    ):
        deceived.receipt(second, verify=True)


def test_lists_come_in_pages_by_query_and_by_route(client: LedgerClient, member: Party) -> None:
    for number in range(5):
        key = PartyKey(Ed25519Signer.generate().public_key, ("sign", "administer"))
        salt = b"list" + bytes([number]) * 12
        member.transact(RegisterParty(member.id, salt, "organisation", (key,), f"Party {number}"))
    by_query = [row["id"] for row in client.rows("party.list", limit=2)]
    by_route = [row["id"] for row in client.rows("/v1/parties", limit=2)]
    assert by_query == by_route == sorted(by_query)
    assert party_id(member.id, b"list" + bytes(12)).hex() in by_query
    assert len(next(client.pages("party.list", limit=4))) == 4


def test_the_stream_gives_what_is_committed_and_resumes(
    client: LedgerClient, member: Party, place: Place
) -> None:
    account = account_id(place.member, b"s" * 16)
    with client.events(type="holding.", account=account, after="0.0.0") as events:
        done = member.transact(opening(place, b"s" * 16))
        event = next(events)
    assert (event.transaction, event.event["account"]) == (done.identity, account.hex())
    member.transact(opening(place, b"t" * 16))
    with client.events(after=event.position) as events:
        following = next(events)
    assert following.event["account"] == account_id(place.member, b"t" * 16).hex()


def test_the_asynchronous_client_does_the_same(place: Place) -> None:
    async def story() -> None:
        async with AsyncLedgerClient(place.url, genesis=place.genesis, access=place.access) as client:
            party = client.party(place.member, place.signer)
            async with client.events(type="holding.", after="0.0.0") as events:
                waiting = asyncio.create_task(anext(events))
                done = await party.transact(opening(place, b"y" * 16))
                rows = [row async for row in client.rows("party.list", limit=1)]
                assert rows
                await client.receipt(done.identity, verify=True)
                async with asyncio.timeout(20):
                    event = await waiting
            assert event.event["type"] == "holding.account_opened/1"

    asyncio.run(story())


def test_a_token_is_renewed_before_the_node_s_clock_says_that_it_expired(place: Place) -> None:
    access = Access(place.member, place.signer, life_ms=4_000)
    with LedgerClient(place.url, access=access) as client:
        for _ in range(4):
            assert client.query("party.list", limit=1)
            time.sleep(1.5)


def test_a_stream_outlives_its_token(place: Place, client: LedgerClient, member: Party) -> None:
    access = Access(place.member, place.signer, life_ms=3_000)
    with LedgerClient(place.url, access=access) as short, short.events(after="0.0.0") as events:
        before = next(events)
        time.sleep(3.5)
        member.transact(opening(place, b"o" * 16))
        account = account_id(place.member, b"o" * 16).hex()
        after = next(event for event in events if event.event.get("account") == account)
    assert after.position != before.position
