"""Limits on how much voting power stands with one provider or in one region."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.network.desk import Desk
from traco.kernel.genesis import GenesisInvalid
from traco.modules.network import shares
from traco.modules.network.state import Placement


def only(kind: str, place: str) -> Placement:
    """A placement that says nothing but one thing."""
    return Placement(**{kind: place})


PLACES = {"a": "one", "b": "two", "c": "three", "d": "four"}


def spread(kind: str, limit: int, validators: dict[str, int] | None = None) -> Desk:
    """Each founding node with another provider or region; no more than ``limit`` with one."""
    fields = {name: {"placement": {kind: place}} for name, place in PLACES.items()}
    return Desk(validators, fields=fields, parameters={f"max_{kind}_ppm": limit})


@pytest.mark.parametrize("kind", ["provider", "region"])
def test_no_place_gets_more_than_its_share_by_a_promotion(kind: str) -> None:
    desk = spread(kind, 250_000)
    desk.admit("new", placement=only(kind, "one"))
    desk.do("a", desk.report("new"))
    assert desk.refuse(desk.promotion("new")) == "network.share_exceeded"
    desk.do("a", desk.move("new", "a", **{kind: "five"}))
    desk.govern(desk.promotion("new"))
    desk.check()


@pytest.mark.parametrize("kind", ["provider", "region"])
def test_a_validator_does_not_move_where_too_much_power_is(kind: str) -> None:
    desk = spread(kind, 300_000)
    assert desk.deny("a", desk.move("a", **{kind: "two"})) == "network.share_exceeded"
    desk.do("a", desk.move("a", **{kind: "five"}))
    desk.check()


def test_a_share_exactly_at_the_limit_is_allowed() -> None:
    desk = spread("provider", 500_000)
    desk.do("a", desk.move("a", provider="two"))
    assert desk.deny("c", desk.move("c", provider="two")) == "network.share_exceeded"


def test_nodes_that_do_not_say_count_as_one() -> None:
    desk = spread("provider", 500_000)
    desk.do("a", desk.move("a"))
    desk.do("b", desk.move("b"))
    assert desk.deny("c", desk.move("c")) == "network.share_exceeded"


def test_an_observer_stands_where_it_likes() -> None:
    desk = spread("provider", 250_000)
    desk.admit("new", placement=only("provider", "one"))
    desk.do("a", desk.move("new", "a", provider="two"))
    desk.check()


def test_a_validator_over_the_limit_may_still_change_its_address_and_zone() -> None:
    desk = Desk()
    desk.set_parameters(max_provider_ppm=300_000, max_region_ppm=300_000)
    desk.do("a", desk.move("a", zone="b"))
    desk.do("a", desk.move("a", provider="own", zone="b"))
    desk.check()


def test_a_lower_limit_holds_for_what_grows_from_then_on() -> None:
    desk = Desk()
    desk.set_parameters(max_provider_ppm=300_000)
    desk.admit("new")
    desk.do("a", desk.report("new"))
    assert desk.refuse(desk.promotion("new")) == "network.share_exceeded"
    desk.do("a", desk.move("new", "a", provider="own"))
    desk.govern(desk.promotion("new"))
    desk.govern(desk.removal("d"))
    desk.check()


def test_a_removal_is_never_refused_for_a_share() -> None:
    desk = spread("provider", 250_000, {"a": 2, "b": 2, "c": 2, "d": 2})
    desk.admit("new", placement=only("provider", "five"))
    desk.promote("new", power=2)
    desk.govern(desk.demotion("a"))
    desk.govern(desk.promotion("b", 1))
    desk.check()


def test_less_power_is_never_too_much() -> None:
    desk = Desk(dict.fromkeys("abcd", 10))
    desk.set_parameters(max_provider_ppm=300_000)
    desk.govern(desk.promotion("a", 9))
    assert desk.refuse(desk.promotion("a", 10)) == "network.share_exceeded"
    desk.check()


@pytest.mark.parametrize("kind", ["provider", "region"])
def test_a_genesis_beyond_its_own_limits_is_refused(kind: str) -> None:
    with pytest.raises(GenesisInvalid, match=r"modules\.network: network\.share_exceeded: The " + kind):
        spread(kind, 200_000)


powers = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@given(powers)
def test_a_network_tolerates_one_exactly_if_two_thirds_remain_without_any(each: list[int]) -> None:
    validators = [(bytes([index]), power) for index, power in enumerate(each)]
    remains = [sum(each) - power for power in each]
    assert shares.tolerates_one(validators) == all(3 * rest > 2 * sum(each) for rest in remains)


@pytest.mark.parametrize(
    ("lost", "total", "goes_on"), [(0, 0, True), (1, 4, True), (1, 3, False), (2, 6, False), (1, 1, False)]
)
def test_a_third_of_the_power_gone_stops_the_network(lost: int, total: int, goes_on: bool) -> None:
    assert shares.goes_on_without(lost, total) == goes_on


@given(powers, st.integers(0, 40))
def test_a_network_goes_on_exactly_with_more_than_two_thirds(each: list[int], lost: int) -> None:
    total = sum(each)
    assert shares.goes_on_without(lost, total) == (lost == 0 or 3 * (total - lost) > 2 * total)


def test_without_validators_there_is_no_greatest_and_nothing_is_tolerated() -> None:
    assert (shares.greatest_of(()), shares.total_of(()), shares.tolerates_one(())) == (0, 0, False)


def test_shares_are_rounded_down_and_nothing_has_none() -> None:
    assert [shares.share_ppm(1, 3), shares.share_ppm(2, 2), shares.share_ppm(0, 0)] == [333_333, 1_000_000, 0]
