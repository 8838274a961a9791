"""The synchronous face of the client: the same methods with the same meaning, run to their end (``blocking_wire``).

    with LedgerClient("http://127.0.0.1:7470", access=Access(bank_id, signer)) as client:
        bank = client.party(bank_id, signer)
        result = bank.transact(Transfer(bank.id, instrument, sender, receiver, 500, b"rent"))
        print(result.status, client.query("holding.get", instrument=instrument, account=receiver))

A payment that must happen once, whatever happens meanwhile, is built, kept, and then submitted until there is an answer:

    with LedgerClient("http://127.0.0.1:7470", access=Access(bank_id, signer)) as client:
        raw = client.build([Transfer(bank_id, instrument, sender, receiver, 500, b"rent")], [signer])
        keep(raw)
        try:
            result = client.submit(raw, timeout=30)
        except OutcomeUnknown as unknown:
            result = client.submit(unknown.transaction)  # the same bytes, perhaps tomorrow: they count once

What a method does, raises and returns is said at the method of the same name in ``asynchronous``; nothing is done here. A
test compares the two. Threads may share a client; a child made by a fork may go on with it, over connections of its own.
"""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx
import msgspec

from traco.client.asynchronous import (
    DEFAULT_URL,
    KEEPING_NOTHING,
    PATIENT,
    VALIDITY_MS,
    WAIT_SECONDS,
    AsyncLedgerClient,
    Until,
)
from traco.client.blocking_wire import BlockingWire, run
from traco.client.credentials import Access
from traco.client.gateways import GatewayState
from traco.client.light import Head
from traco.client.results import ChannelResult, NodeStatus, TransactionResult
from traco.client.signer import Signer
from traco.client.streams import OUTAGE_SECONDS, EventStream, LedgerEvent
from traco.client.transport import Patience
from traco.client.trust import Trust
from traco.client.wire import connection_options
from traco.kernel.codec import ROOT
from traco.kernel.instruction import Instruction

T = TypeVar("T")


