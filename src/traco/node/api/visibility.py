"""What of the ledger a party sees. Everything here is by declaration, and what is not declared is refused.

    queries         ``QUERIES``: everybody's (registers), or of the parties that the object asked for concerns
    events          ``FIELDS``: which fields of events name parties, accounts, documents and other objects
    transactions    seen by the parties that act in them and by those whom their events concern
    blocks          everybody sees that a leaf exists; its outcome only who sees the transaction

Auditors and operators see everything. For a party, an object of others is answered like one that does not exist.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

from traco.kernel.kernel_module import ProposalQuery
from traco.kernel.registry import Registry, tag_of
from traco.kernel.state import State
from traco.modules.document.messages import BUYER
from traco.modules.document.queries import DocumentQuery
from traco.modules.financing.queries import DocumentQuery as ReceivableQuery
from traco.modules.financing.queries import FinancingQuery
from traco.modules.holding.messages import InstrumentKind
from traco.modules.holding.queries import EncumbranceQuery, InstrumentQuery
from traco.modules.party.queries import GetParty, GetRecovery
from traco.modules.settlement.queries import GetBatch
from traco.node.api.concerns import Concerns, account_parties
from traco.node.api.principals import Principal
from traco.node.api.problems import Problem
from traco.storage.committed import CommittedLeaf, LeafKind


class Kind(Enum):
    """What a field of an event or of a request names."""

    NOTHING = auto()  # that concerns anybody by itself: amounts, words, instruments
    PARTY = auto()
    ACCOUNT = auto()
    DOCUMENT = auto()
    FINANCING = auto()
    OFFER = auto()
    BATCH = auto()
    LEGS = auto()
    HOLD = auto()
    PLEDGE = auto()
    ATTACHMENT = auto()
    PROPOSAL = auto()
    OTHER_DOCUMENT = auto()  # whose registrant may know of this event, not of the whole transaction
    MATCH = auto()  # the same, within a record


_BY_KIND: Final[Mapping[Kind, str]] = {
    Kind.PARTY: "party sponsor member issuer owner servicer executor pledgee authority requestor registrant seller lender debtor",
    Kind.ACCOUNT: "account sender receiver payout parent",
    Kind.DOCUMENT: "document successor note",
    Kind.FINANCING: "financing",
    Kind.OFFER: "offer",
    Kind.BATCH: "batch",
    Kind.LEGS: "legs",
    Kind.HOLD: "hold",
    Kind.PLEDGE: "pledge",
    Kind.ATTACHMENT: "attachment",
    Kind.PROPOSAL: "proposal",
    Kind.OTHER_DOCUMENT: "duplicate_of amends",
    Kind.MATCH: "match",
    Kind.NOTHING: "active allocated amount approved cash cause code complete completed content_commitment deadline_ms due_ms end"
    " executed expires_ms face financed firm found from_version height instrument key keys kind lapsed left made_good"
    " matched order outcome policy price protocol reason record recourse reference returned role scheme status terms total"
    " truncated unpaid valid_until_ms",
}
FIELDS: Final[Mapping[str, Kind]] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""What each field of events names, by its name. An event with another field than these is seen by nobody."""

# In these an otherwise telling name means something else: the party is not concerned by it, or everybody may see it.
PUBLIC_EVENTS: Final = frozenset(
    ("kernel.parameters_set/1", "kernel.upgrade_scheduled/1", "document.fingerprint_key_set/1")
)  # of the network's rules


class Sight:
    """What one party sees, as of one state."""

    def __init__(self, party: bytes, registry: Registry, state: State, concerns: Concerns) -> None:
        self.party = party
        self._registry = registry
        self._state = state
        self._concerns = concerns
        self._seen: dict[tuple[Kind, bytes], bool] = {}
        self._last_leaf: tuple[bytes, bool] = (b"", False)  # asked again for each of its events

    def sees(self, kind: Kind, identity: bytes) -> bool:
        """Whether an object exists and concerns the party."""
        known = self._seen.get((kind, identity))
        if known is None:
            known = self._seen[kind, identity] = _CONCERNED[kind](self, identity)
        return known

    def sees_field(self, kind: Kind, value: Any, events_only: bool) -> bool:
        """Whether what a field of an event names concerns the party. ``events_only``: of the event by itself."""
        if kind is Kind.NOTHING or value is None:
            return False
        if kind is Kind.LEGS:
            return any(self.party in (leg.sender, leg.receiver) for leg in value)
        if kind in (Kind.MATCH, Kind.OTHER_DOCUMENT):
            return events_only and self.sees(Kind.DOCUMENT, value.document if kind is Kind.MATCH else value)
        return isinstance(value, bytes) and self.sees(kind, value)

    def sees_event(self, event: Any, events_only: bool = True) -> bool:
        """Whether an event by itself concerns the party."""
        if events_only and tag_of(type(event)) in PUBLIC_EVENTS:
            return True
        names = event.__struct_fields__
        if not all(name in FIELDS for name in names):
            return False
        return any(self.sees_field(FIELDS[name], getattr(event, name), events_only) for name in names)

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

    def _of_document(self, identity: bytes) -> bool:
        """Who registered it or has a role in it, and lenders that made an offer for it."""
        view = self.ask("document.get", DocumentQuery(identity))
        if view is None:
            return False
        record = view.record
        return (
            record.registrant == self.party
            or record.names(self.party)
            or self._concerns.has(identity, self.party)
        )

    def _of_financing(self, identity: bytes) -> bool:
        """Seller and debtor; every lender with an offer until one is accepted, from then on that one."""
        view = self.ask("financing.get", FinancingQuery(identity))
        if view is None:
            return False
        record = view.record
        if self.party == record.seller:
            return True
        if record.deal is None:
            lends = self._concerns.has(identity, self.party)
        else:
            lends = record.deal.lender == self.party
        return lends or self._owes(record.document)

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

    def _of_offer(self, identity: bytes) -> bool:
        return self._concerns.has(identity, self.party)


