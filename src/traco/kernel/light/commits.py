"""One signed header under one validator set: is it what more than two thirds of the set's power signed?

The rules are CometBFT's (``types/validation.go``, ``light/verifier.go``); two need a word.

*Signatures.* Votes are looked at in order until they have the power that is needed, as the engine does, and a forged one
among them refuses the whole. What is forged is for the engine's rule to say (ZIP-215, ``crypto_cofactored``), not for
the stricter one by which the ledger accepts transactions (``crypto``): a commit is what the engine accepts. Otherwise
one validator could sign so that only the engine counts it, and its headers would be committed and prove nothing.
``crypto`` is asked first: it is faster, and accepts nothing that the engine refuses.

*Keys that anybody can sign for.* By ZIP-215 these are the keys of small order. Module network admits none; here a set
that has one is refused, and a vote of one does not count.

*Nil votes* are well-signed votes for no block. They never count, and nobody looks at their signatures.
"""

from collections.abc import Iterator
from typing import Final

from traco.kernel import crypto, crypto_cofactored
from traco.kernel.light.errors import LightInvalid, require
from traco.kernel.light.hashing import header_hash, sign_bytes, validators_hash
from traco.kernel.light.records import (
    MAX_TOTAL_POWER,
    BlockId,
    Header,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    address,
    in_order,
)

BLOCK_PROTOCOL: Final = 11
"""Of CometBFT v0.37 to v0.40: what a header's fields are and how it is hashed."""

_ED25519: Final = bytes([crypto.Scheme.ED25519])
_HASH_LENGTHS: Final = (0, 32)


def check_header(header: Header, chain: str) -> None:
    """What holds for every header of the chain, whoever signed it. Raises ``LightInvalid``."""
    require(header.chain == chain, "light.chain")
    require(header.block_protocol == BLOCK_PROTOCOL, "light.protocol")
    hashes = (
        header.last_commit_hash,
        header.data_hash,
        header.consensus_hash,
        header.last_results_hash,
        header.evidence_hash,
    )
    require(all(len(each) in _HASH_LENGTHS for each in hashes), "light.field")
    _check_block_id(header.last_block)


def check_validators(validators: ValidatorSet, expected_hash: bytes, code: str = "light.validators") -> None:
    """Raise ``LightInvalid`` unless this is a set that the chain can have, with this hash (else ``code``)."""
    require(validators == in_order(validators), "light.order")
    require(all(each.key[:1] == _ED25519 for each in validators), "light.order")
    require(all(crypto_cofactored.is_sound_key(each.key[1:]) for each in validators), "light.order")
    require(len({each.key for each in validators}) == len(validators), "light.order")
    require(total_power(validators) <= MAX_TOTAL_POWER, "light.order")
    require(validators_hash(validators) == expected_hash, code)


def check_signed(signed: SignedHeader, chain: str) -> None:
    """Header and commit belong together and to the chain; nothing about signatures yet. Raises ``LightInvalid``."""
    header, commit = signed.header, signed.commit
    check_header(header, chain)
    _check_block_id(commit.block)
    require(commit.height == header.height, "light.height")
    require(commit.block.hash == header_hash(header), "light.header")
    signers = [vote.address for vote in commit.votes if vote is not None]
    require(len(signers) == len(set(signers)), "light.duplicate")


def total_power(validators: ValidatorSet) -> int:
    """The voting power of a set."""
    return sum(validator.power for validator in validators)


def verify_signed(signed: SignedHeader, validators: ValidatorSet, chain: str) -> None:
    """Return if the set that the header names signed it with more than two thirds of its power.

    Raises ``LightInvalid``.
    """
    check_signed(signed, chain)
    check_validators(validators, signed.header.validators_hash)
    verify_power(signed, validators)


def verify_power(signed: SignedHeader, validators: ValidatorSet) -> None:
    """The signatures alone: more than two thirds of the power of ``validators``, each in its place."""
    needed, power = total_power(validators) * 2 // 3, 0
    for validator, vote in placed_votes(signed, validators):
        if vote.for_block and is_counted(signed, validator, vote):
            power += validator.power
            if power > needed:
                return
    raise LightInvalid("light.power")


def verify_trusted_power(signed: SignedHeader, trusted: ValidatorSet, level: tuple[int, int]) -> None:
    """Return if more than ``level`` (a fraction) of the power of a set that need not be the header's signed it.

    Raises ``LightInvalid``: ``light.trusted_power`` if not.
    """
    needed, power = total_power(trusted) * level[0] // level[1], 0
    known = {address(validator.key): validator for validator in trusted}
    for vote in signed.commit.votes:
        validator = known.get(vote.address) if vote is not None and vote.for_block else None
        if vote is not None and validator is not None and is_counted(signed, validator, vote):
            power += validator.power
            if power > needed:
                return
    raise LightInvalid("light.trusted_power")


def placed_votes(signed: SignedHeader, validators: ValidatorSet) -> Iterator[tuple[Validator, Vote]]:
    """Each vote with the validator at whose place it stands. Raises ``LightInvalid`` where it is another's."""
    votes = signed.commit.votes
    require(len(votes) == len(validators), "light.votes")
    for validator, vote in zip(validators, votes, strict=True):
        if vote is not None:
            require(vote.address == address(validator.key), "light.signer")
            yield validator, vote


def is_counted(signed: SignedHeader, validator: Validator, vote: Vote) -> bool:
    """Whether a vote gives the validator's power; not where anybody could have signed it.

    Raises ``LightInvalid`` (``light.signature``) for a forged one.
    """
    message = sign_bytes(signed.header.chain, signed.commit, vote)
    if crypto.is_valid(validator.key, message, _ED25519 + vote.signature):
        return True
    key = validator.key[1:]
    require(crypto_cofactored.is_valid(key, message, vote.signature), "light.signature")
    return crypto_cofactored.is_sound_key(key)


def _check_block_id(block: BlockId) -> None:
    require(len(block.hash) in _HASH_LENGTHS and len(block.parts_hash) in _HASH_LENGTHS, "light.field")
