"""A network is what all its founders signed, each after seeing that it says of him what his card says."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.consortium import PASSPHRASE, Prepared, founded, prepared
from support.ledger import START_MS
from support.live_node import CHEAP
from traco.client.signer import Ed25519Signer
from traco.kernel.genesis import Genesis, network_id, write_genesis
from traco.node.configuration import NodeConfig
from traco.node.directory import create
from traco.node.founding.documents import FoundingInvalid
from traco.node.founding.signatures import (
    FounderSignature,
    check_founding,
    conclude,
    founders,
    read_cluster_genesis,
    read_founding,
    read_signatures,
    require_founders,
    require_own_cards,
    sign_founding,
    write_signature,
)

FOREIGN = Ed25519Signer.from_seed(bytes(32))


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    folder = tmp_path_factory.mktemp("banks")
    return [prepared(folder, f"Bank {letter}", 26_650 + number) for number, letter in enumerate("ABC")]


@pytest.fixture
def genesis(banks: list[Prepared]) -> Genesis:
    return founded(banks[:2], banks[2:])


def refused(code: str, call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(FoundingInvalid) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    return str(caught.value)


def signed(banks: list[Prepared], genesis: Genesis) -> list[FounderSignature]:
    return [bank.sign(genesis) for bank in banks]


def test_every_member_founds_also_one_with_an_observer_only(banks: list[Prepared], genesis: Genesis) -> None:
    assert sorted(founders(genesis)) == sorted(bank.member for bank in banks)


def test_signatures_of_all_founders_hold_in_any_order(banks: list[Prepared], genesis: Genesis) -> None:
    made = signed(banks, genesis)
    assert require_founders(genesis, made) == require_founders(genesis, reversed(made))


def test_a_founder_who_did_not_sign_is_named(banks: list[Prepared], genesis: Genesis) -> None:
    assert "Bank B did not sign" in refused(
        "founding.signature_missing", require_founders, genesis, signed([banks[0], banks[2]], genesis)
    )


def test_a_signature_over_another_network_does_not_hold(banks: list[Prepared], genesis: Genesis) -> None:
    other = founded(banks[:2], banks[2:], threshold=1)
    refused("founding.signature_wrong", require_founders, genesis, signed(banks, other))


def test_a_signature_cannot_be_moved_to_another_network(banks: list[Prepared], genesis: Genesis) -> None:
    other = banks[0].sign(founded(banks[:2], banks[2:], threshold=1))
    moved = msgspec.structs.replace(other, network=network_id(genesis).hex())
    assert "does not hold" in refused(
        "founding.signature_wrong", require_founders, genesis, [moved, *signed(banks[1:], genesis)]
    )


def test_a_stranger_signs_for_no_founder(banks: list[Prepared], genesis: Genesis) -> None:
    refused("founding.signature_wrong", sign_founding, genesis, banks[0].member, FOREIGN)


def test_a_founder_signs_for_no_other(banks: list[Prepared], genesis: Genesis) -> None:
    refused("founding.signature_wrong", sign_founding, genesis, banks[0].member, banks[1].signer())
    own = banks[1].sign(genesis)
    refused(
        "founding.signature_wrong",
        require_founders,
        genesis,
        [msgspec.structs.replace(own, member=banks[0].member)],
    )


def test_a_key_that_may_not_administer_does_not_sign(banks: list[Prepared], genesis: Genesis) -> None:
    genesis.modules["party"]["members"][0]["keys"][0]["roles"] = ["sign"]
    refused("founding.signature_wrong", sign_founding, genesis, banks[0].member, banks[0].signer())


def test_a_node_keeps_the_signatures_of_all(banks: list[Prepared], genesis: Genesis) -> None:
    kept = conclude(genesis, signed(banks, genesis), banks[0].card, None)
    assert read_founding(write_signature(kept), "founding.json") == kept
    check_founding(genesis, kept, banks[0].card)
    assert kept.accepted is None


def test_files_of_signatures_are_those_of_founders_and_those_that_nodes_keep(
    banks: list[Prepared], genesis: Genesis
) -> None:
    made = signed(banks, genesis)
    kept = conclude(genesis, made, banks[0].card, None)
    assert read_signatures(write_signature(made[0]), "a") == (made[0],)
    assert sorted(read_signatures(write_signature(kept), "b"), key=lambda each: each.member) == list(
        kept.signatures
    )


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b'{"format": "traco-founding/2"}', b'{"format": "traco-founding/1"}']
)
def test_a_file_that_holds_no_signatures_is_refused(raw: bytes) -> None:
    refused("founding.signature_wrong", read_signatures, raw, "file")


# Whose organisation came later


def test_an_organisation_that_is_no_founder_accepts_with_its_own_key(
    banks: list[Prepared], genesis: Genesis, tmp_path: Path
) -> None:
    later = prepared(tmp_path, "Later", 26_700)
    made = signed(banks, genesis)
    refused("founding.key_needed", conclude, genesis, made, later.card, None)
    kept = conclude(genesis, made, later.card, later.signer())
    check_founding(genesis, kept, later.card)
    assert kept.accepted is not None
    assert (kept.accepted.member, kept.accepted.key) == (
        later.member,
        later.card.statement.member_keys[0].key,
    )


def test_nobody_accepts_for_another_organisation(
    banks: list[Prepared], genesis: Genesis, tmp_path: Path
) -> None:
    later = prepared(tmp_path, "Later", 26_700)
    refused("founding.signature_missing", conclude, genesis, signed(banks, genesis), later.card, FOREIGN)


def test_an_acceptance_is_checked(banks: list[Prepared], genesis: Genesis, tmp_path: Path) -> None:
    later = prepared(tmp_path, "Later", 26_700)
    kept = conclude(genesis, signed(banks, genesis), later.card, later.signer())
    refused(
        "founding.signature_missing",
        check_founding,
        genesis,
        msgspec.structs.replace(kept, accepted=None),
        later.card,
    )
    assert kept.accepted is not None
    forged = msgspec.structs.replace(kept.accepted, signature=kept.signatures[0].signature)
    refused(
        "founding.signature_wrong",
        check_founding,
        genesis,
        msgspec.structs.replace(kept, accepted=forged),
        later.card,
    )


def test_a_founders_signature_is_no_acceptance(
    banks: list[Prepared], genesis: Genesis, tmp_path: Path
) -> None:
    later = prepared(tmp_path, "Later", 26_700)
    wider = founded(banks[:2], [banks[2], later])
    kept = conclude(genesis, signed(banks, genesis), later.card, later.signer())
    assert kept.accepted is not None
    founding_one = msgspec.structs.replace(later.sign(wider), network=network_id(genesis).hex())
    refused(
        "founding.signature_wrong", check_founding, genesis, msgspec.structs.replace(kept, accepted=founding_one), later.card
    )  # fmt: skip


def test_a_second_node_of_a_founder_needs_nothing_but_the_founders_signatures(
    banks: list[Prepared], genesis: Genesis, tmp_path: Path
) -> None:
    second = prepared(tmp_path, "second", 26_700, owner=banks[0].owner(), organisation="Bank A")
    check_founding(genesis, conclude(genesis, signed(banks, genesis), second.card, None), second.card)


# One's own card


def test_a_genesis_that_says_what_the_card_says_is_fit_to_be_signed(
    banks: list[Prepared], genesis: Genesis
) -> None:
    for bank in banks:
        require_own_cards(genesis, [bank.card])


def member_change(field: str, value: Any) -> Any:
    return lambda modules: modules["party"]["members"][0].__setitem__(field, value)


def node_change(field: str, value: Any) -> Any:
    return lambda modules: modules["network"]["nodes"][0].__setitem__(field, value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (member_change("country", "FR"), "country"),
        (member_change("identifiers", [["0199", "529900T8BM49AURSDO55"]]), "identifiers"),
        (member_change("keys", [{"key": FOREIGN.public_key.hex(), "roles": ["administer"]}]), "keys"),
        (member_change("policy", {"administer_threshold": 1}), "policy"),
        (node_change("consensus", FOREIGN.public_key.hex()), "consensus"),
        (node_change("peer", "00" * 20), "peer"),
        (node_change("address", "127.0.0.1:1"), "address"),
        (node_change("gateway", "https://a.example"), "gateway"),
        (node_change("power", 2), "power"),
        (node_change("more", 1), "more"),
        (node_change("placement", {"operator": "", "provider": "x", "region": "", "zone": ""}), "placement"),
        (node_change("member", "Bank B"), "member"),
    ],
)  # fmt: skip
def test_a_genesis_that_says_something_else_is_not_signed(
    banks: list[Prepared], genesis: Genesis, change: Any, field: str
) -> None:
    change(genesis.modules)
    assert f": {field};" in refused("founding.card_changed", require_own_cards, genesis, [banks[0].card])


def test_a_genesis_without_ones_node_is_not_signed(banks: list[Prepared], tmp_path: Path) -> None:
    without = founded(banks[1:])
    refused("founding.card_missing", require_own_cards, without, [banks[0].card])


def test_a_genesis_whose_member_lacks_ones_node_is_not_signed(
    banks: list[Prepared], genesis: Genesis
) -> None:
    genesis.modules["party"]["members"][0]["nodes"] = []
    refused("founding.card_missing", require_own_cards, genesis, [banks[0].card])


def test_a_genesis_that_gives_ones_organisation_a_foreign_node_is_not_signed(
    banks: list[Prepared], genesis: Genesis
) -> None:
    genesis.modules["party"]["members"][0]["nodes"].append(FOREIGN.public_key.hex())
    refused("founding.node_foreign", require_own_cards, genesis, [banks[0].card])


def test_a_node_of_ones_own_is_no_foreign_one_once_its_card_is_shown(
    banks: list[Prepared], tmp_path: Path
) -> None:
    second = prepared(tmp_path, "second", 26_700, owner=banks[0].owner(), organisation="Bank A")
    genesis = founded([*banks, second])
    refused("founding.node_foreign", require_own_cards, genesis, [banks[0].card])
    require_own_cards(genesis, [banks[0].card, second.card])


# Reading a genesis


def test_a_genesis_with_a_repeated_key_is_refused(genesis: Genesis) -> None:
    raw = write_genesis(genesis).replace(b'"threshold": 2', b'"threshold": 1, "threshold": 2')
    assert "'threshold' twice" in refused("founding.genesis_invalid", read_cluster_genesis, raw)


def test_the_genesis_of_a_network_of_one_node_is_not_signed(tmp_path: Path) -> None:
    made = create(
        tmp_path / "node", PASSPHRASE, name="Test", operator="Operator", purpose="test", time_ms=START_MS,
        config=NodeConfig(), cost=CHEAP,
    )  # fmt: skip
    refused("founding.genesis_invalid", read_cluster_genesis, write_genesis(made))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]"])
def test_what_is_no_genesis_is_refused(raw: bytes) -> None:
    refused("founding.genesis_invalid", read_cluster_genesis, raw)


@pytest.mark.parametrize(
    "party", [{}, {"members": 1}, {"members": [{}]}, {"members": [{"keys": [], "name": "A"}]}]
)
def test_a_genesis_without_members_has_no_founders(genesis: Genesis, party: dict[str, Any]) -> None:
    refused("founding.genesis_invalid", founders, msgspec.structs.replace(genesis, modules={"party": party}))


HOSTILE: dict[str, Any] = {
    "no parties": lambda modules: modules.pop("party"),
    "a member that is none": lambda modules: modules["party"]["members"].append("Bank A"),
    "a member without a name": lambda modules: modules["party"]["members"][0].pop("name"),
    "a member without keys": lambda modules: modules["party"]["members"][0].pop("keys"),
    "a node without a key": lambda modules: modules["network"]["nodes"][0].pop("key"),
    "a node whose placement is none": lambda modules: modules["network"]["nodes"][0].update(placement=1),
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_genesis_of_another_form_is_refused_before_it_is_compared(genesis: Genesis, what: str) -> None:
    modules = msgspec.json.decode(msgspec.json.encode(genesis.modules))
    HOSTILE[what](modules)
    raw = write_genesis(msgspec.structs.replace(genesis, modules=modules))
    refused("founding.genesis_invalid", read_cluster_genesis, raw)


def test_a_genesis_that_gives_ones_organisation_no_nodes_is_not_signed(
    banks: list[Prepared], genesis: Genesis
) -> None:
    modules = msgspec.json.decode(msgspec.json.encode(genesis.modules))
    for member in modules["party"]["members"]:
        del member["nodes"]
    hostile = read_cluster_genesis(write_genesis(msgspec.structs.replace(genesis, modules=modules)))
    refused("founding.card_missing", require_own_cards, hostile, [banks[0].card])