_CONCERNED: Final[Mapping[Kind, Callable[[Sight, bytes], bool]]] = {
    Kind.PARTY: Sight._of_party, Kind.ACCOUNT: Sight._of_account, Kind.DOCUMENT: Sight._of_document,
    Kind.FINANCING: Sight._of_financing, Kind.OFFER: Sight._of_offer, Kind.BATCH: Sight._of_batch, Kind.HOLD: Sight._of_hold,
    Kind.PLEDGE: Sight._of_pledge, Kind.ATTACHMENT: Sight._of_attachment, Kind.PROPOSAL: Sight._of_proposal,
}  # fmt: skip


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


def _issues(sight: Sight, request: Any) -> bool:
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is not None and sight.party in (instrument.issuer, *instrument.operators)


def _sees_supply(sight: Sight, request: Any) -> bool:
    """How much there is of a receivable is what an invoice is about: the seller's business."""
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is None or instrument.kind is not InstrumentKind.RECEIVABLE or _issues(sight, request)


def _financings_seen(sight: Sight, request: Any, answer: Any) -> Any:
    return [view for view in answer if sight.sees(Kind.FINANCING, view.id)]


def _sees_offers(sight: Sight, request: Any) -> bool:
    """A lender sees its own offers even where another one's was accepted."""
    return sight.sees(Kind.FINANCING, request.financing) or sight._concerns.has(
        request.financing, sight.party
    )


def _offers_seen(sight: Sight, request: Any, answer: Any) -> Any:
    """The seller sees all offers, each lender its own: not those of its rivals."""
    view = sight.ask("financing.get", FinancingQuery(request.financing))
    if view is not None and view.record.seller == sight.party:
        return answer
    return [row for row in answer if row.record.lender == sight.party]


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
    "holding.list_instruments": _EVERYBODY,
    "holding.supply": Rule(_sees_supply),
    "holding.account": _about("account", Kind.ACCOUNT),
    "holding.by_account": _about("account", Kind.ACCOUNT),
    "holding.get": _about("account", Kind.ACCOUNT),
    "holding.holders": Rule(_issues),
    "holding.hold": _about("id", Kind.HOLD),
    "holding.pledge": _about("id", Kind.PLEDGE),
    "holding.attachment": _about("id", Kind.ATTACHMENT),
    "settlement.batch": _about("batch", Kind.BATCH),
    "document.get": _about("document", Kind.DOCUMENT),
    "document.by_party": _about("party", Kind.PARTY),
    "document.matches": _about("document", Kind.DOCUMENT),
    "document.fingerprint_keys": _EVERYBODY,
    "financing.get": _about("financing", Kind.FINANCING),
    "financing.by_document": Rule(
        lambda sight, request: sight.sees(Kind.DOCUMENT, request.document), _financings_seen
    ),
    "financing.offers": Rule(_sees_offers, _offers_seen),
    "financing.receivable": _about("document", Kind.DOCUMENT),
    "financing.status": _about("document", Kind.DOCUMENT),
    "financing.collectable": _about("account", Kind.ACCOUNT),
    "financing.payout": _about("account", Kind.ACCOUNT),
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
        return self.shown(name, request, self.answer(name, request))

    def answer(self, name: str, request: Any) -> Any:
        """The whole answer: only behind ``require``, and to be ``shown``."""
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

    def shown(self, name: str, request: Any, answer: Any) -> Any:
        """An answer without what the principal must not see."""
        if self._sight is None:
            return answer
        shows = QUERIES[name].shows
        return answer if shows is None else shows(self._sight, request, answer)

    def sees_leaf(self, leaf: CommittedLeaf) -> bool:
        """Whether the principal sees a transaction, due item or envelope."""
        return self._sight is None or self._sight.sees_leaf(leaf)

    def sees_event(self, leaf: CommittedLeaf, event: Any) -> bool:
        """Whether it sees an event: with its transaction, or by itself."""
        return self._sight is None or self._sight.sees_event(event) or self._sight.sees_leaf(leaf)
