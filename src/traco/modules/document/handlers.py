"""One method per instruction: authorise, check, change, emit."""

from msgspec.structs import replace

from traco.kernel.crypto import KeyInvalid, check_public_key
from traco.kernel.module import Context
from traco.modules.document import validity
from traco.modules.document.errors import (
    AlreadyFinanced,
    AmountExceeded,
    AmountUndisclosed,
    CommitmentTaken,
    ConfirmedBefore,
    CurrencyDiffers,
    DisputeNone,
    DisputeOpen,
    DocumentFinanced,
    IdentifierDiffers,
    IdTaken,
    KindDiffers,
    LimitExceeded,
    NotCounterparty,
    NotRegistrant,
    NotSeller,
    OperatorNeeded,
    PartyNotActive,
    RegistrantNotNamed,
    RoleNotFound,
    SellerIsBuyer,
    ServiceKeyInvalid,
    SupersedesItself,
)
from traco.modules.document.events import (
    DisputeWithdrawn,
    DocumentCancelled,
    DocumentConfirmed,
    DocumentDisputed,
    DocumentMatched,
    DocumentRegistered,
    DocumentSuperseded,
    FingerprintKeySet,
    Outcome,
    PartyNamed,
)
from traco.modules.document.keeper import Keeper
from traco.modules.document.matching import financed_exact, find_matches, own_exact
from traco.modules.document.messages import (
    BUYER,
    CREDITS,
    REGISTRY_OPERATOR,
    SELLER,
    CancelDocument,
    ConfirmDocument,
    DisputeDocument,
    Matches,
    NamedParty,
    NameParty,
    RegisterDocument,
    SetFingerprintKey,
    SupersedeDocument,
    WithdrawDispute,
    document_id,
)
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.ports import Parties
from traco.modules.document.state import (
    Confirmation,
    Dispute,
    Document,
    DocumentPrints,
    ServiceKey,
)


