"""A backup of a cluster's node has what only a backup has, and its restored validator votes on nothing twice."""

from pathlib import Path

import msgspec
import pytest

from support.consortium import Prepared, founded, prepared
from traco.kernel.genesis import network_id
from traco.node.backup import back_up
from traco.node.copies import CopyRefused
from traco.node.directory import (
    CARD_FILE,
    CONSENSUS_KEY_FILE,
    FOUNDING_FILE,
    LEDGER_FILE,
    PEER_KEY_FILE,
    SIGNING_STATE_FILE,
    require_complete,
)
from traco.node.founding.acceptance import accept, require_founding
from traco.node.restore import LAST_ROUND, PRECOMMIT, restore, take_over
from traco.storage import LedgerStore


@pytest.fixture
def node(tmp_path: Path) -> Prepared:
    bank = prepared(tmp_path, "Bank A")
    genesis = founded([bank], threshold=1)
    accept(bank.directory, genesis, [bank.sign(genesis)])
    return bank


@pytest.fixture
def restored(node: Prepared, tmp_path: Path) -> Path:
    back_up(node.directory, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", "quick")
    return tmp_path / "restored"


def test_card_signatures_and_keys_of_the_engine_are_in_a_backup_and_what_was_signed_is_not(
    node: Prepared, tmp_path: Path
) -> None:
    manifest = back_up(node.directory, tmp_path / "backup")
    assert {CARD_FILE, FOUNDING_FILE, CONSENSUS_KEY_FILE, PEER_KEY_FILE} <= set(manifest.files)
    assert SIGNING_STATE_FILE not in manifest.files
    assert [path for path in (tmp_path / "backup").rglob("*") if path.stat().st_mode & 0o077] == []


def test_a_backup_without_keys_has_none_of_the_engine(node: Prepared, tmp_path: Path) -> None:
    manifest = back_up(node.directory, tmp_path / "backup", keys=False)
    assert {CONSENSUS_KEY_FILE, PEER_KEY_FILE}.isdisjoint(manifest.files)
    assert CARD_FILE in manifest.files


def test_a_restored_node_has_the_same_keys(node: Prepared, restored: Path) -> None:
    for name in (CONSENSUS_KEY_FILE, PEER_KEY_FILE, CARD_FILE, FOUNDING_FILE):
        assert (restored / name).read_bytes() == (node.directory / name).read_bytes()
        assert (restored / name).stat().st_mode & 0o777 == 0o600


def test_a_restored_node_does_not_go_on_before_it_is_said_where_the_network_is(restored: Path) -> None:
    with pytest.raises(CopyRefused) as caught:
        take_over(restored, 0)
    assert caught.value.code == "takeover.network_height"
    assert (restored / "restored.json").exists()
    assert not (restored / SIGNING_STATE_FILE).exists()


def test_a_validator_that_takes_over_is_silent_up_to_the_height_after_that_of_the_network(
    restored: Path,
) -> None:
    take_over(restored, 0, network_height=41)
    state = msgspec.json.decode((restored / SIGNING_STATE_FILE).read_bytes())
    assert state == {"height": "42", "round": LAST_ROUND, "step": PRECOMMIT}
    assert (restored / SIGNING_STATE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_node_that_takes_over_begins_at_block_0_and_is_complete(node: Prepared, restored: Path) -> None:
    (restored / "engine" / "data").mkdir()
    (restored / "engine" / "data" / "left.db").touch()
    take_over(restored, 0, network_height=7)
    require_complete(restored)
    genesis = founded([node], threshold=1)
    require_founding(restored, (restored / "genesis.json").read_bytes())
    store = LedgerStore(restored / LEDGER_FILE, network_id(genesis))
    loaded = store.load()
    store.close()
    assert loaded is not None
    assert loaded.height == 0
    assert [path.name for path in (restored / "engine" / "data").iterdir() if "lock" not in path.name] == [
        "priv_validator_state.json"
    ]
