"""Each member opens its own copy only, and sees whether everybody got the same key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sealed import ANNA, BERT, BOXES, CARL, EPOCH, MEMBERS, OLAF, PLACE, SECRET, seed
from traco.channels.sealing.errors import BoxKeyUnusable, CommitmentWrong, CopiesWrong, CopyRefused
from traco.channels.sealing.keys import EpochSecret, Place
from traco.channels.sealing.wrapping import COPY_BYTES, check_offer, offered, unwrap, wrap, wrap_all
from traco.modules.channel.digests import copy_hash
from traco.modules.channel.parts import MAX_COPY_BYTES, EpochKey

BOX_KEYS = tuple(BOXES[member].public_key for member in MEMBERS)
COPIES = wrap_all(SECRET, PLACE, MEMBERS, BOX_KEYS)
OFFER = offered(SECRET, PLACE, COPIES)
OTHER = EpochSecret(seed("another epoch key"))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_opens_its_copy(member: bytes) -> None:
    copy = COPIES[MEMBERS.index(member)]
    assert unwrap(copy, BOXES[member], PLACE, member).reveal() == SECRET.reveal()


def test_a_copy_fits_on_the_root() -> None:
    assert [len(copy) for copy in COPIES] == [COPY_BYTES] * 3
    assert COPY_BYTES <= MAX_COPY_BYTES


def test_copies_are_the_same_whenever_they_are_made() -> None:
    assert wrap_all(SECRET, PLACE, MEMBERS, BOX_KEYS) == COPIES


@given(st.integers(0, COPY_BYTES - 1), st.integers(0, 7))
def test_a_copy_with_any_bit_altered_is_refused(place: int, bit: int) -> None:
    altered = bytearray(COPIES[0])
    altered[place] ^= 1 << bit
    with pytest.raises(CopyRefused):
        unwrap(bytes(altered), BOXES[ANNA], PLACE, ANNA)


@given(st.binary(max_size=COPY_BYTES + 1))
def test_any_other_bytes_are_refused_as_a_copy(raw: bytes) -> None:
    with pytest.raises(CopyRefused):
        unwrap(raw, BOXES[ANNA], PLACE, ANNA)


def test_a_copy_with_an_ephemeral_key_of_small_order_is_refused() -> None:
    with pytest.raises(CopyRefused):
        unwrap(bytes(32) + COPIES[0][32:], BOXES[ANNA], PLACE, ANNA)


def test_a_copy_of_another_member_is_refused() -> None:
    with pytest.raises(CopyRefused):
        unwrap(COPIES[1], BOXES[ANNA], PLACE, ANNA)
    with pytest.raises(CopyRefused):
        unwrap(COPIES[1], BOXES[BERT], PLACE, ANNA)


@pytest.mark.parametrize(
    "place",
    [PLACE._replace(epoch=EPOCH + 1), PLACE._replace(channel=seed("other")), PLACE._replace(network=seed("other"))],
)  # fmt: skip
def test_a_copy_of_another_place_is_refused(place: Place) -> None:
    with pytest.raises(CopyRefused):
        unwrap(COPIES[0], BOXES[ANNA], place, ANNA)


def test_the_same_key_in_another_epoch_gives_copies_that_share_nothing() -> None:
    later = wrap_all(SECRET, PLACE._replace(epoch=EPOCH + 1), MEMBERS, BOX_KEYS)
    assert [one[:32] == other[:32] for one, other in zip(COPIES, later, strict=True)] == [False] * 3


def test_an_honest_offer_passes() -> None:
    check_offer(SECRET, PLACE, MEMBERS, BOX_KEYS, OFFER)


def test_an_offer_that_gives_members_another_key_names_them() -> None:
    others = wrap_all(OTHER, PLACE, MEMBERS, BOX_KEYS)
    for wrong in ((BERT,), (BERT, CARL), (ANNA, CARL)):
        copies = tuple(
            copy_hash(others[place] if member in wrong else COPIES[place])
            for place, member in enumerate(MEMBERS)
        )
        with pytest.raises(CopiesWrong) as caught:
            check_offer(SECRET, PLACE, MEMBERS, BOX_KEYS, EpochKey(OFFER.commitment, copies))
        assert caught.value.members == wrong
        assert caught.value.code == "copy.wrong"
        assert wrong[0].hex() in str(caught.value)


def test_an_offer_with_swapped_copies_names_both_members() -> None:
    first, second, third = OFFER.copies
    with pytest.raises(CopiesWrong) as caught:
        check_offer(SECRET, PLACE, MEMBERS, BOX_KEYS, EpochKey(OFFER.commitment, (second, first, third)))
    assert caught.value.members == (ANNA, BERT)


def test_an_offer_with_too_few_copies_is_wrong_for_all() -> None:
    with pytest.raises(CopiesWrong) as caught:
        check_offer(SECRET, PLACE, MEMBERS, BOX_KEYS, EpochKey(OFFER.commitment, OFFER.copies[:2]))
    assert caught.value.members == MEMBERS


def test_an_offer_that_is_committed_to_another_key_is_refused() -> None:
    with pytest.raises(CommitmentWrong):
        check_offer(SECRET, PLACE, MEMBERS, BOX_KEYS, EpochKey(OTHER.commitment(PLACE), OFFER.copies))


def test_an_offer_replayed_in_another_epoch_is_refused() -> None:
    with pytest.raises(CommitmentWrong):
        check_offer(SECRET, PLACE._replace(epoch=EPOCH + 1), MEMBERS, BOX_KEYS, OFFER)


def test_a_copy_for_a_replaced_box_key_is_found() -> None:
    replaced = (BOX_KEYS[0], BOXES[OLAF].public_key, BOX_KEYS[2])
    with pytest.raises(CopiesWrong) as caught:
        check_offer(SECRET, PLACE, MEMBERS, replaced, OFFER)
    assert caught.value.members == (BERT,)


def test_a_box_key_of_small_order_names_its_member() -> None:
    with pytest.raises(BoxKeyUnusable) as caught:
        wrap(SECRET, PLACE, BERT, bytes(32))
    assert caught.value.member == BERT
    with pytest.raises(BoxKeyUnusable):
        check_offer(SECRET, PLACE, MEMBERS, (BOX_KEYS[0], bytes(32), BOX_KEYS[2]), OFFER)


def test_no_error_shows_a_key() -> None:
    for error in (CopyRefused(), CopiesWrong((BERT,)), CommitmentWrong(), BoxKeyUnusable(BERT)):
        assert SECRET.reveal().hex() not in str(error)
