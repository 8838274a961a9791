"""All kinds of business together. A module joins by its table of actions here and its handlers in the model."""

from torture.actions import BASIC, Weighted
from torture.actions_claims import CLAIMS
from torture.actions_document import DOCUMENTS
from torture.actions_financing import FINANCING
from torture.actions_keys import KEYS
from torture.actions_settlement import SETTLEMENT
from torture.requests import Desk, Request

ACTIONS: Weighted = {**BASIC, **CLAIMS, **SETTLEMENT, **DOCUMENTS, **FINANCING, **KEYS}
KINDS = tuple(ACTIONS)
WEIGHTS = tuple(weight for weight, _ in ACTIONS.values())


def random_request(desk: Desk, time_ms: int) -> Request:
    """Something that somebody wants at this time."""
    desk.time_ms = time_ms
    kind = desk.rng.choices(KINDS, WEIGHTS)[0]
    return Request(kind, ACTIONS[kind][1](desk))
