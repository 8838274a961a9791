"""Which registered documents share fingerprints with a given one. Reads only."""

from typing import Final

from traco.kernel.state import State, Table
from traco.modules.document.messages import Match, Matches
from traco.modules.document.state import (
    ID_BYTES,
    MATCH_BOUND,
    IndexEntry,
    documents,
    financed,
    fingerprint_part,
    index,
)
from traco.modules.document.statement import STRENGTHS, Fingerprints, Strength

_RANK: Final = {strength: rank for rank, strength in enumerate(STRENGTHS)}


class _Search:
    """Collects documents, each with the strongest agreement and its positions."""

    def __init__(self, state: State, besides: tuple[bytes | None, ...]) -> None:
        self._state = state
        self._besides = besides
        self.strengths: dict[bytes, Strength] = {}
        self.positions: dict[bytes, list[int]] = {}
        self.truncated = False

    def look_up(
        self, table: Table[IndexEntry], strength: Strength, position: int, fingerprint: bytes
    ) -> None:
        """Add what one index has for one fingerprint. Strengths must come strongest first."""
        part = fingerprint_part(strength, fingerprint)
        entries = table.scan(self._state, part, limit=MATCH_BOUND + 1)
        self.truncated |= len(entries) > MATCH_BOUND
        for rest, _ in entries[:MATCH_BOUND]:
            document = rest[ID_BYTES:]
            if document not in self._besides and self.strengths.setdefault(document, strength) == strength:
                self.positions.setdefault(document, []).append(position)


def find_matches(
    state: State, found_by: tuple[Fingerprints, ...], besides: tuple[bytes | None, ...]
) -> Matches:
    """Registered documents, ``besides`` left out, with any of these fingerprints, at most ``MATCH_BOUND`` of them.

    Financed documents have an index of their own, so that no number of others can crowd them out.
    """
    search = _Search(state, besides)
    for strength in STRENGTHS:
        for entry in found_by:
            for position, fingerprint in enumerate(entry.at(strength)):
                search.look_up(financed, strength, position, fingerprint)
                search.look_up(index, strength, position, fingerprint)
    found = [_match(state, search, document) for document in search.strengths]
    found.sort(key=lambda match: (not match.financed, _RANK[match.strength], match.document))
    return Matches(tuple(found[:MATCH_BOUND]), search.truncated or len(found) > MATCH_BOUND)


def _match(state: State, search: _Search, document: bytes) -> Match:
    record = documents.get(state, document)
    assert record is not None, "the index names a registered document"  # noqa: S101  (an invariant)
    positions = tuple(sorted(dict.fromkeys(search.positions[document])))
    return Match(
        document, record.registrant, search.strengths[document], positions, record.financing is not None
    )


def financed_exact(state: State, found_by: tuple[Fingerprints, ...]) -> bytes | None:
    """The financed document with the same facts, or None. There is at most one under each key version."""
    for entry in found_by:
        part = fingerprint_part("exact", entry.exact)
        for rest, _ in financed.scan(state, part, limit=1):
            return rest[ID_BYTES:]
    return None


def own_exact(
    state: State, found_by: tuple[Fingerprints, ...], registrant: bytes, amended: bytes | None
) -> bytes | None:
    """The document with the same facts that ``registrant`` has registered, other than the one to be amended."""
    for entry in found_by:
        part = fingerprint_part("exact", entry.exact)
        for document, _ in index.scan(state, part, registrant, limit=2):
            if document != amended:
                return document
    return None
