"""A transaction goes from signer to signer and stays the same transaction."""

import pytest

from traco.client.collecting import DraftInvalid, add_signatures, read_draft, unsigned
from traco.client.signer import Ed25519Signer
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener
from traco.modules.composition import compose
from traco.modules.party.messages import GrantRole

NETWORK, PARTIES = b"n" * 32, (b"a" * 16, b"b" * 16)
ONE, TWO = Ed25519Signer.from_seed(b"1" * 32), Ed25519Signer.from_seed(b"2" * 32)
BODIES = compose().body


def made() -> bytes:
    return unsigned(NETWORK, 1_000_000, [GrantRole(PARTIES, b"c" * 16, "authority")])


def test_a_transaction_that_nobody_signed_says_what_it_does() -> None:
    draft = read_draft(made(), BODIES)
    assert (draft.network, draft.valid_until_ms, draft.signers) == (NETWORK, 1_000_000, ())
    assert draft.instructions == (GrantRole(PARTIES, b"c" * 16, "authority"),)


def test_signatures_are_added_and_the_transaction_stays_the_same() -> None:
    raw = made()
    once = add_signatures(raw, [TWO])
    twice = add_signatures(once, [ONE])
    drafts = [read_draft(each, BODIES) for each in (raw, once, twice)]
    assert len({draft.identity for draft in drafts}) == 1
    assert [len(draft.signers) for draft in drafts] == [0, 1, 2]
    assert set(drafts[2].signers) == {ONE.public_key, TWO.public_key}


def test_the_order_of_signing_does_not_matter() -> None:
    raw = made()
    assert add_signatures(add_signatures(raw, [ONE]), [TWO]) == add_signatures(
        add_signatures(raw, [TWO]), [ONE]
    )


def test_who_signs_twice_has_signed_once() -> None:
    once = add_signatures(made(), [ONE])
    assert add_signatures(once, [ONE]) == once


def test_what_was_signed_by_all_is_well_signed() -> None:
    raw = add_signatures(add_signatures(made(), [ONE]), [TWO])
    (screened,) = DirectScreener(BODIES, KernelParameters()).screen([raw])
    assert screened.refusal is None
    assert set(screened.signers) == {ONE.public_key, TWO.public_key}


def test_each_call_makes_another_transaction() -> None:
    assert read_draft(made(), BODIES).identity != read_draft(made(), BODIES).identity


@pytest.mark.parametrize("raw", [b"", b"\x92", b"\x92\x90\x90", b"[" * 1_000])
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    with pytest.raises(DraftInvalid):
        read_draft(raw, BODIES)


def test_nothing_is_added_to_what_is_no_transaction() -> None:
    with pytest.raises(DraftInvalid):
        add_signatures(b"\x00", [ONE])
