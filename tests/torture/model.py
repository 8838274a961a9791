"""What a ledger ought to do with a block, in plain dictionaries. Knows the instructions, but nothing of the kernel.

Tables are dictionaries of small dictionaries; nothing in them is shared or nested deeper than a tuple, so that a copy of
both levels is a snapshot.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from traco.kernel.codec import derive_id
from traco.modules.party.messages import RegisterParty, SetStatus

Table = dict[bytes, dict[str, Any]]
Handler = Callable[["Books", Any, int], None]

WINDOW_MS = 600_000
DUE_BUDGET = 3


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
        self.nodes = nodes  # node key -> member
        self.handlers = handlers
        self.due: list[Callable[[Books], list[tuple[int, str, bytes]]]] = []
        self.expire: dict[str, Callable[[Books, bytes], None]] = {}
        self.used: dict[bytes, int] = {}
        self.parties: Table = {}
        self.instruments: Table = {}
        self.accounts: Table = {}
        self.available: dict[tuple[bytes, bytes], int] = {}
        self.holds: Table = {}
        self.pledges: Table = {}
        self.attachments: Table = {}
        self.batches: Table = {}
        self.documents: Table = {}

    def snapshot(self) -> tuple[Any, ...]:
        """Everything that a transaction may change."""
        tables = (
            self.parties, self.instruments, self.accounts, self.holds, self.pledges, self.attachments, self.batches,
            self.documents,
        )  # fmt: skip
        return tuple({key: dict(row) for key, row in table.items()} for table in tables), dict(self.available)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Return to a snapshot, which must not be used again."""
        tables, self.available = snapshot
        (
            self.parties, self.instruments, self.accounts, self.holds, self.pledges, self.attachments, self.batches,
            self.documents,
        ) = tables  # fmt: skip

    # blocks

    def run_block(
        self, time_ms: int, envelopes: list[EnvelopeIntent], intents: dict[bytes, Intent]
    ) -> Expected:
        """Do what a block does; what it ought to contain."""
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
        items = [item for item in queue[:DUE_BUDGET] if item[0] <= time_ms]
        for _, kind, key in items:
            self.expire[kind](self, key)
        return len(items)

    def _envelope_code(self, envelope: EnvelopeIntent, time_ms: int) -> str:
        if envelope.valid_until <= time_ms:
            return "transaction.expired"
        if envelope.valid_until > time_ms + WINDOW_MS:
            return "transaction.too_far_ahead"
        if self.nodes.get(envelope.node) != envelope.member:
            return "envelope.node_unknown"
        return "transaction.duplicate" if envelope.identity in self.used else ""

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
                found = [key for key in intent.signers if key in party["keys"]]
                if len(found) < party["threshold"]:
                    return "transaction.signature_missing"
                if len(found) == party["threshold"]:
                    needed += found
        return "" if all(key in needed for key in intent.signers) else "transaction.signature_superfluous"

    def _run(self, intent: Intent, time_ms: int) -> str:
        self.used[intent.identity] = intent.valid_until
        before = self.snapshot()
        try:
            for instruction in intent.instructions:
                for actor in instruction.actors():
                    self.require_active(actor)
            for instruction in intent.instructions:
                self.handlers[type(instruction)](self, instruction, time_ms)
        except RefusedByModel as refused:
            self.restore(before)
            return refused.code
        return ""

    # parties

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


def register(books: Books, message: RegisterParty, time_ms: int) -> None:
    """A member vouches for a new party."""
    require(books.require_active(message.party)["member"], "party.not_member")
    party = derive_id("party", message.party, message.salt)
    require(party not in books.parties, "party.exists")
    keys = tuple(entry.key for entry in message.keys)
    taken = [key for row in books.parties.values() if row["status"] != "closed" for key in row["keys"]]
    require(not any(key in taken for key in keys), "party.key_taken")
    threshold = message.policy.rules[0].threshold if message.policy.rules else 1
    books.parties[party] = {
        "keys": keys, "threshold": threshold, "status": "active", "member": False, "sponsor": message.party, "roles": (),
    }  # fmt: skip


def set_status(books: Books, message: SetStatus, time_ms: int) -> None:
    """A member suspends, reactivates or closes a party that it vouches for."""
    require(books.require_active(message.party)["member"], "party.not_member")
    subject = books.parties.get(message.subject)
    require(subject is not None, "party.not_found")
    assert subject is not None
    require(subject["sponsor"] == message.party != message.subject, "party.not_sponsor")
    require(subject["status"] != "closed", "party.closed")
    require(subject["status"] != message.status, "party.status_unchanged")
    subject["status"] = message.status


PARTY_HANDLERS: dict[type[Any], Handler] = {RegisterParty: register, SetStatus: set_status}
