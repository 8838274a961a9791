"""Several gateways of one network: going on at the next one without losing anything, whichever fails."""

from typing import Any

import httpx
import pytest

from support.ledger import Key
from support.light_gateways import Crossroads
from support.replicas import ACCOUNTS, EUR, EVENTS, Replica, Replicas, ann, one_client
from support.scripted_node import connect, problem, result, status
from traco.client.building import identity_of
from traco.client.gateways import GatewayAlters, GatewayDelays, Gateways
from traco.client.results import (
    AddressRefused,
    NodeUnreachable,
    OtherNetwork,
    OutcomeUnknown,
    TransactionResult,
)
from traco.client.streams import parse_position

A, B = "https://a", "https://b"
SUBMIT = "/v1/transactions"


def sent(gateway: Replica) -> list[bytes]:
    return gateway.sent(SUBMIT)


def balance(client: Any) -> int:
    amount: int = client.query("holding.get", instrument=EUR, account=ACCOUNTS[1])["available"]
    return amount


# the list


def test_the_first_address_is_asked_first_and_the_others_in_turn() -> None:
    gateways = Gateways((A, B + "/", A, "https://c"))
    assert gateways.urls == (A, B, "https://c")
    assert [gateways.current, gateways.advance(A), gateways.current] == [A, True, B]
    assert [gateways.advance(B), gateways.advance("https://c"), gateways.current] == [True, True, A]


def test_somebody_who_noticed_late_changes_nothing() -> None:
    gateways = Gateways((A, B))
    gateways.advance(A)
    assert gateways.advance(A)
    assert gateways.current == B


def test_a_single_gateway_has_no_other() -> None:
    gateways = Gateways(A)
    assert not gateways.advance(A)
    assert not gateways.leave(GatewayAlters(A, "a block", "light.power"))
    assert gateways.usable == (A,)


def test_a_liar_is_left_for_good_and_a_late_one_is_come_back_to() -> None:
    gateways = Gateways((A, B))
    assert gateways.leave(GatewayDelays(A, 90_000, "the clock"))
    assert (gateways.current, gateways.usable) == (B, (A, B))
    assert gateways.leave(GatewayAlters(B, "a block", "light.power"))
    assert (gateways.current, gateways.usable) == (A, (A,))
    assert [state.fault is None for state in gateways.report()] == [True, False]


def test_no_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="at least one"):
        Gateways(())


# switching


def test_a_gateway_that_is_down_is_switched_from(place: Replicas, several: Any) -> None:
    place.gateways[0].is_down = True
    assert several.submit(place.box.transfer(1)).status == "final"
    assert several.url == B


def test_the_same_bytes_go_to_the_next_gateway_and_count_once(place: Replicas, several: Any) -> None:
    before = balance(several)
    place.gateways[0].loses_answers = True
    raw = place.box.transfer(7)
    place.gateways[0].answers = {"/v1/status": [httpx.Response(200, json=own_status(place))]}
    outcome = several.submit(raw)
    assert outcome.status == "final"
    assert sent(place.gateways[0])[-1:] == sent(place.gateways[1])[-1:] == [raw]
    assert balance(several) == before + 7


def own_status(place: Replicas, number: int = 0) -> dict[str, Any]:
    member = ("ann", "ben")[number]
    return status(
        network=place.box.network.hex(), node=Key(f"{member} node").public.hex(), time_ms=place.box.now_ms()
    )


def test_each_gateway_gets_an_access_token_of_its_own(place: Replicas, several: Any) -> None:
    several.query("holding.get", instrument=EUR, account=ACCOUNTS[0])
    place.gateways[0].is_down = True
    several.query("holding.get", instrument=EUR, account=ACCOUNTS[0])
    path = "/v1/queries/holding.get"
    first, second = (gateway.authorizations(path)[0] for gateway in place.gateways)
    assert first != second


def test_a_gateway_of_another_network_is_not_gone_on_at(place: Replicas, several: Any) -> None:
    several.status()
    place.gateways[0].is_down = True
    place.gateways[1].line_up("/v1/status", httpx.Response(200, json=status(network="ab" * 32)))
    with pytest.raises(OtherNetwork):
        several.submit(place.box.transfer(1))
    assert sent(place.gateways[1]) == []


def test_when_all_are_down_the_transaction_is_not_taken_in(place: Replicas, several: Any) -> None:
    several.status()
    for gateway in place.gateways:
        gateway.is_down = True
    with pytest.raises(NodeUnreachable):
        several.submit(place.box.transfer(1))


