"""What a ledger ought to do with a block, in plain dictionaries. Knows the instructions, but nothing of the kernel.

Tables are dictionaries of small dictionaries; nothing in them is shared or nested deeper than a tuple, so that a copy of
both levels is a snapshot.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from traco.modules.party.messages import CancelRecovery

Table = dict[bytes, dict[str, Any]]
Handler = Callable[["Books", Any, int], None]
KeyEntry = tuple[bytes, tuple[str, ...]]  # a key and its roles

WINDOW_MS = 600_000
DUE_BUDGET = 3
TABLES = (
    "parameters", "nodes", "parties", "instruments", "accounts", "holds", "pledges", "attachments", "batches", "documents",
    "financings", "offers", "receivables", "payouts", "pools", "deposits", "notes", "recourses",
    "recoveries", "proposals",
)  # fmt: skip


class RefusedByModel(Exception):
    """The rules say no; the code that the ledger ought to give."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Intent(NamedTuple):
    """What a client meant by some bytes. ``flaw``: the code that its bytes alone deserve, or empty."""

    kind: str
    raw: bytes
    identity: bytes
    flaw: str
    network: bytes
    channel: bytes
    valid_until: int
    instructions: tuple[Any, ...]
    signers: tuple[bytes, ...]


class Needed(NamedTuple):
    """Which keys count for an instruction, and how many of them must sign."""

    keys: tuple[bytes, ...]
    threshold: int


class EnvelopeIntent(NamedTuple):
    """An envelope as it was ordered."""

    identity: bytes
    member: bytes
    node: bytes
    valid_until: int
    transactions: tuple[bytes, ...]


class Line(NamedTuple):
    """One expected leaf: ``code`` is empty for a success."""

    identity: bytes
    code: str


class ExpectedRefusal(NamedTuple):
    """One expected refusal; position -1 is the envelope itself."""

    envelope: int
    position: int
    identity: bytes
    code: str


class Expected(NamedTuple):
    """What a block ought to contain. Due items come first; their ids are the ledger's own business."""

    due: int
    lines: tuple[Line, ...]
    refusals: tuple[ExpectedRefusal, ...]


