"""The network that is tortured: its genesis, its keys, and the model of its founding."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from support.founding import ALL_ROLES, member_section
from support.ledger import START_MS, Key
from torture.model import DUE_BUDGET, Books
from torture.model_claims import CLAIM_HANDLERS
from torture.model_document import DOCUMENT_HANDLERS, SERVICE
from torture.model_financing import (
    FINANCING_HANDLERS,
    OFFER_EXPIRY,
    REQUEST_EXPIRY,
    expire_offer,
    expire_request,
    released,
    requests_due,
    settled,
)
from torture.model_holding import HOLD_EXPIRY, HOLDING_HANDLERS, end_hold, holds_due
from torture.model_keys import (
    KEY_HANDLERS,
    PROPOSAL_EXPIRY,
    RECOVERY,
    lapse,
    recover,
    recoveries_due,
)
from torture.model_payments import (
    OVERDUE,
    PAYMENT_HANDLERS,
    RECOURSE_DUE,
    default,
    mark_overdue,
    receivables_due,
)
from torture.model_settlement import DEADLINE, SETTLEMENT_HANDLERS, batches_due, expire
from traco.kernel.codec import Record
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.kernel.instruction import KernelParameters
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.parameters import PartyParameters
from traco.modules.party.state import Policy
from traco.modules.settlement.parameters import SettlementParameters

MEMBERS = {"council": (), "central": ("cash_operator",), "court": ("authority",)}
NODE = "council node"
SEAL = "seal"
PARAMETERS = {
    "kernel": {"due_budget": DUE_BUDGET},  # small, so that expiries wait for the next block
    # reservations end and lenders demand within a run; few holders are many
    "financing": {"reservation_ms": 20_000, "recourse_days": 0, "recourse_ms": 30_000, "max_holders": 4},
    "party": {"recovery_delay_ms": 60_000},
}
KINDS: dict[str, type[Record]] = {
    "kernel": KernelParameters, "party": PartyParameters, "holding": HoldingParameters,
    "settlement": SettlementParameters, "financing": FinancingParameters,
}  # fmt: skip
FIRST_MINUTES = 7  # of a run, then a day is over
DAY_MINUTES = 24 * 60
LARGEST_OFFSET = 14 * 60


class World:
    """Everything about the network that does not change. ``time_ms``: when it is founded."""

    def __init__(self, time_ms: int = START_MS) -> None:
        sections = [member_section(name, roles=list(roles)) for name, roles in MEMBERS.items()]
        council = {"threshold": 1, "members": ["council"]}
        zone_minutes, self.due_dates = _days(time_ms)
        founded = {**PARAMETERS, "financing": {**PARAMETERS["financing"], "zone_minutes": zone_minutes}}
        self.records = {owner: kind(**founded.get(owner, {})) for owner, kind in KINDS.items()}
        self.genesis = Genesis(
            name="Torture", purpose="test", time_ms=time_ms, protocol=NEWEST_PROTOCOL, seal=SealTerms("checkpoint", Key(SEAL).public.hex()),
            parameters=founded,
            modules={"party": {"members": sections, "council": council}, "document": {"fingerprint_keys": [{"key": Key(SERVICE).public.hex()}]}},
        )  # fmt: skip
        self.network = network_id(self.genesis)
        self.ids = {name: founding_member_id(Key(name).public) for name in MEMBERS}
        self.member = self.ids["council"]
        self.node, self.seal = NodeKey(NODE), NodeKey(SEAL)

    def books(self) -> Books:
        """The model of the ledger as founded."""
        handlers = {
            **KEY_HANDLERS,
            **HOLDING_HANDLERS,
            **CLAIM_HANDLERS,
            **SETTLEMENT_HANDLERS,
            **DOCUMENT_HANDLERS,
            **FINANCING_HANDLERS,
            **PAYMENT_HANDLERS,
        }
        nodes = {Key(f"{name} node").public: identity for name, identity in self.ids.items()}
        books = Books(self.network, nodes, handlers)
        books.due = [holds_due, batches_due, requests_due, receivables_due, recoveries_due]
        books.expire = {
            HOLD_EXPIRY: end_hold, DEADLINE: expire, REQUEST_EXPIRY: expire_request, OFFER_EXPIRY: expire_offer,
            OVERDUE: mark_overdue, RECOURSE_DUE: default, RECOVERY: recover,
            PROPOSAL_EXPIRY: lapse,
        }  # fmt: skip
        books.consequences = {"settled": settled, "released": released}
        books.parameters = {owner.encode(): values(record) for owner, record in self.records.items()}
        books.council = (self.member,)
        for name, roles in MEMBERS.items():
            row: dict[str, Any] = {
                "keys": ((Key(name).public, ALL_ROLES),), "policy": Policy(), "status": "active", "member": True,
                "sponsor": self.ids[name], "roles": roles,
            }  # fmt: skip
            books.parties[self.ids[name]] = row
        return books


def values(record: Record) -> dict[str, Any]:
    """A record of parameters as the model keeps it."""
    return msgspec.structs.asdict(record)


def _days(time_ms: int) -> tuple[int, tuple[str, ...]]:
    """A zone (minutes east of UTC) in which a day ends soon after ``time_ms``, and due dates: past, that day, far."""
    ends = datetime.fromtimestamp(time_ms // 1_000, UTC) + timedelta(minutes=FIRST_MINUTES)
    minute = ends.hour * 60 + ends.minute
    zone = DAY_MINUTES - minute if DAY_MINUTES - minute <= LARGEST_OFFSET else -minute
    today = (ends + timedelta(minutes=zone - FIRST_MINUTES)).date()
    return zone, (str(today - timedelta(days=1)), str(today), "2099-12-31")


class NodeKey:
    """A key of the node, in the form that gateway and engine ask for."""

    def __init__(self, name: str) -> None:
        self.key = Key(name)
        self.public_key = self.key.public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return self.key.sign(message)
