"""Netting keeps what each party gives and gets of each instrument, in as few legs as it can."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from modules.settlement.desk import Floor
from traco.kernel.codec import MAX_AMOUNT
from traco.modules.settlement.messages import SettlementInstruction
from traco.modules.settlement.netting import net_legs

CASH, BOND = b"c" * 16, b"b" * 16
A, B, C, D = (bytes([number]) * 16 for number in range(1, 5))

legs_strategy = st.lists(
    st.builds(
        SettlementInstruction, st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D]),
        st.sampled_from([CASH, BOND]), st.integers(1, 50), st.sampled_from([b"", b"x"]),
    ),
    max_size=12,
)  # fmt: skip


def positions(legs: Iterable[SettlementInstruction]) -> dict[tuple[bytes, bytes], int]:
    """What each party gets less what it gives, by party and instrument, where it is not zero."""
    net: Counter[tuple[bytes, bytes]] = Counter()
    for leg in legs:
        net[leg.sender, leg.instrument] -= leg.amount
        net[leg.receiver, leg.instrument] += leg.amount
    return {place: amount for place, amount in net.items() if amount}


@given(legs_strategy)
def test_netting_keeps_every_position(legs: list[SettlementInstruction]) -> None:
    assert positions(net_legs(legs)) == positions(legs)


@given(legs_strategy)
def test_nobody_both_gives_and_gets_an_instrument(legs: list[SettlementInstruction]) -> None:
    netted = net_legs(legs)
    giving = [(leg.sender, leg.instrument) for leg in netted]
    getting = [(leg.receiver, leg.instrument) for leg in netted]
    assert [place for place in giving if place in getting] == []


@given(legs_strategy)
def test_there_are_fewer_legs_than_parties_with_a_position(legs: list[SettlementInstruction]) -> None:
    netted, net = net_legs(legs), positions(legs)
    for instrument in (CASH, BOND):
        parties = [party for party, of in net if of == instrument]
        count = sum(leg.instrument == instrument for leg in netted)
        assert count <= max(0, len(parties) - 1)


@given(legs_strategy, st.randoms(use_true_random=False))
def test_the_order_of_legs_does_not_matter(legs: list[SettlementInstruction], random: object) -> None:
    shuffled = list(legs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert net_legs(shuffled) == net_legs(legs)


@given(legs_strategy)
def test_netting_twice_changes_nothing(legs: list[SettlementInstruction]) -> None:
    assert net_legs(net_legs(legs)) == net_legs(legs)


@given(legs_strategy)
def test_model_two_keeps_securities_gross(legs: list[SettlementInstruction]) -> None:
    netted = net_legs(legs, [CASH])
    gross = [leg for leg in legs if leg.instrument == BOND]
    assert list(netted[: len(gross)]) == gross
    assert netted[len(gross) :] == net_legs([leg for leg in legs if leg.instrument == CASH])


def test_nothing_is_left_of_what_cancels_out() -> None:
    circle = [
        SettlementInstruction(A, B, CASH, 5),
        SettlementInstruction(B, C, CASH, 5),
        SettlementInstruction(C, A, CASH, 5),
    ]
    assert net_legs(circle) == ()


def test_debtors_pay_creditors_in_order_of_ids() -> None:
    legs = [
        SettlementInstruction(D, A, CASH, 4),
        SettlementInstruction(C, B, CASH, 3),
        SettlementInstruction(D, B, CASH, 2),
    ]
    assert net_legs(legs) == (
        SettlementInstruction(C, A, CASH, 3), SettlementInstruction(D, A, CASH, 1), SettlementInstruction(D, B, CASH, 5),
    )  # fmt: skip


def test_instruments_come_in_order_of_ids() -> None:
    legs = [SettlementInstruction(A, B, CASH, 1), SettlementInstruction(A, B, BOND, 1)]
    assert [leg.instrument for leg in net_legs(legs)] == [BOND, CASH]


def test_no_leg_exceeds_an_amount() -> None:
    legs = [SettlementInstruction(A, B, CASH, MAX_AMOUNT)] * 2 + [SettlementInstruction(A, B, CASH, 1)]
    assert [leg.amount for leg in net_legs(legs)] == [MAX_AMOUNT, MAX_AMOUNT, 1]


def test_a_netted_cycle_settles_as_one_batch(floor: Floor) -> None:
    trades = [
        floor.leg("seller", "buyer", floor.bond, 30), floor.leg("buyer", "seller", floor.cash, 3_000),
        floor.leg("buyer", "bank", floor.bond, 20), floor.leg("bank", "buyer", floor.cash, 2_500),
    ]  # fmt: skip
    legs = net_legs(trades)
    batch, names = floor.create(legs), {floor.ids[name]: name for name in ("seller", "buyer", "bank")}
    for party, name in names.items():
        gives = [floor.own(place, name) for place, leg in enumerate(legs) if leg.sender == party]
        gets = [floor.into(place, name) for place, leg in enumerate(legs) if leg.receiver == party]
        floor.affirm(name, batch, gives, gets)
    assert floor.balances(floor.bond, "seller buyer bank") == [(970, 0), (10, 0), (20, 0)]
    assert floor.balances(floor.cash, "seller buyer bank") == [(3_000, 0), (999_500, 0), (997_500, 0)]
