"""Whom a token stands for, as of the newest block; the refusals of bad tokens are in the matrix."""

from collections.abc import Iterator

import pytest

from support.api import whole_node
from support.ledger import Key
from support.town import NamedKey, Town, party_of, town
from traco.modules.party.messages import ChangeKeys, SetStatus
from traco.modules.party.state import PartyKey
from traco.node.api import authentication
from traco.node.api.authentication import Principals
from traco.node.api.principals import LOCAL, AccessDenied, Role
from traco.node.api.settings import AccessSettings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("authentication") / "node") as opened:
        yield opened


def principals(place: Town, now_ms: int = 0, **settings: object) -> Principals:
    """A finder of its own over the town's ledger, with a clock that stands still."""
    access = AccessSettings(node=place.node.node, purpose="test", **settings)  # type: ignore[arg-type]
    clock = now_ms or place.now_ms()
    return Principals(access, place.node.network, place.node.reads, lambda: clock)


def bearer(place: Town, name: str, **more: object) -> list[str]:
    return [f"Bearer {place.token(name, **more)}"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "role"),
    [("alice", "party"), ("auditor", "auditor"), ("operator", "operator")],
)
def test_the_node_says_for_whom_it_takes_a_request(place: Town, name: str, role: str) -> None:
    assert place.get(name, "/v1/principal").json() == {
        "role": role, "scope": "submit", "party": place.ids[name].hex(), "key": place.signer(name).public_key.hex(),
    }  # fmt: skip


def test_roles_come_from_the_configuration_and_operators_see_more_than_auditors(place: Town) -> None:
    alice = place.ids["alice"]
    both = frozenset((alice,))
    assert principals(place, operators=both, auditors=both).of(bearer(place, "alice")).role is Role.OPERATOR
    assert principals(place).of(bearer(place, "alice")).role is Role.PARTY
    assert principals(place).of(bearer(place, "operator")).role is Role.PARTY


@pytest.mark.parametrize(
    ("purpose", "host", "is_open"),
    [
        ("development", "127.0.0.1", True), ("development", "::1", True), ("test", "127.0.0.1", False),
        ("production", "127.0.0.1", False), ("development", "10.0.0.1", False), ("development", "0.0.0.0", False),
    ],
)  # fmt: skip
def test_without_a_token_only_loopback_of_a_development_network_answers(
    place: Town, purpose: str, host: str, is_open: bool
) -> None:
    access = AccessSettings(node=place.node.node, purpose=purpose, host=host)
    found = Principals(access, place.node.network, place.node.reads, place.now_ms)
    if is_open:
        assert found.of([]) == LOCAL
    else:
        with pytest.raises(AccessDenied) as caught:
            found.of([])
        assert caught.value.code == "access.missing"


def test_a_bad_token_is_refused_even_where_none_is_needed(place: Town) -> None:
    access = AccessSettings(node=place.node.node, purpose="development")
    found = Principals(access, place.node.network, place.node.reads, place.now_ms)
    with pytest.raises(AccessDenied):
        found.of(["Bearer x"])


def test_two_authorization_headers_are_none(place: Town) -> None:
    with pytest.raises(AccessDenied) as caught:
        principals(place).of(bearer(place, "alice") * 2)
    assert caught.value.code == "access.malformed"


def test_a_token_is_good_up_to_its_end_and_not_a_moment_longer(place: Town) -> None:
    token = bearer(place, "alice", issued_ms=1_000_000, life_ms=1_000)
    for now_ms in (1_000_000, 1_000_999, 970_000):
        assert principals(place, now_ms).of(token).party == place.ids["alice"]
    for now_ms, code in ((1_001_000, "access.expired"), (969_999, "access.not_yet")):
        with pytest.raises(AccessDenied) as caught:
            principals(place, now_ms).of(token)
        assert caught.value.code == code


def test_a_token_that_was_good_expires_although_it_is_remembered(place: Town) -> None:
    clock = [1_000_000]
    access = AccessSettings(node=place.node.node, purpose="test")
    found = Principals(access, place.node.network, place.node.reads, lambda: clock[0])
    token = bearer(place, "alice", issued_ms=1_000_000, life_ms=1_000)
    found.of(token)
    assert found.is_known(token)
    clock[0] = 1_001_000
    with pytest.raises(AccessDenied):
        found.of(token)


def test_a_key_removed_on_the_ledger_ends_its_tokens_with_that_block(place: Town) -> None:
    fresh = Key("bob fresh")
    place.do("bob", ChangeKeys(place.ids["bob"], (PartyKey(fresh.public, ("sign",)),), (), (), None))
    headers = place.headers("bob", signer=NamedKey("bob fresh"))
    client = place.node.client
    assert client.get("/v1/principal", headers=headers).status_code == 200
    place.do("bob", ChangeKeys(place.ids["bob"], (), (), (fresh.public,), None))
    answer = client.get("/v1/principal", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "access.key_unknown")


def test_a_suspended_party_is_told_so_and_comes_back_when_it_is_active(place: Town) -> None:
    shy, member = place.ids["shy"], place.node.member
    place.do("operator", SetStatus(member, shy, "suspended", "test.reason"))
    answer = place.get("shy", "/v1/principal")
    assert (answer.status_code, answer.json()["code"]) == (401, "access.party_inactive")
    place.do("operator", SetStatus(member, shy, "active", "test.reason"))
    assert place.get("shy", "/v1/principal").status_code == 200


def test_a_key_that_may_only_read_makes_tokens_that_only_read(place: Town) -> None:
    reader = NamedKey("alice reader")
    found = principals(place).of(bearer(place, "alice", scope="read", signer=reader))
    assert (found.scope, found.key) == ("read", reader.public_key)
    with pytest.raises(AccessDenied) as caught:
        principals(place).of(bearer(place, "alice", scope="submit", signer=reader))
    assert (caught.value.status, caught.value.code) == (403, "access.scope")


def test_the_tokens_that_are_remembered_are_bounded(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED", 2)
    found = principals(place)
    tokens = [bearer(place, "alice", salt=bytes(15) + bytes((number,))) for number in range(3)]
    for token in tokens:
        found.of(token)
    assert [found.is_known(token) for token in tokens] == [False, True, True]


def test_a_token_made_for_one_node_is_of_no_use_at_another_of_the_same_operator(
    place: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with whole_node(tmp_path_factory.mktemp("other") / "node", "test") as other:
        answer = other.client.get("/v1/principal", headers=place.headers("alice"))
    assert (answer.status_code, answer.json()["code"]) == (401, "access.other_network")
    assert party_of(place.node.member, "alice") == place.ids["alice"]
