"""What of the ledger a party sees. Everything here is by declaration, and what is not declared is refused.

    queries         ``QUERIES``: everybody's (registers), or of the parties that the object asked for concerns
    events          ``event_fields.FIELDS``: which fields of events name parties, accounts, documents and other objects
    transactions    seen by the parties that act in them and by those whom their events concern
    blocks          everybody sees that a leaf exists; its outcome only who sees the transaction
    invitations     who names an open request for financing may read it, and what a lender looks at before it offers

Auditors and operators see everything. For a party, an object of others is answered like one that does not exist.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from traco.kernel.kernel_module import ProposalQuery
from traco.kernel.registry import Registry, tag_of
from traco.kernel.state import State
from traco.modules.channel.queries import GetChannel
from traco.modules.document.messages import BUYER, RegisterDocument, document_id
from traco.modules.document.queries import DocumentQuery
from traco.modules.financing.events import OfferExpired, OfferMade, OfferWithdrawn
from traco.modules.financing.queries import MAX_PAGE, FinancingQuery
from traco.modules.financing.queries import DocumentQuery as ReceivableQuery
from traco.modules.holding.messages import InstrumentKind
from traco.modules.holding.queries import EncumbranceQuery, InstrumentQuery
from traco.modules.leg.queries import LegQuery
from traco.modules.party.queries import GetParty, GetRecovery
from traco.modules.settlement.queries import GetBatch
from traco.node.api.concerns import Concerns, account_parties
from traco.node.api.event_fields import FIELDS, PUBLIC_EVENTS, Kind
from traco.node.api.principals import Principal
from traco.node.api.problems import Problem
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
        its_own = _issues(self, InstrumentQuery(identity))
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


_LOOKED_PAGES: Final = 100
_HASH_BYTES: Final = 32
Allows = Callable[[Sight, Any], bool]
Shows = Callable[[Sight, Any, Any], Any]  # of a request and its answer


class Rule:
    """Who may ask a query: ``allows`` says for a request; ``shows`` leaves out of an answer what the party must not see."""

    def __init__(self, allows: Allows | None = None, shows: Shows | None = None) -> None:
        self.allows = allows  # None: everybody
        self.shows = shows


def _about(field: str, kind: Kind) -> Rule:
    return Rule(lambda sight, request: sight.sees(kind, getattr(request, field)))


def _sees_recovery(sight: Sight, request: Any) -> bool:
    if request.party == sight.party:
        return True
    view = sight.ask("party.get", GetParty(request.party))
    waiting = sight.ask("party.recovery", GetRecovery(request.party))
    return sight.party in (
        None if view is None else view.party.sponsor, None if waiting is None else waiting.sponsor
    )  # fmt: skip


def _sees_settlement(sight: Sight, request: Any) -> bool:
    """Whoever is in one of its channels, or acts in its leg on the root."""
    view = sight.ask("channel.settlement", request)
    attempt = None if view is None else view.attempt
    if attempt is None:
        return False
    channels = any(sight.sees(Kind.CHANNEL, leg.ledger) for leg in attempt.legs if leg.ledger)
    return channels or _moves_in(sight, view.settlement.attempt)


def _sees_leg(sight: Sight, request: Any) -> bool:
    return _moves_in(sight, request.attempt)


def _moves_in(sight: Sight, attempt: bytes) -> bool:
    """Whether the leg of an attempt on the root moves something of the party's accounts."""
    row = sight.ask("leg.get", LegQuery(attempt))
    accounts = (
        () if row is None else (each for move in row.movements for each in (move.sender, move.receiver))
    )
    return any(sight.sees(Kind.ACCOUNT, account) for account in accounts)


def _nobody(sight: Sight, request: Any) -> bool:
    return False


def _issues(sight: Sight, request: Any) -> bool:
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is not None and sight.party in (instrument.issuer, *instrument.operators)


def _sees_supply(sight: Sight, request: Any) -> bool:
    """How much there is of a receivable is what an invoice is about: the seller's business."""
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is None or instrument.kind is not InstrumentKind.RECEIVABLE or _issues(sight, request)


