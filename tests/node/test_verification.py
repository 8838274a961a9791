"""Seals of both kinds over stored blocks. The verification of a whole ledger is tried with backups (`test_backup`)."""

import pytest

from independent.forging import GENESIS as BY_CHECKPOINT
from independent.forging import note
from support.light_receipt import APP_HASH, DOCUMENT, HANDOVERS, HEIGHT, TIME_MS, last_header
from traco.kernel.light import make_evidence
from traco.kernel.seal import Checkpoint
from traco.node.copies import CopyRefused
from traco.node.restore import SEAL_BEGINS
from traco.node.verification import verify_seal, vouches_for

EVIDENCE = make_evidence(HANDOVERS, last_header())
BLOCK = Checkpoint(HEIGHT, TIME_MS, APP_HASH)


def test_evidence_seals_where_the_genesis_names_validators() -> None:
    assert verify_seal(EVIDENCE, DOCUMENT) == BLOCK


def test_a_checkpoint_seals_where_the_genesis_names_its_key() -> None:
    assert verify_seal(note(BLOCK), BY_CHECKPOINT) == BLOCK


@pytest.mark.parametrize(
    ("seal", "genesis", "code"),
    [(EVIDENCE, BY_CHECKPOINT, "seal.too_long"), (note(BLOCK), DOCUMENT, "light.malformed"),
     (make_evidence((), last_header()), DOCUMENT, "light.validators")],
)  # fmt: skip
def test_a_seal_that_does_not_hold_is_refused(seal: bytes, genesis: bytes, code: str) -> None:
    with pytest.raises(CopyRefused, match=f"does not hold: {code}$") as caught:
        verify_seal(seal, genesis)
    assert caught.value.code == "backup.seal_invalid"


@pytest.mark.parametrize(
    ("later_ms", "by_evidence", "by_checkpoint"), [(0, True, True), (5, True, False), (-1, False, False)]
)
def test_evidence_may_be_later_than_its_block_and_a_checkpoint_not(
    later_ms: int, by_evidence: bool, by_checkpoint: bool
) -> None:
    sealed = Checkpoint(HEIGHT, TIME_MS + later_ms, APP_HASH)
    assert vouches_for(sealed, BLOCK, DOCUMENT) == by_evidence
    assert vouches_for(sealed, BLOCK, BY_CHECKPOINT) == by_checkpoint


@pytest.mark.parametrize("genesis", [DOCUMENT, BY_CHECKPOINT])
def test_a_seal_is_for_one_height_and_one_app_hash(genesis: bytes) -> None:
    assert not vouches_for(Checkpoint(HEIGHT + 1, TIME_MS, APP_HASH), BLOCK, genesis)
    assert not vouches_for(Checkpoint(HEIGHT, TIME_MS, bytes(32)), BLOCK, genesis)


def test_seals_are_told_from_receipts_by_their_beginning() -> None:
    assert EVIDENCE.startswith(SEAL_BEGINS)
    assert note(BLOCK).startswith(SEAL_BEGINS)
