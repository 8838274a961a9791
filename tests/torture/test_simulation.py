"""A bounded part of the simulation: ``make torture`` does the same for as long as one likes."""

import pytest

from torture.report import Counts, Difference
from torture.simulation import Simulation


@pytest.mark.parametrize("number", range(4))
def test_disturbed_ledger_does_what_the_model_says(number: int) -> None:
    counts = Counts()
    Simulation(f"bounded {number}", counts, lives=8).run()
    assert (counts["disturbance: node started"], counts["work: transactions compared"] > 100) == (8, True)


def test_random_business_gets_as_far_as_payment_and_approval() -> None:
    counts = Counts()
    for number in range(5):
        Simulation(f"far {number}", counts, lives=10).run()
    kinds = ("finance at once", "affirm reservation", "pay", "collect", "dilute", "change keys", "approve")
    never = [kind for kind in kinds if not counts[f"kind: {kind}, done"]]
    assert never == []


def test_what_the_disturbed_ledger_stored_is_what_its_blocks_give() -> None:
    counts = Counts()
    simulation = Simulation("audited", counts, lives=6)
    simulation.run()
    simulation.audit()
    assert counts["work: transactions executed again by the audit"] > 0


def test_same_seed_gives_the_same_sequence() -> None:
    runs = [(Simulation("repeated", counts, lives=4), counts) for counts in (Counts(), Counts())]
    for simulation, _ in runs:
        simulation.run()
    (first, counts), (second, others) = runs
    assert (first.checker.app_hash, first.sent, counts) == (second.checker.app_hash, second.sent, others)


def test_other_seed_gives_another_sequence() -> None:
    runs = [Simulation(name, Counts(), lives=2) for name in ("one", "other")]
    for simulation in runs:
        simulation.run()
    assert runs[0].sent[20:] != runs[1].sent[20:]


def test_balance_that_differs_from_the_model_is_reported() -> None:
    simulation = Simulation("differing", Counts(), lives=2)
    simulation.run()
    place = next(place for place, amount in simulation.checker.books.available.items() if amount)
    simulation.checker.books.available[place] += 1
    with pytest.raises(Difference, match="state: balance"):
        simulation.checker.compare_state(simulation.checker.replica)
