"""The custodian's side: what members of this node are asked to hold for others, and to give back.

A receipt is signed after the store's durable write returned, never before: that is what the sender and the root rely on.
Several requests share one write. Who asks was authenticated by the transport; everything in a request is untrusted.
What the root says may lag behind: then the answer is a refusal that the sender tries again.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from traco.channels.custody.errors import CustodyRefused, PayloadDamaged
from traco.channels.custody.messages import Answer, Fetch, Found, Hold, Refusal, Request, Signed
from traco.channels.custody.store import CustodyStore, NewPayload, Role
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.payloads import read_head
from traco.modules.channel.parts import Status, Terms
from traco.modules.channel.signing import custody_message, payload_hash


class Standing(NamedTuple):
    """A channel as the root has it now. ``epoch`` is 0 before the first began."""

    status: Status
    epoch: int
    terms: Terms


class Root(Protocol):
    """What a custodian needs to know of the root, as of the last block that this node has."""

    @property
    def network(self) -> bytes:
        """The network's id."""

    @property
    def time_ms(self) -> int:
        """The block's time."""

    @property
    def max_order_ahead_ms(self) -> int:
        """How far ahead receipts may end."""

    def standing(self, channel: bytes) -> Standing | None:
        """The channel, or None where there is none."""


class Signer(Protocol):
    """The node key of a seat."""

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte."""


class Asked(NamedTuple):
    """A request, and the member that the transport says it comes from."""

    member: bytes
    request: Request


class _Now:
    """What the root says while some requests are answered: read once for all of them."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._standings: dict[bytes, Standing | None] = {}

    @cached_property
    def time_ms(self) -> int:
        return self._root.time_ms

    @cached_property
    def max_order_ahead_ms(self) -> int:
        return self._root.max_order_ahead_ms

    def standing(self, channel: bytes) -> Standing | None:
        if channel not in self._standings:
            self._standings[channel] = self._root.standing(channel)
        return self._standings[channel]


class Custodian:
    """Answers for all members that this node hosts. ``signers``: member -> the node key of its seat."""

    def __init__(self, root: Root, store: CustodyStore, signers: Mapping[bytes, Signer]) -> None:
        self._root = root
        self._store = store
        self._signers = signers

    def answer(self, asked: Sequence[Asked]) -> list[Answer]:
        """One answer per request, in order. Raises ``CustodyStopped``: then nothing was signed."""
        now = _Now(self._root)
        holding = {place: each.request for place, each in enumerate(asked) if isinstance(each.request, Hold)}
        judged = {place: self._judge(now, asked[place].member, request) for place, request in holding.items()}
        kept = self._keep({place: new for place, new in judged.items() if isinstance(new, NewPayload)})
        answers = dict[int, Answer]()
        for place, each in enumerate(asked):
            if isinstance(each.request, Fetch):
                answers[place] = self._give(each.member, each.request)
            else:
                answers[place] = self._receipt(each.request, judged[place], kept.get(place))
        return [answers[place] for place in range(len(asked))]

    def _judge(self, now: _Now, sender: bytes, request: Hold) -> NewPayload | CustodyRefused:
        try:
            role = self._require_custody(now, sender, request)
            self._require_epoch(request)
        except CustodyRefused as refusal:
            return refusal
        payload = payload_hash(request.content)
        return NewPayload(
            request.channel, payload, request.epoch, sender, request.order_by, role, request.content
        )

    def _require_custody(self, now: _Now, sender: bytes, request: Hold) -> Role:
        standing = now.standing(request.channel)
        if standing is None or standing.status != "open":
            raise CustodyRefused("custody.channel_not_open")
        terms = standing.terms
        if sender not in terms.members:
            raise CustodyRefused("custody.not_entitled")
        if request.custodian not in self._signers or request.custodian not in terms.custodians():
            raise CustodyRefused("custody.not_custodian")
        if request.epoch != standing.epoch:
            raise CustodyRefused("custody.epoch")
        if not now.time_ms < request.order_by <= now.time_ms + now.max_order_ahead_ms:
            raise CustodyRefused("custody.order_by")
        if len(request.content) > terms.limits.max_payload_bytes:
            raise CustodyRefused("custody.too_large")
        return "own" if request.custodian in terms.members else "vault"

    @staticmethod
    def _require_epoch(request: Hold) -> None:
        try:
            head = read_head(request.content)
        except PayloadRefused:
            raise CustodyRefused("custody.malformed") from None
        if head.epoch != request.epoch:
            raise CustodyRefused("custody.malformed")

    def _keep(self, new: Mapping[int, NewPayload]) -> dict[int, CustodyRefused | None]:
        """What became of each; it is durable when this returns."""
        if not new:
            return {}
        return dict(zip(new, self._store.keep(tuple(new.values())), strict=True))

    def _receipt(
        self, request: Hold, judged: NewPayload | CustodyRefused, refused: CustodyRefused | None
    ) -> Answer:
        if isinstance(judged, CustodyRefused):
            return Refusal(judged.code)
        if refused is not None:
            return Refusal(refused.code)
        message = custody_message(
            self._root.network, request.channel, request.custodian, request.epoch, request.order_by,
            len(judged.content), judged.hash,
        )  # fmt: skip
        return Signed(self._signers[request.custodian].sign(message))

    def _give(self, asker: bytes, request: Fetch) -> Answer:
        standing = self._root.standing(request.channel)
        if standing is None or not standing.epoch or asker not in standing.terms.custodians():
            return Refusal("custody.not_entitled")
        try:
            content = self._store.get(request.channel, request.hash)
        except PayloadDamaged as damaged:
            return Refusal(damaged.code)
        return Refusal("custody.not_held") if content is None else Found(content)
