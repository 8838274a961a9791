"""What nodes hand out as proof, checked as a client does, and the same with too few signatures, which a client must refuse."""

from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from torture.report import Counts, Difference
from torture_cluster.sites import Site
from traco.client.results import ClientError
from traco.client.sdk import LedgerClient
from traco.client.wire import connection_options
from traco.kernel.codec import Codec
from traco.kernel.finality import FinalityReceipt, ReceiptInvalid, verify_receipt
from traco.kernel.genesis import Genesis, network_id, write_genesis
from traco.kernel.light import (
    Evidence,
    LightBlock,
    LightInvalid,
    SignedHeader,
    TrustTerms,
    chain_id,
    decode_light_block,
    founding_validators,
    make_evidence,
    verify_adjacent,
    verify_evidence,
    verify_skipping,
)

PERIOD_MS: Final = 86_400_000
ANSWER_SECONDS: Final = 20.0
ENOUGH: Final = (2, 3)  # more than this share of the votes proves something
_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)
_RECEIPT: Final[Codec[FinalityReceipt]] = Codec(FinalityReceipt)


def check_receipt(site: Site, genesis: Genesis, identity: bytes, counts: Counts) -> None:
    """A receipt holds by the founding genesis alone, and holds no longer with fewer signatures. Raises ``Difference``."""
    try:
        with LedgerClient(site.url) as client:
            raw = client.receipt(identity, timeout=ANSWER_SECONDS)
    except ClientError as error:
        raise Difference("receipt", f"{site.name} gives no receipt of {identity.hex()}: {error}") from error
    founding = write_genesis(genesis)
    try:
        if verify_receipt(raw, founding).identity != identity:
            raise Difference("receipt", f"{site.name} gives the receipt of another transaction")
    except ReceiptInvalid as invalid:
        raise Difference(
            "receipt", f"{site.name} gives a receipt that proves nothing: {invalid}"
        ) from invalid
    counts["work: receipts proved"] += 1
    check_evidence(_RECEIPT.decode(raw).seal, genesis, counts)


def check_evidence(seal: bytes, genesis: Genesis, counts: Counts) -> None:
    """Evidence holds, and with too few signatures it does not. Raises ``Difference``."""
    chain, founders = chain_id(network_id(genesis)), founding_validators(genesis)
    evidence = _EVIDENCE.decode(seal)
    power = len(verify_evidence(seal, chain, founders).validators)
    weak = make_evidence(evidence.handovers, _with_votes(evidence.last, power * ENOUGH[0] // ENOUGH[1]))
    _must_refuse("evidence with too few signatures", lambda: verify_evidence(weak, chain, founders))
    counts["work: forgeries refused"] += 1


def check_light_blocks(site: Site, genesis: Genesis, counts: Counts) -> None:
    """A live client follows the newest headers, adjacent and skipping, and no header with too few signatures.

    Raises ``Difference``.
    """
    height = site.height() - 4
    first, second, third = (light_block(site, height + step) for step in (0, 1, 3))
    terms, trusted = TrustTerms(PERIOD_MS), first.signed.header
    now_ms = third.signed.header.time.time_ms
    if trusted.chain != chain_id(network_id(genesis)):
        raise Difference("light", f"{site.name} hands out headers of {trusted.chain}")
    try:
        verify_adjacent(trusted, second, terms, now_ms)
        verify_skipping(trusted, first.next_validators, third, terms, now_ms)
    except LightInvalid as invalid:
        raise Difference("light", f"a client cannot follow {site.name}: {invalid}") from invalid
    counts["work: headers verified"] += 2
    few = len(third.validators) * ENOUGH[0] // ENOUGH[1]
    _must_refuse(
        "an adjacent header with too few signatures",
        lambda: verify_adjacent(trusted, _weak(second, few), terms, now_ms),
    )
    _must_refuse(
        "a later header with too few signatures",
        lambda: verify_skipping(trusted, first.next_validators, _weak(third, few), terms, now_ms),
    )
    counts["work: forgeries refused"] += 2


def light_block(site: Site, height: int) -> LightBlock:
    """A signed header with its validators, as the node hands it out. Raises ``Difference``."""
    answer = httpx.get(
        f"{site.url}/v1/light/blocks/{height}", timeout=ANSWER_SECONDS, **connection_options(site.url)
    )
    if answer.status_code != 200:
        raise Difference("light", f"{site.name} has no header {height}: {answer.text}")
    return decode_light_block(answer.content)


def _weak(block: LightBlock, votes: int) -> LightBlock:
    return msgspec.structs.replace(block, signed=_with_votes(block.signed, votes))


def _with_votes(signed: SignedHeader, count: int) -> SignedHeader:
    """The header with its first votes for the block, and no others."""
    kept, left = [], count
    for vote in signed.commit.votes:
        taken = vote is not None and vote.for_block and left > 0
        kept.append(vote if taken else None)
        left -= taken
    return SignedHeader(signed.header, msgspec.structs.replace(signed.commit, votes=tuple(kept)))


def _must_refuse(what: str, verify: Callable[[], object]) -> None:
    try:
        verify()
    except LightInvalid:
        return
    raise Difference("light", f"{what} was believed")
