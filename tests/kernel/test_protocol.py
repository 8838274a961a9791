"""Upgrades: scheduled by the council, entered at one height by every node, or the node stops and says why."""

from typing import Any

import pytest

from support.counters import (
    ALICE,
    BOB,
    EITHER,
    MEMBER,
    NODE,
    PAIR,
    SOLO,
    Add,
    Added,
    Counter,
    CounterModule,
    CounterParameters,
    FixedAuthority,
    TotalOf,
    counter_genesis,
    counter_ledger,
)
from support.ledger import Key, Ledger
from traco.kernel import founding, protocol
from traco.kernel.codec import digest, encode
from traco.kernel.errors import Halt
from traco.kernel.genesis import GenesisInvalid
from traco.kernel.instruction import Instruction, PartyInstruction
from traco.kernel.kernel_module import KernelModule
from traco.kernel.operations import ScheduleUpgrade, SetParameters, UpgradeScheduled
from traco.kernel.protocol import Protocol, protocol_at, protocol_of, write_protocol
from traco.kernel.receipt import NO_SIGNATURES
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.statetree import StateTree


class Renewed(CounterModule):
    """Counters whose protocol 2 doubles the counter "x"."""

    def __init__(self) -> None:
        super().__init__()
        self.migrations = {2: self.double}
        self.seen: list[int] = []

    def double(self, context: Any) -> None:
        doubled = self.total(context.state, "x") * 2
        self.table.put(context.state, Counter(doubled), b"x")
        context.emit(Added("x", doubled))

    def add(self, context: Any, message: Add) -> None:
        self.seen.append(context.block.protocol)
        super().add(context, message)


def renewed_ledger(store: Any = None) -> tuple[Ledger, Renewed]:
    authority, module = FixedAuthority(), Renewed()
    registry = Registry([KernelModule(authority), module], authority)
    genesis = counter_genesis(modules={"counter": {"x": 5}})
    return Ledger(genesis, registry, MEMBER, NODE, store), module


def decide(height: int, number: int = 2) -> Instruction:
    return ScheduleUpgrade((SOLO, EITHER), number, height)


def x_of(ledger: Ledger) -> int:
    found: int = ledger.query("counter.total", TotalOf("x"))
    return found


def test_a_ledger_starts_with_the_protocol_of_its_genesis() -> None:
    ledger = counter_ledger()
    assert protocol_of(ledger.application.state) == Protocol(1, 0, 0)


def test_a_state_that_was_never_founded_halts() -> None:
    with pytest.raises(Halt):
        protocol_of(State(StateTree()))


def test_the_council_schedules_the_next_protocol() -> None:
    ledger = counter_ledger()
    receipt = ledger.succeed(decide(9), keys=[ALICE])
    assert receipt.events[1:] == (UpgradeScheduled(2, 9),)
    assert protocol_of(ledger.application.state) == Protocol(1, 2, 9)
    ledger.succeed(decide(7), keys=[ALICE])
    assert protocol_of(ledger.application.state) == Protocol(1, 2, 7)


@pytest.mark.parametrize(("number", "height"), [(1, 9), (3, 9), (0, 9), (2, 1), (2, 0)])
def test_an_upgrade_goes_one_protocol_on_at_a_later_height(number: int, height: int) -> None:
    assert counter_ledger().reject(decide(height, number), keys=[ALICE]) == "kernel.upgrade_invalid"


def test_an_upgrade_may_come_with_the_next_block() -> None:
    assert counter_ledger().submit(decide(2), keys=[ALICE]).failure is None


@pytest.mark.parametrize(
    ("parties", "keys"),
    [
        ((SOLO,), [ALICE]),
        ((SOLO, PAIR), [ALICE, BOB]),
        ((SOLO, SOLO), [ALICE]),
        ((SOLO, EITHER, PAIR), [ALICE, BOB]),
    ],
)
def test_nobody_but_enough_of_the_council_schedules(parties: tuple[bytes, ...], keys: list[Key]) -> None:
    assert counter_ledger().reject(ScheduleUpgrade(parties, 2, 9), keys=keys) == "kernel.council_needed"


def test_the_migration_runs_at_its_height_before_the_transactions() -> None:
    ledger, module = renewed_ledger()
    ledger.succeed(decide(3), keys=[ALICE])
    ledger.succeed(Add(SOLO, "x", 1), keys=[ALICE])
    assert x_of(ledger) == 6
    receipt = ledger.succeed(Add(SOLO, "x", 1), keys=[ALICE])
    assert (x_of(ledger), receipt.events[1:]) == (13, (Added("x", 13),))
    assert module.seen == [1, 2]
    assert protocol_of(ledger.application.state) == Protocol(2, 0, 0)
    assert [block.protocol for block in ledger.store.blocks] == [1, 1, 1, 2]


def test_the_migration_has_a_leaf_of_its_own() -> None:
    ledger, _ = renewed_ledger()
    ledger.succeed(decide(2), keys=[ALICE])
    ledger.run_block()
    leaf = ledger.store.blocks[-1].leaves[0]
    network = ledger.application.network
    assert leaf.identity == digest(b"traco/upgrade/1", network, bytes(32), b"\0\0\0\2")
    assert leaf.signatures == NO_SIGNATURES
    assert ledger.registry.receipt.decode(leaf.receipt).events == (Added("x", 10),)
    ledger.run_block()
    assert ledger.store.blocks[-1].leaves == ()


def test_a_repeated_finalize_migrates_once() -> None:
    ledger, _ = renewed_ledger()
    ledger.succeed(decide(2), keys=[ALICE])
    finalize = ledger.application.finalize_block
    assert finalize(2, ledger.time_ms, []) == finalize(2, ledger.time_ms, [])
    ledger.application.commit()
    assert x_of(ledger) == 10


