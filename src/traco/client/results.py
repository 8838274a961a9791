"""What a client learns of its transactions, and how asking a node can fail.

LedgerError
└── ClientError             ``code`` is stable, ``detail`` says what happened and what to do, ``fields`` are for programs
    ├── ClientClosed        the client was closed before or while it was asked
    ├── AddressRefused      the address is none, or a token would go over it in the clear
    ├── NodeUnreachable     no answer
    │   └── TimedOut        no answer within the caller's ``timeout``
    ├── OutcomeUnknown      no answer to a transaction, which may or may not have been ordered
    ├── OutcomesUnknown     the same for some of many
    ├── NotFinalYet         waiting for a transaction ended before it was final
    ├── NodeProblem         the node answered with a problem document; ``status`` is that of HTTP
    │   ├── RequestInvalid      400 and other 4xx: the request is not one that the node takes
    │   ├── AccessDenied        401: no access token, or one that does not hold
    │   ├── Forbidden           403: the party may not ask this
    │   ├── NotFound            404: there is none, or none that the party may see
    │   ├── TooManyRequests     429: above a limit; ``retry_after``
    │   ├── NodeBusy            503: the node starts, stops or has too much to do; ``retry_after``
    │   ├── NodeFault           other 5xx: the node failed; its log says why
    │   └── StrangeAnswer       what answers is no Traco node
    ├── OtherNetwork        the node serves another network than the caller means
    └── TransactionFailed   ``result`` has the whole answer
        ├── TransactionRejected   ordered, executed, and the rules said no: it has a receipt
        └── TransactionRefused    never executed: no receipt, and its id is not used up
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from traco.kernel.errors import LedgerError

Status = Literal["received", "ordered", "final", "rejected", "refused"]


class Failure(NamedTuple):
    """Why a transaction had no effect: stable code, its fields (bytes in hex), and sentences for people."""

    code: str
    fields: Mapping[str, Any]
    text: str


def _failure_form(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else {**failure._asdict(), "fields": dict(failure.fields)}


class NodeStatus(NamedTuple):
    """Where a node's ledger stands: height, the node's clock, the validity window (both in ms), its last seal.

    ``node`` is the node's public key, for which access tokens are made; empty where it takes none.
    """

    network: bytes
    version: str
    height: int
    time_ms: int
    window_ms: int
    seal: str
    node: bytes = b""

    def form(self) -> dict[str, Any]:
        """The status as plain JSON values."""
        return {**self._asdict(), "network": self.network.hex(), "node": self.node.hex()}


def status_of(answer: Mapping[str, Any]) -> NodeStatus:
    """The status in a node's answer. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    return NodeStatus(
        bytes.fromhex(answer["network"]), answer["version"], answer["height"], answer["time_ms"],
        answer["window_ms"], answer["seal"], bytes.fromhex(answer.get("node", "")),
    )  # fmt: skip


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
        return {
            "id": self.identity.hex(), "status": self.status, "height": self.height, "leaf": self.leaf,
            "failure": _failure_form(self.failure), "events": list(self.events),
        }  # fmt: skip


