"""The network's section of the genesis: what it founds, and what is refused."""

from typing import Any

import pytest

from modules.network.desk import MEMBERS, Desk, Node
from support.engine_signatures import NON_CANONICAL, SMALL_ORDER
from support.founding import member_section
from support.ledger import START_MS, Key, Ledger
from traco.kernel.genesis import Genesis, GenesisInvalid, SealTerms
from traco.kernel.light.founding import founding_validators
from traco.modules.composition import compose
from traco.modules.network.module import NetworkModule
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.queries import GetValidators
from traco.modules.network.state import MAX_VALIDATORS, NodeRecord, Placement


def found(*nodes: dict[str, Any], **section: Any) -> Desk:
    return Desk(sections={"network": {"nodes": list(nodes), **section}})


def test_founding_nodes_are_kept_as_given() -> None:
    place = {"operator": "Example IT", "provider": "aws", "region": "eu-central-1", "zone": "a"}
    desk = found(
        Node("a").section("a", 7, gateway="https://a.example", placement=place),
        Node("b").section("b", 0),
    )
    a, b = Node("a"), Node("b")
    assert desk.node("a") == NodeRecord(
        desk.ids["a"], a.key, a.consensus, a.peer, a.address, "https://a.example",
        Placement("Example IT", "aws", "eu-central-1", "a"), "validator", 7, 0,
    )  # fmt: skip
    assert desk.node("b") == NodeRecord(
        desk.ids["b"], b.key, b.consensus, b.peer, b.address, "", Placement(), "observer", 0, 0
    )
    assert desk.keeper.validators(desk.state) == ((a.consensus, 7),)
    desk.check()


@pytest.mark.parametrize("field", ["member", "key", "consensus", "peer", "address", "role", "power"])
def test_these_fields_of_a_node_are_needed(field: str) -> None:
    node = {name: value for name, value in Node("a").section("a").items() if name != field}
    with pytest.raises(GenesisInvalid, match=f"missing required field `{field}`"):
        found(node)


@pytest.mark.parametrize("key", [*SMALL_ORDER, *NON_CANONICAL], ids=bytes.hex)
def test_a_consensus_key_of_small_order_or_not_in_canonical_form_founds_nothing(key: bytes) -> None:
    with pytest.raises(GenesisInvalid, match=r"network\.consensus_key_wrong"):
        found({**GOOD, "consensus": "01" + key.hex()})


def test_the_light_rules_read_the_same_validators_out_of_the_genesis() -> None:
    modules = many(5)
    modules["network"]["nodes"][2].update(role="observer", power=0)
    modules["network"]["nodes"][3].update(power=3)
    ledger = composed(modules=modules)
    network = next(module for module in ledger.registry.modules if isinstance(module, NetworkModule))
    genesis = Genesis(
        name="x", purpose="test", time_ms=1, seal=SealTerms("cometbft", ""), modules=modules, protocol=2
    )
    light = {each.key: each.power for each in founding_validators(genesis)}
    assert dict(network.keeper.validators(ledger.application.state)) == light


def test_members_are_named_or_numbered() -> None:
    desk = found(Node("c").section(2), Node("b").section("b"))
    assert [desk.node(name).member for name in "cb"] == [desk.ids["c"], desk.ids["b"]]


def test_members_of_one_name_are_numbered() -> None:
    members = [member_section("a"), {**member_section("b"), "name": "a"}]
    numbered = {"party": {"members": members}, "network": {"nodes": [Node("b").section(1)]}}
    assert len(composed(modules=numbered).query("network.validators", GetValidators()).validators) == 1
    named = {**numbered, "network": {"nodes": [Node("b").section("a")]}}
    with pytest.raises(GenesisInvalid, match="two founding members are called a; give the index"):
        composed(modules=named)


def composed(**changes: Any) -> Ledger:
    """A ledger of all modules of this release."""
    terms: dict[str, Any] = {
        "name": "Test", "purpose": "test", "time_ms": START_MS, "protocol": 2,
        "seal": SealTerms("checkpoint", Key("seal").public.hex()), **changes,
    }  # fmt: skip
    return Ledger(Genesis(**terms), compose(), b"m" * 16, Key("node"))


def test_a_network_may_be_founded_without_nodes() -> None:
    desk = Desk(sections={})
    assert (desk.keeper.validators(desk.state), desk.keeper.peers(desk.state), desk.keeper.revision(desk.state)) == (
        (), {}, 0,
    )  # fmt: skip
    desk.check()


def test_a_network_without_validators_is_a_register_of_nodes() -> None:
    desk = Desk({})
    desk.admit("new")
    desk.govern(desk.removal("a"))
    assert (desk.keeper.validators(desk.state), len(desk.keeper.peers(desk.state))) == ((), 4)
    desk.check()


