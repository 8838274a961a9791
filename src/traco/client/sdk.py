"""The SDK: signs transactions with keys that stay here, submits them to a node, and asks it what is on the ledger.

    with LedgerClient("http://127.0.0.1:7470") as client:
        bank = client.party(bank_id, key_store.signer("main"))
        result = bank.transact(Transfer(bank.id, instrument, sender, receiver, 500, b"rent"))
        client.query("holding.get", instrument=instrument, account=receiver)

A client trusts its node for reads; whoever does not, verifies receipts (``client.verify``).
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from traco.client.forms import to_form
from traco.client.results import (
    NodeProblem,
    NodeUnreachable,
    OtherNetwork,
    OutcomeUnknown,
    TransactionRefused,
    TransactionRejected,
    TransactionResult,
    result_of,
)
from traco.client.signer import Signer
from traco.client.transport import Transport
from traco.kernel.codec import ROOT, Codec, encode
from traco.kernel.genesis import GenesisInvalid, network_id, parse_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import Body, RawTransaction, Signature, signing_message, transaction_id

DEFAULT_URL: Final = "http://127.0.0.1:7470"
VALIDITY_MS: Final = 120_000
"""How long a transaction stays valid unless the network's window is shorter than twice that."""

MAX_BATCH: Final = 2_048
MAX_BATCH_BYTES: Final = 1_000_000
_TIME_AGE_SECONDS: Final = 60.0
_OCTETS: Final = "application/octet-stream"
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)

Until = Literal["final", "received"]


class NodeStatus(NamedTuple):
    """Where a node's ledger stands: height, the node's clock, the validity window (both in ms), its last seal."""

    network: bytes
    version: str
    height: int
    time_ms: int
    window_ms: int
    seal: str


