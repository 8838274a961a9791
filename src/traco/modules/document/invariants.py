"""What must hold of documents and their indexes, whatever was executed.

A transaction is checked on the keys that it wrote; audits and simulations check the whole ledger with the same rules.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from traco.kernel.codec import Record
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.document import state as stored
from traco.modules.document.state import (
    ID_BYTES,
    Document,
    IndexEntry,
    Registrant,
    fingerprint_part,
    index_parts,
)

_PREFIX_BYTES: Final = 2
_PART_BYTES: Final = 33
_TABLES: Final = (
    stored.DOCUMENTS,
    stored.PRINTS,
    stored.INDEX,
    stored.FINANCED,
    stored.PARTIES,
    stored.CREDITED,
)


def document_consistent(state: State, document: bytes, record: Document) -> str | None:
    """The name of what is wrong with a document and its indexes, or None."""
    found_by = stored.prints.get(state, document)
    if found_by is None:
        return "document.prints_kept"
    if (record.status == "duplicate") != (record.duplicate_of is not None):
        return "document.duplicate_points"
    if (record.status == "superseded") != (record.superseded_by is not None):
        return "document.successor_points"
    if record.financing is not None and record.status != "registered":
        return "document.financed_stands"
    parts = index_parts(found_by.all())
    if not _indexed(state, stored.index, parts, document, record, record.status == "registered"):
        return "document.indexed"
    if not _indexed(state, stored.financed, parts, document, record, record.financing is not None):
        return "document.financed_indexed"
    invoice = record.credits()
    if invoice is not None:
        listed = stored.credited.get(state, invoice, document) is not None
        if listed != (record.status == "registered"):
            return "document.credit_listed"
    if stored.commitments.get(state, record.content_commitment) != Registrant(record.registrant):
        return "document.commitment_owned"
    for named in record.roles:
        if named.party is not None and stored.parties.get(state, named.party, document) is None:
            return "document.party_listed"
    return None


def financed_once(state: State, document: bytes) -> bool:
    """Whether no other financed document has the facts of this financed one."""
    found_by = stored.prints.get(state, document)
    for entry in () if found_by is None else found_by.all():
        part = fingerprint_part("exact", entry.exact)
        for rest, _ in stored.financed.scan(state, part, limit=2):
            if rest[ID_BYTES:] != document:
                return False
    return True


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """Check the documents whose keys a transaction wrote. Raises ``InvariantBroken``."""
    entries: dict[bytes, list[bytes]] = {}
    for key, held in before.items():
        if key[0] == stored.PREFIX and key[1] in _TABLES and not _is_routine(state, key, held):
            entries.setdefault(key[-ID_BYTES:], []).append(key)
    for document, keys in entries.items():
        broken = _broken_document(state, document)
        found_by = _parts_of(state, document)  # once: a document that inherited has a thousand of them
        for key in keys:
            broken = broken or _stray_at(state, key, found_by)
        if broken is not None:
            raise InvariantBroken(broken)


def whole_ledger(state: State, /) -> list[str]:
    """Every violation in the whole state, with the key it was found at."""
    found = []
    for table in _TABLES:
        for key in _keys_of(state, table):
            own = table == stored.DOCUMENTS
            document = key[-ID_BYTES:]
            broken = (
                _broken_document(state, document)
                if own
                else _stray_at(state, key, _parts_of(state, document))
            )
            if broken is not None:
                found.append(f"{broken} at {key.hex()}")
    return found


def _indexed(
    state: State, table: Table[IndexEntry], parts: Mapping[bytes, int], document: bytes, record: Document,
    wanted: bool,
) -> bool:  # fmt: skip
    """Whether the table has all of a document's fingerprints, or none of them."""
    for part, position in parts.items():
        entry = table.get(state, part, record.registrant, document)
        if entry != (IndexEntry(position) if wanted else None):
            return False
    return True


def _is_routine(state: State, key: bytes, held: Record | None) -> bool:
    """Whether a document was only confirmed or disputed, on which no index depends."""
    now = state.current(key)
    if not isinstance(held, Document) or not isinstance(now, Document):
        return False
    return replace(held, confirmations=now.confirmations, disputes=now.disputes) == now


def _broken_document(state: State, document: bytes) -> str | None:
    """The name of what is wrong with a document, or None."""
    record = stored.documents.get(state, document)
    if record is None:
        return "document.exists"
    broken = document_consistent(state, document, record)
    if broken is None and record.financing is not None and not financed_once(state, document):
        return "document.financed_once"
    return broken


def _parts_of(state: State, document: bytes) -> Mapping[bytes, int]:
    """Under which fingerprints the document is found."""
    found_by = stored.prints.get(state, document)
    return {} if found_by is None else index_parts(found_by.all())


def _stray_at(state: State, key: bytes, found_by: Mapping[bytes, int]) -> str | None:
    """The name of what is wrong with an index entry that its document does not account for, or None."""
    table, rest = key[1], key[_PREFIX_BYTES:]
    record = stored.documents.get(state, key[-ID_BYTES:])
    if record is None:
        return "document.exists"
    if table in (stored.INDEX, stored.FINANCED):
        return None if _accounted(state, table, rest, record, found_by) else "document.stray_entry"
    if table == stored.PARTIES:
        return None if record.names(rest[:ID_BYTES]) else "document.stray_party"
    if table == stored.CREDITED:
        return None if record.credits() == rest[:ID_BYTES] else "document.stray_credit"
    return None


def _accounted(
    state: State, table: int, rest: bytes, record: Document, found_by: Mapping[bytes, int]
) -> bool:
    """Whether an index entry is absent, or one of its document's."""
    if (stored.index if table == stored.INDEX else stored.financed).get(state, rest) is None:
        return True
    return rest[_PART_BYTES:-ID_BYTES] == record.registrant and rest[:_PART_BYTES] in found_by


def _keys_of(state: State, table: int) -> Iterator[bytes]:
    return state.range(bytes((stored.PREFIX, table)), bytes((stored.PREFIX, table + 1)))
