"""What founders are shown is what the genesis says, and what would be lost is said in words."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.consortium import PASSPHRASE, founded, prepared
from support.ledger import START_MS
from support.live_node import CHEAP
from traco.kernel.genesis import network_id
from traco.node.configuration import NodeConfig
from traco.node.directory import create
from traco.node.founding.documents import FoundingInvalid
from traco.node.founding.review import Powered, percent, review, shares, tolerance, what_is_lost


def test_the_summary_names_network_members_nodes_and_threshold(tmp_path: Path) -> None:
    banks = [prepared(tmp_path, f"Bank {letter}", 26_650 + number) for number, letter in enumerate("AB")]
    genesis = founded(
        banks[:1], banks[1:], threshold=1, fingerprints="Bank B", parameters={"network": {"vote_ms": 300}}
    )
    found = review(genesis)
    assert found["network"] == network_id(genesis).hex()
    assert [(row["name"], row["council"], row["nodes"]) for row in found["members"]] == [
        ("Bank A", True, 1), ("Bank B", False, 1)
    ]  # fmt: skip
    assert [(row["member"], row["power_ppm"], row["provider"]) for row in found["nodes"]] == [
        ("Bank A", 1_000_000, "own"), ("Bank B", 0, "own")
    ]  # fmt: skip
    assert found["decisions"] == "1 of 1 members of the council"
    assert found["fingerprint_service"] == [banks[1].card.statement.fingerprint]
    assert found["parameters"] == {"network": {"vote_ms": 300}}


def test_members_are_shown_by_name_also_where_the_genesis_gives_their_place(tmp_path: Path) -> None:
    banks = [prepared(tmp_path, f"Bank {letter}", 26_650 + number) for number, letter in enumerate("AB")]
    genesis = founded(banks, threshold=1)
    genesis.modules["party"]["council"]["members"] = [1]
    genesis.modules["network"]["nodes"][1]["member"] = 0
    found = review(genesis)
    assert [(row["name"], row["council"]) for row in found["members"]] == [
        ("Bank A", False),
        ("Bank B", True),
    ]
    assert [row["member"] for row in found["nodes"]] == ["Bank A", "Bank A"]


def test_what_else_the_genesis_founds_is_named(tmp_path: Path) -> None:
    genesis = founded([prepared(tmp_path, "Bank A")], threshold=1)
    modules = {**genesis.modules, "holding": {"instruments": []}}
    assert review(msgspec.structs.replace(genesis, modules=modules))["other_sections"] == ["holding"]


def test_capabilities_that_members_are_founded_with_are_shown(tmp_path: Path) -> None:
    genesis = founded([prepared(tmp_path, "Bank A")], threshold=1)
    genesis.modules["party"]["members"][0]["roles"] = ["authority"]
    assert review(genesis)["members"][0]["roles"] == ["authority"]


@pytest.mark.parametrize(
    "nodes", [[{"power": 1}], [{}], {"a": 1}, [{"power": "x"}], None],
)  # fmt: skip
def test_a_genesis_that_does_not_say_its_nodes_cannot_be_reviewed(tmp_path: Path, nodes: Any) -> None:
    genesis = founded([prepared(tmp_path, "Bank A")], threshold=1)
    modules = {**genesis.modules, "network": {"nodes": nodes}}
    with pytest.raises(FoundingInvalid) as caught:
        review(msgspec.structs.replace(genesis, modules=modules))
    assert caught.value.code == "founding.genesis_invalid"


def test_a_network_of_one_node_cannot_be_reviewed(tmp_path: Path) -> None:
    genesis = create(
        tmp_path / "node", PASSPHRASE, name="Test", operator="Operator", purpose="test", time_ms=START_MS,
        config=NodeConfig(), cost=CHEAP,
    )  # fmt: skip
    with pytest.raises(FoundingInvalid):
        review(genesis)


@pytest.mark.parametrize(
    ("powers", "said"),
    [
        ([1, 1, 1, 1], "any 1 of 4"), ([1] * 7, "any 2 of 7"), ([1, 1, 1, 1, 0, 0], "any 1 of 4"), ([1, 1, 1], "no fault"),
        ([1], "no fault"), ([5, 1, 1, 1], "no fault"), ([3, 3, 3, 1], "any 1 of 4"), ([], "no fault"),
    ],
)  # fmt: skip
def test_how_many_may_fail_follows_from_the_power_of_the_greatest(powers: list[int], said: str) -> None:
    assert tolerance(powers).startswith(said)


@pytest.mark.parametrize(
    ("power", "total", "said"),
    [
        (0, 4, "no voting power"),
        (1, 4, "goes on"),
        (1, 3, "stops until"),
        (2, 3, "stops until"),
        (3, 4, "decides alone"),
    ],
)
def test_what_is_lost_follows_from_thirds_of_the_power(power: int, total: int, said: str) -> None:
    assert said in what_is_lost(power, total)


def test_shares_are_counted_by_provider_region_and_operator() -> None:
    nodes = [
        Powered(2, {"provider": "a", "region": "x", "operator": "A"}),
        Powered(1, {"provider": "b", "region": "x", "operator": "B"}),
        Powered(0, {"provider": "b", "region": "", "operator": "C"}),
    ]
    found = [(share.kind, share.name, share.nodes, share.validators, share.power) for share in shares(nodes)]
    assert found == [
        ("provider", "a", 1, 1, 2), ("provider", "b", 2, 1, 1), ("region", "x", 2, 2, 3), ("region", "(not stated)", 1, 0, 0),
        ("operator", "A", 1, 1, 2), ("operator", "B", 1, 1, 1), ("operator", "C", 1, 0, 0),
    ]  # fmt: skip


def test_a_share_reads_as_per_cent() -> None:
    assert [percent(ppm) for ppm in (0, 333_333, 1_000_000)] == ["0.0 %", "33.3 %", "100.0 %"]