class Handlers:
    """The rules of this module's instructions. ``keeper`` writes, ``parties`` knows who is registered."""

    def __init__(self, keeper: Keeper, parties: Parties) -> None:
        self._keeper = keeper
        self._parties = parties

    def register(self, context: Context, message: RegisterDocument) -> None:
        """Register a document of which the acting party is a party."""
        # authorise
        if all(named.party != message.party for named in message.roles):
            raise RegistrantNotNamed(message.party)
        # check
        identity = document_id(message.party, message.salt)
        self._check_registration(context, identity, message)
        stated = message.statement.statement.fingerprints
        financed = financed_exact(context.state, stated)
        if financed is not None:
            raise AlreadyFinanced(financed)
        # change
        duplicate_of = own_exact(context.state, stated, message.party, message.amends)
        found = find_matches(context.state, stated, (message.amends,))
        record = _new_document(context, message, duplicate_of)
        prints = DocumentPrints(message.statement.statement.service, stated)
        supersedes = message.amends if duplicate_of is None else None
        self._keeper.add(context, identity, record, prints, supersedes)
        # emit
        _emit_registered(context, identity, record, found)
        if supersedes is not None:
            context.emit(DocumentSuperseded(supersedes, identity))

    def confirm(self, context: Context, message: ConfirmDocument) -> None:
        """Record that a named counterparty stands by a document."""
        # authorise
        record = self._keeper.require_registered(context.state, message.document)
        _require_counterparty(record, message.party, buyer_too=True)
        # check
        if any(entry.party == message.party for entry in record.disputes):
            raise DisputeOpen(message.party)
        _check_confirmed_amount(record, message)
        # change
        others = tuple(entry for entry in record.confirmations if entry.party != message.party)
        added = (*others, Confirmation(message.party, message.amount))
        self._keeper.write(context, message.document, replace(record, confirmations=added))
        # emit
        context.emit(DocumentConfirmed(message.document, message.party, message.amount))

    def dispute(self, context: Context, message: DisputeDocument) -> None:
        """Record that a named counterparty disputes a document."""
        # authorise
        record = self._keeper.require_registered(context.state, message.document)
        _require_counterparty(record, message.party, buyer_too=False)
        # check
        if any(entry.party == message.party for entry in record.disputes):
            raise DisputeOpen(message.party)
        # change
        added = (*record.disputes, Dispute(message.party, message.reason))
        self._keeper.write(context, message.document, replace(record, disputes=added))
        # emit
        context.emit(DocumentDisputed(message.document, message.party, message.reason))

    def withdraw_dispute(self, context: Context, message: WithdrawDispute) -> None:
        """End the acting party's own dispute."""
        # check
        record = self._keeper.require_registered(context.state, message.document)
        rest = tuple(entry for entry in record.disputes if entry.party != message.party)
        if len(rest) == len(record.disputes):
            raise DisputeNone(message.party)
        # change
        self._keeper.write(context, message.document, replace(record, disputes=rest))
        # emit
        context.emit(DisputeWithdrawn(message.document, message.party))

    def cancel(self, context: Context, message: CancelDocument) -> None:
        """Cancel a document of the acting party."""
        # authorise and check
        self._require_own(context, message.party, message.document)
        # change
        self._keeper.cancel(context, message.document)
        # emit
        context.emit(DocumentCancelled(message.document, message.reason))

    def supersede(self, context: Context, message: SupersedeDocument) -> None:
        """Replace one document of the acting party by another of its own."""
        # authorise and check
        if message.document == message.successor:
            raise SupersedesItself(message.document)
        old = self._require_own(context, message.party, message.document)
        new = self._require_own(context, message.party, message.successor)
        if old.kind != new.kind:
            raise KindDiffers(old.kind, new.kind)
        # change
        self._keeper.supersede(context, message.document, message.successor)
        # emit
        context.emit(DocumentSuperseded(message.document, message.successor))

    def name_party(self, context: Context, message: NameParty) -> None:
        """Link a role to a party that was not registered, or not known to be, when the document was."""
        # authorise
        record = self._keeper.require_registered(context.state, message.document)
        if record.registrant != message.party:
            raise NotRegistrant(message.party)
        # check
        named = next((entry for entry in record.roles if entry.role == message.role), None)
        if named is None or named.party is not None:
            raise RoleNotFound(message.role)
        self._check_identified(context, named, message.subject)
        linked = replace(named, party=message.subject)
        roles = tuple(linked if entry is named else entry for entry in record.roles)
        changed = replace(record, roles=roles)
        if changed.party_in(SELLER) == changed.party_in(BUYER) == message.subject:
            raise SellerIsBuyer
        # change
        self._keeper.name(context, message.document, changed, message.subject)
        # emit
        context.emit(PartyNamed(message.document, message.role, message.subject))

    def set_fingerprint_key(self, context: Context, message: SetFingerprintKey) -> None:
        """Admit, change or retire a signing key of the fingerprint service."""
        # authorise
        if not self._parties.has_role(context.state, message.party, REGISTRY_OPERATOR):
            raise OperatorNeeded(message.party)
        # check
        try:
            check_public_key(message.key)
        except KeyInvalid as invalid:
            raise ServiceKeyInvalid(invalid.code) from None
        held = self._keeper.service_keys(context.state)
        keys = [entry for entry in held if entry.key != message.key]
        if message.active:
            keys.append(ServiceKey(message.key, message.scheme, message.from_version))
        limit = context.parameters(DocumentParameters).max_service_keys
        if len(keys) > limit:
            raise LimitExceeded("fingerprint service keys", len(keys), limit)
        # change
        self._keeper.set_service_keys(context, keys)
        # emit
        context.emit(FingerprintKeySet(message.key, message.scheme, message.from_version, message.active))

    # parts of the checks

    def _check_registration(self, context: Context, identity: bytes, message: RegisterDocument) -> None:
        state, limits = context.state, context.parameters(DocumentParameters)
        if self._keeper.get(state, identity) is not None:
            raise IdTaken(identity)
        validity.check_form(message, limits)
        for named in message.roles:
            if named.party is not None and not self._parties.is_active(state, named.party):
                raise PartyNotActive(named.party)
        validity.check_statement(message, context.block, self._keeper.service_keys(state), limits)
        owner = self._keeper.commitment_owner(state, message.content_commitment)
        if owner not in (None, message.party):
            raise CommitmentTaken(message.content_commitment)
        if message.amends is not None:
            amended = self._require_own(context, message.party, message.amends)
            if amended.kind != message.kind:
                raise KindDiffers(amended.kind, message.kind)
        self._check_references(context, message)

    def _check_references(self, context: Context, message: RegisterDocument) -> None:
        for reference in message.references:
            referred = self._keeper.require(context.state, reference.document)
            if reference.relation == CREDITS:
                self._keeper.require_registered(context.state, reference.document)
                _check_credit(referred, message)

    def _require_own(self, context: Context, party: bytes, document: bytes) -> Document:
        record = self._keeper.require(context.state, document)
        if record.registrant != party:
            raise NotRegistrant(party)
        self._keeper.require_registered(context.state, document)
        if record.financing is not None:
            raise DocumentFinanced(document)
        return record

    def _check_identified(self, context: Context, named: NamedParty, subject: bytes) -> None:
        known = self._parties.get(context.state, subject)
        if known is None or not self._parties.is_active(context.state, subject):
            raise PartyNotActive(subject)
        wanted = named.identifier
        if wanted is None or all(
            (entry.scheme, entry.value) != (wanted.scheme, wanted.value) for entry in known.identifiers
        ):
            raise IdentifierDiffers(subject, named.role)


