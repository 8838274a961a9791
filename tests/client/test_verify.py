import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from support.ledger import Key
from support.light_receipt import DOCUMENT, light_receipt
from support.stored_ledger import BANK, BANK_ID, EUR, ISSUED, StoredLedger, genesis
from traco.client.verify import as_text, describe, verify
from traco.kernel.finality import ReceiptInvalid, verify_receipt
from traco.kernel.genesis import write_genesis

GENESIS = write_genesis(genesis())


class Receipts(NamedTuple):
    """Receipts of a transfer that succeeded and of one that was rejected; the accounts it was between."""

    success: bytes
    rejection: bytes
    sender: bytes
    receiver: bytes


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Receipts:
    stored = StoredLedger(tmp_path_factory.mktemp("ledger"))
    success, rejection = stored.transfer(250), stored.transfer(2 * ISSUED)
    made = Receipts(stored.receipt(success), stored.receipt(rejection), *stored.accounts[:2])
    stored.close()
    return made


@pytest.fixture
def proof(receipts: Receipts) -> dict[str, Any]:
    return verify(receipts.success, GENESIS)


def test_the_instruction_is_readable(receipts: Receipts, proof: dict[str, Any]) -> None:
    assert proof["instructions"] == [{
        "type": "holding.transfer/1", "party": BANK_ID.hex(), "instrument": EUR.hex(),
        "sender": receipts.sender.hex(), "receiver": receipts.receiver.hex(), "amount": 250, "reference": b"rent".hex(),
    }]  # fmt: skip


def test_the_event_is_readable(proof: dict[str, Any]) -> None:
    assert [(event["type"], event["amount"]) for event in proof["events"]] == [("holding.moved/1", 250)]


def test_the_outcome_is_success(proof: dict[str, Any]) -> None:
    assert (proof["valid"], proof["outcome"], proof["failure"]) == (True, "success", None)


def test_a_rejection_is_shown_as_one_with_its_code(receipts: Receipts) -> None:
    rejected = verify(receipts.rejection, GENESIS)
    assert (rejected["outcome"], rejected["failure"]["code"]) == ("rejected", "holding.insufficient")
    assert "rejected: holding.insufficient" in as_text(rejected)


def test_the_signers_and_the_network_are_named(proof: dict[str, Any]) -> None:
    assert proof["signers"] == [BANK.public.hex()]
    assert proof["network_name"] == "Stored"


def test_what_is_assumed_is_said(proof: dict[str, Any]) -> None:
    assert len(proof["assumes"]) == 2
    assert Key("seal").public.hex() in proof["assumes"][1]
    assert all(assumption in as_text(proof) for assumption in proof["assumes"])


def test_the_text_has_the_time_of_the_block(proof: dict[str, Any]) -> None:
    assert "2026-09-21" in as_text(proof)


def test_a_time_beyond_the_calendar_is_shown_in_milliseconds(proof: dict[str, Any]) -> None:
    assert f"{2**53 - 1} ms" in as_text({**proof, "time_ms": 2**53 - 1})


def test_a_changed_receipt_proves_nothing(receipts: Receipts) -> None:
    with pytest.raises(ReceiptInvalid):
        verify(receipts.success[:-1] + b"\x00", GENESIS)


def test_unknown_types_are_shown_as_they_are(receipts: Receipts) -> None:
    verified = verify_receipt(receipts.success, GENESIS)
    strange: tuple[Any, ...] = (["later.thing/1", b"\x01"], ["holding.transfer/1", 5], [7], [])
    body = msgspec.structs.replace(verified.body, instructions=strange)
    assert describe(verified._replace(body=body))["instructions"] == [
        {"type": "later.thing/1", "values": ["01"]},
        {"type": "holding.transfer/1", "values": [5]},
        {"type": "unknown", "values": [7]},
        {"type": "unknown", "values": []},
    ]


def test_text_that_a_terminal_would_obey_is_written_out(receipts: Receipts) -> None:
    proof = describe(verify_receipt(receipts.success, GENESIS))
    proof["events"] = [{"type": "party.registered/1", "name": "\x1b[2Jgone\u202e"}]
    assert "name='\\x1b[2Jgone\\u202e'" in as_text(proof)


def test_what_cannot_be_shown_is_said_so(receipts: Receipts) -> None:
    verified = verify_receipt(receipts.success, GENESIS)
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    event = msgspec.structs.replace(verified.receipt, events=(["other.event/1", nested],))
    shown = describe(verified._replace(receipt=event))["events"]
    assert shown == [{"type": "other.event/1", "values": "(not of a form that can be shown)"}]


def test_nothing_of_a_node_is_needed(tmp_path: Path, receipts: Receipts) -> None:
    (tmp_path / "receipt").write_bytes(receipts.success)
    (tmp_path / "genesis").write_bytes(GENESIS)
    script = (
        "import sys; from traco.client.verify import verify; from pathlib import Path;"
        "verify(Path('receipt').read_bytes(), Path('genesis').read_bytes());"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('apsw', 'httpx', 'litestar', 'argon2')"
        " or name.startswith(('traco.node', 'traco.storage', 'traco.engine'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_checkpoint_has_one_signer_with_all_power(proof: dict[str, Any]) -> None:
    assert proof["seal"] == {
        "kind": "checkpoint", "signers": [{"key": Key("seal").public.hex(), "power": 1}], "total_power": 1, "handovers": 0,
    }  # fmt: skip


def test_validators_that_sealed_are_named_with_their_power() -> None:
    sealed = verify(light_receipt(), DOCUMENT)
    zoe = Key("zoe").public.hex()
    assert sealed["seal_key"] == ""
    assert sealed["seal"] == {
        "kind": "cometbft", "signers": [{"key": zoe, "power": 30}], "total_power": 40, "handovers": 2,
    }  # fmt: skip
    text = as_text(sealed)
    assert "sealed by    1 validators, 30 of 40 voting power\n" in text
    assert "handovers    2 (changes of the validators since the founding)\n" in text
    assert f"validator    {zoe}, power 30\n" in text


def test_what_is_assumed_of_validators_is_said() -> None:
    sealed = verify(light_receipt(), DOCUMENT)
    assert len(sealed["assumes"]) == 3
    assert "a third of the voting power" in sealed["assumes"][1]
    assert "have left" in sealed["assumes"][2]
    assert all(assumption in as_text(sealed) for assumption in sealed["assumes"])
