"""A node is in a network once it has accepted it, and runs in no other."""

from pathlib import Path
from typing import Any

import pytest

from support.consortium import PASSPHRASE, Prepared, founded, prepared
from support.ledger import START_MS
from support.live_node import CHEAP
from traco.kernel.genesis import Genesis, network_id, parse_genesis, write_genesis
from traco.node.configuration import NodeConfig
from traco.node.directory import (
    CARD_FILE,
    CLUSTER_FILES,
    FOUNDED_FILES,
    FOUNDING_FILE,
    GENESIS_FILE,
    LEDGER_FILE,
    NodeDirectoryError,
    create,
    founding_member,
    read_genesis,
    require_complete,
)
from traco.node.founding.acceptance import accept, own_card, own_member, require_founding
from traco.node.founding.documents import FoundingInvalid
from traco.storage import LedgerStore, StoreLocked
from traco.storage.errors import OtherNetwork
from traco.storage.lock import DirectoryLock


@pytest.fixture
def banks(tmp_path: Path) -> list[Prepared]:
    return [prepared(tmp_path, f"Bank {letter}", 26_650 + number) for number, letter in enumerate("AB")]


def accepted(banks: list[Prepared]) -> Genesis:
    genesis = founded(banks)
    accept(banks[0].directory, genesis, [bank.sign(genesis) for bank in banks])
    return genesis


def refused(code: str, call: Any, *arguments: Any) -> None:
    with pytest.raises((FoundingInvalid, NodeDirectoryError), match=code):
        call(*arguments)


def test_a_node_that_accepted_is_complete_and_at_height_0(banks: list[Prepared]) -> None:
    genesis = accepted(banks)
    directory = banks[0].directory
    require_complete(directory)
    require_founding(directory, read_genesis(directory))
    store = LedgerStore(directory / LEDGER_FILE, network_id(genesis))
    loaded = store.load()
    store.close()
    assert loaded is not None
    assert (loaded.height, loaded.time_ms) == (0, genesis.time_ms)


def test_all_founders_have_the_same_block_0(banks: list[Prepared]) -> None:
    genesis = founded(banks)
    signatures = [bank.sign(genesis) for bank in banks]
    hashes = []
    for bank in banks:
        accept(bank.directory, genesis, signatures)
        store = LedgerStore(bank.directory / LEDGER_FILE, network_id(genesis))
        loaded = store.load()
        store.close()
        assert loaded is not None
        hashes.append(loaded.app_hash)
    assert hashes[0] == hashes[1]


def test_nobody_else_may_read_what_was_made(banks: list[Prepared]) -> None:
    accepted(banks)
    for path in banks[0].directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_node_knows_its_own_member(banks: list[Prepared], tmp_path: Path) -> None:
    accepted(banks)
    assert own_member(banks[0].directory).hex() == banks[0].member
    create(
        tmp_path / "alone", PASSPHRASE, name="Test", operator="Operator", purpose="test", time_ms=START_MS,
        config=NodeConfig(), cost=CHEAP,
    )  # fmt: skip
    assert own_member(tmp_path / "alone") == founding_member(read_genesis(tmp_path / "alone"))
    require_founding(tmp_path / "alone", read_genesis(tmp_path / "alone"))


def test_a_prepared_node_does_not_start(banks: list[Prepared]) -> None:
    refused("node.not_founded", require_complete, banks[0].directory)


def test_a_network_that_not_all_signed_is_not_entered(banks: list[Prepared]) -> None:
    genesis = founded(banks)
    refused("founding.signature_missing", accept, banks[0].directory, genesis, [banks[0].sign(genesis)])
    refused("founding.signature_missing", accept, banks[0].directory, genesis, [banks[1].sign(genesis)])
    assert not (banks[0].directory / GENESIS_FILE).exists()
    refused("node.not_founded", require_complete, banks[0].directory)


def test_a_network_that_says_something_else_of_the_node_is_not_entered(banks: list[Prepared]) -> None:
    genesis = founded(banks)
    genesis.modules["network"]["nodes"][0]["address"] = "127.0.0.1:1"
    signatures = [bank.sign(genesis) for bank in banks]  # even if it signed by another way
    refused("founding.card_changed", accept, banks[0].directory, genesis, signatures)


def test_a_node_enters_one_network_only(banks: list[Prepared]) -> None:
    genesis = accepted(banks)
    refused("node.founded", accept, banks[0].directory, genesis, [])


def test_a_running_node_is_left_alone(banks: list[Prepared]) -> None:
    genesis = founded(banks)
    with DirectoryLock(banks[0].directory), pytest.raises(StoreLocked):
        accept(banks[0].directory, genesis, [bank.sign(genesis) for bank in banks])


def test_what_was_cut_short_is_finished_by_accepting_again(banks: list[Prepared]) -> None:
    genesis = accepted(banks)
    (banks[0].directory / GENESIS_FILE).unlink()  # what is written last
    accept(banks[0].directory, genesis, [bank.sign(genesis) for bank in banks])
    require_complete(banks[0].directory)


def test_the_ledger_of_another_network_is_not_taken_over(banks: list[Prepared]) -> None:
    accepted(banks)
    (banks[0].directory / GENESIS_FILE).unlink()
    other = founded(banks, threshold=1)
    with pytest.raises(OtherNetwork):
        accept(banks[0].directory, other, [bank.sign(other) for bank in banks])


def test_a_node_does_not_start_in_a_network_that_was_exchanged(banks: list[Prepared]) -> None:
    accepted(banks)
    other = write_genesis(founded(banks, threshold=1))
    refused("founding.signature_wrong", require_founding, banks[0].directory, other)


def test_a_node_does_not_start_with_the_card_of_another(banks: list[Prepared], tmp_path: Path) -> None:
    genesis = accepted(banks)
    later = prepared(tmp_path, "Later", 26_700)
    (banks[0].directory / CARD_FILE).write_bytes((later.directory / CARD_FILE).read_bytes())
    refused("founding.signature_missing", require_founding, banks[0].directory, write_genesis(genesis))


@pytest.mark.parametrize("name", [*FOUNDED_FILES, *CLUSTER_FILES])
def test_a_node_of_a_cluster_that_lost_a_file_is_not_started_anew(banks: list[Prepared], name: str) -> None:
    genesis = accepted(banks)
    directory = banks[0].directory
    (directory / name).unlink()
    if name in (CARD_FILE, FOUNDING_FILE):
        refused("node.incomplete", require_founding, directory, write_genesis(genesis))
    if name != CARD_FILE:
        refused("node.incomplete", require_complete, directory)


def test_a_genesis_in_another_layout_is_kept_in_the_one_form(banks: list[Prepared]) -> None:
    genesis = accepted(banks)
    assert read_genesis(banks[0].directory) == write_genesis(genesis)
    assert parse_genesis(read_genesis(banks[0].directory)) == genesis


def test_a_directory_without_a_card_can_enter_no_network(tmp_path: Path, banks: list[Prepared]) -> None:
    genesis = founded(banks)
    refused("node.incomplete", accept, tmp_path / "nothing", genesis, [])
    refused("node.incomplete", own_card, tmp_path)
