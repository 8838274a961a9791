"""Each invariant of attempts is broken when a record is changed behind the keeper's back."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from modules.channel.deals import Made
from modules.channel.root_world import RootWorld
from traco.kernel.due import DueItem, schedule, unschedule
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State
from traco.modules.channel import attempt_invariants
from traco.modules.channel import state as stored
from traco.modules.channel.keeper import DEADLINE
from traco.modules.channel.state import Attempted, AttemptRecord, Edge, LegState, Settlement, number_part


class Scene(NamedTuple):
    """An undecided attempt that brings 300 of a bond from the root into a channel, and one that committed."""

    world: RootWorld
    channel: bytes
    made: Made
    committed: Made

    @property
    def state(self) -> State:
        state: State = self.world.state
        return state

    @property
    def record(self) -> AttemptRecord:
        return self.world.deals.record(self.made)

    @property
    def leg(self) -> LegState:
        return self.world.deals.leg_state(self.made, self.channel)

    def write(self, record: AttemptRecord) -> None:
        stored.attempts.put(self.state, record, self.made.identity)

    def write_leg(self, **changes: Any) -> None:
        """The channel's leg with these changes."""
        legs = tuple(replace(leg, **changes) if leg.ledger else leg for leg in self.record.legs)
        self.write(replace(self.record, legs=legs))

    def place(self) -> tuple[bytes, bytes, bytes]:
        return self.channel, number_part(self.leg.ordinal), number_part(self.leg.number)


@pytest.fixture
def scene() -> Iterator[Scene]:
    world = RootWorld()
    channel = world.opened(world.terms("b", "c"))
    yield Scene(world, channel, bring(world, channel), settled(world, channel))
    world.state.reset(committed=False)
    world.check()


def bring(world: RootWorld, channel: bytes) -> Made:
    content = world.out(300)
    terms = world.deals.terms(
        world.root_terms(content, -300), world.deals.leg(channel, edges=[(world.bond, 300)])
    )
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed("b", terms, channel))
    return world.deals.order(world.deals.attempt(terms, *legs, by="b"))


def settled(world: RootWorld, channel: bytes) -> Made:
    made = bring(world, channel)
    world.deals.all_say(made, channel)
    return made


def broken(scene: Scene, spoil: Callable[[Scene], object]) -> tuple[str, set[str]]:
    """What a transaction that did this is refused for, and what an audit finds."""
    mark = scene.state.mark()
    spoil(scene)
    with pytest.raises(InvariantBroken) as raised:
        attempt_invariants.touched(scene.state, scene.state.before(mark))
    audit = attempt_invariants.whole_ledger(scene.state)
    return raised.value.name, {line.split()[0] for line in audit}


def test_nothing_is_broken_in_the_scene(scene: Scene) -> None:
    assert attempt_invariants.whole_ledger(scene.state) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda scene: scene.write_leg(held=(bytes(16),)),
        lambda scene: scene.write_leg(held=scene.leg.members, refused=scene.leg.members[:1]),
        lambda scene: scene.write_leg(refused=tuple(reversed(scene.leg.members))),
        lambda scene: scene.write_leg(attesters=(bytes(16),)),
        lambda scene: scene.write_leg(policy=3),
        lambda scene: scene.write_leg(policy=0),
        lambda scene: scene.write_leg(number=scene.leg.number + 1),
        lambda scene: scene.write_leg(edges=()),
        lambda scene: scene.write(replace(scene.record, due_ms=scene.record.due_ms + 1)),
        lambda scene: scene.write(replace(scene.record, terms=bytes(32))),
        lambda scene: scene.write(replace(scene.record, legs=scene.record.legs[:1])),
    ],
)  # fmt: skip
def test_an_undecided_attempt_is_consistent(scene: Scene, spoil: Callable[[Scene], object]) -> None:
    name, found = broken(scene, spoil)
    assert name == "channel.attempt"
    assert "channel.attempt" in found