class LedgerClient:
    """One node, as its clients see it. ``network``: refuse a node of another network (id of 32 bytes).

    Methods raise ``NodeUnreachable`` and ``NodeProblem``; those that submit also what their text says.
    """

    def __init__(
        self, url: str = DEFAULT_URL, network: bytes | None = None, *, transport: Transport | None = None
    ) -> None:
        self._transport = transport or Transport(url)
        self._wanted = network
        self._network: bytes | None = None
        self._clock: tuple[int, int, float] | None = (
            None  # node's time, window, our monotonic clock at that time
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def url(self) -> str:
        """The node's address."""
        return self._transport.url

    @property
    def network(self) -> bytes:
        """The network's id, as the node says. Raises ``OtherNetwork``."""
        return self.status().network if self._network is None else self._network

    @property
    def _node(self) -> Transport:
        """The node, once it is known to be of the network that is meant."""
        if self._wanted is not None and self._network is None:
            self.status()
        return self._transport

    def status(self) -> NodeStatus:
        """Where the ledger stands. Raises ``OtherNetwork``."""
        asked = time.monotonic()
        answer = _json(self._transport.get("/v1/status"))
        try:
            status = NodeStatus(
                bytes.fromhex(answer["network"]), answer["version"], answer["height"], answer["time_ms"],
                answer["window_ms"], answer["seal"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            raise _strange() from None
        if self._wanted not in (None, status.network):
            raise OtherNetwork(status.network, self._wanted or b"")
        self._network = status.network
        self._clock = (status.time_ms, status.window_ms, asked)
        return status

    def genesis(self) -> bytes:
        """The founding document, which is that of the network the node says it serves. Raises ``OtherNetwork``."""
        raw = self._node.get("/v1/genesis").content
        try:
            found = network_id(parse_genesis(raw))
        except GenesisInvalid:
            raise _strange() from None
        if found != self.network:
            raise OtherNetwork(found, self.network)
        return raw

    def build(
        self, instructions: Iterable[Instruction], signers: Iterable[Signer], validity_ms: int = VALIDITY_MS
    ) -> bytes:
        """The bytes of a signed transaction, valid for ``validity_ms`` by the node's clock, with a salt of its own."""
        network = self.network
        now_ms, window_ms = self._node_time()
        valid_until = now_ms + min(validity_ms, window_ms // 2)
        body = encode(Body(network, ROOT, valid_until, os.urandom(16), tuple(instructions)))
        return sign_body(body, signers)

    def _node_time(self) -> tuple[int, int]:
        """The node's time in ms, by our monotonic clock since it last told us; and the validity window."""
        if self._clock is None or time.monotonic() - self._clock[2] > _TIME_AGE_SECONDS:
            self.status()
        clock = self._clock
        if clock is None:
            raise _strange()
        time_ms, window_ms, asked = clock
        return time_ms + int((time.monotonic() - asked) * 1_000), window_ms

    def submit(self, transaction: bytes, until: Until = "final") -> TransactionResult:
        """Send a signed transaction and say how far it came; being refused or rejected is an answer, not an error.

        What got no answer is sent again as it is: it has one id, so it happens once. Raises ``OutcomeUnknown`` when
        nothing helped; the same bytes may be submitted later.
        """
        try:
            answer = self._node.post(
                f"/v1/transactions?until={until}", transaction, kind=_OCTETS, accept=(422,)
            )
        except NodeUnreachable as error:
            raise OutcomeUnknown(error.url, error.reason, _identity(transaction), transaction) from None
        return _parsed(_json(answer))

    def submit_many(self, transactions: Sequence[bytes], until: Until = "final") -> list[TransactionResult]:
        """As ``submit`` for any number of transactions; their results in order, without events."""
        results: list[TransactionResult] = []
        for batch in _batches(transactions):
            payload = msgspec.msgpack.encode(batch)
            answer = self._node.post(f"/v1/transactions/batch?until={until}", payload, kind=_OCTETS)
            results += [_parsed(form) for form in _json(answer)]
        return results

    def result(self, identity: bytes) -> TransactionResult | None:
        """What became of a transaction, with its events; None where the node has never seen it."""
        try:
            return _parsed(_json(self._node.get(f"/v1/transactions/{identity.hex()}")))
        except NodeProblem as problem:
            if problem.status == 404:
                return None
            raise

    def receipt(self, identity: bytes) -> bytes:
        """The finality receipt of a transaction: the file that ``traco verify`` takes."""
        return self._node.get(f"/v1/transactions/{identity.hex()}/receipt").content

    def block(self, height: int) -> dict[str, Any]:
        """A block: its hashes, and its leaves with their outcomes."""
        block: dict[str, Any] = _json(self._node.get(f"/v1/blocks/{height}"))
        return block

    def query(self, name: str, /, **fields: Any) -> Any:
        """The answer of a module's query (such as ``holding.get``) as plain values; ``fields`` may hold bytes."""
        content = msgspec.json.encode(to_form(fields))
        answer = self._node.post(f"/v1/queries/{quote(name, safe='.')}", content)
        try:
            return _json(answer)["answer"]
        except (KeyError, TypeError):
            raise _strange() from None

    def fingerprints(
        self,
        caller: str,
        fields: msgspec.Struct | Mapping[str, Any],
        content_commitment: bytes,
        *,
        register: bool,
    ) -> dict[str, Any]:
        """The fingerprint service's signed statement over normalised invoice fields, as a form.

        ``register`` says whether the caller is about to register the document or only checks a file. The service
        limits and logs requests; this is therefore asked once.
        """
        request = {
            "caller": caller, "fields": msgspec.to_builtins(fields),
            "content_commitment": content_commitment.hex(), "register": register,
        }  # fmt: skip
        answer = self._node.post("/v1/fingerprints", msgspec.json.encode(request), once=True)
        statement: dict[str, Any] = _json(answer)
        return statement

    def transact(self, instructions: Iterable[Instruction], signers: Iterable[Signer]) -> TransactionResult:
        """Build, sign, submit, and wait until it is final; the result has the events.

        Raises ``TransactionRejected`` or ``TransactionRefused`` where it had no effect.
        """
        result = require_final(self.submit(self.build(instructions, signers)))
        if result.events:
            return result
        return self.result(result.identity) or result

    def party(self, identity: bytes, *signers: Signer) -> "Party":
        """A session of one party with its signers."""
        return Party(self, identity, signers)


class Party:
    """A party as it acts: its id, and the signers of its keys."""

    def __init__(self, client: LedgerClient, identity: bytes, signers: Iterable[Signer]) -> None:
        self.client = client
        self.id = identity
        self.signers = tuple(signers)

    def transact(self, *instructions: Instruction, others: "Iterable[Party]" = ()) -> TransactionResult:
        """Have instructions of this party (and of ``others``, who sign too) executed, all or none.

        Raises as ``LedgerClient.transact``.
        """
        signers = [*self.signers, *(signer for other in others for signer in other.signers)]
        return self.client.transact(instructions, signers)


def sign_body(body: bytes, signers: Iterable[Signer]) -> bytes:
    """The transaction of an encoded body, signed by each key once."""
    message = signing_message(transaction_id(body))
    by_key = {signer.public_key: signer for signer in signers}
    return encode_transaction(
        body, tuple(Signature(key, signer.sign(message)) for key, signer in by_key.items())
    )


def _identity(transaction: bytes) -> bytes:
    """The id of a transaction, or of bytes that are none as if they were its body."""
    try:
        return transaction_id(bytes(_RAW.decode(transaction).body))
    except ValueError:
        return transaction_id(transaction)


def require_final(result: TransactionResult) -> TransactionResult:
    """The result, if the transaction had its effect. Raises ``TransactionRejected``, ``TransactionRefused``."""
    if result.status == "rejected":
        raise TransactionRejected(result)
    if result.status == "refused":
        raise TransactionRefused(result)
    return result


def _batches(transactions: Sequence[bytes]) -> list[list[bytes]]:
    """The transactions in order, in groups that a node takes at once."""
    batches: list[list[bytes]] = []
    size = 0
    for raw in transactions:
        if not batches or size + len(raw) > MAX_BATCH_BYTES or len(batches[-1]) == MAX_BATCH:
            batches.append([])
            size = 0
        batches[-1].append(raw)
        size += len(raw) + 5
    return batches


def _json(answer: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(answer.content)
    except ValueError:
        raise _strange() from None


def _parsed(form: Any) -> TransactionResult:
    try:
        return result_of(form)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _strange() from None


def _strange() -> NodeProblem:
    return NodeProblem(
        502, "node.strange_answer", "The answer is not that of a Traco node; check address and version."
    )
