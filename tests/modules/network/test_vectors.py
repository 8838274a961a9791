"""The bytes of instructions, records and events are those of ``tests/vectors/network.json``, for ever."""

import json
from pathlib import Path

import pytest

from traco.kernel.codec import Codec, Record, encode
from traco.modules.composition import compose
from traco.modules.network import events, messages, state
from traco.modules.network.parameters import NetworkParameters

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "network.json").read_text())

COUNCIL, MEMBER = (b"\x01" * 16, b"\x02" * 16), b"\x03" * 16
KEY, OTHER = b"\x02\x03" + b"\x04" * 32, b"\x01" + b"\x05" * 32
CONSENSUS, SECOND, PEER = b"\x01" + b"\x06" * 32, b"\x01" + b"\x07" * 32, b"\x08" * 20
ADDRESS, GATEWAY = "node.example:26656", "https://gateway.example:8443/traco"
PLACE = state.Placement("示例 IT", "own", "zurich", "b-2")

RECORDS: dict[str, Record] = {
    "admit_node": messages.AdmitNode(COUNCIL, MEMBER, KEY, CONSENSUS, PEER, ADDRESS, GATEWAY, PLACE),
    "admit_node_plain": messages.AdmitNode(COUNCIL[:1], MEMBER, OTHER, CONSENSUS, PEER, "[::1]:1"),
    "promote_node": messages.PromoteNode(COUNCIL, KEY, 1_000_000),
    "demote_node": messages.DemoteNode(COUNCIL, KEY, "left"),
    "remove_node": messages.RemoveNode(COUNCIL, KEY, "left"),
    "report_ready": messages.ReportReady(MEMBER, KEY, 70_000),
    "update_node": messages.UpdateNode(MEMBER, KEY, ADDRESS, "", PLACE),
    "rotate_node": messages.RotateNode(MEMBER, KEY, OTHER, SECOND, PEER),
    "validator": state.NodeRecord(
        MEMBER, KEY, CONSENSUS, PEER, ADDRESS, GATEWAY, PLACE, "validator", 1_000_000, 0
    ),
    "observer": state.NodeRecord(
        MEMBER, OTHER, CONSENSUS, PEER, ADDRESS, "", state.Placement(), "observer", 0, 70_000
    ),
    "consensus_in_use": state.ConsensusUse(KEY, retired=False),
    "consensus_retired": state.ConsensusUse(OTHER, retired=True),
    "node_of": state.NodeOf(KEY),
    "validator_set": state.ValidatorSet(((CONSENSUS, 1), (SECOND, 1_000_000))),
    "census": state.Census(7, 300),
    "parameters": NetworkParameters(),
    "node_admitted": events.NodeAdmitted(KEY, MEMBER, CONSENSUS, PEER, ADDRESS, GATEWAY, PLACE),
    "node_promoted": events.NodePromoted(KEY, MEMBER, 3),
    "node_demoted": events.NodeDemoted(KEY, MEMBER, "left"),
    "node_removed": events.NodeRemoved(KEY, MEMBER, "left"),
    "node_ready": events.NodeReady(KEY, MEMBER, 70_000),
    "node_updated": events.NodeUpdated(KEY, MEMBER, ADDRESS, "", PLACE),
    "node_rotated": events.NodeRotated(OTHER, MEMBER, KEY, SECOND, PEER),
}  # fmt: skip


def test_every_vector_belongs_to_a_record() -> None:
    assert sorted(VECTORS["records"]) == sorted(RECORDS)


def test_every_instruction_and_event_has_a_vector() -> None:
    module = next(module for module in compose().modules if module.name == "network")
    kinds = {type(record) for record in RECORDS.values()}
    assert {*module.instructions, *module.events} <= kinds


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_the_bytes_of_its_vector_and_is_read_from_them(name: str) -> None:
    record = RECORDS[name]
    assert encode(record).hex() == VECTORS["records"][name]
    codec: Codec[Record] = Codec(type(record))
    assert codec.decode(bytes.fromhex(VECTORS["records"][name])) == record


def test_keys_are_those_of_the_vectors() -> None:
    found = {
        "consensus": state.consensus_keys.key(CONSENSUS), "peer": state.peers.key(PEER),
        "validators": state.validator_sets.key(), "census": state.censuses.key(),
    }  # fmt: skip
    assert {name: key.hex() for name, key in found.items()} == VECTORS["keys"]
    assert (state.PREFIX, state.NODES, state.REPLACED_NODES) == (6, 1, 2)