def _may_look_at(sight: Sight, request: Any) -> bool:
    return sight.may_look_at(request.document)


def _may_read_request(sight: Sight, request: Any) -> bool:
    return sight.sees(Kind.FINANCING, request.financing) or sight.takes_up(request.financing)


def _financings_seen(sight: Sight, request: Any, answer: Any) -> Any:
    return [
        view
        for view in answer
        if sight.sees(Kind.FINANCING, view.id) or sight.is_invited_to(view.id, request.document)
    ]


def _sees_offers(sight: Sight, request: Any) -> bool:
    """A lender sees its own offers even where another one's was accepted."""
    return sight._concerns.has(request.financing, sight.party) or _may_read_request(sight, request)


def _offers_seen(sight: Sight, request: Any, answer: Any) -> Any:
    """The seller sees all offers, each lender its own: not those of its rivals."""
    view = sight.ask("financing.get", FinancingQuery(request.financing))
    if view is not None and view.record.seller == sight.party:
        return answer
    return [row for row in answer if row.record.lender == sight.party]


def _instruments_seen(sight: Sight, request: Any, answer: Any) -> Any:
    """Everything but the receivables of others: a list of these would tell who has its invoices financed, and how often."""
    return [
        row for row in answer
        if row.instrument.kind is not InstrumentKind.RECEIVABLE
        or sight.party in (row.instrument.issuer, *row.instrument.operators)
    ]  # fmt: skip


_EVERYBODY: Final = Rule()
QUERIES: Final[Mapping[str, Rule]] = {
    "kernel.proposal": _about("proposal", Kind.PROPOSAL),
    "party.get": _EVERYBODY,
    "party.by_lei": _EVERYBODY,
    "party.by_identifier": _EVERYBODY,
    "party.list": _EVERYBODY,
    "party.at_height": _EVERYBODY,
    "party.council": _EVERYBODY,
    "party.of_key": _EVERYBODY,
    "party.of_node": _EVERYBODY,
    "party.recovery": Rule(_sees_recovery),
    "holding.instrument": _EVERYBODY,
    "holding.list_instruments": Rule(shows=_instruments_seen),
    "holding.supply": Rule(_sees_supply),
    "holding.account": _about("account", Kind.ACCOUNT),
    "holding.by_account": _about("account", Kind.ACCOUNT),
    "holding.get": _about("account", Kind.ACCOUNT),
    "holding.holders": Rule(_issues),
    "holding.hold": _about("id", Kind.HOLD),
    "holding.pledge": _about("id", Kind.PLEDGE),
    "holding.attachment": _about("id", Kind.ATTACHMENT),
    "settlement.batch": _about("batch", Kind.BATCH),
    "document.get": Rule(_may_look_at),
    "document.by_party": _about("party", Kind.PARTY),
    "document.matches": Rule(_may_look_at),
    "document.fingerprint_keys": _EVERYBODY,
    "financing.get": Rule(_may_read_request),
    "financing.by_document": Rule(_may_look_at, _financings_seen),
    "financing.offers": Rule(_sees_offers, _offers_seen),
    "financing.receivable": Rule(_may_look_at),
    "financing.status": Rule(_may_look_at),
    "financing.collectable": _about("account", Kind.ACCOUNT),
    "financing.payout": _about("account", Kind.ACCOUNT),
    "network.nodes": _EVERYBODY,
    "network.node": _EVERYBODY,
    "network.node_at_height": _EVERYBODY,
    "network.validators": _EVERYBODY,
    "network.placement": _EVERYBODY,
    "leg.get": Rule(_sees_leg),
    "leg.list": Rule(_nobody),
    "channel.seat": _EVERYBODY,
    "channel.get": _about("channel", Kind.CHANNEL),
    "channel.at_height": _about("channel", Kind.CHANNEL),
    "channel.list": _about("member", Kind.PARTY),
    "channel.points": _about("channel", Kind.CHANNEL),
    "channel.settlement": Rule(_sees_settlement),
    "channel.edge": _about("channel", Kind.CHANNEL),
}
"""Who may ask each query of the modules. One that is not here is refused to every party."""


