"""What a client makes sure of by itself, so that it need not believe its gateway.

    outcomes     by finality receipts, whose seals are held against what the light client verified
    answers      by proofs of what a query reads, down to an app hash that validators signed
    denials      by asking the other gateways of the client

Who is asked is believed only where it is on this machine, or where the caller says so (``verify=False``): a node's own
word that it is one's own would be worth nothing.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from traco.client.building import is_signed_by
from traco.client.credentials import is_here
from traco.client.forms import from_form, to_form
from traco.client.gateways import ForkDetected, GatewayAlters, GatewayFault, GatewayHides
from traco.client.light import Head, LightClient
from traco.client.node_session import NodeSession
from traco.client.results import (
    ClientError,
    Failure,
    NodeProblem,
    NodeUnreachable,
    NotFound,
    TransactionResult,
)
from traco.client.streams import LedgerEvent
from traco.client.transport import NEVER, Deadline, Request
from traco.client.trust import Trust
from traco.client.verify import describe
from traco.client.witness import PROVEN, Witness, WitnessInvalid, answer_from, check_witness, known_queries
from traco.kernel.codec import Codec
from traco.kernel.finality import FinalityReceipt, ReceiptInvalid, Verified, verify_receipt
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, network_id, parse_genesis
from traco.kernel.seal import SealInvalid, verify_seal

MOVES: Final = (
    5  # how often an answer is asked for again because the state that was sealed is a later one already
)
KEPT_RECEIPTS: Final = 64  # events of one transaction come one after the other
TRANSACTION: Final = "transaction"
_FILE: Final[Codec[FinalityReceipt]] = Codec(FinalityReceipt)

T = TypeVar("T")
log = logging.getLogger("traco.client")


class Checked(NamedTuple):
    """A receipt that holds."""

    raw: bytes
    verified: Verified
    leaf: int


class Checking:
    """Makes sure, over the gateways of one session.

    ``verify``: True or False as the caller says; None: True where validators sign and some gateway is another machine.
    Methods raise as those of the session, and ``GatewayFault``.
    """

    def __init__(self, node: NodeSession, genesis: bytes | None, verify: bool | None, trust: Trust) -> None:
        self._node, self._genesis, self._verify, self._trust = node, genesis, verify, trust
        self._light: LightClient | None = None
        self._kept: OrderedDict[bytes, Checked | None] = OrderedDict()

    async def is_wanted(self, deadline: Deadline) -> bool:
        """Whether outcomes are made sure of without being asked to."""
        if self._verify is None:
            if all(map(is_here, self._node.transport.gateways.urls)):
                return False
            return (await self._founding(deadline)).seal.kind == SIGNED_BY_VALIDATORS
        return self._verify

    async def genesis(self, deadline: Deadline) -> bytes:
        """The founding document that everything is judged by: the caller's; else the gateway's, if it is of the network
        that the caller named. Where neither was given, the first gateway is believed, and that is logged.
        """
        if self._genesis is None:
            self._genesis = await self._node.genesis(deadline)
            if self._node.wanted is None:
                log.warning(
                    "the gateway at %s is believed that it serves the network that is meant: %s. Give the client the genesis "
                    "document or the network id, and nobody has to be believed.",
                    self._node.transport.url, network_id(parse_genesis(self._genesis)).hex(),
                )  # fmt: skip
        return self._genesis

    async def _founding(self, deadline: Deadline) -> Genesis:
        return parse_genesis(await self.genesis(deadline))

    async def light(self, deadline: Deadline) -> LightClient:
        """The light client of the network. Raises ``ClientError`` (``client.no_validators``) where nobody signs headers."""
        if self._light is None:
            founding = await self._founding(deadline)
            if founding.seal.kind != SIGNED_BY_VALIDATORS:
                detail = (
                    "One engine orders the transactions of this network and seals them; there are no validators to follow. "
                    "Receipts and proofs are judged by the seals."
                )
                raise ClientError("client.no_validators", detail)
            self._light = LightClient(self._node.transport, founding, self._trust)
        return self._light

    async def compare(self, deadline: Deadline) -> list[Head]:
        """The heads of all gateways, held against each other; those that lie are not asked again."""
        light = await self.light(deadline)
        heads = await light.compare(deadline)
        for head in heads:
            if isinstance(head.fault, GatewayFault):
                self._leave(head.fault)
        return heads

    # outcomes

    async def receipt(self, identity: bytes, deadline: Deadline) -> Checked:
        """The receipt of a transaction that holds, by whichever gateway."""

        async def at(url: str) -> Checked:
            return await self._receipt_at(url, identity, deadline)

        return await self._at_any(at)

    async def outcome(
        self, said: TransactionResult, url: str, deadline: Deadline, transaction: bytes = b""
    ) -> TransactionResult:
        """What became of a transaction, by its receipt, where the gateway at ``url`` said that it is final or rejected.

        Raises ``GatewayAlters`` where there is no other gateway to go on with; ``ClientError`` (``client.receipt_withheld``)
        where nobody who signed the ``transaction`` asks.
        """
        try:
            found = await self.receipt(said.identity, deadline)
        except NotFound:
            access = self._node.access
            if access is not None and transaction and not is_signed_by(transaction, access.signer.public_key):
                detail = (
                    f"The gateway says that transaction {said.identity.hex()} is {said.status}, and shows its receipt to the parties "
                    "in it only. Ask as one of them, or say verify=False."
                )
                raise ClientError("client.receipt_withheld", detail) from None
            raise GatewayAlters(
                url, f"an outcome of transaction {said.identity.hex()}", "receipt.absent", "it has no receipt"
            ) from None
        proven = _result_of(found, said)
        if (proven.status, proven.height) != (said.status, said.height) or _code(proven) != _code(said):
            fault = GatewayAlters(
                url, f"an outcome of transaction {said.identity.hex()}", "receipt.mismatch",
                f"it said {said.status} in block {said.height}, the receipt says {proven.status} in block {proven.height}",
            )  # fmt: skip
            if not self._leave(fault):
                raise fault
        return proven

    async def result(self, identity: bytes, deadline: Deadline) -> TransactionResult | None:
        """What became of a transaction, by its receipt where it has one; all gateways are asked before it is None."""
        said = await self._node.result(identity, deadline)
        url = self._node.transport.url
        if said is None or said.status not in ("final", "rejected"):
            return await self._denied(identity, url, deadline) or said
        return await self.outcome(said, url, deadline)

    async def _denied(self, identity: bytes, url: str, deadline: Deadline) -> TransactionResult | None:
        """What other gateways can prove of a transaction that this one does not know as final."""
        for other in self._node.transport.gateways.others(url):
            try:
                said = await self._node.result(identity, deadline, other)
                if said is None or said.status not in ("final", "rejected"):
                    continue
                found = await self._receipt_at(other, identity, deadline)
                await self._accuse(url, identity, found, deadline)
            except ForkDetected:
                raise
            except (GatewayFault, NodeProblem, NodeUnreachable) as error:
                log.warning("the gateway at %s could not be held against that at %s: %s", other, url, error)
                continue
            return _result_of(found, said)
        return None

    async def _accuse(self, url: str, identity: bytes, found: Checked, deadline: Deadline) -> None:
        """Leave a gateway that has a transaction's block and denies it to one who signed it."""
        access = self._node.access
        if access is not None and access.signer.public_key not in found.verified.signers:
            return  # what concerns whom is not the same at a node that this party runs
        light = await self.light(deadline)
        if await light.height_of(url, deadline) > found.verified.height:
            self._leave(GatewayHides(url, identity, found.verified.height))

    async def _receipt_at(self, url: str, identity: bytes, deadline: Deadline) -> Checked:
        raw = await self._node.transport.get(f"/v1/transactions/{identity.hex()}/receipt", deadline, at=url)
        genesis = await self.genesis(deadline)
        try:
            verified = verify_receipt(raw, genesis)
        except ReceiptInvalid as error:
            raise GatewayAlters(url, "a receipt", error.code, str(error)) from None
        if verified.identity != identity:
            raise GatewayAlters(url, "a receipt", "receipt.transaction", "it is that of another transaction")
        file = _FILE.decode(raw)
        if verified.genesis.seal.kind == SIGNED_BY_VALIDATORS:
            await (await self.light(deadline)).sealed(file.seal, url, deadline)
        return Checked(raw, verified, file.leaf_index)

    async def event(self, event: LedgerEvent, url: str) -> LedgerEvent:
        """An event that the gateway at ``url`` streamed, marked as verified where its transaction's receipt shows it.

        What fell due has no receipt; nor has, for a lender, what only an event tells it.
        """
        if event.kind != TRANSACTION:
            return event
        if event.transaction not in self._kept:
            try:
                self._keep(event.transaction, await self.receipt(event.transaction, NEVER))
            except NotFound:
                self._keep(event.transaction, None)
        found = self._kept[event.transaction]
        if found is None:
            return event
        events = describe(found.verified)["events"]
        height, leaf, number = map(int, event.position.split("."))
        is_there = (height, leaf) == (found.verified.height, found.leaf) and number < len(events)
        if not is_there or events[number] != dict(event.event):
            raise GatewayAlters(url, f"an event of transaction {event.transaction.hex()}", "receipt.event")
        return event._replace(verified=True)

    def _keep(self, identity: bytes, found: Checked | None) -> None:
        self._kept[identity] = found
        while len(self._kept) > KEPT_RECEIPTS:
            self._kept.popitem(last=False)

    # answers

    async def answer(self, name: str, fields: Mapping[str, Any], deadline: Deadline) -> Any:
        """The answer of a query as plain values, made here from proven records. Raises ``ClientError`` (``client.no_proof``)."""
        if name not in PROVEN:
            detail = f"The query {name} reads more than it may show, so it has no proof. These have: {', '.join(PROVEN)}."
            raise ClientError("client.no_proof", detail)
        await self._node.checked(deadline)

        async def at(url: str) -> Any:
            return await self._answer_at(url, name, to_form(fields), deadline)

        return await self._at_any(at)

    async def _answer_at(self, url: str, name: str, form: Any, deadline: Deadline) -> Any:
        founding = await self._founding(deadline)
        for _ in range(MOVES):
            request = Request(
                "POST", f"/v1/proofs/{name}", msgspec.json.encode(form), deadline=deadline, at=url
            )
            raw = (await self._node.transport.ask(request)).content
            try:
                witness = check_witness(raw, network_id(founding))
                answer = answer_from(witness, name, from_form(known_queries()[name].request, form))
            except WitnessInvalid as error:
                raise GatewayAlters(url, f"an answer of {name}", error.code, str(error)) from None
            if await self._is_sealed(witness, founding, url, deadline):
                return to_form(answer)
        raise ClientError(
            "client.state_moves", "The state changed each time before it was sealed; ask again, or ask less busy a node."
        )  # fmt: skip

    async def _is_sealed(self, witness: Witness, founding: Genesis, url: str, deadline: Deadline) -> bool:
        """Whether the state of a witness is the ledger's. False where only a later one is sealed. Raises ``GatewayFault``."""
        if founding.seal.kind == SIGNED_BY_VALIDATORS:
            light = await self.light(deadline)
            await light.require_app_hash(witness.app_hash, witness.height, url, deadline)
            return True
        path = f"/v1/light/seal?height={witness.height}"
        seal = await self._node.transport.get(path, deadline, is_open=True, at=url)
        try:
            sealed = verify_seal(seal, founding)
        except SealInvalid as error:
            raise GatewayAlters(url, "a seal", error.code, str(error)) from None
        if sealed.app_hash == witness.app_hash:
            return True
        if sealed.height == witness.height:
            raise GatewayAlters(url, f"a state after block {witness.height}", "light.app_hash")
        return False

    # gateways

    async def _at_any(self, work: Callable[[str], Awaitable[T]]) -> T:
        """The result of work at the gateway that is asked now; at another one where it is caught, or does not answer."""
        gateways = self._node.transport.gateways
        for _ in gateways.usable:
            url = gateways.current
            try:
                return await work(url)
            except ForkDetected:
                raise
            except GatewayFault as fault:
                if not self._leave(fault):
                    raise
            except NodeUnreachable:
                if not gateways.advance(url):
                    raise
        return await work(gateways.current)

    def _leave(self, fault: GatewayFault) -> bool:
        is_left = self._node.transport.gateways.leave(fault)
        log.warning("%s%s", fault.detail, " Another one is asked from now on." if is_left else "")
        return is_left


def _code(result: TransactionResult) -> str:
    return "" if result.failure is None else result.failure.code


def _result_of(found: Checked, said: TransactionResult) -> TransactionResult:
    """What a receipt proves, as a result. The words for people are the gateway's, if they are for the same code."""
    verified = found.verified
    failure = verified.receipt.failure
    events = tuple(describe(verified)["events"])
    if failure is None:
        return TransactionResult(verified.identity, "final", verified.height, found.leaf, None, events)
    text = (
        said.failure.text if said.failure is not None and said.failure.code == failure.code else failure.code
    )
    why = Failure(failure.code, to_form(dict(failure.fields)), text)
    return TransactionResult(verified.identity, "rejected", verified.height, found.leaf, why, events)
