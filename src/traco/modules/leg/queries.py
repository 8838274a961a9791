"""Reads on committed state. Lists come in pages: ``after`` is the last attempt of the page before, or empty."""

from typing import Annotated

import msgspec

from traco.kernel.batch_hold import Movement
from traco.kernel.codec import Hash, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.leg.keeper import Keeper
from traco.modules.leg.state import OpenLeg


class LegQuery(Record, frozen=True):
    """Asks for the leg that is held for an attempt."""

    attempt: Hash


class LegsQuery(Record, frozen=True):
    """Asks for a page of the undecided legs."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: Annotated[bytes, msgspec.Meta(max_length=32)] = b""


class LegRow(Record, frozen=True):
    """A leg with its attempt and what it holds. An account of 16 zero bytes is what lies beyond the ledger."""

    attempt: Hash
    leg: OpenLeg
    movements: tuple[Movement, ...]


class Queries:
    """Answers over one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> dict[str, Query]:
        """The queries by name."""
        return {
            "leg.get": Query(LegQuery, self.get, "The leg that is held for an attempt."),
            "leg.list": Query(LegsQuery, self.list_open, "The undecided legs, in pages."),
        }

    def get(self, state: State, request: LegQuery) -> LegRow | None:
        """The leg, or None."""
        found = self._keeper.get(state, request.attempt)
        return None if found is None else self._row(state, request.attempt, found)

    def list_open(self, state: State, request: LegsQuery) -> list[LegRow]:
        """A page of undecided legs in the order of attempts."""
        found = self._keeper.page(state, request.after, request.limit)
        return [self._row(state, attempt, leg) for attempt, leg in found]

    def _row(self, state: State, attempt: bytes, leg: OpenLeg) -> LegRow:
        held = self._keeper.held(state, attempt)
        return LegRow(attempt, leg, () if held is None else held.movements)
