"""One signed header under one set: accepted when more than two thirds signed it, refused with a code for each forgery."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from support.engine_signatures import NON_CANONICAL, SMALL_ORDER
from support.ledger import Key
from support.light_chain import (
    FOUNDERS,
    REAL,
    REAL_CHAIN,
    LightChain,
    set_of,
    vote_of,
    with_commit,
    with_header,
    with_vote,
)
from traco.kernel.light import (
    BlockId,
    Commit,
    LightInvalid,
    Moment,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    address,
    check_validators,
    header_hash,
    in_order,
    validators_hash,
    verify_signed,
)
from traco.kernel.light.commits import verify_power, verify_trusted_power
from traco.kernel.light.errors import REASONS

CHAIN = "traco-test"
MAKER = LightChain(CHAIN)
SET = set_of(FOUNDERS)
GOOD = MAKER.block(7).signed
NAMES = {Key(name).public: name for name in FOUNDERS}
ORDER = [NAMES[validator.key] for validator in SET]
THIRD = (1, 3)


def code(call: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(LightInvalid) as caught:
        call(*arguments)
    assert caught.value.code in REASONS
    return caught.value.code


def verdict(signed: SignedHeader, validators: ValidatorSet = SET, chain: str = CHAIN) -> str:
    try:
        verify_signed(signed, validators, chain)
    except LightInvalid as error:
        return error.code
    return "accepted"


def signed(**signing: Any) -> SignedHeader:
    return MAKER.signed(MAKER.header(7, FOUNDERS), FOUNDERS, **signing)


@pytest.mark.parametrize("height", REAL)
def test_every_real_commit_is_accepted(height: int) -> None:
    block = REAL[height]
    assert verdict(block.signed, block.validators, REAL_CHAIN) == "accepted"


def test_a_commit_of_everybody_is_accepted() -> None:
    assert verdict(GOOD) == "accepted"


@pytest.mark.parametrize("lacking", [{"absent": ORDER[:1]}, {"against": ORDER[:1]}])
def test_three_of_four_are_enough(lacking: dict[str, Any]) -> None:
    assert verdict(signed(**lacking)) == "accepted"


@pytest.mark.parametrize(
    "lacking",
    [{"absent": ORDER[:2]}, {"against": ORDER[:2]}, {"absent": ORDER[:1], "against": ORDER[1:2]}, {"absent": ORDER}],
)  # fmt: skip
def test_too_little_power_is_refused(lacking: dict[str, Any]) -> None:
    assert verdict(signed(**lacking)) == "light.power"


@pytest.mark.parametrize(("weak", "outcome"), [(10, "light.power"), (9, "accepted")])
def test_two_thirds_exactly_are_too_little(weak: int, outcome: str) -> None:
    powers = {"ann": 10, "ben": 10, "weak": weak}
    header = MAKER.header(7, powers)
    assert verdict(MAKER.signed(header, powers, absent=["weak"]), set_of(powers)) == outcome


def test_a_forged_signature_is_refused() -> None:
    assert verdict(signed(forged=ORDER[:1])) == "light.signature"
    assert verdict(signed(forged=ORDER[:1], absent=ORDER[1:2])) == "light.signature"


def test_a_vote_for_no_block_does_not_count_as_one_for_the_block() -> None:
    against = signed(against=ORDER[:2])
    claimed = against
    for place in (0, 1):
        vote = against.commit.votes[place]
        assert vote is not None
        claimed = with_vote(claimed, place, msgspec.structs.replace(vote, for_block=True))
    assert verdict(claimed) == "light.signature"


def test_another_validator_set_is_refused() -> None:
    assert verdict(GOOD, set_of({**FOUNDERS, "eve": 10})) == "light.validators"
    assert verdict(GOOD, set_of({**FOUNDERS, "ann": 11})) == "light.validators"


def test_a_header_that_names_the_forgers_set_is_not_the_one_signed() -> None:
    eve = set_of({"eve": 10})
    assert verdict(with_header(GOOD, validators_hash=validators_hash(eve)), eve) == "light.header"


@pytest.mark.parametrize(
    "changes",
    [
        {"app_hash": bytes(32)}, {"height": 8}, {"app_protocol": 3}, {"next_validators_hash": bytes(32)},
        {"data_hash": b""}, {"proposer": bytes(20)}, {"last_block": BlockId(b"", 0, b"")}, {"consensus_hash": bytes(32)},
        {"last_commit_hash": bytes(32)}, {"last_results_hash": bytes(32)}, {"evidence_hash": bytes(32)},
    ],
)  # fmt: skip
def test_an_altered_header_is_refused(changes: dict[str, Any]) -> None:
    expected = "light.height" if "height" in changes else "light.header"
    assert verdict(with_header(GOOD, **changes)) == expected


def test_a_header_altered_with_its_block_id_is_refused() -> None:
    altered = with_header(GOOD, app_hash=bytes(32))
    block = msgspec.structs.replace(GOOD.commit.block, hash=header_hash(altered.header))
    assert verdict(with_commit(altered, block=block)) == "light.signature"


def test_another_chain_is_refused() -> None:
    assert verdict(GOOD, chain="traco-other") == "light.chain"
    assert verdict(LightChain("traco-other").block(7).signed) == "light.chain"


def test_the_chain_is_part_of_what_is_signed() -> None:
    other = LightChain("traco-other").block(7).signed
    renamed = with_header(other, chain=CHAIN)
    block = msgspec.structs.replace(other.commit.block, hash=header_hash(renamed.header))
    assert verdict(with_commit(renamed, block=block)) == "light.signature"


@pytest.mark.parametrize("changes", [{"height": 6}, {"height": 8}])
def test_a_commit_of_another_height_is_refused(changes: dict[str, Any]) -> None:
    assert verdict(with_commit(GOOD, **changes)) == "light.height"


@pytest.mark.parametrize(
    "changes", [{"round": 1}, {"block": msgspec.structs.replace(GOOD.commit.block, part_count=2)}]
)
def test_round_and_parts_are_signed(changes: dict[str, Any]) -> None:
    assert verdict(with_commit(GOOD, **changes)) == "light.signature"


def test_a_validator_that_signs_twice_is_refused() -> None:
    one = GOOD.commit.votes[0]
    assert verdict(with_vote(signed(absent=ORDER[1:2]), 1, one)) == "light.duplicate"


def test_a_vote_at_the_place_of_another_is_refused() -> None:
    votes = GOOD.commit.votes
    assert verdict(with_commit(GOOD, votes=(votes[1], votes[0], *votes[2:]))) == "light.signer"


@pytest.mark.parametrize("votes", [(), GOOD.commit.votes[:3], (*GOOD.commit.votes, None)])
def test_a_commit_with_another_number_of_votes_is_refused(votes: Any) -> None:
    assert verdict(with_commit(GOOD, votes=votes)) == "light.votes"


@pytest.mark.parametrize("protocol", [0, 10, 12])
def test_another_block_protocol_is_refused(protocol: int) -> None:
    header = MAKER.header(7, FOUNDERS, block_protocol=protocol)
    assert verdict(MAKER.signed(header, FOUNDERS)) == "light.protocol"


@pytest.mark.parametrize(
    "changes",
    [
        {name: bytes(31)}
        for name in ("last_commit_hash", "data_hash", "consensus_hash", "last_results_hash", "evidence_hash")
    ] + [{"last_block": BlockId(bytes(31), 1, bytes(32))}, {"last_block": BlockId(bytes(32), 1, bytes(1))}],
)  # fmt: skip
def test_a_hash_of_another_length_is_refused_even_if_signed(changes: dict[str, Any]) -> None:
    header = MAKER.header(7, FOUNDERS, **changes)
    assert verdict(MAKER.signed(header, FOUNDERS)) == "light.field"


@pytest.mark.parametrize("odd", [ORDER[:1], ORDER[1:3], ORDER])
def test_a_signature_that_only_the_engine_accepts_counts(odd: list[str]) -> None:
    assert verdict(signed(odd=odd)) == "accepted"
    assert verdict(signed(odd=odd, absent=ORDER[3:])) == "accepted"
    assert verdict(signed(odd=odd, absent=ORDER[2:])) == "light.power"


def test_a_signature_that_only_the_engine_accepts_counts_towards_trusted_power() -> None:
    verify_trusted_power(signed(odd=ORDER[:2], absent=ORDER[2:]), SET, THIRD)
    assert (
        code(verify_trusted_power, signed(odd=ORDER[:1], absent=ORDER[1:]), SET, THIRD)
        == "light.trusted_power"
    )


def test_such_a_signature_over_another_header_is_refused() -> None:
    stolen = MAKER.signed(MAKER.header(8, FOUNDERS), FOUNDERS, odd=ORDER).commit.votes[0]
    assert verdict(with_vote(GOOD, 0, stolen)) == "light.signature"


def signed_by_anybody(key: bytes) -> tuple[SignedHeader, ValidatorSet]:
    """A header in the name of a set where a key of small order has the most power: R is that key too, and S zero."""
    validators = in_order([*SET, Validator(b"\1" + key, 1_000)])
    header = MAKER.header(7, FOUNDERS, validators_hash=validators_hash(validators))
    vote = Vote(True, address(b"\1" + key), Moment(header.time.seconds + 1, 7), key + bytes(32))
    block = BlockId(header_hash(header), 1, bytes(32))
    return SignedHeader(header, Commit(7, 0, block, (vote, None, None, None, None))), validators


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_a_key_that_anybody_can_sign_for_never_gives_power(key: bytes) -> None:
    forged, validators = signed_by_anybody(key)
    assert verdict(forged, validators) == "light.order"
    assert code(verify_power, forged, validators) == "light.power"
    assert code(verify_trusted_power, forged, validators, THIRD) == "light.trusted_power"


@pytest.mark.parametrize("key", NON_CANONICAL, ids=bytes.hex)
def test_a_set_with_a_key_that_is_not_in_canonical_form_is_refused(key: bytes) -> None:
    validators = in_order([*SET, Validator(b"\1" + key, 10)])
    assert code(check_validators, validators, validators_hash(validators)) == "light.order"


def test_votes_beyond_the_power_needed_are_not_looked_at() -> None:
    assert verdict(signed(forged=ORDER[3:])) == "accepted"


@pytest.mark.parametrize(
    "validators",
    [
        (SET[1], SET[0], *SET[2:]),
        (*SET, SET[-1]),
        (SET[0], Validator(SET[0].key, 9), *SET[1:]),
        set_of({"ann": 2**59, "ben": 2**59, "cas": 2**59}),
        (Validator(b"\2" + SET[0].key[1:], 10),),
    ],
)
def test_a_set_that_the_engine_never_has_is_refused(validators: ValidatorSet) -> None:
    assert code(check_validators, validators, validators_hash(validators)) == "light.order"


def test_greater_power_comes_first_and_then_the_smaller_address() -> None:
    validators = set_of({"ann": 1, "ben": 3, "cas": 2, "dot": 2})
    assert [validator.power for validator in validators] == [3, 2, 2, 1]
    check_validators(validators, validators_hash(validators))


def test_power_of_a_set_that_changed_since_is_found_by_address() -> None:
    powers = {"zoe": 10, "ann": 10, "ben": 10}
    later = MAKER.block(9, powers).signed
    verify_trusted_power(later, SET, THIRD)
    assert code(verify_trusted_power, later, SET, (2, 3)) == "light.trusted_power"


def test_a_third_exactly_is_too_little_trusted_power() -> None:
    later = MAKER.block(9, {"zoe": 10, "ann": 10}).signed
    assert (
        code(verify_trusted_power, later, set_of({"ann": 1, "b": 1, "c": 1}), THIRD) == "light.trusted_power"
    )
    verify_trusted_power(later, set_of({"ann": 2, "b": 1, "c": 2}), THIRD)


def test_trusted_power_is_not_given_by_forged_votes_nor_by_votes_for_no_block() -> None:
    assert code(verify_trusted_power, signed(forged=ORDER), SET, THIRD) == "light.signature"
    assert code(verify_trusted_power, signed(against=ORDER), SET, THIRD) == "light.trusted_power"
    assert code(verify_trusted_power, signed(absent=ORDER), SET, THIRD) == "light.trusted_power"


def test_the_vote_of_one_cannot_stand_for_another() -> None:
    header = MAKER.header(7, FOUNDERS)
    stolen = vote_of(ORDER[0], header, GOOD.commit, signer=ORDER[1])
    assert code(verify_power, with_vote(GOOD, 0, stolen), SET) == "light.signature"
