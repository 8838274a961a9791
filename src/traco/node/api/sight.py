"""What of the ledger one party sees, as of one state: objects, events, transactions. Who may ask what: ``query_rules``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from traco.kernel.kernel_module import ProposalQuery
from traco.kernel.registry import Registry, tag_of
from traco.kernel.state import State
from traco.modules.channel.queries import GetChannel
from traco.modules.document.messages import BUYER, RegisterDocument, document_id
from traco.modules.document.queries import DocumentQuery
from traco.modules.financing.events import OfferExpired, OfferMade, OfferWithdrawn
from traco.modules.financing.queries import DocumentQuery as ReceivableQuery
from traco.modules.financing.queries import FinancingQuery
from traco.modules.holding.queries import EncumbranceQuery, InstrumentQuery
from traco.modules.settlement.queries import GetBatch
from traco.node.api.concerns import Concerns, account_parties
from traco.node.api.event_fields import FIELDS, PUBLIC_EVENTS, Kind
from traco.storage.committed import CommittedLeaf, LeafKind


class Sight:
    """What one party sees, as of one state."""

    def __init__(self, party: bytes, registry: Registry, state: State, concerns: Concerns) -> None:
        self.party = party
        self._registry = registry
        self._state = state
        self._concerns = concerns
        self._seen: dict[tuple[Kind, bytes], bool] = {}
        self._is_party: dict[tuple[Kind, bytes], bool] = {}
        self._last_leaf: tuple[bytes, bool] = (b"", False)  # asked again for each of its events

    def sees(self, kind: Kind, identity: bytes) -> bool:
        """Whether an object exists and concerns the party."""
        known = self._seen.get((kind, identity))
        if known is None:
            known = self._seen[kind, identity] = _CONCERNED[kind](self, identity)
        return known

    def sees_any(self, identity: bytes) -> bool:
        """Whether a party, account, document or other thing of this id concerns the party, or an instrument is its own."""
        its_own = issues(self, InstrumentQuery(identity))
        return its_own or any(self.sees(kind, identity) for kind in _CONCERNED)

    def sees_field(self, kind: Kind, value: Any, events_only: bool) -> bool:
        """Whether what a field of an event names concerns the party. ``events_only``: of the event by itself."""
        if kind is Kind.NOTHING or value is None:
            return False
        if kind is Kind.LEGS:
            return any(self.party in (leg.sender, leg.receiver) for leg in value)
        if kind in (Kind.MATCH, Kind.OTHER_DOCUMENT):
            return events_only and self.sees(Kind.DOCUMENT, value.document if kind is Kind.MATCH else value)
        if kind in _PARTIES_TO and not events_only:
            return self.is_party_to(kind, value)
        return isinstance(value, bytes) and self.sees(kind, value)

    def sees_event(self, event: Any, events_only: bool = True) -> bool:
        """Whether an event by itself concerns the party."""
        if events_only and tag_of(type(event)) in PUBLIC_EVENTS:
            return True
        names = event.__struct_fields__
        if not all(name in FIELDS for name in names):
            return False
        if isinstance(event, _OF_OFFERS):
            return self._sees_offer(event.financing, event.offer)
        if "document" in names and self._is_of_rivals(event):
            names = tuple(name for name in names if name != "document")
        return any(self.sees_field(FIELDS[name], getattr(event, name), events_only) for name in names)

    def _is_of_rivals(self, event: Any) -> bool:
        """Whether an event about a document may be about another lender's financing of it, for one who only lends.

        Such an event is seen by its financing or account. What happens to the receivable is for lenders that have financed it.
        """
        if self.is_party_to(Kind.DOCUMENT, event.document):
            return False
        names = event.__struct_fields__
        if "financing" in names or "account" in names:
            return True
        return not tag_of(type(event)).startswith("document.") and not self._concerns.has_financed(
            event.document, self.party
        )

    def sees_leaf(self, leaf: CommittedLeaf) -> bool:
        """Whether the party sees a transaction (or due item, or envelope) with all its events."""
        if self._last_leaf[0] != leaf.identity:
            self._last_leaf = leaf.identity, self._judge_leaf(leaf)
        return self._last_leaf[1]

    def _judge_leaf(self, leaf: CommittedLeaf) -> bool:
        if leaf.kind is LeafKind.ENVELOPE:
            return leaf.member == self.party
        if leaf.transaction is not None:
            body = self._registry.transaction.trusted(leaf.transaction).body
            if any(self.party in instruction.actors() for instruction in body.instructions):
                return True
        return any(self.sees_event(event, events_only=False) for event in leaf.events)

    def ask(self, name: str, request: Any) -> Any:
        """The answer of a query on the same state."""
        return self._registry.queries[name].answer(self._state, request)

    def _of_party(self, identity: bytes) -> bool:
        return identity == self.party

    def _of_account(self, identity: bytes) -> bool:
        return self.party in account_parties(self._registry, self._state, identity)

    def is_party_to(self, kind: Kind, identity: bytes) -> bool:
        """Whether it is a party to a document or financing: not just a lender that made an offer, one of several maybe.

        Only parties see transactions because of these; lenders see events, so that none learns of prices of others.
        """
        known = self._is_party.get((kind, identity))
        if known is None:
            known = self._is_party[kind, identity] = _PARTIES_TO[kind](self, identity)
        return known

    def _is_in_document(self, identity: bytes) -> bool:
        """Who registered it or has a role in it."""
        view = self.ask("document.get", DocumentQuery(identity))
        return view is not None and (view.record.registrant == self.party or view.record.names(self.party))

    def _is_in_financing(self, identity: bytes) -> bool:
        """Seller, debtor, and the lender whose offer was accepted."""
        view = self.ask("financing.get", FinancingQuery(identity))
        if view is None:
            return False
        record = view.record
        lender = None if record.deal is None else record.deal.lender
        return self.party in (record.seller, lender) or self._owes(record.document)

    def _of_document(self, identity: bytes) -> bool:
        """The parties to it, and lenders that made an offer for it."""
        return self.is_party_to(Kind.DOCUMENT, identity) or self._concerns.has(identity, self.party)

    def _of_financing(self, identity: bytes) -> bool:
        """The parties to it, and every lender with an offer until one is accepted."""
        if self.is_party_to(Kind.FINANCING, identity):
            return True
        view = self.ask("financing.get", FinancingQuery(identity))
        return view is not None and view.record.deal is None and self._concerns.has(identity, self.party)

    def _sees_offer(self, financing: bytes, offer: bytes) -> bool:
        """The seller sees all offers, a lender its own."""
        view = self.ask("financing.get", FinancingQuery(financing))
        return self.sees(Kind.OFFER, offer) or (view is not None and view.record.seller == self.party)

    def _owes(self, document: bytes) -> bool:
        issued = self.ask("financing.receivable", ReceivableQuery(document))
        if issued is not None:
            return bool(issued.record.debtor == self.party)
        view = self.ask("document.get", DocumentQuery(document))
        return view is not None and view.record.party_in(BUYER) == self.party

    def _of_batch(self, identity: bytes) -> bool:
        view = self.ask("settlement.batch", GetBatch(identity))
        if view is None:
            return False
        batch = view.batch
        return (
            self.party == batch.requestor
            or self.party in batch.settlers
            or any(self.party in (leg.sender, leg.receiver) for leg in batch.legs)
            or self._concerns.has(identity, self.party)
        )

    def _of_hold(self, identity: bytes) -> bool:
        return self._of_encumbrance("holding.hold", "executor", identity)

    def _of_pledge(self, identity: bytes) -> bool:
        return self._of_encumbrance("holding.pledge", "pledgee", identity)

    def _of_attachment(self, identity: bytes) -> bool:
        return self._of_encumbrance("holding.attachment", "authority", identity)

    def _of_encumbrance(self, query: str, beneficiary: str, identity: bytes) -> bool:
        record = self.ask(query, EncumbranceQuery(identity)) if len(identity) == 32 else None
        if record is None:
            return self._concerns.has(identity, self.party)
        return getattr(record, beneficiary) == self.party or self.sees(Kind.ACCOUNT, record.account)

    def _of_proposal(self, identity: bytes) -> bool:
        found = self.ask("kernel.proposal", ProposalQuery(identity))
        if found is None:
            return self._concerns.has(identity, self.party)
        return bool(found.party == self.party)

    def _of_channel(self, identity: bytes) -> bool:
        """Its members and vaults, those that are offered to be, and who proposed it; of content nobody on the root."""
        view = self.ask("channel.get", GetChannel(identity)) if len(identity) == _HASH_BYTES else None
        if view is None:
            return False
        terms = [view.channel.terms] + ([] if view.offer is None else [view.offer.terms])
        return self.party == view.channel.creator or any(self.party in each.custodians() for each in terms)

    def _of_offer(self, identity: bytes) -> bool:
        return self._concerns.has(identity, self.party)

    # invitations: they open what is asked for, never events

    def takes_up(self, financing: bytes) -> bool:
        """Whether this is an open request: who names its id was given it by the seller, and may look at the document too.

        The id of the document alone would not do: matches tell it to rivals, and nothing tells them a request's.
        """
        document = self._open_request(financing)
        if document is None:
            return False
        self._concerns.invite(document, self.party, financing)
        return True

    def may_look_at(self, document: bytes) -> bool:
        """Whether a document concerns the party, or it has named a request for its financing that is open still."""
        return self.sees(Kind.DOCUMENT, document) or any(
            map(self._open_request, self._concerns.invitations(document, self.party))
        )

    def is_invited_to(self, financing: bytes, document: bytes) -> bool:
        """Whether it has named this request."""
        invited = financing in self._concerns.invitations(document, self.party)
        return invited and self._open_request(financing) is not None

    def may_prove(self, leaf: CommittedLeaf) -> bool:
        """Whether a transaction only registers documents that the party may look at: it checks files against that."""
        if leaf.transaction is None:
            return False
        body = self._registry.transaction.trusted(leaf.transaction).body
        return all(
            isinstance(each, RegisterDocument) and self.may_look_at(document_id(each.party, each.salt))
            for each in body.instructions
        )

    def _open_request(self, financing: bytes) -> bytes | None:
        """The document of a request that waits for offers; None for others."""
        view = self.ask("financing.get", FinancingQuery(financing))
        if view is None or view.record.status != "requested":
            return None
        document: bytes = view.record.document
        return document


_CONCERNED: Final[Mapping[Kind, Callable[[Sight, bytes], bool]]] = {
    Kind.PARTY: Sight._of_party, Kind.ACCOUNT: Sight._of_account, Kind.DOCUMENT: Sight._of_document,
    Kind.FINANCING: Sight._of_financing, Kind.OFFER: Sight._of_offer, Kind.BATCH: Sight._of_batch, Kind.HOLD: Sight._of_hold,
    Kind.PLEDGE: Sight._of_pledge, Kind.ATTACHMENT: Sight._of_attachment, Kind.PROPOSAL: Sight._of_proposal,
    Kind.CHANNEL: Sight._of_channel,
}  # fmt: skip
_PARTIES_TO: Final[Mapping[Kind, Callable[[Sight, bytes], bool]]] = {
    Kind.DOCUMENT: Sight._is_in_document, Kind.FINANCING: Sight._is_in_financing,
}  # fmt: skip
_OF_OFFERS: Final = (OfferExpired, OfferMade, OfferWithdrawn)

_HASH_BYTES: Final = 32


def issues(sight: Sight, request: Any) -> bool:
    """Whether the party issues the instrument that a request is about, or operates it."""
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is not None and sight.party in (instrument.issuer, *instrument.operators)
