"""What a genesis says about the chain: its name, its first validators."""

from typing import Any

import pytest

from support.ledger import Key
from support.light_chain import FOUNDERS, REAL, REAL_GENESIS, light_genesis, set_of
from traco.kernel.genesis import GenesisInvalid, SealTerms, network_id, parse_genesis, write_genesis
from traco.kernel.light import MAX_VALIDATORS, chain_id, founding_validators

ANN: dict[str, Any] = {"role": "validator", "consensus": Key("ann").public.hex(), "power": 10}


def reason(nodes: Any, **changes: Any) -> str:
    genesis = light_genesis(modules={"network": {"nodes": nodes}}, **changes)
    with pytest.raises(GenesisInvalid) as caught:
        parse_genesis(write_genesis(genesis))
    return str(caught.value)


def test_the_name_of_the_chain_begins_with_the_network_id_and_fits_the_engine() -> None:
    name = chain_id(bytes(range(32)))
    assert name == "traco-000102030405060708090a0b0c0d0e0f10111213"
    assert len(name) <= 50


def test_the_founding_validators_are_a_set_in_its_order() -> None:
    assert founding_validators(light_genesis()) == set_of(FOUNDERS)
    assert founding_validators(light_genesis({"a": 1, "b": 3})) == set_of({"b": 3, "a": 1})


def test_the_real_chain_began_with_the_founding_validators() -> None:
    assert founding_validators(REAL_GENESIS) == REAL[1].validators


def test_nodes_of_another_role_are_no_validators() -> None:
    observer = {"role": "observer", "consensus": "", "power": 0}
    genesis = light_genesis(modules={"network": {"nodes": [observer, ANN]}})
    assert founding_validators(genesis) == set_of({"ann": 10})


def test_a_genesis_that_cometbft_seals_is_read_and_has_an_id() -> None:
    genesis = light_genesis()
    assert parse_genesis(write_genesis(genesis)) == genesis
    assert len(network_id(genesis)) == 32


def test_a_key_that_seals_is_refused_where_validators_do() -> None:
    terms = SealTerms("cometbft", Key("seal").public.hex())
    assert reason([ANN], seal=terms).startswith("seal.key is empty where the kind is cometbft")


def test_a_checkpoint_needs_its_key() -> None:
    with pytest.raises(GenesisInvalid, match=r"^seal\.key is not a public key in lower-case hex$"):
        parse_genesis(write_genesis(light_genesis(seal=SealTerms("checkpoint", ""))))


@pytest.mark.parametrize("modules", [{}, {"network": {}}, {"network": {"nodes": []}}])
def test_a_chain_without_validators_is_refused(modules: dict[str, Any]) -> None:
    with pytest.raises(GenesisInvalid, match="names 0 validators"):
        parse_genesis(write_genesis(light_genesis(modules=modules)))


@pytest.mark.parametrize("nodes", [{}, None, "x", 1, [1], [None], [[]], [ANN, 1]])
def test_nodes_are_a_list_of_objects(nodes: Any) -> None:
    assert reason(nodes) == "modules.network.nodes is not a list of objects"


@pytest.mark.parametrize(
    "key",
    [
        None, 1, "", ANN["consensus"][:-2], ANN["consensus"] + "00", ANN["consensus"].upper(), ANN["consensus"][:-1] + " ",
        [ANN["consensus"]], "02" + ANN["consensus"][2:], ANN["consensus"] + "\n",
    ],
)  # fmt: skip
def test_a_consensus_key_is_hex_with_its_scheme(key: Any) -> None:
    expected = "modules.network.nodes[1].consensus is not an ed25519 key in lower-case hex, scheme byte first"
    assert reason([ANN, {**ANN, "consensus": key}]) == expected


@pytest.mark.parametrize("power", [None, 0, -1, "1", True, 2**60, [1]])
def test_power_is_a_positive_integer_that_the_engine_takes(power: Any) -> None:
    expected = f"modules.network.nodes[0].power is not an integer from 1 to {(2**63 - 1) // 8}"
    assert reason([{**ANN, "power": power}]) == expected


def test_a_key_twice_is_refused() -> None:
    assert reason([ANN, {**ANN, "power": 1}]) == "modules.network.nodes names a consensus key twice"


def test_more_power_than_the_engine_takes_is_refused() -> None:
    with pytest.raises(GenesisInvalid, match="gives more than"):
        parse_genesis(write_genesis(light_genesis({"ann": 2**59, "ben": 2**59, "cas": 2**59})))


@pytest.mark.parametrize(("count", "sound"), [(MAX_VALIDATORS, True), (MAX_VALIDATORS + 1, False)])
def test_the_number_of_validators_is_limited(count: int, sound: bool) -> None:
    raw = write_genesis(light_genesis({str(number): 1 for number in range(count)}))
    if sound:
        assert len(founding_validators(parse_genesis(raw))) == count
    else:
        with pytest.raises(GenesisInvalid, match="names 129 validators"):
            parse_genesis(raw)