def test_only_members_of_the_root_speak_of_its_leg(scene: Scene) -> None:
    legs = tuple(leg if leg.ledger else replace(leg, held=scene.leg.members) for leg in scene.record.legs)
    assert broken(scene, lambda scene: scene.write(replace(scene.record, legs=legs)))[0] == "channel.attempt"


def test_an_attempt_does_not_disappear_without_its_terms(scene: Scene) -> None:
    name, found = broken(scene, lambda scene: stored.attempts.delete(scene.state, scene.made.identity))
    assert name == "channel.attempt"
    assert {"channel.settlement", "channel.attempted_index", "channel.deadline"} <= found


def test_a_deadline_is_that_of_an_attempt(scene: Scene) -> None:
    schedule(scene.state, DueItem(1, DEADLINE, bytes(32)))
    assert attempt_invariants.whole_ledger(scene.state) == [f"channel.deadline of {bytes(32).hex()}"]


def test_an_attempt_has_a_deadline(scene: Scene) -> None:
    unschedule(scene.state, DueItem(scene.record.due_ms, DEADLINE, scene.made.identity))
    (line,) = attempt_invariants.whole_ledger(scene.state)
    assert line.startswith("channel.attempt at ")


def test_terms_are_not_undecided_without_an_attempt(scene: Scene) -> None:
    name, found = broken(
        scene,
        lambda scene: stored.settlements.put(
            scene.state, Settlement(bytes(32), "undecided"), scene.made.terms
        ),
    )
    assert name == "channel.settlement"
    assert "channel.settlement" in found


@pytest.mark.parametrize("left", [None, Settlement(bytes(32), "committed")])
def test_terms_that_were_used_up_stay_so(scene: Scene, left: Settlement | None) -> None:
    def spoil(scene: Scene) -> None:
        if left is None:
            stored.settlements.delete(scene.state, scene.committed.terms)
        else:
            stored.settlements.put(scene.state, left, scene.committed.terms)

    mark = scene.state.mark()
    spoil(scene)
    with pytest.raises(InvariantBroken) as raised:
        attempt_invariants.touched(scene.state, scene.state.before(mark))
    assert raised.value.name == "channel.terms_used_up"


def test_an_entry_of_the_index_is_that_of_a_leg(scene: Scene) -> None:
    spoil = lambda scene: stored.attempted.put(  # noqa: E731
        scene.state, Attempted(scene.made.identity), scene.channel, number_part(1), number_part(9)
    )
    assert broken(scene, spoil) == ("channel.attempted_index", {"channel.attempted_index"})


@pytest.mark.parametrize(
    ("edge", "name"),
    [
        (Edge(300, 301, 300), "channel.edge"),
        (Edge(0, 0, 0), "channel.edge"),
        (Edge(2**63 - 1, 0, 300), "channel.edge"),
    ],
)
def test_no_more_is_promised_than_came_in_or_can_be(scene: Scene, edge: Edge, name: str) -> None:
    spoil = lambda scene: stored.edges.put(scene.state, edge, scene.world.bond, scene.channel)  # noqa: E731
    assert broken(scene, spoil)[0] == name


@pytest.mark.parametrize("edge", [Edge(300, 0, 299), Edge(300, 1, 300)])
def test_promises_at_an_edge_are_those_of_undecided_attempts(scene: Scene, edge: Edge) -> None:
    stored.edges.put(scene.state, edge, scene.world.bond, scene.channel)
    (line,) = attempt_invariants.whole_ledger(scene.state)
    assert line.startswith("channel.edge_promised at ")


def test_what_an_undecided_attempt_promises_stands_at_the_edge(scene: Scene) -> None:
    stored.edges.delete(scene.state, scene.world.bond, scene.channel)
    assert attempt_invariants.whole_ledger(scene.state) == [
        f"channel.edge_promised of {scene.world.bond.hex()}"
    ]
