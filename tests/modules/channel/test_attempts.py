"""Ordering attempts: every leg as a batch of its channel would be, signed for these terms, and all of them or none."""

from typing import NamedTuple

import pytest
from msgspec.structs import replace

from modules.channel.deals import Deals, with_leg
from modules.channel.world import World, entries_of
from traco.kernel.codec import ROOT
from traco.modules.channel.entries import Leg
from traco.modules.channel.keeper import DEADLINE
from traco.modules.channel.parts import LegTerms, Limits, RootLeg, SettlementTerms, Shown
from traco.modules.party.messages import RetireNode


class Street(NamedTuple):
    """Securities are held among a, b and c; cash among b, c and d. All must agree."""

    world: World
    deals: Deals
    securities: bytes
    cash: bytes

    def terms(self, **changes: int) -> SettlementTerms:
        return self.deals.terms(
            self.deals.leg(self.securities, "b"), self.deals.leg(self.cash, "c"), **changes
        )


@pytest.fixture
def street(world: World) -> Street:
    return Street(
        world, Deals(world), world.opened(world.terms("a", "b", "c")), world.opened(world.terms("b", "c", "d"))
    )  # fmt: skip


def nothing_entered(street: Street) -> bool:
    return all(street.world.stream(channel).entries == 1 for channel in (street.securities, street.cash))


def test_all_legs_enter_their_streams_together(street: Street) -> None:
    terms = street.terms()
    made = street.deals.try_terms(terms)
    legs = entries_of(made.receipt)
    assert [type(leg) for leg in legs] == [Leg, Leg]
    assert [(leg.attempt, leg.terms, leg.commitment) for leg in legs if isinstance(leg, Leg)] == [
        (made.identity, made.terms, bytes([1]) * 32)
    ] * 2
    assert [street.world.stream(channel).entries for channel in (street.securities, street.cash)] == [2, 2]


def test_an_attempt_pins_who_decides_about_its_legs(street: Street) -> None:
    made = street.deals.try_terms(street.terms())
    record = street.deals.record(made)
    first = record.legs[0]
    assert (first.ledger, first.members, first.policy) == (
        street.securities, street.world.parties("a", "b", "c"), 3,
    )  # fmt: skip
    assert (first.attesters, first.held, first.refused) == (street.world.parties("b"), (), ())
    assert (first.number, first.ordinal) == (2, 2)
    assert (record.terms, record.blocks) == (made.terms, 5)


def test_a_member_that_takes_no_part_may_relay_an_attempt(street: Street) -> None:
    street.deals.order(street.deals.attempt(street.terms(), by="e"))


def test_an_attempt_is_signed_by_a_node_of_the_relaying_member(street: Street) -> None:
    message = street.deals.attempt(street.terms(), by="e")
    world = street.world
    assert world.ledger.reject(message, keys=[world.keys["e"]]) == "transaction.signature_missing"


def test_a_leg_may_be_shown_on_the_root(street: Street) -> None:
    terms = street.terms()
    shown = street.deals.sealed("a", terms, street.securities, payload=Shown(b"ciphertext"))
    made = street.deals.order(
        street.deals.attempt(terms, shown, street.deals.sealed("b", terms, street.cash))
    )
    (first, _) = entries_of(made.receipt)
    assert isinstance(first, Leg)
    assert first.payload.shown == b"ciphertext"


def test_a_missing_leg_refuses_the_whole_attempt(street: Street) -> None:
    terms = street.deals.terms(
        *street.terms().legs,
        street.deals.leg(street.world.opened(street.world.terms("a", "d"))),
    )
    legs = [
        street.deals.sealed(name, terms, channel)
        for name, channel in (("a", street.securities), ("b", street.cash))
    ]
    assert street.deals.refuse(street.deals.attempt(terms, *legs)) == "channel.legs_wrong"
    assert nothing_entered(street)


def test_legs_in_another_order_than_the_terms_are_refused(street: Street) -> None:
    terms = street.terms()
    message = street.deals.attempt(terms)
    swapped = replace(message, legs=tuple(reversed(message.legs)))
    assert street.deals.refuse(swapped) == "channel.not_member"  # a seals nothing for the channel of cash


def test_two_legs_in_one_channel_are_refused(street: Street) -> None:
    terms = street.deals.terms(street.deals.leg(street.cash), street.deals.leg(street.cash))
    assert street.deals.refuse(street.deals.attempt(terms)) == "channel.legs_wrong"


