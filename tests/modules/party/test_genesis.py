"""The party section of the genesis: what it founds, and what is refused."""

from typing import Any

import pytest

from support.founding import founding, lei, member_section
from support.ledger import START_MS, Key, Ledger
from traco.kernel.codec import derive_id
from traco.kernel.genesis import Genesis, GenesisInvalid, SealTerms
from traco.kernel.kernel_module import KernelModule
from traco.kernel.registry import Registry
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.module import PartyModule
from traco.modules.party.state import (
    Band,
    Council,
    Identifier,
    Membership,
    Party,
    PartyKey,
    Policy,
    PolicyRule,
)


def found(section: dict[str, Any], parameters: dict[str, dict[str, Any]] | None = None) -> Ledger:
    party = PartyModule()
    genesis = Genesis(
        name="Test", purpose="test", time_ms=START_MS, seal=SealTerms("checkpoint", Key("seal").public.hex()),
        modules={"party": section}, parameters=parameters or {},
    )  # fmt: skip
    registry = Registry([KernelModule(party.authority), party], party.authority)
    return Ledger(genesis, registry, b"m" * 16, Key("node"))


def test_a_founding_member_is_kept_as_given() -> None:
    policy = {
        "administer_threshold": 2,
        "rules": [
            {"policy_class": "trade", "threshold": 1, "band": {"instrument": "cc" * 16, "up_to": 9}},
            {"policy_class": "*", "threshold": 2},
        ],
    }
    second = {"key": Key("z").public.hex(), "roles": ["administer", "sign"]}
    member = member_section(
        "bank", country="DE", identifiers=[["0199", lei(1)]], policy=policy, roles=["b", "a", "b"]
    )
    member["keys"].append(second)
    ledger = found({"members": [member]})
    identity = founding_member_id(Key("bank").public)
    keys = (
        PartyKey(Key("bank").public, ("sign", "administer", "read")),
        PartyKey(Key("z").public, ("sign", "administer")),
    )
    expected = Party(
        "organisation", identity, "active", "", "bank", "DE", None, None, (Identifier("0199", lei(1)),),
        tuple(sorted(keys, key=lambda entry: entry.key)),
        Policy(2, (PolicyRule("trade", 1, Band(b"\xcc" * 16, 9)), PolicyRule("*", 2))), ("a", "b"),
        Membership((Key("bank node").public,)),
    )  # fmt: skip
    module = ledger.registry.modules[1]
    assert isinstance(module, PartyModule)
    assert module.keeper.get(ledger.application.state, identity) == expected
    assert ledger.check_invariants() == []


def test_the_id_of_a_founding_member_follows_from_its_first_key() -> None:
    key = b"\x01" + b"k" * 32
    assert founding_member_id(key) == derive_id("party", b"", key)


def test_a_founding_may_be_without_members() -> None:
    ledger = found({})
    module = ledger.registry.modules[1]
    assert isinstance(module, PartyModule)
    assert module.keeper.council(ledger.application.state) == Council((), 1)


@pytest.mark.parametrize("chosen", [["b", "a"], [1, 0], ["b", 0]])
def test_the_council_is_named_or_numbered(chosen: list[int | str]) -> None:
    section = {
        "members": [member_section(name) for name in ("a", "b", "c")],
        "council": {"threshold": 2, "members": chosen},
    }
    ledger = found(section)
    ids = sorted(founding_member_id(Key(name).public) for name in ("a", "b"))
    assert ledger.registry.authority.council(ledger.application.state) == (tuple(ids), 2)


def section_with(**fields: Any) -> dict[str, Any]:
    return {"members": [{**member_section("a"), **fields}]}


def council_of(threshold: int, *members: int | str) -> dict[str, Any]:
    return {
        "members": [member_section("a"), member_section("b")],
        "council": {"threshold": threshold, "members": members},
    }


KEY = Key("a").public.hex()


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"unknown": 1}, "unknown field `unknown`"),
        (section_with(surprise=1), "unknown field `surprise`"),
        (section_with(name=""), "length >= 1"),
        (section_with(country="de"), "matching regex"),
        (section_with(keys=[]), "has no key"),
        (section_with(keys=[{"key": "zz", "roles": ["sign"]}]), "non-hexadecimal"),
        (section_with(keys=[{"key": KEY, "roles": []}]), "length >= 1"),
        (section_with(keys=[{"key": KEY, "roles": ["sign"]}]), "party.policy_unreachable"),
        (section_with(keys=[{"key": KEY, "roles": ["sign", "administer"]}] * 2), "party.key_repeated"),
        (section_with(keys=[{"key": "01" + "00" * 32, "roles": ["sign", "administer"]}]), "party.key_wrong"),
        (section_with(identifiers=[["0199", "x"]]), "party.identifier_wrong"),
        (section_with(identifiers=[["", "x"]]), "length >= 1"),
        (section_with(policy={"administer_threshold": 0}), ">= 1"),
        (section_with(policy={"administer_threshold": 2}), "party.policy_unreachable"),
        (section_with(policy={"rules": [{"policy_class": "*", "threshold": 0}]}), ">= 1"),
        (section_with(policy={"rules": [{"policy_class": "approve", "threshold": 1}]}), "party.rule_unreachable"),
        (section_with(nodes=["01" + "00" * 32]), "party.key_wrong"),
        (section_with(nodes=[KEY, KEY]), "party.node_taken"),
        (section_with(nodes=[Key(f"n{n}").public.hex() for n in range(17)]), "party.limit_exceeded"),
        (section_with(roles=["not a code"]), "matching regex"),
        ({"members": [member_section("a"), member_section("a")]}, "party.exists"),
        ({"members": [member_section("a"), {**member_section("b"), "name": "a"}], "council": {"threshold": 1, "members": [0]}}, "one name"),
        (council_of(1, "c"), "no founding member"),
        (council_of(1, 2), "no founding member"),
        (council_of(1, -1), "no founding member"),
        (council_of(1, "a", 0), "different members"),
        (council_of(3, "a", "b"), "no more of them"),
        (council_of(0, "a"), ">= 1"),
        (council_of(1), "no more of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_founded_is_refused_with_the_reason(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(GenesisInvalid) as raised:
        found(section)
    assert reason in str(raised.value)
    assert str(raised.value).startswith("modules.party")


def test_two_founding_members_with_one_lei_are_refused() -> None:
    fields = {"identifiers": [["0199", lei(1)]]}
    with pytest.raises(GenesisInvalid, match=r"party\.lei_taken"):
        founding(["a", "b"], member_fields={"a": fields, "b": fields})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_keys", 0), ("max_keys", 65), ("max_identifiers", 0), ("max_identifiers", 33), ("max_rules", 0),
        ("max_rules", 65), ("max_nodes", 0), ("max_nodes", 65), ("recovery_delay_ms", 59_999),
        ("recovery_delay_ms", 90 * 86_400_000 + 1),
    ],
)  # fmt: skip
def test_parameters_out_of_bounds_are_refused(field: str, value: int) -> None:
    with pytest.raises(GenesisInvalid):
        found({}, {"party": {field: value}})
