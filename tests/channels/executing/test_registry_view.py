"""A channel sees the root's registries as of one block, from whatever later state they are read."""

import pytest

from channels.executing.desk import Node, Root, Town
from support.ledger import Key
from traco.channels.executing import BeyondHorizon, RegistryView, RootBehind
from traco.channels.executing.registry_view import RegistryParameters, RegistryParties
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import SetParameters
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.modules.channel.entries import Tick
from traco.modules.document.parameters import DocumentParameters
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.party.errors import PartyClosed, PartyNotFound, PartySuspended
from traco.modules.party.messages import SetStatus
from traco.modules.party.state import Council

NOTHING = State(StateTree())  # what a channel's state is like to those who do not look at it


class Seen:
    """A root on which things happen, and a view of it."""

    def __init__(self) -> None:
        self.town = Town()
        self.view = RegistryView()
        self.parties = RegistryParties(self.view)
        self.parameters = RegistryParameters(
            self.view, {"holding": HoldingParameters(), "document": DocumentParameters()}
        )

    def stand(self, height: int) -> None:
        """Read as of a block, from the newest state."""
        self.view.stand(self.town.root, height)

    def set(self, owner: str, record: HoldingParameters | KernelParameters) -> int:
        """The council sets parameters; the height."""
        ledger = self.town.founding.ledger
        message = SetParameters((self.town.ids["court"],), owner, encode(record))
        ledger.succeed(message, keys=[Key("court")])
        return self.town.root.height


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_party_is_seen_from_the_block_on_that_registered_it(seen: Seen) -> None:
    party = seen.town.founding.register("newcomer", sponsor="seller")
    height = seen.town.root.height
    seen.stand(height - 1)
    assert seen.parties.get(NOTHING, party) is None
    assert not seen.parties.is_active(NOTHING, party)
    with pytest.raises(PartyNotFound):
        seen.parties.require_active(NOTHING, party)
    seen.stand(height)
    assert seen.parties.is_active(NOTHING, party)


@pytest.mark.parametrize(("status", "error"), [("suspended", PartySuspended), ("closed", PartyClosed)])
def test_a_status_is_seen_as_of_its_block(seen: Seen, status: str, error: type[Exception]) -> None:
    town = seen.town
    party = town.founding.register("newcomer", sponsor="seller")
    message = SetStatus(town.ids["seller"], party, status, "test.reason")  # type: ignore[arg-type]
    town.founding.ledger.succeed(message, keys=[Key("seller")])
    height = town.root.height
    seen.stand(height - 1)
    assert seen.parties.require_active(NOTHING, party).status == "active"
    seen.stand(height)
    with pytest.raises(error):
        seen.parties.require_active(NOTHING, party)


def test_roles_are_those_of_the_root(seen: Seen) -> None:
    seen.stand(0)
    court, seller = seen.town.ids["court"], seen.town.ids["seller"]
    assert seen.parties.has_role(NOTHING, court, "authority")
    assert not seen.parties.has_role(NOTHING, seller, "authority")
    assert not seen.parties.has_role(NOTHING, b"?" * 16, "authority")


def test_parameters_are_seen_as_of_their_block(seen: Seen) -> None:
    height = seen.set("holding", HoldingParameters(max_awaiting=3))
    seen.set("holding", HoldingParameters(max_awaiting=4))
    found = []
    for as_of in (height - 1, height, height + 1):
        seen.stand(as_of)
        found.append(seen.parameters.get(NOTHING, HoldingParameters).max_awaiting)
    assert found == [HoldingParameters().max_awaiting, 3, 4]


def test_the_declared_parameters_hold_until_the_root_has_some(seen: Seen) -> None:
    seen.stand(0)
    assert seen.parameters.get(NOTHING, DocumentParameters) == DocumentParameters()


def test_nothing_inside_changes_parameters(seen: Seen) -> None:
    seen.stand(0)
    state = State(StateTree())
    seen.parameters.put(state, 1, HoldingParameters(max_awaiting=1))
    assert state.changes() == {}
    assert seen.parameters.get(state, HoldingParameters) == HoldingParameters()


def test_the_council_is_that_of_the_root_and_nodes_are_not_known(seen: Seen) -> None:
    seen.stand(0)
    members = tuple(seen.town.ids[name] for name in ("depository", "seller", "buyer", "court"))
    assert sorted(seen.parties.council(NOTHING).members) == sorted(members)
    assert seen.parties.member_of_node(NOTHING, Key("court node").public) is None
    assert isinstance(seen.parties.council(NOTHING), Council)


def test_a_root_that_has_not_come_so_far_is_waited_for(seen: Seen) -> None:
    with pytest.raises(RootBehind):
        seen.stand(seen.town.root.height + 1)


def test_what_the_root_may_have_forgotten_is_not_guessed(seen: Seen) -> None:
    height = seen.set("kernel", KernelParameters(history_horizon=3))
    for _ in range(3):
        seen.town.founding.ledger.run_block()
    seen.stand(height)
    with pytest.raises(BeyondHorizon):
        seen.stand(height - 1)


def test_a_horizon_that_was_shorter_once_counts_as_long_as_it_may_have_pruned(seen: Seen) -> None:
    short = seen.set("kernel", KernelParameters(history_horizon=3))
    seen.set("kernel", KernelParameters())
    for _ in range(4):
        seen.town.founding.ledger.run_block()
    with pytest.raises(BeyondHorizon):
        seen.stand(short)


def test_before_anything_was_executed_there_is_no_root() -> None:
    with pytest.raises(LookupError):
        RegistryParties(RegistryView()).get(NOTHING, b"p" * 16)


def test_a_point_reads_the_root_of_the_block_before_and_may_not_run_ahead_of_it() -> None:
    town = Town()
    ordered = town.open()
    node = Node(town)
    with pytest.raises(RootBehind):
        node.replica.execute(ordered.point, {}, Root(ordered.point.context.height - 2, town.root.state))
    node.take(ordered)
    assert node.compositions.view.height == ordered.point.context.height - 1
    assert node.run(Tick()).leaves == ()
