"""The engine's home folder: keys in its own form and private, a genesis that is the same everywhere, a configuration that it can read."""

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nacl.signing import SigningKey

from traco.engine.cometbft.errors import EngineFailed, EngineKeysInvalid
from traco.engine.cometbft.home import (
    LOG_LEVELS,
    EngineSettings,
    EngineTerms,
    StateSync,
    create_keys,
    engine_block_bytes,
    engine_config,
    engine_genesis,
    peer_address,
    read_keys,
    require_signing_state,
    write_home,
)
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.kernel.light import address, chain_id

CONSENSUS = Path("config/priv_validator_key.json")
PEER = Path("config/node_key.json")
STATE = Path("data/priv_validator_state.json")
SETTINGS = EngineSettings(
    moniker='the "first" node', abci_socket=Path("run/abci"), rpc_socket=Path("run/rpc"), p2p_port=30_001
)


def founding(*keys: bytes, time_ms: int = 1_700_000_000_007) -> Genesis:
    nodes = [
        {"role": "validator", "consensus": key.hex(), "power": 1 + place} for place, key in enumerate(keys)
    ]
    return Genesis(
        name="Engine", purpose="test", time_ms=time_ms, protocol=2, seal=SealTerms("cometbft", ""),
        modules={"network": {"nodes": [*nodes, {"role": "observer"}]}},
    )  # fmt: skip


def key_of(seed: int) -> bytes:
    return b"\x01" + bytes(SigningKey(bytes([seed]) * 32).verify_key)


def config(**changes: Any) -> dict[str, Any]:
    return tomllib.loads(engine_config(EngineTerms(), msgspec.structs.replace(SETTINGS, **changes)))


# Keys


def test_keys_are_read_back_as_they_were_made(tmp_path: Path) -> None:
    made = create_keys(tmp_path / "engine")
    assert read_keys(tmp_path / "engine") == made
    assert (len(made.consensus), made.consensus[0], len(made.peer)) == (33, 1, 20)


def test_every_node_has_keys_of_its_own(tmp_path: Path) -> None:
    one, other = create_keys(tmp_path / "one"), create_keys(tmp_path / "other")
    assert len({one.consensus, other.consensus, one.peer, other.peer}) == 4


def test_key_files_have_the_engines_own_form(tmp_path: Path) -> None:
    made = create_keys(tmp_path)
    document = json.loads((tmp_path / CONSENSUS).read_bytes())
    secret = base64.b64decode(document["priv_key"]["value"])
    assert document["address"] == address(made.consensus).hex().upper()
    assert document["pub_key"] == {
        "type": "tendermint/PubKeyEd25519", "value": base64.b64encode(made.consensus[1:]).decode()
    }  # fmt: skip
    assert document["priv_key"]["type"] == "tendermint/PrivKeyEd25519"
    assert (len(secret), secret[32:]) == (64, made.consensus[1:])
    assert bytes(SigningKey(secret[:32]).verify_key) == made.consensus[1:]
    peer = base64.b64decode(json.loads((tmp_path / PEER).read_bytes())["priv_key"]["value"])
    assert address(b"\x01" + peer[32:]) == made.peer
    assert json.loads((tmp_path / STATE).read_bytes()) == {"height": "0", "round": 0, "step": 0}


def test_only_the_owner_may_read_what_is_secret(tmp_path: Path) -> None:
    create_keys(tmp_path / "engine")
    modes = {path: (tmp_path / "engine" / path).stat().st_mode & 0o777 for path in (CONSENSUS, PEER, STATE)}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "engine").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kept", [CONSENSUS, PEER, STATE])
def test_keys_are_never_replaced(tmp_path: Path, kept: Path) -> None:
    create_keys(tmp_path)
    for other in {CONSENSUS, PEER, STATE} - {kept}:
        (tmp_path / other).unlink()
    before = (tmp_path / kept).read_bytes()
    with pytest.raises(EngineKeysInvalid) as refused:
        create_keys(tmp_path)
    assert refused.value.code == "engine.keys_exist"
    assert (tmp_path / kept).read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o700, 0o400])
@pytest.mark.parametrize("path", [CONSENSUS, PEER])
def test_a_key_file_of_another_mode_is_refused(tmp_path: Path, path: Path, mode: int) -> None:
    create_keys(tmp_path)
    (tmp_path / path).chmod(mode)
    with pytest.raises(EngineKeysInvalid) as refused:
        read_keys(tmp_path)
    assert refused.value.code == "engine.keys_open"


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / PEER).unlink()
    with pytest.raises(EngineKeysInvalid, match=r"engine\.keys_missing.*node_key\.json"):
        read_keys(tmp_path)