GOOD = Node("a").section("a")


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([{**GOOD, "surprise": 1}], "unknown field `surprise`"),
        ([{**GOOD, "member": "z"}], "a node names z, which is no founding member"),
        ([{**GOOD, "member": 4}], "a node names 4, which is no founding member"),
        ([{**GOOD, "member": -1}], "a node names -1, which is no founding member"),
        ([{**GOOD, "member": True}], "Expected `int | str`"),
        ([{**GOOD, "member": "b"}], "network.node_not_registered"),
        ([{**GOOD, "key": Key("x").public.hex()}], "network.node_not_registered"),
        ([{**GOOD, "key": GOOD["key"].upper()}], "is not plain lower-case hex"),
        ([{**GOOD, "consensus": "zz"}], "non-hexadecimal"),
        ([{**GOOD, "consensus": "02" + "11" * 33}], "length <= 33"),
        ([{**GOOD, "consensus": "02" + "11" * 32}], "network.consensus_key_wrong"),
        ([{**GOOD, "consensus": GOOD["key"]}], "network.consensus_key_wrong"),
        ([{**GOOD, "peer": "11" * 19}], "length >= 20"),
        ([{**GOOD, "peer": "11" * 21}], "length <= 20"),
        ([{**GOOD, "address": "nowhere"}], "network.address_wrong"),
        ([{**GOOD, "address": ""}], "length >= 3"),
        ([{**GOOD, "gateway": "ftp://x"}], "network.gateway_wrong"),
        ([{**GOOD, "role": "council"}], "Invalid enum value 'council'"),
        ([{**GOOD, "power": 0}], "validator with power 0"),
        ([{**GOOD, "power": -1}], "validator with power -1"),
        ([{**GOOD, "power": 1_000_001}], "<= 1000000"),
        ([{**GOOD, "role": "observer", "power": 1}], "observer with power 1"),
        ([{**GOOD, "placement": {"planet": "x"}}], "unknown field `planet`"),
        ([{**GOOD, "placement": {"provider": "AWS"}}], "matching regex"),
        ([{**GOOD, "placement": {"operator": "a\nb"}}], "matching regex"),
        ([GOOD, GOOD], "network.node_exists"),
        ([GOOD, {**Node("b").section("b"), "consensus": GOOD["consensus"]}], "network.consensus_key_used"),
        ([GOOD, {**Node("b").section("b"), "peer": GOOD["peer"]}], "network.peer_taken"),
    ],
)
def test_what_cannot_be_founded_is_refused_with_the_reason(nodes: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(GenesisInvalid) as raised:
        found(*nodes)
    assert reason in str(raised.value)
    assert str(raised.value).startswith("modules.network")


def test_an_unknown_field_of_the_section_is_refused() -> None:
    with pytest.raises(GenesisInvalid, match="unknown field `edges`"):
        found(edges=[])


def many(count: int, power: int = 1) -> dict[str, Any]:
    """Sections of a network of so many members with a node each."""
    names = [f"m{number}" for number in range(count)]
    return {
        "party": {"members": [member_section(name) for name in names]},
        "network": {"nodes": [Node(name).section(name, power) for name in names]},
    }


def test_there_are_at_most_128_validators() -> None:
    assert MAX_VALIDATORS == 128
    composed(modules=many(128))
    with pytest.raises(GenesisInvalid, match=r"network\.too_many_validators"):
        composed(modules=many(129))


def test_there_are_no_more_nodes_than_the_parameters_say() -> None:
    composed(modules=many(3, 0), parameters={"network": {"max_nodes": 3}})
    with pytest.raises(GenesisInvalid, match=r"network\.too_many_nodes"):
        composed(modules=many(3, 0), parameters={"network": {"max_nodes": 2}})


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("empty_block_ms", 500, 60_000), ("propose_ms", 100, 30_000), ("propose_step_ms", 50, 10_000),
        ("vote_ms", 50, 30_000), ("vote_step_ms", 10, 10_000), ("max_provider_ppm", 100_000, 1_000_000),
        ("max_region_ppm", 100_000, 1_000_000), ("max_nodes", 1, 4_096),
    ],
)  # fmt: skip
def test_parameters_have_bounds(field: str, low: int, high: int) -> None:
    for value in (low - 1, high + 1):
        with pytest.raises(GenesisInvalid, match=r"parameters\.network"):
            composed(parameters={"network": {field: value}})
    for value in (low, high):
        ledger = composed(parameters={"network": {field: value}})
        found = ledger.application.parameters.get(ledger.application.state, NetworkParameters)
        assert getattr(found, field) == value


@pytest.mark.parametrize("part", [{"modules": {"network": {"nodes": []}}}, {"parameters": {"network": {}}}])
def test_a_ledger_of_protocol_1_has_no_such_section(part: dict[str, Any]) -> None:
    with pytest.raises(GenesisInvalid, match="module network comes with protocol 2, the document founds 1"):
        composed(protocol=1, **part)


def test_all_members_have_a_founding_node_in_these_tests() -> None:
    desk = Desk()
    assert [desk.node(name).member for name in MEMBERS] == [desk.ids[name] for name in MEMBERS]
