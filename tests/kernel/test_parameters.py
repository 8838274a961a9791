"""Parameters: defaults, what genesis says, what the council decides, as of any height; and bounds that keep a ledger alive."""

from typing import Any

import msgspec
import pytest

from support.counters import CounterParameters, counter_ledger
from traco.kernel.codec import Codec, encode
from traco.kernel.instruction import ENVELOPE_OVERHEAD, KernelParameters
from traco.kernel.parameters import Parameters
from traco.kernel.state import State
from traco.kernel.statetree import StateTree


def parameters() -> Parameters:
    return Parameters({"counter": CounterParameters(7)})


def test_defaults_hold_before_anything_is_written() -> None:
    state = State(StateTree())
    assert parameters().get(state, CounterParameters) == CounterParameters(7)
    assert parameters().get(state, KernelParameters) == KernelParameters()


def test_each_owner_has_a_record_of_its_own() -> None:
    known, state = parameters(), State(StateTree())
    known.put(state, 3, CounterParameters(8))
    assert known.get(state, CounterParameters) == CounterParameters(8)
    assert known.get(state, KernelParameters) == KernelParameters()


def test_parameters_are_readable_as_of_a_height() -> None:
    known, state = parameters(), State(StateTree())
    known.put(state, 0, CounterParameters(1))
    known.put(state, 5, CounterParameters(2))
    assert [known.as_of(state, height, CounterParameters) for height in (0, 4, 5)] == [
        CounterParameters(1), CounterParameters(1), CounterParameters(2),
    ]  # fmt: skip


def test_the_horizon_is_a_parameter_itself() -> None:
    known, state = parameters(), State(StateTree())
    known.put(state, 0, KernelParameters(history_horizon=2))
    for height, limit in ((1, 1), (2, 2), (5, 5)):
        known.put(state, height, CounterParameters(limit))
    assert known.as_of(state, 1, CounterParameters) is None
    assert known.as_of(state, 4, CounterParameters) == CounterParameters(2)


def test_owners_are_known_by_name_in_a_fixed_order() -> None:
    assert parameters().owners() == ("kernel", "counter")
    assert parameters().kinds() == (("kernel", KernelParameters), ("counter", CounterParameters))
    assert parameters().kind_of("counter") is CounterParameters
    assert parameters().kind_of("nobody") is None


def test_genesis_writes_all_parameters() -> None:
    ledger = counter_ledger(parameters={"counter": {"limit": 9}, "kernel": {"max_events": 3}})
    known, state = ledger.application.parameters, ledger.application.state
    assert known.as_of(state, 0, CounterParameters) == CounterParameters(9)
    assert known.as_of(state, 0, KernelParameters) == KernelParameters(max_events=3)


KERNEL: Codec[KernelParameters] = Codec(KernelParameters)
BOUNDS = {
    "window_ms": (60_000, 86_400_000),
    "max_transaction_bytes": (1_024, 1_048_576 - ENVELOPE_OVERHEAD),
    "max_instructions": (1, 65_536),
    "max_signatures": (1, 65_536),
    "max_envelope_bytes": (65_536 + ENVELOPE_OVERHEAD, 4_194_304),
    "max_envelope_transactions": (1, 65_536),
    "max_block_bytes": (1_048_576, 67_108_864),
    "max_events": (1, 65_536),
    "max_depth": (1, 16),
    "due_budget": (1, 65_536),
    "history_horizon": (0, 2**53 - 1),
}


def test_every_kernel_parameter_has_bounds() -> None:
    assert list(BOUNDS) == [field.name for field in msgspec.structs.fields(KernelParameters)]


def changed(name: str, value: Any) -> bytes:
    values = [getattr(KernelParameters(), field) if field != name else value for field in BOUNDS]
    return encode([1, *values])


@pytest.mark.parametrize("name", BOUNDS)
def test_kernel_parameters_hold_their_bounds(name: str) -> None:
    low, high = BOUNDS[name]
    assert [getattr(KERNEL.decode(changed(name, value)), name) for value in (low, high)] == [low, high]
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError):
            KERNEL.decode(changed(name, value))


def test_sizes_have_bounds_of_their_own() -> None:
    huge = 67_108_864
    KERNEL.decode(encode([1, 60_000, 1_024, 1, 1, huge, 1, huge, 1, 1, 1, 1]))
    for place in (5, 7):
        values = [1, 60_000, 1_024, 1, 1, huge, 1, huge, 1, 1, 1, 1]
        values[place] = huge + 1
        with pytest.raises(ValueError):
            KERNEL.decode(encode(values))