def result_of(answer: Mapping[str, Any]) -> TransactionResult:
    """The result in a node's answer. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    return TransactionResult(
        bytes.fromhex(answer["id"]), answer["status"], answer["height"], answer["leaf"], _failure_of(answer["failure"]),
        tuple(answer.get("events", ())),
    )  # fmt: skip


def _failure_of(form: Mapping[str, Any] | None) -> Failure | None:
    return None if form is None else Failure(form["code"], form["fields"], form["text"])


class ChannelResult(NamedTuple):
    """How far a transaction of a channel has come on one node.

    ``status``: ``received`` (durable there), ``executed``, ``confirmed`` (by the channel's policy), ``disputed`` (confirmed, but
    otherwise than this node found), or ``refused`` (it had no effect, and has no outcome). ``failure`` of an executed one says
    that the rules rejected it. ``ordinal`` and ``leaf`` are -1 before it was executed. ``events`` are forms with a ``type``.
    """

    identity: bytes
    status: str
    ordinal: int
    leaf: int
    failure: Failure | None
    events: tuple[dict[str, Any], ...] = ()

    def form(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "id": self.identity.hex(), "status": self.status, "ordinal": self.ordinal, "leaf": self.leaf,
            "failure": _failure_form(self.failure), "events": list(self.events),
        }  # fmt: skip


def channel_result_of(answer: Any) -> ChannelResult:
    """The result in a node's answer. Raises ``StrangeAnswer``, and ``NodeProblem`` for a problem document."""
    try:
        if "code" in answer:
            raise problem_of_status(answer["status"], answer["code"], answer["detail"], {}, None)
        return ChannelResult(
            bytes.fromhex(answer["id"]), answer["status"], answer["ordinal"], answer["leaf"],
            _failure_of(answer["failure"]), tuple(answer.get("events", ())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StrangeAnswer from None


class ClientError(LedgerError):
    """What was asked of a node did not come about."""

    def __init__(self, code: str, detail: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.fields = dict(fields or {})


class ClientClosed(ClientError):
    """The client was closed."""

    def __init__(self) -> None:
        super().__init__("client.closed", "This client was closed; make another one.")


class AddressRefused(ClientError):
    """``client.address_invalid``, ``client.insecure_address`` or ``client.authority_unusable`` (the CA file)."""


class NodeUnreachable(ClientError):
    """The node gave no answer, however often it was asked."""

    def __init__(self, url: str, reason: str, code: str = "node.unreachable", detail: str = "") -> None:
        said = f"The node at {url} does not answer ({reason}). Start it with: traco node start DIR"
        super().__init__(code, detail or said, {"url": url})
        self.url = url
        self.reason = reason


class TimedOut(NodeUnreachable):
    """The node gave no answer within the time that the caller allowed."""

    def __init__(self, url: str, seconds: float, reason: str) -> None:
        detail = f"The node at {url} did not answer within {seconds:g} s ({reason}). Ask again, or allow more time."
        super().__init__(url, reason, "node.timeout", detail)


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


class OutcomesUnknown(ClientError):
    """Many transactions were sent, and not all got an answer.

    ``results`` are those of the first ones, in order; ``transactions`` are the others, which may or may not have been
    ordered. Submitting these same bytes again is safe.
    """

    def __init__(
        self, url: str, reason: str, results: tuple[TransactionResult, ...], transactions: tuple[bytes, ...]
    ) -> None:
        detail = (
            f"The node at {url} answered for {len(results)} transactions; {len(transactions)} others got no answer "
            f"({reason}) and may or may not have been ordered. Submit the same bytes again: they count once."
        )
        fields = {"url": url, "answered": len(results), "unanswered": len(transactions)}
        super().__init__("transaction.outcomes_unknown", detail, fields)
        self.results = results
        self.transactions = transactions


class NotFinalYet(ClientError):
    """Waiting ended before the transaction was final. ``result`` is the last that is known; None: nothing."""

    def __init__(self, identity: bytes, seconds: float, result: TransactionResult | None) -> None:
        status = "unknown to the node" if result is None else result.status
        detail = f"Transaction {identity.hex()} is {status} after {seconds:g} s. Wait again, or submit the same bytes again."
        super().__init__("transaction.not_final_yet", detail, {"transaction": identity.hex()})
        self.identity = identity
        self.result = result


class NodeProblem(ClientError):
    """The node answered with a problem document (RFC 9457); ``status`` is that of HTTP.

    ``retry_after`` is after how many seconds the node wants to be asked again, where it says so.
    """

    def __init__(
        self, status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(code, detail, fields)
        self.status = status
        self.retry_after = retry_after


class RequestInvalid(NodeProblem):
    """The request is not one that the node takes."""


class AccessDenied(NodeProblem):
    """The request needs an access token, or its token does not hold."""


class Forbidden(NodeProblem):
    """The party may not ask this."""


class NotFound(NodeProblem):
    """There is no such thing, or none that the party may see."""


class TooManyRequests(NodeProblem):
    """The request is above a limit of the node; it was not carried out."""


class NodeBusy(NodeProblem):
    """The node starts, stops, or has too much to do."""


class NodeFault(NodeProblem):
    """The node failed; its log says why."""


class StrangeAnswer(NodeProblem):
    """What answers at this address is no Traco node, or one of another version."""

    def __init__(self, status: int = 502, code: str = "node.strange_answer") -> None:
        super().__init__(
            status, code, "The answer is not that of a Traco node; check its address and version."
        )


_BY_STATUS: Final[Mapping[int, type[NodeProblem]]] = {
    401: AccessDenied, 403: Forbidden, 404: NotFound, 429: TooManyRequests, 503: NodeBusy,
}  # fmt: skip


def problem_of_status(
    status: int, code: str, detail: str, fields: Mapping[str, Any], retry_after: float | None
) -> NodeProblem:
    """The error that a problem document with this status stands for."""
    kind = _BY_STATUS.get(status, RequestInvalid if status < 500 else NodeFault)
    return kind(status, code, detail, fields, retry_after)


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
