"""The asynchronous client, and all there is to say about talking to a node; ``ledger`` is its synchronous face.

    async with AsyncLedgerClient("http://127.0.0.1:7470", genesis=genesis, access=Access(bank_id, signer)) as client:
        bank = client.party(bank_id, signer)
        result = await bank.transact(Transfer(bank.id, instrument, sender, receiver, 500, b"rent"))
        receipt = await client.receipt(result.identity, verify=True)
        async for row in client.rows("holding.by_account", account=receiver):
            print(row["instrument"], row["holding"])

A node on this machine is believed. Where validators sign and the gateway is another machine, what ``submit``, ``transact``
and ``wait`` say is final was shown by a receipt; ``verify=True`` does the same for other reads, and ``verify=False`` believes the
gateway. Given several addresses, the client goes on at the next gateway where one fails or is caught (``gateways``).

Every method takes ``timeout``: seconds for the whole call, however often it asks again. Where nothing else is said,
methods raise ``NodeUnreachable`` (``TimedOut``), ``NodeProblem`` by its kind, ``OtherNetwork`` and ``ClientClosed``; those
that verify also ``GatewayFault``.
"""

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote, urlencode

import httpx
import msgspec

from traco.client.asynchronous_wire import AsyncWire
from traco.client.building import batches, identity_of, sign_body
from traco.client.checking import Checking
from traco.client.credentials import Access, check_address
from traco.client.forms import to_form
from traco.client.gateways import GatewayState
from traco.client.light import Head
from traco.client.node_session import NodeSession, parsed, parsed_all
from traco.client.pages import query_pages, route_pages
from traco.client.results import (
    ChannelResult,
    ClientClosed,
    ClientError,
    NodeProblem,
    NodeStatus,
    NodeUnreachable,
    NotFinalYet,
    NotFound,
    OtherNetwork,
    OutcomesUnknown,
    OutcomeUnknown,
    StrangeAnswer,
    TransactionRefused,
    TransactionRejected,
    TransactionResult,
    channel_result_of,
)
from traco.client.signer import Signer
from traco.client.streams import OUTAGE_SECONDS, EventStream
from traco.client.transport import Deadline, Patience, Request, Transport, decoded
from traco.client.trust import Trust
from traco.client.wire import Wire, connection_options
from traco.kernel.codec import ROOT, encode
from traco.kernel.finality import ReceiptInvalid, verify_receipt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.transaction import Body

KEEPING_NOTHING: Final = Trust()
REFUSED_EVERYWHERE: Final = frozenset(
    {
        "transaction.malformed", "transaction.not_canonical", "transaction.unknown_instruction", "transaction.signature_invalid",
        "transaction.signature_order", "transaction.wrong_network", "transaction.wrong_ledger", "transaction.expired",
    }
)  # fmt: skip
"""Refusals that hold at every gateway from then on: they depend on the bytes alone, or on the ledger's time."""

DEFAULT_URL: Final = "http://127.0.0.1:7470"
VALIDITY_MS: Final = 120_000
"""How long a transaction stays valid unless the network's window is shorter than twice that."""

WAIT_SECONDS: Final = 60.0
PATIENT: Final = Patience()
_OCTETS: Final = "application/octet-stream"
_LOOKS_SECONDS: Final = (0.05, 0.1, 0.2, 0.5)  # between looks for a transaction; the last one again and again

Until = Literal["final", "received"]