class Books:
    """The state of the model. ``handlers`` know what each type of instruction does to it."""

    def __init__(self, network: bytes, nodes: dict[bytes, bytes], handlers: dict[type[Any], Handler]) -> None:
        self.network = network
        self.nodes: Table = {key: {"member": member} for key, member in nodes.items()}
        self.handlers = handlers
        self.due: list[Callable[[Books], list[tuple[int, str, bytes]]]] = []
        self.expire: dict[str, Callable[[Books, bytes], None]] = {}
        self.consequences: dict[str, Callable[[Books, bytes], None]] = {}
        self.time_ms = 0  # of the block that runs
        self.used: dict[bytes, int] = {}
        self.parameters: Table = {}  # by owner
        self.parties: Table = {}
        self.instruments: Table = {}
        self.accounts: Table = {}
        self.available: dict[tuple[bytes, bytes], int] = {}
        self.holds: Table = {}
        self.pledges: Table = {}
        self.attachments: Table = {}
        self.batches: Table = {}
        self.documents: Table = {}
        self.financings: Table = {}
        self.offers: Table = {}  # by financing and offer
        self.receivables: Table = {}  # by document
        self.payouts: Table = {}  # by account
        self.pools: Table = {}  # by document and number
        self.deposits: Table = {}  # by document and account
        self.notes: Table = {}
        self.recourses: Table = {}  # by financing
        self.recoveries: Table = {}  # by subject
        self.proposals: Table = {}
        self.council: tuple[bytes, ...] = ()
        self.signers: tuple[bytes, ...] = ()  # of the transaction that runs
        # what encoded operations, and records of parameters with their owners, say; whoever encodes them adds them
        self.operations: dict[bytes, tuple[Any, ...]] = {}
        self.records: dict[bytes, tuple[str, dict[str, Any]]] = {}

    def snapshot(self) -> tuple[Any, ...]:
        """Everything that a transaction may change."""
        tables: tuple[Table, ...] = tuple(getattr(self, name) for name in TABLES)
        return tuple({key: dict(row) for key, row in table.items()} for table in tables), dict(self.available)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Return to a snapshot, which must not be used again."""
        tables, self.available = snapshot
        for name, table in zip(TABLES, tables, strict=True):
            setattr(self, name, table)

    def limit(self, owner: str, name: str) -> int:
        """A parameter in force."""
        found: int = self.parameters[owner.encode()][name]
        return found

    # blocks

    def run_block(
        self, time_ms: int, envelopes: list[EnvelopeIntent], intents: dict[bytes, Intent]
    ) -> Expected:
        """Do what a block does; what it ought to contain."""
        self.time_ms = time_ms
        due = self._run_due(time_ms)
        lines: list[Line] = []
        refusals: list[ExpectedRefusal] = []
        for index, envelope in enumerate(envelopes):
            code = self._envelope_code(envelope, time_ms)
            if code:
                refusals.append(ExpectedRefusal(index, -1, envelope.identity, code))
                continue
            self.used[envelope.identity] = envelope.valid_until
            lines.append(Line(envelope.identity, ""))
            for position, raw in enumerate(envelope.transactions):
                intent = intents[raw]
                code = intent.flaw or self._refusal_code(intent, time_ms)
                if code:
                    refusals.append(ExpectedRefusal(index, position, intent.identity, code))
                else:
                    lines.append(Line(intent.identity, self._run(intent, time_ms)))
        return Expected(due, tuple(lines), tuple(refusals))

    def _run_due(self, time_ms: int) -> int:
        queue = sorted(item for source in self.due for item in source(self))
        # the ledger orders the kinds that fall due at one time by length, then by name
        queue.sort(key=lambda item: (item[0], len(item[1]), item[1], item[2]))
        items = [item for item in queue[: self.limit("kernel", "due_budget")] if item[0] <= time_ms]
        for _, kind, key in items:
            self.expire[kind](self, key)
        return len(items)

    def _envelope_code(self, envelope: EnvelopeIntent, time_ms: int) -> str:
        if envelope.valid_until <= time_ms:
            return "transaction.expired"
        if envelope.valid_until > time_ms + WINDOW_MS:
            return "transaction.too_far_ahead"
        member = self.member_of_node(envelope.node)
        if member is None or member != envelope.member:
            return "envelope.node_unknown"
        return "transaction.duplicate" if envelope.identity in self.used else ""

    def member_of_node(self, key: bytes) -> bytes | None:
        """The active member that runs a node."""
        member = self.nodes.get(key, {"member": b""})["member"]
        return member if self.parties.get(member, {}).get("status") == "active" else None

    def _refusal_code(self, intent: Intent, time_ms: int) -> str:
        if intent.network != self.network:
            return "transaction.wrong_network"
        if intent.channel:
            return "transaction.wrong_ledger"
        if intent.valid_until <= time_ms:
            return "transaction.expired"
        if intent.valid_until > time_ms + WINDOW_MS:
            return "transaction.too_far_ahead"
        if intent.identity in self.used:
            return "transaction.duplicate"
        return self._signature_code(intent)

    def _signature_code(self, intent: Intent) -> str:
        needed: list[bytes] = []
        for instruction in intent.instructions:
            for actor in instruction.actors():
                party = self.parties.get(actor)
                if party is None:
                    return "transaction.party_unknown"
                wanted = needed_keys(party, instruction)
                found = [key for key in intent.signers if key in wanted.keys]
                if len(found) < wanted.threshold:
                    return "transaction.signature_missing"
                if len(found) == wanted.threshold:
                    needed += found
        return "" if all(key in needed for key in intent.signers) else "transaction.signature_superfluous"

    def _run(self, intent: Intent, time_ms: int) -> str:
        self.used[intent.identity] = intent.valid_until
        self.signers = intent.signers
        before = self.snapshot()
        try:
            for instruction in intent.instructions:
                for actor in instruction.actors():
                    if not self._defends_itself(actor, instruction):
                        self.require_active(actor)
            for instruction in intent.instructions:
                self.handlers[type(instruction)](self, instruction, time_ms)
        except RefusedByModel as refused:
            self.restore(before)
            return refused.code
        return ""

    # parties

    def _defends_itself(self, party: bytes, instruction: Any) -> bool:
        """A suspended party may still stop a recovery of its own keys."""
        own = isinstance(instruction, CancelRecovery) and instruction.subject == party
        return own and self.parties[party]["status"] == "suspended"

    def require_active(self, party: bytes) -> dict[str, Any]:
        """The party, which is active."""
        found = self.parties.get(party)
        require(found is not None, "party.not_found")
        assert found is not None
        require(found["status"] == "active", f"party.{found['status']}")
        return found


def require(condition: bool, code: str) -> None:
    """Refuse with ``code`` unless the condition holds."""
    if not condition:
        raise RefusedByModel(code)


def needed_keys(party: dict[str, Any], instruction: Any) -> Needed:
    """What a party's keys and policy ask for."""
    signing = tuple(key for key, roles in party["keys"] if "sign" in roles)
    administering = tuple(key for key, roles in party["keys"] if "administer" in roles)
    policy, kind = party["policy"], instruction.policy_class
    if kind == "administer":
        return Needed(administering, policy.administer_threshold)
    if kind == "approve":
        return Needed(tuple(sorted({*signing, *administering})), 1)
    at_risk = instruction.amount_at_risk()
    for rule in policy.rules:
        fits = rule.policy_class in ("*", kind)
        if fits and rule.band is not None:
            fits = (
                at_risk is not None and at_risk[0] == rule.band.instrument and at_risk[1] <= rule.band.up_to
            )
        if fits:
            return Needed(signing, rule.threshold)
    return Needed(signing, 1)
