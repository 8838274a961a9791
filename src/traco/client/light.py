"""A light client: follows what the validators of a network sign, so that no gateway has to be believed.

    genesis document ── seal: handovers since the founding ──> a block ── skipping, bisection, adjacent ──> the newest block

A verified block is where the next step begins, for as long as it is fresh (``Trust.period_ms``): the validators that it
names can then still be held to what they sign. When it is too old, or nothing was verified yet, the client begins with the
genesis document and the handovers of validators since. That has no period, and assumes instead that keys of validators
that left were not stolen; it is what keeps a client working whose machine was off for years.

Two validly signed blocks of one height are a fork. No gateway can make one alone; whoever finds one keeps both blocks.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from traco.client.gateways import ForkDetected, GatewayAlters, GatewayDelays, GatewayFault
from traco.client.results import NodeBusy, NodeProblem, NodeUnreachable, NotFound, StrangeAnswer
from traco.client.transport import Deadline, Transport, decoded
from traco.client.trust import Fork, Trust, TrustStore
from traco.kernel.codec import Codec
from traco.kernel.genesis import Genesis, network_id
from traco.kernel.light import (
    Evidence,
    Header,
    LightBlock,
    LightInvalid,
    SignedHeader,
    TrustTerms,
    ValidatorSet,
    chain_id,
    check_validators,
    decode_light_block,
    founding_validators,
    header_hash,
    verify_evidence,
    verify_next,
    verify_signed,
)
from traco.kernel.seal import Checkpoint

MAX_STEPS: Final = 256
"""Steps from one verified block to another: more than any history of validators needs that a trust period allows."""

KEPT_MS: Final = 600_000
"""A newer block is written to the folder when it is so much newer than the one there, or has other validators."""

NEXT_BLOCK_TRIES: Final = 3  # each of which the gateway waits for it
_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)


class Head(NamedTuple):
    """What one gateway is worth: its newest verified block, how far behind the newest of all it is, or why it has none."""

    url: str
    height: int
    time_ms: int
    behind_ms: int
    fault: GatewayFault | NodeUnreachable | NodeProblem | None

    def form(self) -> dict[str, object]:
        """The same as plain values."""
        fault = None if self.fault is None else {"code": self.fault.code, "detail": self.fault.detail}
        return {**self._asdict(), "fault": fault}


class LightClient:
    """What validators signed, of one network, through any of its gateways.

    Every method raises ``GatewayFault``, ``NodeUnreachable``, ``NodeProblem`` and, where what was verified cannot be kept,
    ``ClientError``.
    """

    def __init__(self, transport: Transport, genesis: Genesis, trust: Trust) -> None:
        """Raises ``ValueError`` for a genesis without validators, or terms that are not sound."""
        network = network_id(genesis)
        self._transport, self._trust, self._network = transport, trust, network
        self._chain, self._founders = chain_id(network), founding_validators(genesis)
        self._terms = TrustTerms(trust.period_ms, trust.drift_ms).checked()
        self._store = TrustStore(trust.folder, network)
        self._newest: LightBlock | None = None
        self._url = ""  # which gateway gave it
        self._kept: LightBlock | None = None
        self._is_read = False

    @property
    def newest(self) -> LightBlock | None:
        """The newest verified block; None before the first."""
        return self._newest

    async def block(self, height: int, url: str, deadline: Deadline) -> LightBlock:
        """The verified block at a height; the one after the last is waited for."""
        return await self._believe(await self._fetch(height, url, deadline), url, deadline)

    async def head(self, url: str, deadline: Deadline) -> LightBlock:
        """The newest block of a gateway, verified. Whether it is news is for ``require_news`` to say."""
        return await self.block(await self.height_of(url, deadline), url, deadline)

    async def sealed(self, seal: bytes, url: str, deadline: Deadline) -> Checkpoint:
        """What a seal that this gateway gave vouches for, judged by what was verified before, and not by the genesis alone."""
        try:
            proof = verify_evidence(seal, self._chain, self._founders)
        except LightInvalid as error:
            raise GatewayAlters(url, "a seal", error.code, str(error)) from None
        signed = _EVIDENCE.decode(seal).last
        await self._believe(await self._completed(signed, proof.validators, url, deadline), url, deadline)
        return Checkpoint(proof.height, proof.time_ms, proof.app_hash)

    async def require_app_hash(self, found: bytes, height: int, url: str, deadline: Deadline) -> LightBlock:
        """Return the block that shows this to be the app hash after block ``height`` or a later one, and to be news."""
        newest = self._newest
        if newest is not None and newest.signed.header.app_hash == found and self._is_news(newest):
            return newest  # it stays the same over blocks that change nothing
        block = await self._after(height, url, deadline)
        if block.signed.header.app_hash != found:
            raise GatewayAlters(url, f"a state after block {height}", "light.app_hash")
        self.require_news(block, url)
        return block

    def require_news(self, block: LightBlock, url: str) -> None:
        """Raise ``GatewayDelays`` where a gateway's newest block is older than news may be, by this machine's clock."""
        if not self._is_news(block):
            raise GatewayDelays(url, self._age_ms(block), "this machine's clock")

    async def compare(self, deadline: Deadline, urls: Sequence[str] = ()) -> list[Head]:
        """The heads of all gateways, verified and held against each other. Raises ``ForkDetected``."""
        found: dict[str, LightBlock] = {}
        faults: dict[str, GatewayFault | NodeUnreachable | NodeProblem] = {}
        asked = urls or self._transport.gateways.urls
        for url in asked:
            try:
                found[url] = await self.head(url, deadline)
            except ForkDetected:
                raise
            except (GatewayFault, NodeUnreachable, NodeProblem) as error:
                faults[url] = error
        await self._require_same(found, faults, deadline)
        return [self._compared(url, found, faults) for url in asked]

    async def _require_same(
        self, found: dict[str, LightBlock], faults: dict[str, GatewayFault | NodeUnreachable | NodeProblem],
        deadline: Deadline,
    ) -> None:  # fmt: skip
        """Every gateway has the same block at the greatest height that all have. Raises ``ForkDetected``.

        First those that are not far behind: by what is left behind, all others could be asked for what they pruned.
        """
        times = {url: block.signed.header.time.time_ms for url, block in found.items()}
        limit = max(times.values(), default=0) - self._trust.delay_ms
        recent = [url for url in found if times[url] >= limit]
        await self._require_same_of(recent, found, faults, deadline)
        if len(recent) < len(times):
            await self._require_same_of(tuple(found), found, faults, deadline, may_lack=True)

    async def _require_same_of(
        self, urls: Sequence[str], found: dict[str, LightBlock],
        faults: dict[str, GatewayFault | NodeUnreachable | NodeProblem], deadline: Deadline, *, may_lack: bool = False,
    ) -> None:  # fmt: skip
        if len(urls) < 2:
            return
        common = min(found[url].signed.header.height for url in urls)
        first: tuple[str, LightBlock] | None = None
        for url in urls:
            try:
                block = await self.block(common, url, deadline)
            except ForkDetected:
                raise
            except (GatewayFault, NodeUnreachable, NodeProblem) as error:
                if may_lack and isinstance(error, NotFound):
                    continue
                faults[url] = error
                del found[url]
                continue
            if first is not None and header_hash(first[1].signed.header) != header_hash(block.signed.header):
                raise self._fork(first[1], first[0], block, url)
            first = first or (url, block)

    def _compared(
        self, url: str, found: dict[str, LightBlock],
        faults: dict[str, GatewayFault | NodeUnreachable | NodeProblem],
    ) -> Head:  # fmt: skip
        if url not in found:
            return Head(url, 0, 0, 0, faults[url])
        newest_url = max(found, key=lambda each: found[each].signed.header.time.time_ns)
        newest, block = found[newest_url], found[url]
        behind_ms = newest.signed.header.time.time_ms - block.signed.header.time.time_ms
        fault = None
        if behind_ms > self._trust.delay_ms:
            fault = GatewayDelays(url, behind_ms, f"the one of {newest_url}")
        elif not self._is_news(block):
            fault = GatewayDelays(url, self._age_ms(block), "this machine's clock")
        return Head(url, block.signed.header.height, block.signed.header.time.time_ms, behind_ms, fault)

    # from a verified block to another

    async def _believe(self, block: LightBlock, url: str, deadline: Deadline) -> LightBlock:
        """Verify a block that a gateway gave, and go on from it where it is the newest; what of it holds."""
        base = await self._base(url, deadline)
        if block.signed.header.height <= base.signed.header.height:
            return await self._hold_against(base, block, url, deadline)
        if self._is_fresh(base):
            await self._step(base, block, url, deadline)
        else:  # the network stood still for long, or this machine's clock is wrong: nothing stops because of a date
            block = await self._by_handovers(block, url, deadline)
        self._go_on(block, url)
        return block

    async def _base(self, url: str, deadline: Deadline) -> LightBlock:
        """The newest verified block that is fresh enough to go on from."""
        if not self._is_read:
            self._newest = self._kept = self._store.read()
            self._is_read = True
        known = self._newest
        if known is not None and self._is_fresh(known):
            return known
        return await self._from_genesis(known, url, deadline)

    async def _from_genesis(self, known: LightBlock | None, url: str, deadline: Deadline) -> LightBlock:
        """A block that the genesis document alone shows to be valid, by the handovers of validators since the founding."""
        seal = await self._seal(url, deadline)
        try:
            proof = verify_evidence(seal, self._chain, self._founders)
        except LightInvalid as error:
            raise GatewayAlters(url, "a seal", error.code, str(error)) from None
        block = await self._completed(_EVIDENCE.decode(seal).last, proof.validators, url, deadline)
        if known is not None and known.signed.header.height > block.signed.header.height:
            behind_ms = known.signed.header.time.time_ms - block.signed.header.time.time_ms
            raise GatewayDelays(url, behind_ms, "what was verified before")
        if known is not None and known.signed.header.height == block.signed.header.height:
            await self._require_equal(known, block, url, deadline)
        self._go_on(block, url)
        return block

    async def _completed(
        self, signed: SignedHeader, validators: ValidatorSet, url: str, deadline: Deadline
    ) -> LightBlock:
        """A signed header with the validators of the height after it, which are mostly the same."""
        header = signed.header
        if header.next_validators_hash == header.validators_hash:
            return LightBlock(signed, validators, validators)
        block = await self._fetch(header.height, url, deadline)
        self._require_following(header, block.next_validators, url)
        return LightBlock(signed, validators, block.next_validators)

    def _require_following(self, header: Header, following: ValidatorSet, url: str) -> None:
        try:
            check_validators(following, header.next_validators_hash, "light.next_validators")
        except LightInvalid as error:
            raise self._altered(url, header.height, error) from None

    async def _step(self, base: LightBlock, block: LightBlock, url: str, deadline: Deadline) -> None:
        """Verify a later block from a verified one; by halving where too many validators changed in between."""
        pending = [block]
        for _ in range(MAX_STEPS):
            target = pending[-1]
            low, high = base.signed.header.height, target.signed.header.height
            try:
                verify_next(
                    base.signed.header, base.next_validators, target, self._terms, self._trust.clock_ms()
                )
            except LightInvalid as error:
                middle = (low + high) // 2
                if error.code != "light.trusted_power" or middle == low:
                    raise self._altered(url, high, error) from None
                pending.append(await self._fetch(middle, url, deadline))
                continue
            base = pending.pop()
            if not pending:
                return
        raise GatewayAlters(
            url, f"block {block.signed.header.height}", "light.steps", f"more than {MAX_STEPS} steps"
        )

    async def _hold_against(
        self, base: LightBlock, block: LightBlock, url: str, deadline: Deadline
    ) -> LightBlock:
        """Verify a block of the same height as a verified one, or of a lower height; what of it holds."""
        header = block.signed.header
        if header.height == base.signed.header.height:
            await self._require_equal(base, block, url, deadline)
            return base  # of this one nothing but the header was looked at
        if header.validators_hash != base.signed.header.validators_hash:
            return await self._by_handovers(block, url, deadline)
        self._require_signed(block, base.validators, url)
        self._require_following(header, block.next_validators, url)
        return LightBlock(block.signed, base.validators, block.next_validators)

    async def _by_handovers(self, block: LightBlock, url: str, deadline: Deadline) -> LightBlock:
        """The block, verified by the handovers since the founding, which know no period."""
        validators = await self._in_office(block.signed.header.height, url, deadline)
        self._require_signed(block, validators, url)
        self._require_following(block.signed.header, block.next_validators, url)
        return LightBlock(block.signed, validators, block.next_validators)

    async def _in_office(self, height: int, url: str, deadline: Deadline) -> ValidatorSet:
        """Who had to sign a block, by the handovers since the founding."""
        seal = await self._seal(url, deadline)
        try:
            verify_evidence(seal, self._chain, self._founders)
        except LightInvalid as error:
            raise GatewayAlters(url, "a seal", error.code, str(error)) from None
        validators = self._founders
        for handover in _EVIDENCE.decode(seal).handovers:
            if handover.signed.header.height < height:
                validators = handover.next_validators
        return validators

    async def _require_equal(
        self, known: LightBlock, block: LightBlock, url: str, deadline: Deadline
    ) -> None:
        """The block is the one that is known for its height. Raises ``ForkDetected`` where another is validly signed too."""
        if header_hash(known.signed.header) == header_hash(block.signed.header):
            return
        if block.signed.header.validators_hash == known.signed.header.validators_hash:
            self._require_signed(block, known.validators, url)
            block = LightBlock(block.signed, known.validators, block.next_validators)
        else:
            block = await self._by_handovers(block, url, deadline)
        raise self._fork(known, self._url, block, url)

    def _require_signed(self, block: LightBlock, validators: ValidatorSet, url: str) -> None:
        try:
            verify_signed(block.signed, validators, self._chain)
        except LightInvalid as error:
            raise self._altered(url, block.signed.header.height, error) from None

    def _go_on(self, block: LightBlock, url: str) -> None:
        """From now on this is the newest verified block, and kept where it is worth it."""
        newest = self._newest
        if newest is None or block.signed.header.height > newest.signed.header.height:
            self._newest, self._url = block, url
        kept = self._kept
        if kept is None or (
            block.signed.header.time.time_ms - kept.signed.header.time.time_ms >= KEPT_MS
            or block.signed.header.next_validators_hash != kept.signed.header.next_validators_hash
        ):
            self._store.write(block)
            self._kept = block

    # what gateways are asked

    async def _fetch(self, height: int, url: str, deadline: Deadline) -> LightBlock:
        raw = await self._transport.get(f"/v1/light/blocks/{height}", deadline, is_open=True, at=url)
        try:
            block = decode_light_block(raw)
        except LightInvalid as error:
            raise self._altered(url, height, error) from None
        if block.signed.header.height != height:
            raise GatewayAlters(url, f"block {height}", "light.height")
        return block

    async def _after(self, height: int, url: str, deadline: Deadline) -> LightBlock:
        """The verified block after a height, for which the gateway waits. Raises ``GatewayDelays`` where it does not come."""
        for _ in range(NEXT_BLOCK_TRIES):
            try:
                return await self.block(height + 1, url, deadline)
            except NotFound:
                continue
        newest = await self.head(url, deadline)
        raise GatewayDelays(url, self._age_ms(newest), "this machine's clock")

    async def _seal(self, url: str, deadline: Deadline) -> bytes:
        return await self._transport.get("/v1/light/seal", deadline, is_open=True, at=url)

    async def height_of(self, url: str, deadline: Deadline) -> int:
        """How far a gateway is, as it says."""
        answer = decoded(await self._transport.get("/v1/light/head", deadline, is_open=True, at=url))
        height = answer.get("height") if isinstance(answer, dict) else None
        if type(height) is not int or height < 0:
            raise StrangeAnswer
        if height == 0:
            raise NodeBusy(
                503, "light.no_block", "The network has not made a block yet; ask again in a moment."
            )
        return height

    def _age_ms(self, block: LightBlock) -> int:
        return self._trust.clock_ms() - block.signed.header.time.time_ms

    def _is_news(self, block: LightBlock) -> bool:
        return self._age_ms(block) <= self._trust.delay_ms

    def _is_fresh(self, block: LightBlock) -> bool:
        return self._age_ms(block) < self._trust.period_ms

    def _altered(self, url: str, height: int, error: LightInvalid) -> GatewayAlters:
        clock = "; unless this machine's clock is behind" if error.code == "light.future" else ""
        return GatewayAlters(url, f"block {height}", error.code, f"{error}{clock}")

    def _fork(self, first: LightBlock, first_url: str, second: LightBlock, url: str) -> ForkDetected:
        evidence, file = self._store.keep_fork(Fork(self._network, first, second, first_url, url))
        return ForkDetected(url, first.signed.header.height, evidence, file)
