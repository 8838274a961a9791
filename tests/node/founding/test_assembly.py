"""A genesis made from cards: the same for everybody, and nothing in it that a card does not say."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.consortium import Prepared, founded, prepared, terms
from traco.kernel.genesis import network_id, write_genesis
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.modules.network.errors import ShareExceeded
from traco.node.directory import NodeDirectoryError, trial_founding
from traco.node.founding.assembly import assemble
from traco.node.founding.card import Card
from traco.node.founding.documents import FoundingInvalid


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    folder = tmp_path_factory.mktemp("banks")
    return [prepared(folder, f"Bank {letter}", 26_650 + number) for number, letter in enumerate("ABCD")]


def refused(validators: list[Card], observers: list[Card] = [], **changes: Any) -> str:  # noqa: B006
    with pytest.raises(FoundingInvalid) as caught:
        assemble(validators, observers, terms(**changes))
    assert caught.value.code == "founding.cards_unfit"
    return str(caught.value)


def with_statement(card: Card, **fields: Any) -> Card:
    """A card that says something else; assembling does not look at signatures, reading did."""
    return msgspec.structs.replace(card, statement=msgspec.structs.replace(card.statement, **fields))


def test_the_order_of_cards_does_not_matter(banks: list[Prepared]) -> None:
    forwards = founded(banks[:3], banks[3:])
    backwards = founded(banks[2::-1], banks[3:])
    assert write_genesis(forwards) == write_genesis(backwards)


def test_a_network_of_a_cluster_has_the_newest_protocol_and_no_key_that_seals(banks: list[Prepared]) -> None:
    genesis = founded(banks)
    assert (genesis.protocol, genesis.seal.kind, genesis.seal.key) == (NEWEST_PROTOCOL, "cometbft", "")


def test_those_with_a_validator_are_the_council(banks: list[Prepared]) -> None:
    genesis = founded(banks[:3], banks[3:])
    assert genesis.modules["party"]["council"] == {"threshold": 2, "members": ["Bank A", "Bank B", "Bank C"]}


def test_validators_have_power_and_observers_none(banks: list[Prepared]) -> None:
    nodes = founded(banks[:3], banks[3:]).modules["network"]["nodes"]
    assert [(node["member"], node["role"], node["power"]) for node in nodes] == [
        ("Bank A", "validator", 1), ("Bank B", "validator", 1), ("Bank C", "validator", 1), ("Bank D", "observer", 0),
    ]  # fmt: skip


def test_an_organisation_with_two_nodes_is_one_member(banks: list[Prepared], tmp_path: Path) -> None:
    first = banks[0]
    second = prepared(tmp_path, "second", 26_700, owner=first.owner(), organisation="Bank A")
    genesis = founded([*banks, second])
    members = genesis.modules["party"]["members"]
    assert [len(member["nodes"]) for member in members] == [2, 1, 1, 1]
    assert sorted(members[0]["nodes"]) == sorted([first.card.statement.node, second.card.statement.node])


def test_the_fingerprint_service_is_that_of_the_organisation_that_offers_it(banks: list[Prepared]) -> None:
    keys = founded(banks, fingerprints="Bank C").modules["document"]["fingerprint_keys"]
    assert keys == [{"key": banks[2].card.statement.fingerprint, "scheme": 1, "from_version": 1}]


def test_without_an_offer_there_is_no_fingerprint_service(banks: list[Prepared]) -> None:
    assert "document" not in founded(banks).modules


def test_what_was_assembled_founds_a_ledger(banks: list[Prepared]) -> None:
    genesis = founded(banks[:3], banks[3:], fingerprints="Bank A")
    assert len(trial_founding(genesis)) == 32


def test_another_term_makes_another_network(banks: list[Prepared]) -> None:
    ids = {
        network_id(founded(banks, **changes))
        for changes in ({}, {"threshold": 3}, {"name": "Other"}, {"time_ms": 1})
    }
    assert len(ids) == 4


def test_a_provider_with_more_power_than_allowed_is_refused(banks: list[Prepared]) -> None:
    genesis = founded(banks, parameters={"network": {"max_provider_ppm": 500_000}})
    with pytest.raises(NodeDirectoryError) as caught:
        trial_founding(genesis)
    assert ShareExceeded.code in str(caught.value)


@pytest.mark.parametrize(
    "parameters", [{"nobody": {}}, {"network": {"none": 1}}, {"network": {"propose_ms": 1}}]
)
def test_a_parameter_that_cannot_be_is_refused(banks: list[Prepared], parameters: dict[str, Any]) -> None:
    with pytest.raises(NodeDirectoryError) as caught:
        trial_founding(founded(banks, parameters=parameters))
    assert caught.value.code == "node.genesis_invalid"


def test_a_network_needs_a_validator(banks: list[Prepared]) -> None:
    assert "at least one validator" in refused([], [banks[0].card])


@pytest.mark.parametrize("threshold", [0, 5])
def test_the_threshold_is_within_the_council(banks: list[Prepared], threshold: int) -> None:
    assert "from 1 to 4" in refused([each.card for each in banks], threshold=threshold)


def test_a_fingerprint_service_of_nobody_is_refused(banks: list[Prepared]) -> None:
    assert "'Bank X'" in refused([banks[0].card], threshold=1, fingerprints="Bank X")


def test_a_card_that_is_given_twice_is_refused(banks: list[Prepared]) -> None:
    assert "given twice" in refused([each.card for each in banks], [banks[0].card])


@pytest.mark.parametrize("field", ["node", "consensus", "peer_key", "fingerprint", "address"])
def test_two_nodes_share_no_key_and_no_address(banks: list[Prepared], field: str) -> None:
    first, second = banks[0].card, banks[1].card
    doubled = with_statement(second, **{field: getattr(first.statement, field)})
    assert "have the same" in refused([first, doubled])


def test_a_node_key_that_is_a_members_key_elsewhere_is_refused(banks: list[Prepared]) -> None:
    first, second = banks[0].card, banks[1].card
    doubled = with_statement(second, node=first.statement.member_keys[0].key)
    assert "member's key on another card" in refused([first, doubled])


def test_two_organisations_have_different_keys(banks: list[Prepared]) -> None:
    first, second = banks[0].card.statement, banks[1].card
    doubled = with_statement(second, member_keys=first.member_keys, member=first.member)
    assert "have the same member key" in refused([banks[0].card, doubled])


def test_two_organisations_have_different_names(banks: list[Prepared]) -> None:
    renamed = with_statement(banks[1].card, organisation=banks[0].card.statement.organisation)
    assert "there are two of that name" in refused([banks[0].card, renamed], threshold=1)


def test_a_card_of_a_member_of_another_network_founds_none(banks: list[Prepared]) -> None:
    assert "of another network" in refused([with_statement(banks[0].card, member="00" * 16)], threshold=1)