def hidden() -> Problem:
    """The answer for an object of others, and for one that does not exist."""
    return Problem(
        404, "object.unknown", "there is no such object among those that you may see",
        advice="Check the id; objects of other parties are answered like this too.",
    )  # fmt: skip


class View:
    """The ledger as one principal sees it, as of one state. ``concerns`` may be None for who reads everything."""

    def __init__(
        self, principal: Principal, registry: Registry, state: State, concerns: Concerns | None
    ) -> None:
        self._registry = registry
        self._state = state
        self._sight: Sight | None = None
        if principal.party is not None and not principal.reads_everything:
            if concerns is None:
                raise ValueError("a party sees nothing without knowing what concerns it")
            self._sight = Sight(principal.party, registry, state, concerns)

    def ask(self, name: str, request: Any) -> Any:
        """The answer of a module's query as far as the principal may see it.

        Raises ``Problem``: 404 for objects of others, 403 for a query that does not say who may ask.
        """
        self.require(name, request)
        if self.is_filtered(name):
            return self.rows(name, request, request.limit)
        return self.answer(name, request)

    def is_filtered(self, name: str) -> bool:
        """Whether rows are left out of a list for the principal."""
        return self._sight is not None and QUERIES[name].shows is not None

    def rows(self, name: str, request: Any, most: int) -> list[Any]:
        """Up to ``most`` rows of a list that the principal sees: full pages, so that those left out cannot be counted.

        Only behind ``require``. Raises ``Problem`` (503) where very many would have to be looked through.
        """
        shown: list[Any] = []
        after = request.after
        for _ in range(_LOOKED_PAGES):
            wanted = msgspec.structs.replace(request, after=after, limit=MAX_PAGE)
            page = self.answer(name, wanted)
            shown += self._shown(name, request, page)
            if len(shown) >= most or len(page) < MAX_PAGE:
                return shown[:most]
            after = page[-1].id
        raise Problem(
            503, "list.too_long", f"more than {_LOOKED_PAGES * MAX_PAGE} rows would have to be looked through",
            advice="Ask for the object itself by its id.",
        )  # fmt: skip

    def answer(self, name: str, request: Any) -> Any:
        """The whole answer: only behind ``require``, and where it is not ``is_filtered``."""
        return self._registry.queries[name].answer(self._state, request)

    def require(self, name: str, request: Any) -> None:
        """Return where the principal may ask this. Raises as ``ask``."""
        if self._sight is None:
            return
        rule = QUERIES.get(name)
        if rule is None:
            raise Problem(
                403, "access.undeclared", f"only auditors may ask {name}, because it does not say who may",
                advice="Tell the developers: this is a fault of the node's software.",
            )  # fmt: skip
        if rule.allows is not None and not rule.allows(self._sight, request):
            raise hidden()

    def sees_any(self, identity: bytes) -> bool:
        """Whether something of this id concerns the principal."""
        return self._sight is None or self._sight.sees_any(identity)

    def _shown(self, name: str, request: Any, page: Any) -> Any:
        shows = QUERIES[name].shows
        return page if shows is None or self._sight is None else shows(self._sight, request, page)

    def sees_leaf(self, leaf: CommittedLeaf) -> bool:
        """Whether the principal sees a transaction, due item or envelope."""
        return self._sight is None or self._sight.sees_leaf(leaf)

    def may_prove(self, leaf: CommittedLeaf) -> bool:
        """Whether it may have a transaction's receipt."""
        return self._sight is None or self._sight.sees_leaf(leaf) or self._sight.may_prove(leaf)

    def sees_event(self, leaf: CommittedLeaf, event: Any) -> bool:
        """Whether it sees an event: with its transaction, or by itself."""
        return self._sight is None or self._sight.sees_event(event) or self._sight.sees_leaf(leaf)
