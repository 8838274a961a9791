"""Attacks on the ledger's life: what would leave it without anybody who can submit, or with two meanings of one genesis."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from support.founding import Founding, founding, member_section
from support.ledger import Key
from support.memory_store import MemoryStore
from traco.kernel.application import Application
from traco.kernel.genesis import GenesisInvalid, network_id, parse_genesis
from traco.modules.composition import compose
from traco.modules.party.messages import DecideStatus, RegisterNode, RetireNode

BANK, RIVAL = Key("bank"), Key("rival")


@pytest.fixture
def f() -> Founding:
    """Two members, of which only the bank has a node."""
    return founding(["bank", "rival"], member_fields={"rival": {"nodes": []}})


def test_the_last_node_is_not_retired(f: Founding) -> None:
    attack = RetireNode(f.ids["bank"], Key("bank node").public)
    assert f.ledger.reject(attack, keys=[BANK]) == "party.last_node"
    f.ledger.succeed(RegisterNode(f.ids["rival"], Key("rival node").public), keys=[RIVAL])
    f.ledger.succeed(attack, keys=[BANK])


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_the_only_member_with_a_node_is_not_put_out_of_action(f: Founding, status: Any) -> None:
    attack = DecideStatus((f.ids["rival"],), f.ids["bank"], status, "check")
    assert f.ledger.reject(attack, keys=[RIVAL]) == "party.last_node"
    f.ledger.succeed(RegisterNode(f.ids["rival"], Key("rival node").public), keys=[RIVAL])
    f.ledger.succeed(attack, keys=[RIVAL])
    assert f.ledger.check_invariants() == []


def test_a_suspended_members_node_does_not_count(f: Founding) -> None:
    f.ledger.succeed(RegisterNode(f.ids["rival"], Key("rival node").public), keys=[RIVAL])
    f.ledger.succeed(DecideStatus((f.ids["bank"],), f.ids["rival"], "suspended", "check"), keys=[BANK])
    attack = RetireNode(f.ids["bank"], Key("bank node").public)
    assert f.ledger.reject(attack, keys=[BANK]) == "party.last_node"


@dataclass
class Tricked:
    """A genesis document in which one thing was replaced."""

    old: str
    new: str

    def document(self) -> bytes:
        """Its bytes."""
        base = {
            "name": "n", "purpose": "test", "time_ms": 1_790_000_000_000,
            "seal": {"kind": "checkpoint", "key": Key("seal").public.hex()},
            "modules": {"party": {
                "members": [member_section("bank")], "council": {"threshold": 1, "members": ["bank"]},
            }},
        }  # fmt: skip
        text = msgspec.json.encode(base).decode()
        assert self.old in text
        return text.replace(self.old, self.new, 1).encode()


def found(document: bytes) -> bytes:
    """Found a ledger and return its network's id. Raises ``GenesisInvalid``."""
    genesis = parse_genesis(document)
    Application(genesis, compose(), MemoryStore(), lambda *_: None).init_chain()
    return network_id(genesis)


HEX = Key("bank").public.hex()
MEMBER = msgspec.json.encode(member_section("bank")).decode()


@pytest.mark.parametrize(
    "trick",
    [
        Tricked(MEMBER, MEMBER + "," + MEMBER),
        Tricked('"members":["bank"]', '"members":[0,"bank"]'),
        Tricked('"members":["bank"]', '"members":[-1]'),
        Tricked('"threshold":1', '"threshold":0'),
        Tricked('"threshold":1', '"threshold":2'),
        Tricked('"threshold":1', '"threshold":1.0'),
        Tricked('"threshold":1', '"threshold":' + "9" * 30),
        Tricked("1790000000000", "1.79e12"),
        Tricked("1790000000000", "9" * 5_000),
        Tricked('"modules":{', '"modules":{"x":' + "[" * 5_000 + "]" * 5_000 + ","),
        Tricked('"modules":{', '"modules":{"document":{"fingerprint_keys":[{"key":"01"}]},'),
        Tricked('"modules":{', '"parameters":{"kernel":{"max_depth":0}},"modules":{'),
        Tricked('"modules":{', '"parameters":{"kernel":{"max_transaction_bytes":67108864}},"modules":{'),
        Tricked('"modules":{', '"parameters":{"holding":{"open_kinds":["gold"]}},"modules":{'),
        Tricked('{"name":"n"', '\ufeff{"name":"n"'),
    ],
    ids=lambda trick: trick.new[:40],
)  # fmt: skip
def test_an_absurd_genesis_founds_nothing(trick: Tricked) -> None:
    with pytest.raises(GenesisInvalid):
        found(trick.document())


def test_layout_does_not_change_the_network() -> None:
    assert found(Tricked(",", " ,\n").document()) == found(Tricked(",", ",").document())


@pytest.mark.parametrize("spelling", [HEX.upper(), " " + HEX])
def test_one_key_is_not_spelled_in_two_ways(spelling: str) -> None:
    with pytest.raises(GenesisInvalid):
        found(Tricked(HEX, spelling).document())
