"""Commits that gateways hand on to an engine that joins: reduced to what their signatures prove, and written anew.

The engine's light client looks at signatures until it has more than two thirds of the power, ends where an answer is
malformed, and stops altogether where a commit that it began with has a forged vote behind those two thirds. So nothing of
what a gateway wrote reaches it: only what was read here, without the votes that count for nothing.
"""

import base64
import time
from typing import Any, Final

from traco.kernel.codec import encode
from traco.kernel.light import (
    LightInvalid,
    SignedHeader,
    ValidatorSet,
    check_validators,
    decode_signed_header,
)
from traco.kernel.light.commits import check_signed, is_counted, placed_votes, verify_power
from traco.kernel.light.records import BlockId, Commit, Header, Moment, Validator, Vote

_FOR_BLOCK: Final = 2
_ABSENT: Final[dict[str, Any]] = {
    "block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": None,
}  # fmt: skip


def proven(signed: SignedHeader, validators: ValidatorSet, chain: str) -> SignedHeader:
    """The header with the votes for it that are well signed; they are more than two thirds of the set's power.

    Raises ``LightInvalid``, ``ValueError`` where a field is of another form.
    """
    signed = decode_signed_header(encode(signed))
    check_signed(signed, chain)
    check_validators(validators, signed.header.validators_hash)
    good = {
        vote.address
        for validator, vote in placed_votes(signed, validators)
        if vote.for_block and _is_good(signed, validator, vote)
    }
    commit = signed.commit
    votes = tuple(vote if vote is not None and vote.address in good else None for vote in commit.votes)
    kept = SignedHeader(signed.header, Commit(commit.height, commit.round, commit.block, votes))
    verify_power(kept, validators)
    return kept


def _is_good(signed: SignedHeader, validator: Validator, vote: Vote) -> bool:
    try:
        return is_counted(signed, validator, vote)
    except LightInvalid:
        return False


def commit_document(signed: SignedHeader) -> dict[str, Any]:
    """What CometBFT answers to ``commit``, as JSON values."""
    return {
        "signed_header": {"header": _header(signed.header), "commit": _commit(signed.commit)},
        "canonical": True,
    }


def _header(header: Header) -> dict[str, Any]:
    hashes = (
        "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
        "last_results_hash", "evidence_hash",
    )  # fmt: skip
    return {
        "version": {"block": str(header.block_protocol), "app": str(header.app_protocol)},
        "chain_id": header.chain,
        "height": str(header.height),
        "time": _moment(header.time),
        "last_block_id": _block_id(header.last_block),
        **{name: getattr(header, name).hex().upper() for name in hashes},
        "proposer_address": header.proposer.hex().upper(),
    }


def _commit(commit: Commit) -> dict[str, Any]:
    return {
        "height": str(commit.height),
        "round": commit.round,
        "block_id": _block_id(commit.block),
        "signatures": [_ABSENT if vote is None else _vote(vote) for vote in commit.votes],
    }


def _vote(vote: Vote) -> dict[str, Any]:
    return {
        "block_id_flag": _FOR_BLOCK,
        "validator_address": vote.address.hex().upper(),
        "timestamp": _moment(vote.time),
        "signature": base64.b64encode(vote.signature).decode(),
    }


def _block_id(block: BlockId) -> dict[str, Any]:
    return {
        "hash": block.hash.hex().upper(),
        "parts": {"total": block.part_count, "hash": block.parts_hash.hex().upper()},
    }


def _moment(moment: Moment) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment.seconds))
    return f"{whole}.{moment.nanos:09d}Z"