def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / PEER).rename(tmp_path / "elsewhere")
    (tmp_path / PEER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineKeysInvalid):
        read_keys(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-20],
        lambda raw: b"[]",
        lambda raw: b'{"priv_key": null}',
        lambda raw: raw.replace(b"PrivKeyEd25519", b"PrivKeySecp256k1"),
        lambda raw: b'{"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "AAAA"}}',
    ],
)
def test_a_damaged_key_file_is_refused_without_showing_it(tmp_path: Path, damage: Any) -> None:
    create_keys(tmp_path)
    raw = (tmp_path / CONSENSUS).read_bytes()
    secret = json.loads(raw)["priv_key"]["value"]
    (tmp_path / CONSENSUS).write_bytes(damage(raw))
    with pytest.raises(EngineKeysInvalid) as refused:
        read_keys(tmp_path)
    assert refused.value.code == "engine.keys_damaged"
    assert secret not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_secret_that_does_not_fit_its_public_half_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path)
    document = json.loads((tmp_path / PEER).read_bytes())
    mixed = bytes(32) + base64.b64decode(document["priv_key"]["value"])[32:]
    document["priv_key"]["value"] = base64.b64encode(mixed).decode()
    (tmp_path / PEER).write_text(json.dumps(document))
    with pytest.raises(EngineKeysInvalid, match="damaged"):
        read_keys(tmp_path)


def test_without_the_record_of_what_was_signed_a_validator_does_not_start(tmp_path: Path) -> None:
    create_keys(tmp_path)
    require_signing_state(tmp_path)
    (tmp_path / STATE).unlink()
    with pytest.raises(EngineKeysInvalid, match=r"engine\.signing_state_missing"):
        require_signing_state(tmp_path)


def test_a_peer_is_named_by_id_and_address() -> None:
    assert peer_address(b"\xab" * 20, "node.example:26656") == "ab" * 20 + "@node.example:26656"


# Genesis


def test_the_engines_genesis_follows_from_the_networks() -> None:
    genesis = founding(key_of(1), key_of(2))
    document = json.loads(engine_genesis(genesis))
    assert document["chain_id"] == chain_id(network_id(genesis))
    assert document["genesis_time"] == "2023-11-14T22:13:20.007000000Z"
    assert (document["initial_height"], document["app_hash"]) == ("1", "")
    parameters = document["consensus_params"]
    assert parameters["version"] == {"app": "2"}
    assert parameters["block"] == {"max_bytes": str(engine_block_bytes(4_194_304)), "max_gas": "-1"}
    assert parameters["validator"] == {"pub_key_types": ["ed25519"]}
    assert int(parameters["evidence"]["max_bytes"]) < int(parameters["block"]["max_bytes"])
    assert parameters["abci"] == {"vote_extensions_enable_height": "0"}


def test_the_engines_genesis_has_the_founding_validators_and_no_observer() -> None:
    document = json.loads(engine_genesis(founding(key_of(1), key_of(2))))
    assert [(each["address"], each["power"]) for each in document["validators"]] == [
        (address(key_of(2)).hex().upper(), "2"),
        (address(key_of(1)).hex().upper(), "1"),
    ]
    assert {each["pub_key"]["value"] for each in document["validators"]} == {
        base64.b64encode(key_of(seed)[1:]).decode() for seed in (1, 2)
    }


def test_the_order_of_nodes_does_not_reach_the_engines_validators() -> None:
    def validators(*seeds: int) -> object:
        genesis = founding(*(key_of(seed) for seed in seeds))
        for node in genesis.modules["network"]["nodes"][:-1]:
            node["power"] = 1
        return json.loads(engine_genesis(genesis))["validators"]

    assert validators(1, 2, 3) == validators(3, 1, 2)


def test_the_engines_genesis_is_pinned() -> None:
    raw = engine_genesis(founding(key_of(1)))
    assert raw == (Path(__file__).parents[2] / "vectors" / "engine_genesis.json").read_bytes()


@pytest.mark.parametrize("limit", [1_024, 1_048_576, 4_194_304, 67_108_864])
def test_a_block_full_of_the_smallest_envelopes_fits(limit: int) -> None:
    smallest, around, validators = 150, 3, 128
    envelopes = limit // smallest * (smallest + around)
    header, commit, evidence = 637, 94 + 144 * validators, 131_072
    assert engine_block_bytes(limit) >= envelopes + header + commit + evidence
    assert engine_block_bytes(limit) <= 104_857_600  # the engine's own limit


