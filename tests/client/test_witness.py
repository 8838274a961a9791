"""The answer of a query with its proof: made from proven records alone, and from nothing less."""

import msgspec
import pytest

from support.replicas import ACCOUNTS, ANN, EUR, Replicas
from traco.client.forms import to_form
from traco.client.witness import (
    MAX_WITNESS_BYTES,
    KeyProof,
    KeyProofs,
    ReadKeys,
    Witness,
    WitnessInvalid,
    answer_from,
    check_witness,
    encode_witness,
)
from traco.kernel.codec import encode
from traco.kernel.state import State
from traco.modules.holding.queries import AccountHoldingsQuery, AccountQuery, HoldingQuery
from traco.modules.party.queries import GetParty

HOLDING = HoldingQuery(EUR, ACCOUNTS[0])


def witness_of(place: Replicas, name: str, request: msgspec.Struct) -> Witness:
    """What a node sends."""
    noted = ReadKeys(place.box.ledger.application.tree)
    queries = place.box.ledger.registry.queries
    queries[name].answer(State(noted), request)
    with place.gateways[0].reads.snapshot() as snapshot:
        block = snapshot.block(snapshot.height)
    assert block is not None
    proofs = place.box.light.prove(tuple(noted.keys))
    return Witness(place.box.network, block.height, proofs, block.history_root, block.history_size)


def code_of(raw: bytes, network: bytes) -> str:
    with pytest.raises(WitnessInvalid) as found:
        check_witness(raw, network)
    return found.value.code


def test_the_answer_is_that_of_the_ledger(place: Replicas) -> None:
    raw = encode_witness(witness_of(place, "holding.get", HOLDING))
    found = answer_from(check_witness(raw, place.box.network), "holding.get", HOLDING)
    assert found == place.box.ledger.query("holding.get", HOLDING)


def test_the_app_hash_is_that_of_the_block(place: Replicas) -> None:
    assert witness_of(place, "holding.get", HOLDING).app_hash == place.box.ledger.application.info().app_hash


def test_a_record_that_the_query_reads_must_be_there(place: Replicas) -> None:
    witness = witness_of(place, "holding.get", HOLDING)
    with pytest.raises(WitnessInvalid) as found:
        answer_from(witness, "holding.account", AccountQuery(ACCOUNTS[0]))
    assert found.value.code == "witness.incomplete"


def test_nothing_is_answered_that_reads_ranges(place: Replicas) -> None:
    witness = witness_of(place, "holding.account", AccountQuery(ACCOUNTS[0]))
    with pytest.raises(WitnessInvalid, match="all keys from"):
        answer_from(witness, "holding.by_account", AccountHoldingsQuery(ACCOUNTS[0]))


def test_a_node_does_not_prove_what_reads_ranges(place: Replicas) -> None:
    with pytest.raises(NotImplementedError):
        witness_of(place, "holding.by_account", AccountHoldingsQuery(ACCOUNTS[0]))


def test_a_witness_of_another_network_is_refused(place: Replicas) -> None:
    raw = encode_witness(witness_of(place, "holding.get", HOLDING))
    assert code_of(raw, bytes(32)) == "witness.network"


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"\xc0"])
def test_bytes_that_are_no_witness_are_refused(place: Replicas, raw: bytes) -> None:
    assert code_of(raw, place.box.network) == "witness.malformed"


def test_too_many_bytes_are_refused(place: Replicas) -> None:
    assert code_of(bytes(MAX_WITNESS_BYTES + 1), place.box.network) == "witness.too_large"


def proof(place: Replicas) -> KeyProof:
    return witness_of(place, "holding.get", HOLDING).proofs.keys[0]


def with_proof(place: Replicas, changed: KeyProof) -> bytes:
    witness = witness_of(place, "holding.get", HOLDING)
    proofs = KeyProofs(witness.proofs.state_root, (changed,))
    return encode_witness(msgspec.structs.replace(witness, proofs=proofs))


def test_another_value_is_refused(place: Replicas) -> None:
    holding = place.box.ledger.query("holding.get", HOLDING)
    richer = msgspec.structs.replace(holding, available=10**9)
    raw = with_proof(place, msgspec.structs.replace(proof(place), value=encode(richer)))
    assert code_of(raw, place.box.network) == "witness.proof"


def test_presence_cannot_be_passed_off_as_absence(place: Replicas) -> None:
    raw = with_proof(place, msgspec.structs.replace(proof(place), value=None))
    assert code_of(raw, place.box.network) == "witness.proof"


def test_a_proof_under_another_root_is_refused(place: Replicas) -> None:
    witness = witness_of(place, "holding.get", HOLDING)
    raw = encode_witness(msgspec.structs.replace(witness, proofs=KeyProofs(bytes(32), witness.proofs.keys)))
    assert code_of(raw, place.box.network) == "witness.proof"


def test_a_record_of_an_unknown_form_is_said_so(place: Replicas) -> None:
    witness = witness_of(place, "holding.get", HOLDING)
    strange = msgspec.structs.replace(witness.proofs.keys[0], value=encode((77, 1)))
    unknown = msgspec.structs.replace(witness, proofs=KeyProofs(witness.proofs.state_root, (strange,)))
    with pytest.raises(WitnessInvalid) as found:
        answer_from(unknown, "holding.get", HOLDING)
    assert found.value.code == "witness.record"


def test_a_party_is_answered_with_its_id(place: Replicas) -> None:
    request = GetParty(ANN)
    found = answer_from(witness_of(place, "party.get", request), "party.get", request)
    assert to_form(found)["id"] == ANN.hex()
