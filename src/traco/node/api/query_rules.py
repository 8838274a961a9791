"""Who may ask each query of the modules, and what is left out of an answer. One that is not here is refused to every party."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from traco.modules.financing.queries import FinancingQuery
from traco.modules.holding.messages import InstrumentKind
from traco.modules.holding.queries import InstrumentQuery
from traco.modules.leg.queries import LegQuery
from traco.modules.party.queries import GetParty, GetRecovery
from traco.node.api.event_fields import Kind
from traco.node.api.sight import Sight, issues

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


def _sees_supply(sight: Sight, request: Any) -> bool:
    """How much there is of a receivable is what an invoice is about: the seller's business."""
    instrument = sight.ask("holding.instrument", InstrumentQuery(request.instrument))
    return instrument is None or instrument.kind is not InstrumentKind.RECEIVABLE or issues(sight, request)


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
    "holding.holders": Rule(issues),
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
    "channel.ballots": _about("channel", Kind.CHANNEL),
    "channel.settlement": Rule(_sees_settlement),
    "channel.edge": _about("channel", Kind.CHANNEL),
}
"""Who may ask each query of the modules. One that is not here is refused to every party."""
