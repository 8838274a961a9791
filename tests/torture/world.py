"""The network that is tortured: its genesis, its keys, and the model of its founding."""

from typing import Any

from support.founding import member_section
from support.ledger import START_MS, Key
from torture.model import DUE_BUDGET, PARTY_HANDLERS, Books
from torture.model_claims import CLAIM_HANDLERS
from torture.model_document import DOCUMENT_HANDLERS, SERVICE
from torture.model_holding import HOLD_EXPIRY, HOLDING_HANDLERS, end_hold, holds_due
from torture.model_settlement import DEADLINE, SETTLEMENT_HANDLERS, batches_due, expire
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.modules.party.genesis import founding_member_id

MEMBERS = {"council": (), "central": ("cash_operator",), "court": ("authority",)}
NODE = "council node"
SEAL = "seal"
KERNEL_PARAMETERS = {"due_budget": DUE_BUDGET}  # small, so that expiries wait for the next block


class World:
    """Everything about the network that does not change. ``time_ms``: when it is founded."""

    def __init__(self, time_ms: int = START_MS) -> None:
        sections = [member_section(name, roles=list(roles)) for name, roles in MEMBERS.items()]
        council = {"threshold": 1, "members": ["council"]}
        self.genesis = Genesis(
            name="Torture", purpose="test", time_ms=time_ms, seal=SealTerms("checkpoint", Key(SEAL).public.hex()),
            parameters={"kernel": KERNEL_PARAMETERS},
            modules={"party": {"members": sections, "council": council}, "document": {"fingerprint_keys": [{"key": Key(SERVICE).public.hex()}]}},
        )  # fmt: skip
        self.network = network_id(self.genesis)
        self.ids = {name: founding_member_id(Key(name).public) for name in MEMBERS}
        self.member = self.ids["council"]
        self.node, self.seal = NodeKey(NODE), NodeKey(SEAL)

    def books(self) -> Books:
        """The model of the ledger as founded."""
        handlers = {
            **PARTY_HANDLERS,
            **HOLDING_HANDLERS,
            **CLAIM_HANDLERS,
            **SETTLEMENT_HANDLERS,
            **DOCUMENT_HANDLERS,
        }
        nodes = {Key(f"{name} node").public: identity for name, identity in self.ids.items()}
        books = Books(self.network, nodes, handlers)
        books.due = [holds_due, batches_due]
        books.expire = {HOLD_EXPIRY: end_hold, DEADLINE: expire}
        for name, roles in MEMBERS.items():
            row: dict[str, Any] = {
                "keys": (Key(name).public,), "threshold": 1, "status": "active", "member": True,
                "sponsor": self.ids[name], "roles": roles,
            }  # fmt: skip
            books.parties[self.ids[name]] = row
        return books


class NodeKey:
    """A key of the node, in the form that gateway and engine ask for."""

    def __init__(self, name: str) -> None:
        self.key = Key(name)
        self.public_key = self.key.public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return self.key.sign(message)
