"""Who is let into the network, by whom, and with which keys and addresses."""

import pytest

from modules.network.desk import Desk, Node
from support.engine_signatures import NON_CANONICAL, SMALL_ORDER, key_with
from support.ledger import Key
from traco.modules.network.events import NodeAdmitted, NodeRemoved
from traco.modules.network.state import NodeRecord, Placement
from traco.modules.party.messages import DecideStatus, RegisterNode, RetireNode

PLACE = Placement("Example IT", "aws", "eu-central-1", "a")


def test_the_council_admits_a_registered_node_as_an_observer(desk: Desk) -> None:
    desk.register("new")
    before = desk.keeper.validators(desk.state)
    receipt = desk.govern(desk.admission("new", gateway="https://new.example", placement=PLACE))
    new, member = Node("new"), desk.ids["a"]
    assert desk.node("new") == NodeRecord(
        member, new.key, new.consensus, new.peer, new.address, "https://new.example", PLACE, "observer", 0, 0
    )
    assert receipt.events == (
        NodeAdmitted(new.key, member, new.consensus, new.peer, new.address, "https://new.example", PLACE),
    )
    assert desk.keeper.validators(desk.state) is before
    assert desk.keeper.peers(desk.state)[new.peer] == desk.node("new")


def test_a_node_that_its_member_did_not_register_is_refused(desk: Desk) -> None:
    assert desk.refuse(desk.admission("new")) == "network.node_not_registered"
    desk.register("new", "b")
    assert desk.refuse(desk.admission("new", "a")) == "network.node_not_registered"
    desk.govern(desk.admission("new", "b"))


def test_a_node_of_a_suspended_member_is_not_admitted(desk: Desk) -> None:
    desk.register("new", "c")
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"))
    assert desk.refuse(desk.admission("new", "c")) == "network.node_not_registered"


def test_a_node_is_admitted_once(desk: Desk) -> None:
    again = desk.admission("a", consensus=Key("other").public, peer=bytes(20))
    assert desk.refuse(again) == "network.node_exists"


def test_a_consensus_key_in_use_is_refused(desk: Desk) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", consensus=Node("d").consensus)) == "network.consensus_key_used"


def test_a_peer_id_in_use_is_refused(desk: Desk) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", peer=Node("d").peer)) == "network.peer_taken"


def test_the_consensus_key_is_not_the_node_key(desk: Desk) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", consensus=Node("new").key)) == "network.consensus_key_wrong"


def test_a_consensus_key_is_of_ed25519_and_a_point_of_the_curve(desk: Desk) -> None:
    desk.register("new")
    for key in (b"\x02" + Node("new").consensus[1:], b"\x01" + bytes(32), b"\x01" + b"\xff" * 32):
        assert desk.refuse(desk.admission("new", consensus=key)) == "network.consensus_key_wrong"


def test_a_consensus_key_that_is_not_canonical_or_has_a_small_component_is_refused(desk: Desk) -> None:
    desk.register("new")
    for key in (*SMALL_ORDER, *NON_CANONICAL, key_with(Key("new").seed, 1)):
        assert desk.refuse(desk.admission("new", consensus=b"\1" + key)) == "network.consensus_key_wrong"


@pytest.mark.parametrize("length", [32, 34])
def test_a_consensus_key_of_another_length_is_no_instruction(desk: Desk, length: int) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", consensus=bytes(length))) == "transaction.malformed"


def test_the_number_of_nodes_is_limited_by_the_parameters(desk: Desk) -> None:
    desk.set_parameters(max_nodes=5)
    desk.admit("new")
    desk.register("more")
    assert desk.refuse(desk.admission("more")) == "network.too_many_nodes"
    desk.govern(desk.removal("new"))
    desk.govern(desk.admission("more"))


def test_a_lower_limit_of_nodes_removes_none(desk: Desk) -> None:
    desk.set_parameters(max_nodes=2)
    assert len(desk.keeper.peers(desk.state)) == 4


def test_the_council_removes_a_node_and_its_peer_id_is_free(desk: Desk) -> None:
    desk.admit("new")
    receipt = desk.govern(desk.removal("new"))
    assert receipt.events == (NodeRemoved(Node("new").key, desk.ids["a"], "test"),)
    assert desk.keeper.node(desk.state, Node("new").key) is None
    assert Node("new").peer not in desk.keeper.peers(desk.state)
    desk.govern(desk.admission("new", consensus=Key("second").public))


def test_a_removed_node_does_not_come_back_with_its_consensus_key(desk: Desk) -> None:
    desk.admit("new")
    desk.govern(desk.removal("new"))
    assert desk.refuse(desk.admission("new")) == "network.consensus_key_used"
    desk.register("other", "b")
    stolen = desk.admission("other", "b", consensus=Node("new").consensus)
    assert desk.refuse(stolen) == "network.consensus_key_used"


def test_a_node_that_is_not_there_is_not_removed(desk: Desk) -> None:
    assert desk.refuse(desk.removal("new")) == "network.node_unknown"


def test_a_removed_node_is_known_as_of_earlier_blocks(desk: Desk) -> None:
    desk.admit("new")
    admitted = desk.ledger.application.info().height
    record = desk.node("new")
    desk.govern(desk.removal("new"))
    found = [
        desk.keeper.as_of(desk.state, height, Node("new").key) for height in range(admitted - 1, admitted + 2)
    ]
    assert found == [None, record, None]


def test_a_node_of_a_closed_member_can_be_removed(desk: Desk) -> None:
    desk.admit("new", "c")
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "closed", "test"))
    assert desk.node("c").power == 1
    desk.govern(desk.removal("new"))


def test_retiring_a_node_key_with_the_party_module_takes_no_power(desk: Desk) -> None:
    desk.do("d", RegisterNode(desk.ids["d"], Node("spare").key), RetireNode(desk.ids["d"], Node("d").key))
    assert desk.powers() == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_nobody_but_the_council_admits_or_removes(desk: Desk) -> None:
    desk.register("new")
    for acting in (("a",), ("a", "a")):
        admission = desk.admission("new", parties=desk.council(*acting))
        assert desk.deny("a", admission) == "kernel.council_needed"
    outsider = desk.admission("new", parties=(b"?" * 16,))
    assert desk.deny("a", outsider) == "transaction.party_unknown"