class AsyncLedgerClient:
    """One node, as its clients see it; or several of one network.

    ``network``: refuse a node of another network (id of 32 bytes); ``genesis``: its founding document, which says the same
    and lets receipts be verified. ``access``: as whom to ask. ``ca_file``: authorities to trust instead of the system's.
    ``wire``: what to send over instead of ordinary HTTP. ``verify``: whether outcomes are made sure of (None: where
    validators sign and a gateway is another machine); ``trust``: on what terms. Raises ``AddressRefused``.
    """

    def __init__(
        self, url: str | Sequence[str] = DEFAULT_URL, network: bytes | None = None, *, genesis: bytes | None = None,
        access: Access | None = None, ca_file: str | os.PathLike[str] | None = None, patience: Patience = PATIENT,
        wire: Wire | None = None, verify: bool | None = None, trust: Trust = KEEPING_NOTHING,
    ) -> None:  # fmt: skip
        self._genesis = genesis
        wanted = network if genesis is None else network_id(parse_genesis(genesis))
        if network not in (None, wanted):
            raise OtherNetwork(wanted or b"", network or b"")
        transport = Transport(url, wire or _asynchronous(url, ca_file), patience)
        if access is not None:
            for each in transport.gateways.urls:
                check_address(each)
        self._node = NodeSession(transport, wanted, access)
        self._checking = Checking(self._node, genesis, verify, trust)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Later calls raise ``ClientClosed``."""
        await self._node.transport.wire.close()

    @property
    def url(self) -> str:
        """The node's address; of several, that of the one that is asked now."""
        return self._node.transport.url

    def gateways(self) -> tuple[GatewayState, ...]:
        """The gateways of this client: which one is asked now, and why others are not asked any more."""
        return self._node.transport.gateways.report()

    async def compare(self, *, timeout: float | None = None) -> list[Head]:
        """The newest blocks of all gateways, verified and held against each other.

        Raises ``ForkDetected``; what else a gateway does is in its ``Head.fault``. Raises ``ClientError``
        (``client.no_validators``) where none sign.
        """
        return await self._checking.compare(self._node.transport.deadline(timeout))

    async def network_id(self, *, timeout: float | None = None) -> bytes:
        """The network's id, as the node says."""
        return await self._node.network_id(self._node.transport.deadline(timeout))

    async def status(self, *, timeout: float | None = None) -> NodeStatus:
        """Where the ledger stands."""
        return await self._node.status(self._node.transport.deadline(timeout))

    async def genesis(self, *, timeout: float | None = None) -> bytes:
        """The founding document, which is that of the network the node says it serves."""
        return await self._node.genesis(self._node.transport.deadline(timeout))

    async def build(
        self, instructions: Iterable[Instruction], signers: Iterable[Signer], validity_ms: int = VALIDITY_MS, *,
        ledger: bytes = ROOT, timeout: float | None = None,
    ) -> bytes:  # fmt: skip
        """The bytes of a signed transaction, valid for ``validity_ms`` by the node's clock, with a salt of its own.

        ``ledger``: the channel that it is for; by default it is for the root.

        Each call makes another transaction: whoever builds the same payment again, after a lost answer, may pay twice.
        What was built once is submitted again instead. A signer's own errors pass.
        """
        deadline = self._node.transport.deadline(timeout)
        network = await self._node.network_id(deadline)
        now_ms, status = await self._node.now(deadline)
        valid_until = now_ms + min(validity_ms, status.window_ms // 2)
        body = encode(Body(network, ledger, valid_until, os.urandom(16), tuple(instructions)))
        return await self._node.signed(lambda by: sign_body(body, by), tuple(signers))

    async def submit(
        self, transaction: bytes, until: Until = "final", *, timeout: float | None = None
    ) -> TransactionResult:
        """Send a signed transaction and say how far it came; being refused or rejected is an answer, not an error.

        What got no answer is sent again as it is, to the next gateway where there is one: it has one id, so it happens once.
        Raises ``OutcomeUnknown`` when nothing helped and it may have been ordered; the same bytes may be submitted later.
        ``GatewayFault`` leaves it as open. Any other error says that it was not taken in.
        """
        deadline = self._node.transport.deadline(timeout)
        await self._node.checked(deadline)
        path = f"/v1/transactions?until={until}"
        request = Request("POST", path, transaction, kind=_OCTETS, accept=(422,), deadline=deadline)
        try:
            result = parsed(decoded((await self._node.transport.ask(request)).content))
            if request.is_in_doubt:
                result = await self._recalled(result, transaction, request)
            return await self._made_sure(result, transaction, until, request)
        except (NodeUnreachable, NodeProblem, ClientClosed) as error:
            if _is_in_doubt(request, error):
                raise OutcomeUnknown(
                    request.url, _reason(error), identity_of(transaction), transaction
                ) from error
            raise

    async def submit_many(
        self, transactions: Sequence[bytes], until: Until = "final", *, timeout: float | None = None
    ) -> list[TransactionResult]:
        """As ``submit`` for any number of transactions; their results in order, with events only where receipts were looked at.

        Raises ``OutcomesUnknown``, which has the results that are known and the transactions that may be submitted again.
        """
        deadline = self._node.transport.deadline(timeout)
        results: list[TransactionResult] = []
        await self._node.checked(deadline)
        for batch in batches(transactions):
            payload = msgspec.msgpack.encode(batch)
            path = f"/v1/transactions/batch?until={until}"
            request = Request("POST", path, payload, kind=_OCTETS, deadline=deadline)
            try:
                answered = parsed_all(decoded((await self._node.transport.ask(request)).content), len(batch))
                if request.is_in_doubt:
                    pairs = zip(answered, batch, strict=True)
                    answered = [await self._recalled(each, raw, request) for each, raw in pairs]
                pairs = zip(answered, batch, strict=True)
                results += [await self._made_sure(each, raw, until, request) for each, raw in pairs]
            except (NodeUnreachable, NodeProblem, ClientClosed) as error:
                if results or _is_in_doubt(request, error):
                    rest = tuple(transactions[len(results) :])
                    raise OutcomesUnknown(request.url, _reason(error), tuple(results), rest) from error
                raise
        return results

    async def _recalled(
        self, result: TransactionResult, transaction: bytes, request: Request
    ) -> TransactionResult:
        """What became of a transaction that was sent more than once: a refusal may be that of a later attempt only."""
        if result.status != "refused":
            return result
        # the refusal of bytes that are no transaction names none
        identity = result.identity or identity_of(transaction)
        known = await self._node.result(identity, request.deadline)
        refusal = "" if result.failure is None else result.failure.code
        others = request.doubted - {request.url}
        if known is None and others and refusal not in REFUSED_EVERYWHERE:
            # another gateway may have taken it in for good, and order it later
            reason = (
                f"it was also sent to {', '.join(sorted(others))}; the last one asked refused it: {refusal}"
            )
            raise OutcomeUnknown(request.url, reason, identity, transaction)
        return known or result

    async def _made_sure(
        self, result: TransactionResult, transaction: bytes, until: Until, request: Request
    ) -> TransactionResult:
        """The outcome by its receipt, where the gateway is not believed."""
        if until == "final" and result.status in ("final", "rejected"):
            request.doubted.add(request.url)  # without its receipt, nothing is known of it
            if await self._checking.is_wanted(request.deadline):
                return await self._checking.outcome(result, request.url, request.deadline, transaction)
        return result

    async def result(
        self, identity: bytes, *, verify: bool = False, timeout: float | None = None
    ) -> TransactionResult | None:
        """What became of a transaction, with its events; None where the node has never seen it.

        ``verify``: by its receipt; and where the gateway does not know it, by what others of the client can prove.
        """
        deadline = self._node.transport.deadline(timeout)
        return await self._result(identity, deadline, verify)

    async def _result(self, identity: bytes, deadline: Deadline, verify: bool) -> TransactionResult | None:
        if verify:
            return await self._checking.result(identity, deadline)
        return await self._node.result(identity, deadline)

    async def wait(self, identity: bytes, *, timeout: float = WAIT_SECONDS) -> TransactionResult:
        """What became of a transaction, once it is final or rejected. Raises ``NotFinalYet`` after ``timeout`` seconds.

        A transaction that the node has not seen is waited for: it may come by another member's node.
        """
        deadline, result, looks = self._node.transport.deadline(timeout), None, 0
        verify = await self._checking.is_wanted(deadline)
        while True:
            try:
                result = await self._result(identity, deadline, verify)
            except NodeUnreachable:
                if self._node.transport.wire.now() < deadline.at:
                    raise
            pause = _LOOKS_SECONDS[min(looks, len(_LOOKS_SECONDS) - 1)]
            if result is not None and result.status in ("final", "rejected", "refused"):
                return result
            if self._node.transport.wire.now() + pause >= deadline.at:
                raise NotFinalYet(identity, timeout, result)
            await self._node.transport.wire.sleep(pause)
            looks += 1

    async def receipt(self, identity: bytes, *, verify: bool = False, timeout: float | None = None) -> bytes:
        """The finality receipt of a transaction: the file that ``traco verify`` takes.

        ``verify``: only if it proves this transaction under the ``genesis`` that the client was made with; then nothing
        depends on the node. Raises ``ReceiptInvalid``; ``ClientError`` (``client.no_genesis``). How much the seal is worth
        where validators sign, ``result(verify=True)`` says: it follows them.
        """
        if verify and self._genesis is None:
            detail = "Verifying needs the genesis document of the network: LedgerClient(url, genesis=...)."
            raise ClientError("client.no_genesis", detail)
        raw = await self._node.get(f"/v1/transactions/{identity.hex()}/receipt", timeout)
        if verify and verify_receipt(raw, self._genesis or b"").identity != identity:
            raise ReceiptInvalid(
                "receipt.transaction", "it is that of another transaction than was asked for"
            )
        return raw

    async def block(self, height: int, *, timeout: float | None = None) -> dict[str, Any]:
        """A block: its hashes, and its leaves with their outcomes."""
        block: dict[str, Any] = decoded(await self._node.get(f"/v1/blocks/{height}", timeout))
        return block

    async def query(
        self, name: str, /, *, verify: bool = False, timeout: float | None = None, **fields: Any
    ) -> Any:
        """The answer of a module's query (such as ``holding.get``) as plain values; ``fields`` may hold bytes.

        ``verify``: made here, from records that are proven to be on the ledger now. Not every query has proofs, and of most
        things it cannot be proven that there are none: raises ``ClientError`` (``client.no_proof``), ``NotFound`` (``proof.withheld``).
        """
        deadline = self._node.transport.deadline(timeout)
        if verify:
            return await self._checking.answer(name, fields, deadline)
        return await self._node.query(name, fields, deadline)

    async def get(self, path: str, /, *, timeout: float | None = None, **parameters: Any) -> Any:
        """The answer of a GET route (``/v1/...``) as plain values. Parameters may be bytes; None leaves one out."""
        return decoded(await self.get_bytes(path, timeout=timeout, **parameters))

    async def get_bytes(self, path: str, /, *, timeout: float | None = None, **parameters: Any) -> bytes:
        """As ``get``, of a route that answers with bytes."""
        given = {name: to_form(value) for name, value in parameters.items() if value is not None}
        whole = f"{quote(path)}?{urlencode(given)}" if given else quote(path)
        return await self._node.get(whole, timeout)

    async def post(self, path: str, form: Any, /, *, timeout: float | None = None) -> Any:
        """The answer of a POST route (``/v1/...``) to a form, as plain values; the form may hold bytes. It may be asked twice."""
        return decoded(await self.post_bytes(path, form, timeout=timeout))

    async def post_bytes(self, path: str, form: Any, /, *, timeout: float | None = None) -> bytes:
        """As ``post``, of a route that answers with bytes."""
        deadline = self._node.transport.deadline(timeout)
        await self._node.checked(deadline)
        request = Request("POST", quote(path), msgspec.json.encode(to_form(form)), deadline=deadline)
        return (await self._node.transport.ask(request)).content

    async def submit_to_channel(
        self, channel: bytes, transaction: bytes, *, timeout: float | None = None
    ) -> ChannelResult:
        """Hand a signed transaction of a channel to the node of its member; ``received``: it is durable there, and will be ordered.

        Sent twice, it happens once. Raises ``NodeProblem`` where the node does no business in the channel for who asks.
        """
        deadline = self._node.transport.deadline(timeout)
        await self._node.checked(deadline)
        path = f"/v1/channels/{channel.hex()}/transactions"
        request = Request("POST", path, transaction, kind=_OCTETS, accept=(422,), deadline=deadline)
        return channel_result_of(decoded((await self._node.transport.ask(request)).content))

    async def channel_receipt(
        self, channel: bytes, identity: bytes, *, timeout: float | None = None
    ) -> bytes:
        """The receipt of a confirmed transaction of a channel: the file that ``traco verify`` takes, for somebody outside."""
        return await self._node.get(
            f"/v1/channels/{channel.hex()}/transactions/{identity.hex()}/receipt", timeout
        )

    async def channel_result(
        self, channel: bytes, identity: bytes, *, timeout: float | None = None
    ) -> ChannelResult | None:
        """How far a transaction of a channel has come; None where the node does not know it."""
        try:
            form = await self._node.get_form(
                f"/v1/channels/{channel.hex()}/transactions/{identity.hex()}", timeout
            )
        except NotFound:
            return None
        return channel_result_of(form)

    async def pages(self, what: str, /, **fields: Any) -> AsyncIterator[list[Any]]:
        """The pages of a list: of a query (such as ``holding.by_account``), or of a GET route (``/v1/...``).

        ``limit`` is how many rows a page has, ``after`` where to begin.
        """
        if what.startswith("/"):
            plain = {name: to_form(value) for name, value in fields.items()}
            pages = route_pages(self._node.get_form, what, plain)
        else:
            pages = query_pages(self._node.query, what, fields)
        async for page in pages:
            yield page

    async def rows(self, what: str, /, **fields: Any) -> AsyncIterator[Any]:
        """The rows of all ``pages``, each page fetched when it is needed."""
        async for page in self.pages(what, **fields):
            for row in page:
                yield row

    def events(
        self, *, after: str | None = None, type: str | None = None, party: bytes | None = None,  # noqa: A002
        account: bytes | None = None, outage_seconds: float = OUTAGE_SECONDS, verify: bool = False,
    ) -> EventStream:  # fmt: skip
        """Committed events behind the position ``after`` (None: from now on), as they come; see ``streams``.

        ``type`` is the beginning of the events' types, such as ``holding.``. ``verify``: each is held against the receipt of
        its transaction; ``LedgerEvent.verified`` says whether it has one. That none is left out, nobody can prove.
        Raises ``ClientError`` (``stream.position_invalid``); reading raises ``NodeUnreachable`` after an outage of ``outage_seconds``.
        """
        filters = {"type": type, "party": party and party.hex(), "account": account and account.hex()}
        given = {name: value for name, value in filters.items() if value}
        check = self._checking.event if verify else None
        return EventStream(self._node, given, after, outage_seconds, check)

    async def fingerprints(
        self, caller: str, fields: msgspec.Struct | Mapping[str, Any], content_commitment: bytes, *, register: bool,
        timeout: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The fingerprint service's signed statement over normalised invoice fields, as a form.

        ``register`` says whether the caller is about to register the document or only checks a file. The service
        limits and logs requests; this is therefore asked once.
        """
        asked = {
            "caller": caller, "fields": msgspec.to_builtins(fields),
            "content_commitment": content_commitment.hex(), "register": register,
        }  # fmt: skip
        deadline = self._node.transport.deadline(timeout)
        await self._node.checked(deadline)
        request = Request(
            "POST", "/v1/fingerprints", msgspec.json.encode(asked), once=True, deadline=deadline
        )
        statement: dict[str, Any] = decoded((await self._node.transport.ask(request)).content)
        return statement

    async def transact(
        self, instructions: Iterable[Instruction], signers: Iterable[Signer], *, timeout: float | None = None
    ) -> TransactionResult:
        """Build, sign, submit, and wait until it is final.

        Raises ``TransactionRejected`` or ``TransactionRefused`` where it had no effect, else as ``submit``. The result has
        the events; they are asked for afterwards, and where that gets no answer they are empty: it is final all the same,
        and ``result`` has them later.
        """
        deadline = self._node.transport.deadline(timeout)
        raw = await self.build(instructions, signers, timeout=self._node.left(deadline))
        result = require_final(await self.submit(raw, timeout=self._node.left(deadline)))
        if result.events:
            return result
        try:
            return await self._node.result(result.identity, deadline) or result
        except (NodeUnreachable, NodeProblem, ClientClosed):
            return result

    def party(self, identity: bytes, *signers: Signer) -> "AsyncParty":
        """A session of one party with its signers."""
        return AsyncParty(self, identity, signers)


class AsyncParty:
    """A party as it acts: its id, and the signers of its keys."""

    def __init__(self, client: AsyncLedgerClient, identity: bytes, signers: Iterable[Signer]) -> None:
        self.client = client
        self.id = identity
        self.signers = tuple(signers)

    async def transact(
        self, *instructions: Instruction, others: "Iterable[AsyncParty]" = (), timeout: float | None = None
    ) -> TransactionResult:
        """Have instructions of this party (and of ``others``, who sign too) executed, all or none.

        Raises as ``transact`` of the client.
        """
        signers = [*self.signers, *(signer for other in others for signer in other.signers)]
        return await self.client.transact(instructions, signers, timeout=timeout)


def require_final(result: TransactionResult) -> TransactionResult:
    """The result, if the transaction had its effect. Raises ``TransactionRejected``, ``TransactionRefused``."""
    if result.status == "rejected":
        raise TransactionRejected(result)
    if result.status == "refused":
        raise TransactionRefused(result)
    return result


def _asynchronous(url: str | Sequence[str], ca_file: str | os.PathLike[str] | None) -> AsyncWire:
    return AsyncWire(httpx.AsyncClient(**connection_options(url, ca_file)))


def _is_in_doubt(request: Request, error: ClientError) -> bool:
    """Whether a submission that failed may have been carried out: also where the answer cannot be read."""
    return request.is_in_doubt or (isinstance(error, StrangeAnswer) and error.status >= 500)


def _reason(error: ClientError) -> str:
    return error.reason if isinstance(error, NodeUnreachable) else error.detail
