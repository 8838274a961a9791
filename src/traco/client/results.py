"""What a client learns of its transactions, and how asking a node can fail.

LedgerError
└── ClientError             ``code`` is stable, ``detail`` says what happened and what to do
    ├── NodeUnreachable     no answer
    ├── OutcomeUnknown      no answer to a transaction, which may or may not have been ordered
    ├── NodeProblem         the node answered with a problem document
    ├── OtherNetwork        the node serves another network than the caller means
    └── TransactionFailed   ``result`` has the whole answer
        ├── TransactionRejected   ordered, executed, and the rules said no: it has a receipt
        └── TransactionRefused    never executed: no receipt, and its id is not used up
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from traco.kernel.errors import LedgerError

Status = Literal["received", "ordered", "final", "rejected", "refused"]


class Failure(NamedTuple):
    """Why a transaction had no effect: stable code, its fields (bytes in hex), and sentences for people."""

    code: str
    fields: Mapping[str, Any]
    text: str


class TransactionResult(NamedTuple):
    """How far a transaction came.

    ``height`` and ``leaf`` are -1 where it has no receipt. ``events`` are forms with a ``type``; empty unless final.
    """

    identity: bytes
    status: Status
    height: int
    leaf: int
    failure: Failure | None
    events: tuple[dict[str, Any], ...] = ()

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type, such as ``holding.moved/1``."""
        return [event for event in self.events if event["type"] == kind]

    def form(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        failure = (
            None if self.failure is None else {**self.failure._asdict(), "fields": dict(self.failure.fields)}
        )
        return {
            "id": self.identity.hex(), "status": self.status, "height": self.height, "leaf": self.leaf,
            "failure": failure, "events": list(self.events),
        }  # fmt: skip


def result_of(answer: Mapping[str, Any]) -> TransactionResult:
    """The result in a node's answer. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    failure = answer["failure"]
    return TransactionResult(
        bytes.fromhex(answer["id"]), answer["status"], answer["height"], answer["leaf"],
        None if failure is None else Failure(failure["code"], failure["fields"], failure["text"]),
        tuple(answer.get("events", ())),
    )  # fmt: skip


class ClientError(LedgerError):
    """What was asked of a node did not come about."""

    def __init__(self, code: str, detail: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.fields = dict(fields or {})


class NodeUnreachable(ClientError):
    """The node gave no answer, however often it was asked."""

    def __init__(self, url: str, reason: str) -> None:
        detail = f"The node at {url} does not answer ({reason}). Start it with: traco node start DIR"
        super().__init__("node.unreachable", detail, {"url": url})
        self.url = url
        self.reason = reason


class OutcomeUnknown(ClientError):
    """A transaction was sent and got no answer. Submitting the same ``transaction`` again is safe: it has one id."""

    def __init__(self, url: str, reason: str, identity: bytes, transaction: bytes) -> None:
        detail = (
            f"The node at {url} gave no answer ({reason}); transaction {identity.hex()} may or may not have been ordered. "
            "Submit the same bytes again when the node is up: they count once."
        )
        super().__init__("transaction.outcome_unknown", detail, {"url": url, "transaction": identity.hex()})
        self.identity = identity
        self.transaction = transaction


class NodeProblem(ClientError):
    """The node answered with a problem document (RFC 9457); ``status`` is that of HTTP."""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, detail, fields)
        self.status = status


class OtherNetwork(ClientError):
    """The node serves another network than the one meant; nothing signed for one is valid on the other."""

    def __init__(self, found: bytes, wanted: bytes) -> None:
        detail = f"The node serves network {found.hex()}, but {wanted.hex()} is meant. Check its address, or your genesis."
        super().__init__("node.other_network", detail, {"found": found.hex(), "wanted": wanted.hex()})


class TransactionFailed(ClientError):
    """A transaction had no effect."""

    def __init__(self, result: TransactionResult) -> None:
        failure = result.failure or Failure("transaction.unknown", {}, "The node gave no reason.")
        super().__init__(failure.code, failure.text, failure.fields)
        self.result = result


class TransactionRejected(TransactionFailed):
    """It was ordered and executed, and the rules said no. Its id is used up; it has a receipt."""


class TransactionRefused(TransactionFailed):
    """It was never executed and has no receipt."""
