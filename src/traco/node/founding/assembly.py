"""The genesis of a network, made from its founders' cards and what they agreed on. The same input gives the same bytes.

Whoever assembles decides nothing: every founder compares the genesis with his own card, sees who else is in it, and signs
(``signatures``) or does not.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, SealTerms
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.node.founding.card import Card, founding_id
from traco.node.founding.documents import FoundingInvalid

Purpose = Literal["development", "test", "production"]
FOUNDING_POWER: Final = 1
"""The voting power of each founding validator."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the founders agreed on beside their cards. ``fingerprints``: the organisation that runs the fingerprint service."""

    name: str
    purpose: Purpose
    threshold: int
    time_ms: int
    fingerprints: str = ""
    parameters: dict[str, dict[str, Any]] = {}


def assemble(validators: Sequence[Card], observers: Sequence[Card], terms: Terms) -> Genesis:
    """The genesis. The order of the cards does not matter. Raises ``FoundingInvalid``.

    Organisations with a validator form the council. An organisation with several cards is one member with several nodes.
    """
    cards = _ordered((*validators, *observers))
    council = sorted({card.name for card in validators})
    _check(cards, council, terms)
    modules: dict[str, dict[str, Any]] = {
        "party": {
            "members": member_sections(cards),
            "council": {"threshold": terms.threshold, "members": council},
        },
        "network": {
            "nodes": [node_section(card, "validator") for card in _ordered(validators)]
            + [node_section(card, "observer") for card in _ordered(observers)]
        },
    }
    if terms.fingerprints:
        modules["document"] = {"fingerprint_keys": [_fingerprint_key(cards, terms.fingerprints)]}
    return Genesis(
        name=terms.name, purpose=terms.purpose, time_ms=terms.time_ms, protocol=NEWEST_PROTOCOL,
        seal=SealTerms(SIGNED_BY_VALIDATORS, ""), parameters=terms.parameters, modules=modules,
    )  # fmt: skip


def member_sections(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """The members in the genesis, one for each organisation, with all its nodes."""
    names = list(dict.fromkeys(card.name for card in cards))
    return [_member_section([card for card in cards if card.name == name]) for name in names]


def _member_section(cards: Sequence[Card]) -> dict[str, Any]:
    said = cards[0].statement
    section: dict[str, Any] = {
        "name": said.organisation.name,
        "identifiers": [list(pair) for pair in said.organisation.identifiers],
        "keys": [{"key": entry.key, "roles": list(entry.roles)} for entry in said.member_keys],
        "nodes": [card.statement.node for card in cards],
        "roles": [],
    }
    if said.organisation.country is not None:
        section["country"] = said.organisation.country
    return section


def node_section(card: Card, role: Literal["validator", "observer"]) -> dict[str, Any]:
    """A node in the genesis."""
    said = card.statement
    placement = said.placement
    return {
        "member": card.name, "key": said.node, "consensus": said.consensus, "peer": said.peer, "address": said.address,
        "gateway": said.gateway, "role": role, "power": FOUNDING_POWER if role == "validator" else 0,
        "placement": {
            "operator": placement.operator, "provider": placement.provider, "region": placement.region,
            "zone": placement.zone,
        },
    }  # fmt: skip


def _ordered(cards: Iterable[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: (card.name, card.statement.node))


def _fingerprint_key(cards: Sequence[Card], name: str) -> dict[str, Any]:
    first = next(card for card in cards if card.name == name)
    return {"key": first.statement.fingerprint, "scheme": 1, "from_version": 1}


def _check(cards: Sequence[Card], council: Sequence[str], terms: Terms) -> None:
    problem = (
        _terms_problem(cards, council, terms) or _organisations_problem(cards) or _repeated_problem(cards)
    )  # fmt: skip
    if problem:
        raise FoundingInvalid("founding.cards_unfit", problem)


def _terms_problem(cards: Sequence[Card], council: Sequence[str], terms: Terms) -> str:
    if not council:
        return "a network needs the card of at least one validator"
    if not 1 <= terms.threshold <= len(council):
        return f"the threshold must be from 1 to {len(council)}, the number of organisations with a validator"
    if terms.fingerprints and terms.fingerprints not in [card.name for card in cards]:
        return f"no card is of {terms.fingerprints!r}, which is to run the fingerprint service"
    return ""


def _organisations_problem(cards: Sequence[Card]) -> str:
    """Cards of one organisation agree on it, and organisations differ in names and keys."""
    owners: dict[str, Card] = {}
    by_name: dict[str, Card] = {}
    for card in cards:
        said = card.statement
        if said.member != founding_id(card):
            return f"the card of {card.name} is of a member of another network; make one for a founder"
        other = by_name.setdefault(card.name, card).statement
        if (other.organisation, other.member_keys) != (said.organisation, said.member_keys):
            return f"two cards of {card.name} disagree on its keys, country or identifiers; or there are two of that name"
        for entry in said.member_keys:
            owner = owners.setdefault(entry.key, card)
            if owner.name != card.name:
                return f"{owner.name} and {card.name} have the same member key"
    return ""


def _repeated_problem(cards: Sequence[Card]) -> str:
    """No node key stands on two cards, for whatever purpose, and no two nodes have one address."""
    seen: dict[str, int] = {}
    member_keys = {entry.key for card in cards for entry in card.statement.member_keys}
    for number, card in enumerate(cards):
        said = card.statement
        for value in (said.node, said.consensus, said.peer_key, said.fingerprint, said.address):
            if value in member_keys:
                return f"a key of the node of {card.name} is a member's key on another card"
            other = seen.setdefault(value, number)
            if other != number:
                what = "address" if value == said.address else "key"
                return f"nodes of {cards[other].name} and {card.name} have the same {what} {value}; was a card given twice?"
    return ""
