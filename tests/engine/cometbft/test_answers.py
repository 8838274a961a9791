"""CometBFT's JSON is read strictly: integers as strings, upper-case hex, nanoseconds; absent votes are None."""

import copy
from typing import Any, Final

import pytest

from traco.engine.cometbft.answers import (
    AnswerInvalid,
    read_moment,
    read_peer,
    read_signed_header,
    read_status,
    read_validator,
)
from traco.kernel.light import Header, Moment

HASH: Final = "AB" * 32
NO_BLOCK: Final = {"hash": "", "parts": {"total": 0, "hash": ""}}
HEADER: Final[dict[str, Any]] = {
    "version": {"block": "11", "app": "2"}, "chain_id": "traco-1", "height": "9007199254740991",
    "time": "2026-11-21T15:57:51.977685063Z", "last_block_id": NO_BLOCK, "last_commit_hash": "01" * 32, "data_hash": "02" * 32,
    "validators_hash": "03" * 32, "next_validators_hash": "04" * 32, "consensus_hash": "05" * 32, "app_hash": "06" * 32,
    "last_results_hash": "07" * 32, "evidence_hash": "08" * 32, "proposer_address": "09" * 20,
}  # fmt: skip
COMMIT: Final[dict[str, Any]] = {
    "height": "2", "round": 1, "block_id": {"hash": HASH, "parts": {"total": 1, "hash": HASH}},
    "signatures": [
        {"block_id_flag": 2, "validator_address": "0A" * 20, "timestamp": "2026-11-21T15:57:52Z", "signature": "qw=="},
        {"block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": None},
        {"block_id_flag": 3, "validator_address": "0B" * 20, "timestamp": "2026-11-21T15:57:52.5Z", "signature": "zQ=="},
    ],
}  # fmt: skip
STATUS: Final[dict[str, Any]] = {
    "node_info": {"id": "0c" * 20, "network": "traco-1", "listen_addr": "tcp://127.0.0.1:1", "moniker": "one"},
    "sync_info": {
        "latest_block_height": "7", "latest_block_time": "2026-11-21T15:57:52Z", "latest_app_hash": HASH,
        "earliest_block_height": "3", "catching_up": True,
    },
    "validator_info": {"voting_power": "10"},
}  # fmt: skip


def header_of(document: dict[str, Any]) -> Header:
    return read_signed_header({"header": document, "commit": COMMIT}).header


def test_a_header_is_read_to_the_last_field() -> None:
    header = header_of(HEADER)
    assert (header.block_protocol, header.app_protocol, header.chain) == (11, 2, "traco-1")
    assert (header.height, header.time.nanos) == (2**53 - 1, 977_685_063)
    assert (header.last_block.hash, header.last_block.part_count) == (b"", 0)
    hashes = (
        header.last_commit_hash, header.data_hash, header.validators_hash, header.next_validators_hash, header.consensus_hash,
        header.app_hash, header.last_results_hash, header.evidence_hash,
    )  # fmt: skip
    assert hashes == tuple(bytes([number]) * 32 for number in range(1, 9))
    assert header.proposer == b"\x09" * 20


def test_a_header_of_an_application_without_a_protocol_has_zero() -> None:
    assert header_of({**HEADER, "version": {"block": "11"}}).app_protocol == 0


def test_votes_are_for_the_block_for_none_or_absent() -> None:
    commit = read_signed_header({"header": HEADER, "commit": COMMIT}).commit
    first, absent, other = commit.votes
    assert absent is None
    assert first is not None
    assert other is not None
    assert (first.for_block, first.address, first.signature) == (True, b"\x0a" * 20, b"\xab")
    assert (other.for_block, other.time.nanos) == (False, 500_000_000)
    assert (commit.height, commit.round, commit.block.hash) == (2, 1, b"\xab" * 32)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", Moment(0, 0)),
        ("1970-01-01T00:00:01.000000001Z", Moment(1, 1)),
        ("2024-02-29T23:59:59.1Z", Moment(1_709_251_199, 100_000_000)),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, moment: Moment) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-02-29", "2024-02-29T23:59:59", "2024-02-29T23:59:59+00:00", "2024-02-29T23:59:59.Z", "2024-13-01T00:00:00Z",
        "2024-02-29T23:59:59.1234567890Z", "2024-02-29T23:59:59Z\n",
    ],
)  # fmt: skip
def test_what_is_no_such_time_is_refused(text: str) -> None:
    with pytest.raises(AnswerInvalid):
        read_moment(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("height",), 5), (("height",), "-1"), (("height",), "1\n"), (("height",), ""), (("app_hash",), "ab"), (("app_hash",), "ABC"),
        (("time",), None), (("version", "block"), 11), (("last_block_id",), None), (("chain_id",), 1),
    ],
)  # fmt: skip
def test_a_header_that_is_written_otherwise_is_refused(path: tuple[str, ...], value: object) -> None:
    document = copy.deepcopy(HEADER)
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(AnswerInvalid):
        header_of(document)


def test_a_validator_has_an_ed25519_key() -> None:
    document = {
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": "AAAA"},
        "voting_power": "3",
        "address": "",
    }
    found = read_validator(document)
    assert (found.key, found.power) == (b"\x01\0\0\0", 3)
    for key in (
        {"type": "tendermint/PubKeySecp256k1", "value": "AAAA"},
        {"type": "tendermint/PubKeyEd25519", "value": "A"},
    ):
        with pytest.raises(AnswerInvalid):
            read_validator({**document, "pub_key": key})


def test_the_status_says_where_the_engine_stands() -> None:
    found = read_status(STATUS)
    assert (found.peer, found.chain, found.height, found.earliest_height) == (b"\x0c" * 20, "traco-1", 7, 3)
    assert (found.is_catching_up, found.voting_power, found.app_hash) == (True, 10, b"\xab" * 32)
    assert found.time is not None


def test_an_engine_without_blocks_has_no_time() -> None:
    empty = {**STATUS["sync_info"], "latest_block_height": "0", "latest_block_time": "1970-01-01T00:00:00Z"}
    assert read_status({**STATUS, "sync_info": empty}).time is None


def test_a_peer_is_known_by_its_id() -> None:
    found = read_peer({"node_info": STATUS["node_info"], "is_outbound": False, "remote_ip": "127.0.0.1"})
    assert (found.peer, found.moniker, found.is_outbound) == (b"\x0c" * 20, "one", False)
    with pytest.raises(AnswerInvalid):
        read_peer({"node_info": {**STATUS["node_info"], "id": "xyz"}, "is_outbound": False})
