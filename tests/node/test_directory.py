"""A node's directory: made once, whole, private, and refused with a reason where it is not one."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.api import CHEAP, PASSPHRASE, make_directory
from support.ledger import START_MS
from support.memory_store import MemoryStore
from traco.client.keystore import KeyStore
from traco.kernel.application import Application
from traco.kernel.errors import LedgerError
from traco.kernel.genesis import network_id, parse_genesis, write_genesis
from traco.modules.composition import compose
from traco.node.configuration import CONFIG_FILE, NodeConfig, read_config
from traco.node.directory import (
    FINGERPRINT_KEY,
    FINGERPRINT_KEYS_FILE,
    GENESIS_FILE,
    KEYS_FILE,
    LEDGER_FILE,
    MEMBER_KEY,
    NODE_KEY,
    SEAL_KEY,
    NodeDirectoryError,
    create,
    founding_member,
    read_genesis,
    require_complete,
)
from traco.storage import LedgerStore


def make(directory: Path, **changes: Any) -> None:
    terms: dict[str, Any] = {
        "name": "Test", "operator": "Example Operator Ltd", "purpose": "test", "time_ms": START_MS,
        "config": NodeConfig(), "cost": CHEAP,
    }  # fmt: skip
    create(directory, PASSPHRASE, **{**terms, **changes})


def refused(code: str, call: Any, *arguments: Any) -> None:
    with pytest.raises(NodeDirectoryError) as caught:
        call(*arguments)
    assert caught.value.code == code
    assert isinstance(caught.value, LedgerError)


def test_what_is_made_founds_a_ledger_with_the_operator_as_its_member(tmp_path: Path) -> None:
    make(tmp_path / "node", lei="529900T8BM49AURSDO55")
    raw = read_genesis(tmp_path / "node")
    application = Application(parse_genesis(raw), compose(), MemoryStore(), lambda kind, _, error: None)
    application.init_chain()
    request = application.registry.queries["party.get"].request(founding_member(raw))
    view = application.query("party.get", request)
    assert (view.id, view.party.name) == (founding_member(raw), "Example Operator Ltd")


def test_an_empty_directory_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir(mode=0o755)
    make(tmp_path / "node")
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "node").iterdir() if path.stat().st_mode & 0o077] == []


def test_the_keys_are_encrypted_each_in_its_file(tmp_path: Path) -> None:
    make_directory(tmp_path / "node")
    with KeyStore.open(tmp_path / "node" / KEYS_FILE, PASSPHRASE) as store:
        made = store.keys()
        assert sorted(key.name for key in made) == sorted((MEMBER_KEY, NODE_KEY, SEAL_KEY))
    with KeyStore.open(tmp_path / "node" / FINGERPRINT_KEYS_FILE, PASSPHRASE) as store:
        made = store.keys()
        assert [key.name for key in made] == [FINGERPRINT_KEY]


def test_nobody_else_may_read_the_directory(tmp_path: Path) -> None:
    make_directory(tmp_path / "node")
    assert (tmp_path / "node").stat().st_mode & 0o077 == 0


def test_a_directory_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("x")
    refused("node.not_empty", make, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    make(tmp_path)
    assert read_config(tmp_path) == NodeConfig()


@pytest.mark.parametrize(
    "changes", [{"operator": ""}, {"operator": "x" * 129}, {"name": ""}, {"lei": "529900T8BM49AURSDO56"}]
)
def test_a_founding_that_the_ledger_would_refuse_leaves_nothing_behind(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    refused("node.genesis_invalid", lambda: make(tmp_path / "node", **changes))
    assert list((tmp_path / "node").iterdir()) == []


def test_the_configuration_is_read_back(tmp_path: Path) -> None:
    make(tmp_path / "node", config=NodeConfig(port=1, verifiers=64, host="::1"))
    assert read_config(tmp_path / "node") == NodeConfig(port=1, verifiers=64, host="::1")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_genesis_that_is_none_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / GENESIS_FILE).write_bytes(raw)
    refused("node.genesis_invalid", read_genesis, tmp_path)


@pytest.mark.parametrize(
    "modules",
    [{}, {"party": {}}, {"party": {"members": []}}, {"party": {"members": [{"keys": [{"key": "x"}]}]}}, {"party": {"members": 1}}],
)  # fmt: skip
def test_a_genesis_without_a_founding_member_is_refused(tmp_path: Path, modules: dict[str, Any]) -> None:
    genesis = parse_genesis(make_directory(tmp_path / "node"))
    raw = write_genesis(msgspec.structs.replace(genesis, modules=modules))
    refused("node.genesis_invalid", founding_member, raw)


def test_a_missing_directory_is_said_to_be_incomplete(tmp_path: Path) -> None:
    refused("node.incomplete", read_genesis, tmp_path / "missing")


@pytest.mark.parametrize("name", [GENESIS_FILE, CONFIG_FILE, KEYS_FILE, FINGERPRINT_KEYS_FILE, LEDGER_FILE])
def test_a_founded_directory_that_lost_a_file_is_not_started_anew(tmp_path: Path, name: str) -> None:
    make(tmp_path / "node")
    require_complete(tmp_path / "node")
    (tmp_path / "node" / name).unlink()
    refused("node.incomplete", require_complete, tmp_path / "node")


def test_the_ledger_is_founded_with_the_directory(tmp_path: Path) -> None:
    make(tmp_path / "node")
    genesis = parse_genesis(read_genesis(tmp_path / "node"))
    store = LedgerStore(tmp_path / "node" / LEDGER_FILE, network_id(genesis))
    loaded = store.load()
    store.close()
    assert loaded is not None
    assert (loaded.height, loaded.time_ms) == (0, genesis.time_ms)
