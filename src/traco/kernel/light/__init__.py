"""Light verification of what the CometBFT engine signed: headers, commits, validator sets, evidence in receipts.

    records     headers, commits, validator sets as the ledger stores and sends them
    hashing     their hashes and what validators sign, byte for byte as CometBFT v0.39 computes them
    commits     one signed header under one validator set
    live        the steps of a client that follows the chain and has a clock
    evidence    the proof in receipts: the handovers of validators since the founding, and the last signed header
    founding    the chain's name and the validators that a genesis document names

Pure: no clock, no network; for asking nodes and keeping what is trusted see ``client.light``.
"""

from traco.kernel.light.commits import check_validators, total_power, verify_signed
from traco.kernel.light.errors import LightInvalid
from traco.kernel.light.evidence import (
    MAX_EVIDENCE_BYTES,
    MAX_HANDOVERS,
    Evidence,
    Proof,
    make_evidence,
    trim,
    verify_evidence,
)
from traco.kernel.light.founding import chain_id, founding_validators
from traco.kernel.light.hashing import header_hash, sign_bytes, validators_hash
from traco.kernel.light.live import TrustTerms, verify_adjacent, verify_next, verify_skipping
from traco.kernel.light.records import (
    MAX_VALIDATORS,
    BlockId,
    Commit,
    Handover,
    Header,
    LightBlock,
    Moment,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    address,
    decode_handover,
    decode_light_block,
    decode_signed_header,
    in_order,
)

__all__ = [
    "MAX_EVIDENCE_BYTES",
    "MAX_HANDOVERS",
    "MAX_VALIDATORS",
    "BlockId",
    "Commit",
    "Evidence",
    "Handover",
    "Header",
    "LightBlock",
    "LightInvalid",
    "Moment",
    "Proof",
    "SignedHeader",
    "TrustTerms",
    "Validator",
    "ValidatorSet",
    "Vote",
    "address",
    "chain_id",
    "check_validators",
    "decode_handover",
    "decode_light_block",
    "decode_signed_header",
    "founding_validators",
    "header_hash",
    "in_order",
    "make_evidence",
    "sign_bytes",
    "total_power",
    "trim",
    "validators_hash",
    "verify_adjacent",
    "verify_evidence",
    "verify_next",
    "verify_signed",
    "verify_skipping",
]