class LedgerClient:
    """One node, as its clients see it: ``AsyncLedgerClient`` for programs without an event loop."""

    def __init__(
        self, url: str | Sequence[str] = DEFAULT_URL, network: bytes | None = None, *, genesis: bytes | None = None,
        access: Access | None = None, ca_file: str | os.PathLike[str] | None = None, patience: Patience = PATIENT,
        wire: BlockingWire | None = None, verify: bool | None = None, trust: Trust = KEEPING_NOTHING,
    ) -> None:  # fmt: skip
        self._client = AsyncLedgerClient(
            url,
            network,
            genesis=genesis,
            access=access,
            patience=patience,
            wire=wire or _blocking(url, ca_file),
            verify=verify,
            trust=trust,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Requests that are under way in other threads get their answers; streams end."""
        run(self._client.close())

    @property
    def url(self) -> str:
        """The node's address; of several, that of the one that is asked now."""
        return self._client.url

    def gateways(self) -> tuple[GatewayState, ...]:
        """The gateways of this client: which one is asked now, and why others are not asked any more."""
        return self._client.gateways()

    def compare(self, *, timeout: float | None = None) -> list[Head]:
        """The newest blocks of all gateways, verified and held against each other."""
        return run(self._client.compare(timeout=timeout))

    @property
    def network(self) -> bytes:
        """The network's id, as the node says."""
        return self.network_id()

    def network_id(self, *, timeout: float | None = None) -> bytes:
        """The network's id, as the node says."""
        return run(self._client.network_id(timeout=timeout))

    def status(self, *, timeout: float | None = None) -> NodeStatus:
        """Where the ledger stands."""
        return run(self._client.status(timeout=timeout))

    def genesis(self, *, timeout: float | None = None) -> bytes:
        """The founding document, which is that of the network the node says it serves."""
        return run(self._client.genesis(timeout=timeout))

    def build(
        self, instructions: Iterable[Instruction], signers: Iterable[Signer], validity_ms: int = VALIDITY_MS, *,
        ledger: bytes = ROOT, timeout: float | None = None,
    ) -> bytes:  # fmt: skip
        """The bytes of a signed transaction, for the root or a channel; each call makes another one."""
        return run(self._client.build(instructions, signers, validity_ms, ledger=ledger, timeout=timeout))

    def submit(
        self, transaction: bytes, until: Until = "final", *, timeout: float | None = None
    ) -> TransactionResult:
        """Send a signed transaction and say how far it came; it happens once, however often it is sent."""
        return run(self._client.submit(transaction, until, timeout=timeout))

    def submit_many(
        self, transactions: Sequence[bytes], until: Until = "final", *, timeout: float | None = None
    ) -> list[TransactionResult]:
        """As ``submit`` for any number of transactions; their results in order, without events."""
        return run(self._client.submit_many(transactions, until, timeout=timeout))

    def result(
        self, identity: bytes, *, verify: bool = False, timeout: float | None = None
    ) -> TransactionResult | None:
        """What became of a transaction, with its events; None where the node has never seen it."""
        return run(self._client.result(identity, verify=verify, timeout=timeout))

    def wait(self, identity: bytes, *, timeout: float = WAIT_SECONDS) -> TransactionResult:
        """What became of a transaction, once it is final or rejected."""
        return run(self._client.wait(identity, timeout=timeout))

    def receipt(self, identity: bytes, *, verify: bool = False, timeout: float | None = None) -> bytes:
        """The finality receipt of a transaction; ``verify``: only if it holds under the client's ``genesis``."""
        return run(self._client.receipt(identity, verify=verify, timeout=timeout))

    def block(self, height: int, *, timeout: float | None = None) -> dict[str, Any]:
        """A block: its hashes, and its leaves with their outcomes."""
        return run(self._client.block(height, timeout=timeout))

    def query(
        self, name: str, /, *, verify: bool = False, timeout: float | None = None, **fields: Any
    ) -> Any:
        """The answer of a module's query (such as ``holding.get``) as plain values; ``fields`` may hold bytes."""
        return run(self._client.query(name, verify=verify, timeout=timeout, **fields))

    def get(self, path: str, /, *, timeout: float | None = None, **parameters: Any) -> Any:
        """The answer of a GET route (``/v1/...``) as plain values. Parameters may be bytes; None leaves one out."""
        return run(self._client.get(path, timeout=timeout, **parameters))

    def get_bytes(self, path: str, /, *, timeout: float | None = None, **parameters: Any) -> bytes:
        """As ``get``, of a route that answers with bytes."""
        return run(self._client.get_bytes(path, timeout=timeout, **parameters))

    def post(self, path: str, form: Any, /, *, timeout: float | None = None) -> Any:
        """The answer of a POST route (``/v1/...``) to a form, as plain values; the form may hold bytes."""
        return run(self._client.post(path, form, timeout=timeout))

    def post_bytes(self, path: str, form: Any, /, *, timeout: float | None = None) -> bytes:
        """As ``post``, of a route that answers with bytes."""
        return run(self._client.post_bytes(path, form, timeout=timeout))

    def submit_to_channel(
        self, channel: bytes, transaction: bytes, *, timeout: float | None = None
    ) -> ChannelResult:
        """Hand a signed transaction of a channel to the node of its member, where it is durable when this returns."""
        return run(self._client.submit_to_channel(channel, transaction, timeout=timeout))

    def channel_receipt(self, channel: bytes, identity: bytes, *, timeout: float | None = None) -> bytes:
        """The receipt of a confirmed transaction of a channel, for somebody outside it."""
        return run(self._client.channel_receipt(channel, identity, timeout=timeout))

    def channel_result(
        self, channel: bytes, identity: bytes, *, timeout: float | None = None
    ) -> ChannelResult | None:
        """How far a transaction of a channel has come; None where the node does not know it."""
        return run(self._client.channel_result(channel, identity, timeout=timeout))

    def pages(self, what: str, /, **fields: Any) -> Iterator[list[Any]]:
        """The pages of a list: of a query (such as ``holding.by_account``), or of a GET route (``/v1/...``)."""
        return Steps(self._client.pages(what, **fields))

    def rows(self, what: str, /, **fields: Any) -> Iterator[Any]:
        """The rows of all ``pages``, each page fetched when it is needed."""
        return Steps(self._client.rows(what, **fields))

    def events(
        self, *, after: str | None = None, type: str | None = None, party: bytes | None = None,  # noqa: A002
        account: bytes | None = None, outage_seconds: float = OUTAGE_SECONDS, verify: bool = False,
    ) -> "Events":  # fmt: skip
        """Committed events behind the position ``after`` (None: from now on), as they come."""
        return Events(
            self._client.events(
                after=after,
                type=type,
                party=party,
                account=account,
                outage_seconds=outage_seconds,
                verify=verify,
            )
        )

    def fingerprints(
        self, caller: str, fields: msgspec.Struct | Mapping[str, Any], content_commitment: bytes, *, register: bool,
        timeout: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The fingerprint service's signed statement over normalised invoice fields, as a form; asked once."""
        return run(
            self._client.fingerprints(caller, fields, content_commitment, register=register, timeout=timeout)
        )

    def transact(
        self, instructions: Iterable[Instruction], signers: Iterable[Signer], *, timeout: float | None = None
    ) -> TransactionResult:
        """Build, sign, submit, and wait until it is final."""
        return run(self._client.transact(instructions, signers, timeout=timeout))

    def party(self, identity: bytes, *signers: Signer) -> "Party":
        """A session of one party with its signers."""
        return Party(self, identity, signers)


class Party:
    """A party as it acts: its id, and the signers of its keys."""

    def __init__(self, client: LedgerClient, identity: bytes, signers: Iterable[Signer]) -> None:
        self.client = client
        self.id = identity
        self.signers = tuple(signers)

    def transact(
        self, *instructions: Instruction, others: "Iterable[Party]" = (), timeout: float | None = None
    ) -> TransactionResult:
        """Have instructions of this party (and of ``others``, who sign too) executed, all or none."""
        signers = [*self.signers, *(signer for other in others for signer in other.signers)]
        return self.client.transact(instructions, signers, timeout=timeout)


class Steps(Iterator[T], Generic[T]):
    """Iteration over what is iterated asynchronously, one step at a time."""

    def __init__(self, steps: AsyncIterator[T]) -> None:
        self._steps = steps

    def __next__(self) -> T:
        try:
            return run(_next(self._steps))
        except StopAsyncIteration:
            raise StopIteration from None


class Events(Steps[LedgerEvent]):
    """Iteration over ``LedgerEvent``; see ``EventStream``. To be closed, or used in a ``with`` statement."""

    def __init__(self, stream: EventStream) -> None:
        super().__init__(stream)
        self._stream = stream

    @property
    def position(self) -> str | None:
        """How far it has seen everything: keep it to resume."""
        return self._stream.position

    def close(self) -> None:
        """End it; iteration stops."""
        run(self._stream.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


async def _next(steps: AsyncIterator[T]) -> T:
    return await anext(steps)


def _blocking(url: str | Sequence[str], ca_file: str | os.PathLike[str] | None) -> BlockingWire:
    return BlockingWire(lambda: httpx.Client(**connection_options(url, ca_file)))