def test_a_channel_that_is_not_there_refuses_the_whole_attempt(street: Street) -> None:
    terms = street.terms()
    legs = street.deals.attempt(terms).legs
    elsewhere = with_leg(terms, 0, ledger=bytes(32))
    assert street.deals.refuse(street.deals.attempt(elsewhere, *legs, by="b")) == "channel.unknown"
    assert nothing_entered(street)


def test_the_wrong_epoch_of_one_leg_refuses_the_whole_attempt(street: Street) -> None:
    terms = street.terms()
    old = street.deals.attempt(terms)
    members = street.world.channel(street.cash).terms
    street.world.do("b", street.world.offer("b", street.cash, members, 2))
    street.world.accept_all(street.cash, members, 2)
    assert street.deals.refuse(old) == "channel.epoch_wrong"
    assert street.world.stream(street.securities).entries == 1


def test_a_leg_signed_for_another_epoch_is_refused(street: Street) -> None:
    terms = street.terms()
    message = street.deals.attempt(terms)
    foreign = street.deals.sealed("b", terms, street.cash, epoch=2)
    here = street.deals.sealed("b", terms, street.cash)
    mixed = replace(here, signature=foreign.signature)
    assert street.deals.refuse(replace(message, legs=(message.legs[0], mixed))) == "channel.legs_wrong"


def test_a_replayed_leg_signature_of_other_terms_is_refused(street: Street) -> None:
    replayed = street.deals.attempt(street.terms()).legs
    other = street.terms()
    assert street.deals.refuse(street.deals.attempt(other, *replayed)) == "channel.legs_wrong"
    assert nothing_entered(street)


def test_a_leg_for_terms_with_another_commitment_is_refused(street: Street) -> None:
    terms = street.terms()
    legs = street.deals.attempt(terms).legs
    paired = with_leg(terms, 1, commitment=bytes(32))
    assert street.deals.refuse(street.deals.attempt(paired, *legs)) == "channel.legs_wrong"


def test_a_leg_is_signed_by_its_submitters_own_seat(street: Street) -> None:
    terms = street.terms()
    forged = street.deals.sealed("a", terms, street.securities, signer="b")
    message = street.deals.attempt(terms, forged, street.deals.sealed("b", terms, street.cash))
    assert street.deals.refuse(message) == "channel.legs_wrong"


def test_a_seat_whose_node_key_is_registered_no_more_signs_nothing(street: Street) -> None:
    world, terms = street.world, street.terms()
    legs = (street.deals.sealed("c", terms, street.securities), street.deals.sealed("b", terms, street.cash))
    seat = world.keeper.require_seat(world.state, world.ids["c"])
    world.do("c", RetireNode(world.ids["c"], seat.node))
    assert street.deals.refuse(street.deals.attempt(terms, *legs, by="e")) == "channel.legs_wrong"


def test_the_submitter_of_a_leg_must_be_a_member_of_its_channel(street: Street) -> None:
    terms = street.terms()
    foreign = street.deals.sealed("d", terms, street.securities, payload=Shown(b"content"))
    message = street.deals.attempt(terms, foreign, street.deals.sealed("b", terms, street.cash))
    assert street.deals.refuse(message) == "channel.not_member"


def test_a_leg_needs_the_receipts_of_a_batch(street: Street) -> None:
    terms = street.terms()
    leg = street.deals.sealed("a", terms, street.securities)
    assert not isinstance(leg.payload, Shown)
    bare = replace(leg, payload=replace(leg.payload, size=leg.payload.size + 1))
    message = street.deals.attempt(terms, bare, street.deals.sealed("b", terms, street.cash))
    assert street.deals.refuse(message) == "channel.receipt_invalid"


def test_a_payload_that_was_ordered_is_no_leg_again(street: Street) -> None:
    batch = street.world.batch("a", street.securities, b"content")
    street.world.do("a", batch)
    terms = street.terms()
    again = street.deals.sealed("a", terms, street.securities, payload=batch.payload)
    message = street.deals.attempt(terms, again, street.deals.sealed("b", terms, street.cash))
    assert street.deals.refuse(message) == "channel.payload_repeated"


def test_a_required_attester_is_a_member_of_its_legs_channel(street: Street) -> None:
    terms = street.deals.terms(street.deals.leg(street.securities, "d"), street.deals.leg(street.cash))
    assert street.deals.refuse(street.deals.attempt(terms)) == "channel.legs_wrong"


def test_required_attesters_stand_once_each_in_ascending_order(street: Street) -> None:
    b, c = street.world.parties("b", "c")
    for attesters in ((c, b), (b, b)):
        terms = with_leg(street.terms(), 0, attesters=attesters)
        assert street.deals.refuse(street.deals.attempt(terms)) == "channel.legs_wrong"


