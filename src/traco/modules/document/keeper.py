"""Reads and changes documents. The only code that writes this module's keys; every change keeps the indexes in step."""

from collections.abc import Sequence

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.document.errors import (
    AlreadyFinanced,
    AmountUndisclosed,
    AmountZero,
    DocumentDisputed,
    DocumentNotFound,
    IndexFull,
    KindNotFinanceable,
    LimitExceeded,
    NotFinanced,
    NotRegistered,
)
from traco.modules.document.events import FinancedMarked, FinancedUnmarked
from traco.modules.document.matching import financed_exact, find_matches
from traco.modules.document.messages import BUYER, INVOICE, CreditNote, Match, Matches
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.state import (
    Document,
    DocumentPrints,
    IndexEntry,
    Present,
    Registrant,
    ServiceKey,
    ServiceKeys,
    commitments,
    credited,
    documents,
    financed,
    index,
    index_parts,
    parties,
    prints,
    service_keys,
)
from traco.modules.document.statement import STRENGTHS, Fingerprints

MAX_CREDIT_NOTES = 1_024  # the upper bound of the parameter


class Keeper:
    """The documents of one ledger. Without state of its own: what it reads and writes is in the given state."""

    # reads

    def get(self, state: State, document: bytes) -> Document | None:
        """The document with this id, or None."""
        return documents.get(state, document)

    def require(self, state: State, document: bytes) -> Document:
        """The document with this id. Raises ``DocumentNotFound``."""
        found = documents.get(state, document)
        if found is None:
            raise DocumentNotFound(document)
        return found

    def require_registered(self, state: State, document: bytes) -> Document:
        """The document, if it stands. Raises ``DocumentNotFound``, ``NotRegistered``."""
        found = self.require(state, document)
        if found.status != "registered":
            raise NotRegistered(document, found.status)
        return found

    def require_financeable(self, state: State, document: bytes) -> Document:
        """The document, if it can be financed now: an undisputed invoice that stands, with something payable.

        Raises ``DocumentNotFound``, ``NotRegistered`` (duplicate, superseded, cancelled), ``KindNotFinanceable``,
        ``DocumentDisputed``, ``AmountUndisclosed``, ``AmountZero``, ``AlreadyFinanced`` (this document, or another
        with the same facts). Whether the buyer confirmed it is the caller's to ask (``is_confirmed``).
        """
        found = self.require_registered(state, document)
        if found.kind != INVOICE:
            raise KindNotFinanceable(found.kind)
        if found.disputes:
            raise DocumentDisputed(document, found.disputes[0].party)
        if found.payable is None:
            raise AmountUndisclosed(document)
        if found.payable.amount == 0:
            raise AmountZero(document)
        self._require_unfinanced(state, document)
        return found

    def is_confirmed(self, state: State, document: bytes) -> bool:
        """Whether the document stands, and its buyer confirmed it in full and does not dispute it."""
        found = documents.get(state, document)
        if found is None or found.status != "registered":
            return False
        full = None if found.payable is None else found.payable.amount
        buyer = found.party_in(BUYER)
        confirmed = any(
            entry.party == buyer and entry.amount in (None, full) for entry in found.confirmations
        )
        return confirmed and not any(entry.party == buyer for entry in found.disputes)

    def confirmed_amount(self, state: State, document: bytes) -> int:
        """How much the buyer stands by, in the smallest unit; 0 where it is disputed or undisclosed."""
        found = documents.get(state, document)
        if found is None or found.status != "registered" or found.payable is None:
            return 0
        buyer = found.party_in(BUYER)
        if any(entry.party == buyer for entry in found.disputes):
            return 0
        for entry in found.confirmations:
            if entry.party == buyer:
                return found.payable.amount if entry.amount is None else entry.amount
        return 0

    def is_disputed(self, state: State, document: bytes) -> bool:
        """Whether a dispute on the document is open."""
        found = documents.get(state, document)
        return found is not None and bool(found.disputes)

    def prints(self, state: State, document: bytes) -> DocumentPrints | None:
        """What the document is found by, or None if there is no such document."""
        return prints.get(state, document)

    def matches(self, state: State, document: bytes) -> tuple[Match, ...]:
        """What now matches the document, exactly or in part, financed first. Empty for an unknown document."""
        return self.all_matches(state, document).found

    def all_matches(self, state: State, document: bytes) -> Matches:
        """As ``matches``, and whether there are more than are listed."""
        return find_matches(state, self._found_by(state, document), (document,))

    def already_financed_exact(self, state: State, document: bytes) -> bytes | None:
        """The financed document with the same facts, which may be this document itself, or None."""
        return financed_exact(state, self._found_by(state, document))

    def already_financed_partial(self, state: State, document: bytes) -> tuple[Match, ...]:
        """The financed documents that share some of the facts: what a lender must acknowledge."""
        found = self.matches(state, document)
        return tuple(match for match in found if match.financed and match.strength != "exact")

    def credit_notes_of(self, state: State, document: bytes) -> tuple[CreditNote, ...]:
        """The registered credit notes against an invoice, in order of their ids."""
        notes = []
        for note, _ in credited.scan(state, document, limit=MAX_CREDIT_NOTES):
            found = documents.get(state, note)
            if found is not None and found.payable is not None:
                notes.append(CreditNote(note, found.payable))
        return tuple(notes)

    def by_party(self, state: State, party: bytes, after: bytes, limit: int) -> list[tuple[bytes, Document]]:
        """Up to ``limit`` documents that the party registered or has a role in, behind the id ``after``."""
        found = parties.scan(state, party, after=after, limit=limit)
        return [(document, self.require(state, document)) for document, _ in found]

    def commitment_owner(self, state: State, content_commitment: bytes) -> bytes | None:
        """The party that registered a content commitment first, or None."""
        found = commitments.get(state, content_commitment)
        return None if found is None else found.party

    def service_keys(self, state: State) -> tuple[ServiceKey, ...]:
        """The active signing keys of the fingerprint service, in ascending order."""
        found = service_keys.get(state)
        return () if found is None else found.keys

    def service_keys_as_of(self, state: State, height: int) -> tuple[ServiceKey, ...]:
        """The signing keys that were active as of block ``height``; none beyond the horizon."""
        found = service_keys.as_of(state, height)
        return () if found is None else found.keys

    # changes

    def add(
        self, context: Context, document: bytes, record: Document, stated: DocumentPrints, supersedes: bytes | None
    ) -> None:  # fmt: skip
        """Write a new document with its index entries; a duplicate gets none but those by party.

        What it ``supersedes`` makes room for it first, so that an amendment meets no limit by itself.
        Raises ``IndexFull``, ``LimitExceeded``.
        """
        state = context.state
        documents.put(state, record, document)
        prints.put(state, stated, document)
        commitments.put(state, Registrant(record.registrant), record.content_commitment)
        for named in record.roles:
            if named.party is not None:
                parties.put(state, Present(), named.party, document)
        if supersedes is not None:
            stated = self._inherit(context, supersedes, document, stated)
        if record.status == "registered":
            self._index(context, document, record, stated)

    def supersede(self, context: Context, document: bytes, successor: bytes) -> None:
        """Let ``successor`` stand for ``document`` and be found by its fingerprints too.

        Both are registered and not financed. Raises ``LimitExceeded``.
        """
        record, found_by = self.require(context.state, successor), prints.get(context.state, successor)
        if found_by is not None:
            self._unindex(context.state, successor, record)
            self._index(context, successor, record, self._inherit(context, document, successor, found_by))

    def cancel(self, context: Context, document: bytes) -> None:
        """Take a registered document that is not financed out of the indexes; its id stays used."""
        record = self.require(context.state, document)
        self._unindex(context.state, document, record)
        documents.put(context.state, replace(record, status="cancelled"), document)

    def write(self, context: Context, document: bytes, record: Document) -> None:
        """Replace a document's record where neither its status nor its fingerprints change."""
        documents.put(context.state, record, document)

    def name(self, context: Context, document: bytes, record: Document, party: bytes) -> None:
        """Replace a document's record in which ``party`` is named from now on."""
        documents.put(context.state, record, document)
        parties.put(context.state, Present(), party, document)

    def mark_financed(self, context: Context, document: bytes, financing_id: bytes) -> None:
        """Let the document count as financed: its facts cannot be registered or financed again.

        Whoever cancels the financing unmarks it; a document that was paid stays marked.
        Raises ``DocumentNotFound``, ``NotRegistered``, ``AlreadyFinanced``.
        """
        state = context.state
        record = self.require_registered(state, document)
        self._require_unfinanced(state, document)
        documents.put(state, replace(record, financing=financing_id), document)
        for part, position in index_parts(self._found_by(state, document)).items():
            financed.put(state, IndexEntry(position), part, record.registrant, document)
        context.emit(FinancedMarked(document, financing_id))

    def unmark_financed(self, context: Context, document: bytes) -> None:
        """Let the document no longer count as financed. Raises ``DocumentNotFound``, ``NotFinanced``."""
        state = context.state
        record = self.require(state, document)
        if record.financing is None:
            raise NotFinanced(document)
        documents.put(state, replace(record, financing=None), document)
        for part in index_parts(self._found_by(state, document)):
            financed.delete(state, part, record.registrant, document)
        context.emit(FinancedUnmarked(document, record.financing))

    def set_service_keys(self, context: Context, keys: Sequence[ServiceKey]) -> None:
        """Replace the active signing keys of the fingerprint service."""
        horizon = context.kernel_parameters().history_horizon
        ordered = tuple(sorted(keys, key=lambda entry: entry.key))
        service_keys.put(context.state, context.block.height, horizon, ServiceKeys(ordered))

    # parts

    def _found_by(self, state: State, document: bytes) -> tuple[Fingerprints, ...]:
        found = prints.get(state, document)
        return () if found is None else found.all()

    def _require_unfinanced(self, state: State, document: bytes) -> None:
        other = self.already_financed_exact(state, document)
        if other is not None:
            raise AlreadyFinanced(other)

    def _inherit(
        self, context: Context, document: bytes, successor: bytes, found_by: DocumentPrints
    ) -> DocumentPrints:
        """End ``document``; what ``successor`` is found by from now on, written but not yet indexed."""
        state, old = context.state, self.require(context.state, document)
        self._unindex(state, document, old)
        documents.put(state, replace(old, status="superseded", superseded_by=successor), document)
        inherited = found_by.inherited + self._found_by(state, document)
        distinct = tuple(dict.fromkeys(entry for entry in inherited if entry not in found_by.stated))
        limit = context.parameters(DocumentParameters).max_inherited
        if len(distinct) > limit:
            raise LimitExceeded("inherited fingerprints", len(distinct), limit)
        widened = replace(found_by, inherited=distinct)
        prints.put(state, widened, successor)
        return widened

    def _index(self, context: Context, document: bytes, record: Document, found_by: DocumentPrints) -> None:
        state, limits = context.state, context.parameters(DocumentParameters)
        for part, position in index_parts(found_by.all()).items():
            alike = index.scan(state, part, record.registrant, limit=limits.max_similar)
            if len(alike) == limits.max_similar:
                raise IndexFull(STRENGTHS[part[0]], limits.max_similar)
            index.put(state, IndexEntry(position), part, record.registrant, document)
        invoice = record.credits()
        if invoice is not None:
            notes = credited.scan(state, invoice, limit=limits.max_credit_notes)
            if len(notes) == limits.max_credit_notes:
                raise LimitExceeded("credit notes", len(notes) + 1, limits.max_credit_notes)
            credited.put(state, Present(), invoice, document)

    def _unindex(self, state: State, document: bytes, record: Document) -> None:
        for part in index_parts(self._found_by(state, document)):
            index.delete(state, part, record.registrant, document)
        invoice = record.credits()
        if invoice is not None:
            credited.delete(state, invoice, document)