def test_an_answer_that_asks_to_come_later_goes_to_the_next_gateway_at_once(place: Replicas) -> None:
    place.gateways[0].line_up(SUBMIT, problem(429, "limit.requests", {"retry-after": "9"}))
    roads = Crossroads(*place.gateways)
    client = connect(roads, url=roads.urls, genesis=place.box.genesis, access=ann(), verify=False)
    assert client.submit(place.box.transfer(1)).status == "final"
    assert roads.waits == []


def test_a_refusal_by_the_rules_is_not_asked_for_elsewhere(place: Replicas, several: Any) -> None:
    place.gateways[0].line_up(SUBMIT, problem(403, "access.role"))
    with pytest.raises(Exception, match=r"access\.role"):
        several.submit(place.box.transfer(1))
    assert sent(place.gateways[1]) == []


def in_doubt(place: Replicas, code: str) -> TransactionResult:
    """The first gateway may have taken it in, and the second refuses it for this reason."""
    refusal = {"code": code, "fields": {}, "text": "No."}
    place.gateways[0].line_up(SUBMIT, httpx.ReadError("broken"))
    raw = place.box.transfer(1)
    answer = result(id=identity_of(raw).hex(), status="refused", height=-1, leaf=-1, failure=refusal)
    place.gateways[1].line_up(SUBMIT, httpx.Response(422, json=answer))
    outcome: TransactionResult = one_client(place).submit(raw)
    return outcome


def test_what_one_may_have_taken_in_and_another_refuses_stays_open(place: Replicas) -> None:
    with pytest.raises(OutcomeUnknown, match="also sent to https://a"):
        in_doubt(place, "envelope.member_suspended")


@pytest.mark.parametrize("code", ["transaction.expired", "transaction.signature_invalid"])
def test_a_refusal_that_holds_everywhere_is_an_answer(place: Replicas, code: str) -> None:
    outcome = in_doubt(place, code)
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.code) == ("refused", code)


# streams


def positions(client: Any, count: int, **options: Any) -> list[str]:
    events = client.events(after="0.0.0", **options)
    return [next(events).position for _ in range(count)]


def asked_from(gateway: Replica) -> list[str]:
    """Behind which positions a gateway's stream was asked for."""
    return [request.url.params["after"] for request in gateway.requests if request.url.path == "/v1/events"]


def test_a_stream_goes_on_behind_its_position_at_the_next_gateway(place: Replicas) -> None:
    client = one_client(place, url=A)
    for amount in range(1, 5):
        client.submit(place.box.transfer(amount))
    whole = positions(client, 9)
    events = one_client(place).events(after="0.0.0")
    seen = [next(events).position for _ in range(EVENTS)]
    place.gateways[0].is_down = True
    seen += [next(events).position for _ in range(2 * EVENTS)]
    assert seen == whole
    assert asked_from(place.gateways[1]) == [whole[EVENTS - 1], whole[2 * EVENTS - 1]]


def test_positions_are_the_same_at_every_gateway(place: Replicas) -> None:
    assert positions(one_client(place, url=A), 5) == positions(one_client(place, url=(B, A)), 5)


def test_a_gateway_that_is_some_blocks_behind_is_waited_for(place: Replicas) -> None:
    roads = Crossroads(*place.gateways)
    client = connect(roads, url=roads.urls, genesis=place.box.genesis, access=ann(), verify=False)
    for amount in (1, 2, 3):
        client.submit(place.box.transfer(amount))
    last = f"{place.box.height}.1.0"
    place.gateways[0].is_down, place.gateways[1].behind = True, 2
    events = client.events(after=last)
    begun = len(roads.waits)
    honest = place.gateways[1].answer

    def answer(request: httpx.Request) -> httpx.Response:
        if len(roads.waits) > begun + 1 and place.gateways[1].behind:
            place.box.order(place.box.transfer(4))
            place.gateways[1].behind = 0
        return honest(request)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(place.gateways[1], "answer", answer)
        assert parse_position(next(events).position) > parse_position(last)


def test_a_gateway_of_a_single_one_that_is_behind_is_an_error(place: Replicas) -> None:
    client = one_client(place, url=A)
    place.gateways[0].behind = 2
    with pytest.raises(Exception, match=r"stream\.position_ahead"):
        next(client.events(after=f"{place.box.height}.1.0"))