def test_a_deadline_that_has_passed_is_refused(street: Street) -> None:
    message = street.deals.attempt(street.terms(within_ms=1_000))  # the time of its block
    assert street.deals.refuse(message) == "channel.deadline_wrong"


def test_the_smallest_limit_of_the_channels_bounds_the_deadline(street: Street) -> None:
    quick = street.world.opened(street.world.terms("a", "d", limits=Limits(attempt_ms=20_000)))
    legs = (street.deals.leg(street.cash), street.deals.leg(quick))
    late = street.deals.attempt(street.deals.terms(*legs, within_ms=21_001))
    assert street.deals.refuse(late) == "channel.deadline_wrong"
    street.deals.order(street.deals.attempt(street.deals.terms(*legs, within_ms=21_000)))


def test_the_largest_number_of_decision_blocks_of_the_channels_counts(street: Street) -> None:
    slow = street.world.opened(street.world.terms("a", "d", limits=Limits(decision_blocks=9)))
    made = street.deals.try_terms(street.deals.terms(street.deals.leg(street.cash), street.deals.leg(slow)))
    assert street.deals.record(made).blocks == 9


def test_a_suspended_channel_refuses_the_whole_attempt(street: Street) -> None:
    world, message = street.world, street.deals.attempt(street.terms())
    world.do("b", world.attest("b", world.word(street.cash, 1, "this")))
    world.do("c", world.attest("c", world.word(street.cash, 1, "that")))
    assert world.channel(street.cash).status == "suspended"
    assert street.deals.refuse(message) == "channel.not_open"
    assert world.stream(street.securities).entries == 1


def test_terms_that_are_attempted_are_not_attempted_again_meanwhile(street: Street) -> None:
    terms = street.terms()
    made = street.deals.try_terms(terms)
    assert street.deals.refuse(street.deals.attempt(terms)) == "channel.terms_used"
    assert street.deals.status(made) == "undecided"


def test_of_two_attempts_at_the_same_terms_in_one_block_the_first_counts(street: Street) -> None:
    terms = street.terms()
    world = street.world
    both = [world.sign(name, street.deals.attempt(terms, by=name)) for name in ("b", "e")]
    answers = world.ledger.run_block(both)
    assert [None if answer.failure is None else answer.failure.code for answer in answers] == [
        None, "channel.terms_used",
    ]  # fmt: skip


def test_a_point_takes_as_many_entries_as_a_vote_can_speak_of(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.modules.channel.attempts.MAX_RESULTS", 2)
    world = street.world
    attempts = [world.sign("b", street.deals.attempt(street.terms(), by="b")) for _ in range(3)]
    answers = world.ledger.run_block(attempts)
    assert [None if answer.failure is None else answer.failure.code for answer in answers] == [
        None, None, "channel.point_full",
    ]  # fmt: skip
    street.deals.try_terms(street.terms())


def test_an_attempt_waits_for_its_deadline(street: Street) -> None:
    terms = street.terms()
    street.deals.try_terms(terms)
    assert DEADLINE in street.world.ledger.registry.due
    assert street.world.ledger.application.next_due_ms() == terms.deadline_ms


def test_a_leg_on_the_root_is_refused_where_the_root_settles_nothing(street: Street) -> None:
    terms = street.deals.terms(LegTerms(ROOT, bytes(32), ()), street.deals.leg(street.cash))
    signature = street.world.keys["a"].signature(b"anything")
    sealed = street.deals.sealed("b", terms, street.cash)
    message = street.deals.attempt(terms, RootLeg(b"\x90", (signature,)), sealed)
    assert street.deals.refuse(message) == "channel.legs_wrong"


def test_a_sealed_leg_is_none_for_the_root(street: Street) -> None:
    terms = street.deals.terms(LegTerms(ROOT, bytes(32), ()), street.deals.leg(street.cash))
    sealed = street.deals.sealed("b", terms, street.cash)
    message = street.deals.attempt(terms, sealed, sealed)
    assert street.deals.refuse(message) == "channel.legs_wrong"


def test_a_leg_in_the_open_is_none_for_a_channel(street: Street) -> None:
    terms = street.terms()
    signature = street.world.keys["a"].signature(b"anything")
    sealed = street.deals.sealed("b", terms, street.cash)
    message = street.deals.attempt(terms, RootLeg(b"\x90", (signature,)), sealed)
    assert street.deals.refuse(message) == "channel.legs_wrong"
