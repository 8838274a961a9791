"""Reads of parties on committed state. Answers carry the party's id beside its record."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from traco.kernel.codec import Height, Id, PublicKey, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.party.keeper import Keeper
from traco.modules.party.state import (
    Council,
    Identifier,
    IdentifierValue,
    KeyRole,
    Party,
    Recovery,
)

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class GetParty(Record, frozen=True):
    """Asks for a party."""

    party: Id


class GetPartyByLei(Record, frozen=True):
    """Asks for the party that has an LEI."""

    lei: IdentifierValue


class ListPartiesByIdentifier(Record, frozen=True):
    """Asks for the parties that have an identifier; LEIs aside, several may."""

    identifier: Identifier
    limit: PageLimit = 100


class ListParties(Record, frozen=True):
    """Asks for a page of parties in the order of ids, behind ``after``."""

    after: Id | None = None
    limit: PageLimit = 100


class GetPartyAtHeight(Record, frozen=True):
    """Asks for a party as committed by block ``height``."""

    party: Id
    height: Height


class GetCouncil(Record, frozen=True):
    """Asks for the council."""


class GetPartyOfKey(Record, frozen=True):
    """Asks whose key it is now."""

    key: PublicKey


class GetRecovery(Record, frozen=True):
    """Asks for the recovery that waits for a party."""

    party: Id


class GetMemberOfNode(Record, frozen=True):
    """Asks which member's active node has a key."""

    key: PublicKey


class PartyView(Record, frozen=True):
    """A party with its id."""

    id: Id
    party: Party


class PartyPage(Record, frozen=True):
    """A page of parties. ``next_after`` resumes behind it; None where it is the last."""

    parties: tuple[PartyView, ...]
    next_after: Id | None


class KeyView(Record, frozen=True):
    """The party that has a key, and what the key may do for it."""

    party: Id
    roles: tuple[KeyRole, ...]


class Queries:
    """Answers from a keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> Mapping[str, Query]:
        """The queries by name."""
        return {
            "party.get": Query(GetParty, self.get, "A party."),
            "party.by_lei": Query(GetPartyByLei, self.by_lei, "The party that has an LEI."),
            "party.by_identifier": Query(
                ListPartiesByIdentifier, self.by_identifier, "The parties that have an identifier."
            ),
            "party.list": Query(ListParties, self.list, "A page of parties."),
            "party.at_height": Query(GetPartyAtHeight, self.at_height, "A party as of a block."),
            "party.council": Query(GetCouncil, self.council, "The council."),
            "party.of_key": Query(GetPartyOfKey, self.of_key, "The party that has a key."),
            "party.recovery": Query(GetRecovery, self.recovery, "The recovery that waits for a party."),
            "party.of_node": Query(GetMemberOfNode, self.of_node, "The member whose node has a key."),
        }

    def get(self, state: State, request: GetParty) -> PartyView | None:
        """The party, or None."""
        return _view(request.party, self._keeper.get(state, request.party))

    def by_lei(self, state: State, request: GetPartyByLei) -> PartyView | None:
        """The party that has the LEI and is not closed, or None."""
        found = self._keeper.party_by_lei(state, request.lei)
        return None if found is None else _view(found, self._keeper.get(state, found))

    def by_identifier(self, state: State, request: ListPartiesByIdentifier) -> PartyPage:
        """Parties that have the identifier and are not closed, up to the limit; never with a next page."""
        ids = self._keeper.parties_by_identifier(state, request.identifier, request.limit)
        views = [_view(party, self._keeper.get(state, party)) for party in ids]
        return PartyPage(tuple(view for view in views if view is not None), None)

    def list(self, state: State, request: ListParties) -> PartyPage:
        """A page of parties, closed ones included."""
        found = self._keeper.page(state, request.after or b"", request.limit + 1)
        views = tuple(PartyView(party, record) for party, record in found[: request.limit])
        return PartyPage(views, views[-1].id if len(found) > request.limit else None)

    def at_height(self, state: State, request: GetPartyAtHeight) -> PartyView | None:
        """The party as of the height, or None where it did not exist or is beyond the horizon."""
        return _view(request.party, self._keeper.as_of(state, request.height, request.party))

    def council(self, state: State, request: GetCouncil) -> Council:
        """The council; without members where none was founded."""
        return self._keeper.council(state)

    def of_key(self, state: State, request: GetPartyOfKey) -> KeyView | None:
        """Whose key it is and what it may do, or None."""
        party = self._keeper.party_of_key(state, request.key)
        record = None if party is None else self._keeper.get(state, party)
        if party is None or record is None:
            return None
        return KeyView(party, next(entry.roles for entry in record.keys if entry.key == request.key))

    def recovery(self, state: State, request: GetRecovery) -> Recovery | None:
        """The recovery that waits, or None."""
        return self._keeper.recovery(state, request.party)

    def of_node(self, state: State, request: GetMemberOfNode) -> bytes | None:
        """The id of the active member whose node has the key, or None."""
        return self._keeper.member_of_node(state, request.key)


def _view(party: bytes, record: Party | None) -> PartyView | None:
    return None if record is None else PartyView(party, record)
