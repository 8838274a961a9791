"""Settlements across channels, step by step, for parties that do not trust each other.

    leg = draft_leg(network, channel, LegContent((Movement(...),)), parties, attesters)     # for those in its channel
    terms = agree(network, [leg.public(), theirs], deadline_ms)                             # theirs: a ``PublicLeg``; shows no content
    raw = add_signatures(leg_transaction(terms, leg), signers)                              # by everybody who acts in it
    sealed = await AsyncDeals(client).seal(terms, raw, channel)                             # at the node of a member of the channel
    await AsyncDeals(client).order(terms, [sealed, other])                                  # by anybody who has all
    await AsyncDeals(client).settlement(terms.id)                                           # "undecided", "committed", "aborted"

Everything here is a record with a form in JSON, to be handed on as a file. Only a ``DraftLeg`` and the transaction that signs it say
what moves. What is read from others is judged by ``require_terms``, ``require_leg`` and ``require_transaction``: they raise ``DealInvalid``.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from traco.client.asynchronous import AsyncLedgerClient
from traco.client.collecting import DraftInvalid, read_draft, unsigned
from traco.client.forms import from_form, to_form
from traco.client.ledger import LedgerClient
from traco.client.results import ClientError
from traco.client.signer import Signer
from traco.kernel.codec import ROOT, Codec, Hash, Id, Ledger, Record, encode
from traco.kernel.transaction import Body, Signature
from traco.modules.channel.parts import (
    MAX_LEGS,
    EdgeMovement,
    LegTerms,
    RootLeg,
    SealedLeg,
    SettlementTerms,
)
from traco.modules.channel.signing import root_leg_message, terms_id
from traco.modules.leg.messages import MAX_PARTIES, HoldLeg, LegContent, leg_commitment

SALT_BYTES: Final = 32
_ROUTE: Final = "/v1/channels"
ORDERS: Final = "/v1/channels/attempts"


class DealInvalid(ClientError):
    """A leg, terms or a signed leg do not fit together; nothing was signed or sent."""


class PublicLeg(Record, frozen=True, tag="traco.leg-public/1"):
    """What everybody may know of a leg: where it is, a salted commitment, required attesters, what crosses a public edge."""

    network: Hash
    leg: LegTerms


class DraftLeg(Record, frozen=True, tag="traco.leg/1"):
    """A leg with what it moves: for those who are in its channel. ``parties`` must all sign it; in ascending order."""

    network: Hash
    ledger: Ledger
    salt: Hash
    content: LegContent
    parties: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=MAX_PARTIES)]
    attesters: tuple[Id, ...] = ()
    edges: tuple[EdgeMovement, ...] = ()

    def public(self) -> PublicLeg:
        """What the other parties to the settlement are given."""
        commitment = leg_commitment(self.salt, self.content)
        return PublicLeg(self.network, LegTerms(self.ledger, commitment, self.attesters, self.edges))

    def hold(self, terms: bytes) -> HoldLeg:
        """The instruction that its parties sign for terms (id)."""
        return HoldLeg(self.parties, terms, self.salt, self.content)


class AgreedTerms(Record, frozen=True, tag="traco.terms/1"):
    """Terms and their id, which all signatures of the legs name. They show no content."""

    network: Hash
    id: Hash
    terms: SettlementTerms


class ReadyLeg(Record, frozen=True, tag="traco.sealed-leg/1"):
    """A leg as an attempt orders it: sealed for a channel, or for the root with the signatures collected so far."""

    network: Hash
    terms: Hash
    ledger: Ledger
    leg: SealedLeg | RootLeg


class NotTaken(NamedTuple):
    """Why one of several legs was not sealed."""

    code: str
    text: str


# drafting and agreeing


def draft_leg(
    network: bytes, ledger: bytes, content: LegContent, parties: Iterable[bytes], attesters: Iterable[bytes] = (),
    edges: Iterable[EdgeMovement] = (), *, salt: bytes | None = None,
) -> DraftLeg:  # fmt: skip
    """A leg with a random salt. ``ledger``: a channel, or empty for the root, where nobody attests."""
    ordered = tuple(sorted(edges, key=lambda edge: edge.instrument))
    return DraftLeg(
        network, ledger, salt or os.urandom(SALT_BYTES), content, tuple(sorted(dict.fromkeys(parties))),
        tuple(sorted(dict.fromkeys(attesters))), ordered,
    )  # fmt: skip


def agree(
    network: bytes, legs: Sequence[PublicLeg], deadline_ms: int, *, salt: bytes | None = None
) -> AgreedTerms:
    """Terms that settle these legs together or not at all, with a random salt. Raises ``DealInvalid``."""
    if any(leg.network != network for leg in legs):
        raise DealInvalid("deal.other_network", "A leg is of another network.")
    if not 2 <= len(legs) <= MAX_LEGS:
        raise DealInvalid("deal.legs", f"Terms have 2 to {MAX_LEGS} legs, not {len(legs)}.")
    terms = SettlementTerms(salt or os.urandom(SALT_BYTES), deadline_ms, tuple(leg.leg for leg in legs))
    made = AgreedTerms(network, terms_id(network, terms), terms)
    require_terms(made)
    return made


def require_terms(agreed: AgreedTerms) -> None:
    """Return where terms are well-formed and have the id that they say. Raises ``DealInvalid``."""
    terms = agreed.terms
    if agreed.id != terms_id(agreed.network, terms):
        raise DealInvalid("deal.terms_changed", "The terms are not those of their id: somebody changed them.")
    ledgers = [leg.ledger for leg in terms.legs]
    if len(dict.fromkeys(ledgers)) != len(ledgers):
        raise DealInvalid(
            "deal.ledger_twice", "Two legs are on the same ledger; put what they move into one."
        )
    if any(leg.attesters for leg in terms.legs if leg.ledger == ROOT):
        raise DealInvalid("deal.root_attesters", "A leg on the root has no attesters.")
    sums: dict[bytes, int] = {}
    for leg in terms.legs:
        for edge in leg.edges:
            sums[edge.instrument] = sums.get(edge.instrument, 0) + edge.amount
    unbalanced = [instrument.hex() for instrument, total in sums.items() if total]
    if unbalanced:
        raise DealInvalid(
            "deal.edges_unbalanced",
            f"Of instrument {unbalanced[0]} more leaves some ledgers than enters others, or less; both must be the same.",
        )


def require_leg(agreed: AgreedTerms, leg: DraftLeg) -> None:
    """Return where a leg is exactly the one that the terms commit to on its ledger. Raises ``DealInvalid``."""
    _require_network(agreed, leg.network)
    found = [each for each in agreed.terms.legs if each.ledger == leg.ledger]
    if not found:
        raise DealInvalid("deal.leg_unknown", "The terms have no leg on the ledger of this one.")
    public = leg.public().leg
    if found[0].commitment != public.commitment:
        raise DealInvalid(
            "deal.leg_differs",
            "The terms commit to another leg on this ledger: not to these movements and this salt.",
        )
    if (found[0].attesters, found[0].edges) != (public.attesters, public.edges):
        raise DealInvalid(
            "deal.leg_differs",
            "The terms name other attesters of this leg, or another public edge, than the leg does.",
        )


# signing


def leg_transaction(agreed: AgreedTerms, leg: DraftLeg, valid_until_ms: int = 0) -> bytes:
    """The transaction that holds a channel's leg, without signatures. Good until the terms' deadline, if nothing else is said.

    Each call makes another one: all parties sign the same (``add_signatures``). Raises ``DealInvalid``.
    """
    require_leg(agreed, leg)
    if not leg.ledger:
        raise DealInvalid("deal.root_leg", "A leg on the root is signed by itself: sign_root_leg.")
    until_ms = valid_until_ms or agreed.terms.deadline_ms
    return unsigned(agreed.network, until_ms, [leg.hold(agreed.id)], ledger=leg.ledger)


def require_transaction(raw: bytes, agreed: AgreedTerms, bodies: Codec[Body]) -> HoldLeg:
    """What a transaction holds, if it does nothing else and is a leg of these terms. Raises ``DealInvalid``.

    ``bodies``: the codec of bodies, from the registry of modules.
    """
    try:
        draft = read_draft(raw, bodies)
    except DraftInvalid as error:
        raise DealInvalid("deal.unreadable", f"It is no signed leg: {error}") from None
    hold = draft.instructions[0] if len(draft.instructions) == 1 else None
    if not isinstance(hold, HoldLeg):
        raise DealInvalid("deal.not_a_leg", "The transaction does something else than hold one leg.")
    if hold.terms != agreed.id:
        raise DealInvalid("deal.other_terms", "The leg is signed for other terms than these.")
    agreed_leg = [each for each in agreed.terms.legs if each.ledger == draft.ledger]
    if not agreed_leg or agreed_leg[0].commitment != leg_commitment(hold.salt, hold.content):
        raise DealInvalid("deal.leg_differs", "What is signed is not the leg that the terms commit to.")
    if draft.valid_until_ms > agreed.terms.deadline_ms:
        raise DealInvalid("deal.signed_too_long", "The signatures would outlive the deadline of the terms.")
    _require_network(agreed, draft.network)
    return hold


def sign_root_leg(
    agreed: AgreedTerms, leg: DraftLeg, signers: Iterable[Signer], before: ReadyLeg | None = None
) -> ReadyLeg:
    """The root's leg with these signatures, beside those that it has. Raises ``DealInvalid``."""
    require_leg(agreed, leg)
    instructions = encode((leg.hold(agreed.id),))
    signatures: dict[bytes, Signature] = {}
    if before is not None:
        if not isinstance(before.leg, RootLeg) or before.leg.instructions != instructions:
            raise DealInvalid(
                "deal.leg_differs", "What was signed before is another leg, or for other terms."
            )
        signatures = {each.key: each for each in before.leg.signatures}
    message = root_leg_message(agreed.network, agreed.id, instructions)
    for signer in signers:
        signatures[signer.public_key] = Signature(signer.public_key, signer.sign(message))
    signed = tuple(sorted(signatures.values(), key=lambda each: each.key))
    return ReadyLeg(agreed.network, agreed.id, leg.ledger, RootLeg(instructions, signed))