def test_a_module_without_a_migration_is_left_alone() -> None:
    ledger = counter_ledger(modules={"counter": {"x": 5}})
    ledger.succeed(decide(2), keys=[ALICE])
    ledger.run_block()
    assert x_of(ledger) == 5


def test_software_that_lacks_the_protocol_stops_and_goes_on_with_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 1)
    ledger, _ = renewed_ledger()
    ledger.succeed(decide(3), keys=[ALICE])
    ledger.run_block()
    with pytest.raises(Halt) as caught:
        ledger.run_block()
    assert str(caught.value).startswith("block 3 needs protocol 2; this software has 1 to 1.")
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 2)
    again, _ = renewed_ledger(ledger.store)
    again.run_block()
    assert x_of(again) == 10


def test_where_software_will_stop_is_known_from_the_decision_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = counter_ledger()
    assert protocol.stops_at(ledger.application.state) == 0
    ledger.succeed(decide(9), keys=[ALICE])
    assert protocol.stops_at(ledger.application.state) == 0
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 1)
    assert protocol.stops_at(ledger.application.state) == 9


def test_software_that_dropped_an_old_protocol_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = counter_ledger()
    monkeypatch.setattr(protocol, "OLDEST_PROTOCOL", 2)
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 2)
    with pytest.raises(Halt):
        ledger.run_block()


def test_the_protocol_of_a_height() -> None:
    state = State(StateTree())
    write_protocol(state, Protocol(1, 2, 5))
    assert [protocol_at(state, height) for height in (4, 5, 6)] == [1, 2, 2]


class Join(PartyInstruction, frozen=True, tag="counter.join/1"):
    """Add one to the counter "joined"."""

    since_protocol = 2


class Later(CounterModule):
    """Counters that came with protocol 2."""

    since_protocol = 2

    def __init__(self) -> None:
        super().__init__()
        self.instructions = {Join: lambda context, message: self._add(context, "joined", 1)}
        self.admission = ()
        self.migrations = {2: self.look}
        self.limit = 0

    def look(self, context: Any) -> None:
        self.limit = context.parameters(CounterParameters).limit


def later_ledger(**changes: Any) -> tuple[Ledger, Later]:
    authority, module = FixedAuthority(), Later()
    registry = Registry([KernelModule(authority), module], authority)
    return Ledger(counter_genesis(**changes), registry, MEMBER, NODE), module


def parameters_keys(ledger: Ledger) -> int:
    """How many modules, the kernel among them, have parameters in the state."""
    return len(list(ledger.application.state.range(b"\0\x02", b"\0\x03")))


def set_limit(limit: int) -> Instruction:
    return SetParameters((SOLO, EITHER), "counter", encode(CounterParameters(limit)))


@pytest.mark.parametrize("part", [{"modules": {"counter": {}}}, {"parameters": {"counter": {}}}])
def test_a_genesis_must_not_speak_of_a_module_of_a_later_protocol(part: dict[str, Any]) -> None:
    with pytest.raises(GenesisInvalid) as caught:
        later_ledger(**part)
    assert str(caught.value) == "module counter comes with protocol 2, the document founds 1"
    later_ledger(protocol=2, **part)


def test_before_its_protocol_a_module_has_neither_parameters_nor_instructions() -> None:
    ledger, _ = later_ledger()
    assert parameters_keys(ledger) == 1
    assert ledger.reject(Join(SOLO), keys=[ALICE]) == "transaction.unknown_instruction"
    assert ledger.reject(set_limit(7), keys=[ALICE]) == "kernel.parameters_invalid"


def test_a_ledger_founded_without_a_module_is_the_one_founded_before_the_module_was_written() -> None:
    authority = FixedAuthority()
    old = Ledger(counter_genesis(), Registry([KernelModule(authority)], authority), MEMBER, NODE)
    assert later_ledger()[0].application.info() == old.application.info()


def test_the_upgrade_writes_the_parameters_of_a_module_before_its_migration_runs() -> None:
    ledger, module = later_ledger()
    ledger.succeed(decide(2), keys=[ALICE])
    ledger.run_block()
    assert (parameters_keys(ledger), module.limit) == (2, CounterParameters().limit)
    ledger.succeed(Join(SOLO), keys=[ALICE])
    ledger.succeed(set_limit(1), keys=[ALICE])
    assert ledger.reject(Join(SOLO), keys=[ALICE]) == "counter.above_limit"


def test_a_founding_under_its_protocol_has_what_an_upgrade_brings() -> None:
    founded, _ = later_ledger(protocol=2, parameters={"counter": {"limit": 1}})
    assert parameters_keys(founded) == 2
    founded.succeed(Join(SOLO), keys=[ALICE])
    assert founded.reject(Join(SOLO), keys=[ALICE]) == "counter.above_limit"


def test_an_instruction_older_than_its_module_is_a_mistake_of_the_composition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Join, "since_protocol", 1)
    with pytest.raises(ValueError, match=r"counter\.join/1 is older than its module counter"):
        later_ledger()


def test_the_newest_protocol_can_be_founded_and_the_next_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        protocol_of(later_ledger(protocol=protocol.NEWEST_PROTOCOL)[0].application.state).current
        == protocol.NEWEST_PROTOCOL
    )
    with pytest.raises(GenesisInvalid, match=f"this software has no protocol {protocol.NEWEST_PROTOCOL + 1}"):
        later_ledger(protocol=protocol.NEWEST_PROTOCOL + 1)
    monkeypatch.setattr(founding, "OLDEST_PROTOCOL", 2)
    with pytest.raises(GenesisInvalid, match="this software has no protocol 1"):
        later_ledger()
