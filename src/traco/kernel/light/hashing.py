"""Hashes of headers and validator sets, and the bytes that validators sign, as CometBFT v0.39 computes them.

Sources: ``types/block.go`` (Header.Hash), ``types/validator_set.go`` (ValidatorSet.Hash), ``types/canonical.go`` and
``types/vote.go`` (VoteSignBytes), ``proto/tendermint/types``. Trees are those of RFC 6962, as the ledger's own.
"""

from typing import Final

from traco.kernel.light.protobuf import delimited, fixed64, integer, message, octets
from traco.kernel.light.records import BlockId, Commit, Header, Moment, Validator, ValidatorSet, Vote
from traco.kernel.merkle import leaf_hash, root_of

_PRECOMMIT: Final = 2
_NO_BLOCK: Final = BlockId(b"", 0, b"")


def header_hash(header: Header) -> bytes:
    """The hash of a header: the root over its fourteen fields, each as the protobuf message of its type."""
    leaves = (
        integer(1, header.block_protocol) + integer(2, header.app_protocol),
        octets(1, header.chain.encode()),
        integer(1, header.height),
        _moment(header.time),
        _block_id(header.last_block),
        octets(1, header.last_commit_hash),
        octets(1, header.data_hash),
        octets(1, header.validators_hash),
        octets(1, header.next_validators_hash),
        octets(1, header.consensus_hash),
        octets(1, header.app_hash),
        octets(1, header.last_results_hash),
        octets(1, header.evidence_hash),
        octets(1, header.proposer),
    )
    return root_of([leaf_hash(leaf) for leaf in leaves])


def validators_hash(validators: ValidatorSet) -> bytes:
    """The hash of a validator set in its order."""
    return root_of([leaf_hash(_validator(each)) for each in validators])


def sign_bytes(chain: str, commit: Commit, vote: Vote) -> bytes:
    """What a validator signed with this vote: a length-prefixed CanonicalVote."""
    block = commit.block if vote.for_block else _NO_BLOCK
    return delimited(
        integer(1, _PRECOMMIT)
        + fixed64(2, commit.height)
        + fixed64(3, commit.round)
        + (b"" if block == _NO_BLOCK else message(4, _block_id(block)))
        + message(5, _moment(vote.time))
        + octets(6, chain.encode())
    )


def _moment(time: Moment) -> bytes:
    return integer(1, time.seconds) + integer(2, time.nanos)


def _block_id(block: BlockId) -> bytes:
    return octets(1, block.hash) + message(2, integer(1, block.part_count) + octets(2, block.parts_hash))


def _validator(validator: Validator) -> bytes:
    return message(1, message(1, validator.key[1:])) + integer(2, validator.power)