# at nodes


class AsyncDeals:
    """What nodes do for settlements across channels."""

    def __init__(self, client: AsyncLedgerClient) -> None:
        self._client = client

    async def seal(
        self, agreed: AgreedTerms, transaction: bytes, ledger: bytes, *, timeout: float | None = None
    ) -> ReadyLeg:
        """Have a signed leg sealed by the node of a member of its channel. Safe to ask again; what was sealed before stays good."""
        path, form = _sealing(agreed, transaction, ledger)
        return _sealed(agreed, ledger, await self._client.post(path, form, timeout=timeout))

    async def seal_all(
        self, legs: Sequence[tuple[AgreedTerms, bytes]], ledger: bytes, *, timeout: float | None = None
    ) -> list[ReadyLeg | NotTaken]:
        """As ``seal`` for up to 64 legs of one channel, in order: each is sealed, or refused by itself."""
        path, form = _sealing_all(legs, ledger)
        return _all_sealed(legs, ledger, await self._client.post(path, form, timeout=timeout))

    async def order_all(
        self, attempts: Sequence[tuple[AgreedTerms, Sequence[ReadyLeg]]], *, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """As ``order`` for up to 64 attempts, in order: each is ordered, or has a ``failure``. Raises ``DealInvalid``."""
        form = [ordering(agreed, legs) for agreed, legs in attempts]
        found: list[dict[str, Any]] = await self._client.post(f"{ORDERS}/batch", form, timeout=timeout)
        return found

    async def order(
        self, agreed: AgreedTerms, legs: Sequence[ReadyLeg], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Order all legs at once: the attempt's id and its status. Safe to ask again. Raises ``DealInvalid``."""
        found: dict[str, Any] = await self._client.post(ORDERS, ordering(agreed, legs), timeout=timeout)
        return found

    async def settlement(self, terms: bytes, *, timeout: float | None = None) -> dict[str, Any]:
        """What became of terms (id), for members of their channels. Raises ``NotFound`` where there is nothing for who asks."""
        found: dict[str, Any] = await self._client.get(_standing(terms), timeout=timeout)
        return found


class Deals:
    """The same, synchronously."""

    def __init__(self, client: LedgerClient) -> None:
        self._client = client

    def seal(
        self, agreed: AgreedTerms, transaction: bytes, ledger: bytes, *, timeout: float | None = None
    ) -> ReadyLeg:
        """As ``AsyncDeals.seal``."""
        path, form = _sealing(agreed, transaction, ledger)
        return _sealed(agreed, ledger, self._client.post(path, form, timeout=timeout))

    def seal_all(
        self, legs: Sequence[tuple[AgreedTerms, bytes]], ledger: bytes, *, timeout: float | None = None
    ) -> list[ReadyLeg | NotTaken]:
        """As ``AsyncDeals.seal_all``."""
        path, form = _sealing_all(legs, ledger)
        return _all_sealed(legs, ledger, self._client.post(path, form, timeout=timeout))

    def order_all(
        self, attempts: Sequence[tuple[AgreedTerms, Sequence[ReadyLeg]]], *, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """As ``AsyncDeals.order_all``."""
        form = [ordering(agreed, legs) for agreed, legs in attempts]
        found: list[dict[str, Any]] = self._client.post(f"{ORDERS}/batch", form, timeout=timeout)
        return found

    def order(
        self, agreed: AgreedTerms, legs: Sequence[ReadyLeg], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """As ``AsyncDeals.order``."""
        found: dict[str, Any] = self._client.post(ORDERS, ordering(agreed, legs), timeout=timeout)
        return found

    def settlement(self, terms: bytes, *, timeout: float | None = None) -> dict[str, Any]:
        """As ``AsyncDeals.settlement``."""
        found: dict[str, Any] = self._client.get(_standing(terms), timeout=timeout)
        return found


def ordering(agreed: AgreedTerms, legs: Sequence[ReadyLeg]) -> dict[str, Any]:
    """The form that orders an attempt. Raises ``DealInvalid``."""
    return {"terms": agreed.terms, "legs": [each.leg for each in in_order(agreed, legs)]}


def _sealing(agreed: AgreedTerms, transaction: bytes, ledger: bytes) -> tuple[str, dict[str, Any]]:
    return f"{_ROUTE}/{ledger.hex()}/legs", {"terms": agreed.terms, "transaction": transaction}


def _sealed(agreed: AgreedTerms, ledger: bytes, answer: Any) -> ReadyLeg:
    return ReadyLeg(agreed.network, agreed.id, ledger, from_form(SealedLeg, answer["leg"]))


def _sealing_all(
    legs: Sequence[tuple[AgreedTerms, bytes]], ledger: bytes
) -> tuple[str, list[dict[str, Any]]]:
    return f"{_ROUTE}/{ledger.hex()}/legs/batch", [_sealing(*leg, ledger)[1] for leg in legs]


def _all_sealed(
    legs: Sequence[tuple[AgreedTerms, bytes]], ledger: bytes, answer: Sequence[Any]
) -> list[ReadyLeg | NotTaken]:
    return [
        _sealed(agreed, ledger, each)
        if each["failure"] is None
        else NotTaken(each["failure"]["code"], each["failure"]["text"])
        for (agreed, _), each in zip(legs, answer, strict=True)
    ]


def _standing(terms: bytes) -> str:
    return f"{_ROUTE}/settlements/{terms.hex()}"


def in_order(agreed: AgreedTerms, legs: Sequence[ReadyLeg]) -> list[ReadyLeg]:
    """Legs in the order of the terms, one for each. Raises ``DealInvalid``."""
    by_ledger: dict[bytes, ReadyLeg] = {}
    for leg in legs:
        _require_network(agreed, leg.network)
        if leg.terms != agreed.id:
            raise DealInvalid("deal.other_terms", "A leg was sealed or signed for other terms than these.")
        if leg.ledger in by_ledger:
            raise DealInvalid("deal.ledger_twice", "Two legs of the same ledger are given.")
        by_ledger[leg.ledger] = leg
    wanting = [each.ledger.hex() or "the root" for each in agreed.terms.legs if each.ledger not in by_ledger]
    if wanting or len(by_ledger) != len(agreed.terms.legs):
        missing = f"that of {wanting[0]} is not among them" if wanting else "there are more"
        raise DealInvalid("deal.legs", f"One leg for each of the terms is needed; {missing}.")
    return [by_ledger[each.ledger] for each in agreed.terms.legs]


def _require_network(agreed: AgreedTerms, network: bytes) -> None:
    if agreed.network != network:
        raise DealInvalid("deal.other_network", "Leg and terms are of different networks.")


def to_file(record: Record) -> bytes:
    """A record as the content of a file."""
    return msgspec.json.format(msgspec.json.encode(to_form(record)), indent=1) + b"\n"