def test_a_home_made_with_another_genesis_is_refused(tmp_path: Path) -> None:
    write_home(tmp_path, engine_genesis(founding(key_of(1))), EngineTerms(), SETTINGS)
    write_home(tmp_path, engine_genesis(founding(key_of(1))), EngineTerms(), SETTINGS)
    with pytest.raises(EngineFailed, match=r"engine\.other_genesis"):
        write_home(tmp_path, engine_genesis(founding(key_of(2))), EngineTerms(), SETTINGS)


# Configuration


def test_the_configuration_is_written_anew_at_each_start(tmp_path: Path) -> None:
    raw = engine_genesis(founding(key_of(1)))
    write_home(tmp_path, raw, EngineTerms(), SETTINGS)
    write_home(tmp_path, raw, EngineTerms(propose_ms=900), SETTINGS)
    found = tomllib.loads((tmp_path / "config" / "config.toml").read_text())
    assert found["consensus"]["timeout_propose"] == "900ms"
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == ["config.toml", "genesis.json"]


def test_times_are_those_agreed_on_the_ledger() -> None:
    terms = EngineTerms(empty_block_ms=1, propose_ms=2, propose_step_ms=3, vote_ms=4, vote_step_ms=5)
    found = tomllib.loads(engine_config(terms, SETTINGS))["consensus"]
    assert (found["create_empty_blocks"], found["create_empty_blocks_interval"]) == (False, "1ms")
    assert (found["timeout_propose"], found["timeout_propose_delta"]) == ("2ms", "3ms")
    assert {found["timeout_prevote"], found["timeout_precommit"]} == {"4ms"}
    assert {found["timeout_prevote_delta"], found["timeout_precommit_delta"]} == {"5ms"}
    assert (found["timeout_commit"], found["skip_timeout_commit"]) == ("0s", True)


def test_nobody_but_this_user_reaches_the_engines_interfaces() -> None:
    found = config()
    assert (found["proxy_app"], found["rpc"]["laddr"]) == ("unix://run/abci", "unix://run/rpc")
    assert found["instrumentation"]["prometheus"] is False
    assert config(metrics_port=9_100)["instrumentation"] == {
        "prometheus": True, "prometheus_listen_addr": "127.0.0.1:9100",
    }  # fmt: skip


def test_the_ledger_decides_who_is_connected() -> None:
    found = config(peers=(peer_address(b"\x01" * 20, "a:1"), peer_address(b"\x02" * 20, "b:2")))
    assert found["filter_peers"] is True
    assert (found["p2p"]["pex"], found["p2p"]["seeds"]) == (False, "")
    assert found["p2p"]["persistent_peers"] == f"{'01' * 20}@a:1,{'02' * 20}@b:2"


@pytest.mark.parametrize(
    ("host", "laddr"), [("0.0.0.0", "tcp://0.0.0.0:30001"), ("::1", "tcp://[::1]:30001")]
)
def test_the_engine_listens_for_peers_where_it_is_told(host: str, laddr: str) -> None:
    assert config(p2p_host=host)["p2p"]["laddr"] == laddr


def test_an_envelope_of_full_size_passes_everywhere() -> None:
    for longest in (1_048_576, 67_108_864):
        terms = EngineTerms(max_envelope_bytes=longest)
        found = tomllib.loads(engine_config(terms, SETTINGS))
        assert found["mempool"]["max_tx_bytes"] >= longest
        assert found["rpc"]["max_body_bytes"] > longest * 4 // 3 + 200


def test_a_text_with_quotes_stays_a_text() -> None:
    assert config()["moniker"] == 'the "first" node'


def test_state_sync_is_off_unless_wanted() -> None:
    assert config()["statesync"] == {"enable": False}
    wanted = StateSync(rpc_servers=("unix://one", "unix://two"), trust_height=7, trust_hash=b"\xab" * 32)
    found = config(state_sync=wanted)["statesync"]
    assert (found["enable"], found["rpc_servers"], found["trust_height"]) == (
        True,
        "unix://one,unix://two",
        7,
    )
    assert (found["trust_hash"], found["trust_period"]) == ("AB" * 32, "604800s")


def test_every_level_of_the_nodes_log_has_one_of_the_engine() -> None:
    assert LOG_LEVELS.keys() == {"debug", "info", "warning", "error"}
    assert config(log_level=LOG_LEVELS["error"])["log_level"] == "error"