def _new_document(context: Context, message: RegisterDocument, duplicate_of: bytes | None) -> Document:
    return Document(
        registrant=message.party,
        kind=message.kind,
        schema=message.schema,
        content_commitment=message.content_commitment,
        roles=message.roles,
        payable=message.payable,
        issue_date=message.issue_date,
        due_date=message.due_date,
        references=message.references,
        status="registered" if duplicate_of is None else "duplicate",
        duplicate_of=duplicate_of,
        amends=message.amends,
        superseded_by=None,
        confirmations=(),
        disputes=(),
        financing=None,
        height=context.block.height,
    )


def _emit_registered(context: Context, identity: bytes, record: Document, found: Matches) -> None:
    outcome: Outcome = "REGU" if record.duplicate_of is None else "REDU"
    registered = DocumentRegistered(
        identity, record.registrant, record.kind, record.content_commitment, outcome, record.duplicate_of,
        record.amends, len(found.found), found.truncated,
    )  # fmt: skip
    context.emit(registered)
    for match in found.found:
        context.emit(DocumentMatched(identity, record.registrant, match))


def _require_counterparty(record: Document, party: bytes, *, buyer_too: bool) -> None:
    """A named party other than the registrant; a buyer may stand by what it registered itself (``buyer_too``)."""
    if buyer_too and record.party_in(BUYER) == party:
        return
    if party == record.registrant or not record.names(party):
        raise NotCounterparty(party)


def _check_confirmed_amount(record: Document, message: ConfirmDocument) -> None:
    full = None if record.payable is None else record.payable.amount
    if message.amount is not None:
        if full is None:
            raise AmountUndisclosed(message.document)
        if message.amount > full:
            raise AmountExceeded(message.amount, full)
    for entry in record.confirmations:
        if entry.party == message.party and not _is_raised(entry.amount, message.amount):
            raise ConfirmedBefore


def _is_raised(before: int | None, now: int | None) -> bool:
    """Whether a confirmation grows; None is the document in full, with nothing above it."""
    return before is not None and (now is None or now > before)


def _check_credit(invoice: Document, message: RegisterDocument) -> None:
    """The seller of an invoice credits it, in its currency; where no seller is registered, whoever registered it."""
    seller = invoice.party_in(SELLER)
    if message.party != (invoice.registrant if seller is None else seller):
        raise NotSeller(message.party)
    owed, credit = invoice.payable, message.payable
    if owed is not None and credit is not None and owed.currency != credit.currency:
        raise CurrencyDiffers(owed.currency, credit.currency)
