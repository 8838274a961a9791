"""What a member can show outsiders of its channel, and what it gets back after the loss of a disk."""

import shutil
from collections.abc import Callable

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.finality import make
from support.virtual_time import run
from traco.channels.custody.messages import Refusal
from traco.channels.seat.errors import KeyMissing, NotHosted
from traco.channels.seat.messages import GetCopy
from traco.client.channel_receipts import make_channel_receipt, verify_channel_receipt
from traco.kernel.codec import Codec
from traco.kernel.genesis import write_genesis
from traco.kernel.transaction import Envelope, RawTransaction, transaction_id
from traco.modules.channel.messages import Attest
from traco.modules.channel.parts import Attested

ENVELOPE: Codec[Envelope] = Codec(Envelope)
RAW: Codec[RawTransaction] = Codec(RawTransaction)


def root_receipt(sites: Sites, identity: bytes) -> bytes:
    """The finality receipt of a transaction of the root."""
    ledger = sites.root.ledger
    for block in ledger.store.blocks:
        for envelope in block.envelopes:
            for raw in ENVELOPE.decode(envelope).body.transactions:
                if transaction_id(bytes(RAW.decode(raw).body)) == identity:
                    index = [leaf.identity for leaf in block.leaves].index(identity)
                    return make(ledger, raw, block.height, index)
    raise AssertionError("the root has no such transaction")


def receipt(sites: Sites, name: str, channel: bytes, identity: bytes) -> bytes:
    """The channel receipt that a member's node can make."""
    parts = sites[name].running.proof(channel, identity)
    assert parts is not None
    return make_channel_receipt(
        parts.transaction, parts.receipt, parts.proof, parts.points, root_receipt(sites, parts.origin)
    )


def test_every_member_can_prove_a_confirmed_payment_to_anybody(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        paid = purse.pay("b", "a", 300)
        await sites.settle()
        genesis = write_genesis(sites.root.genesis)
        for name in ("a", "b"):
            proven = verify_channel_receipt(receipt(sites, name, channel, paid), genesis)
            assert (proven.channel, proven.outcome.identity) == (channel, paid)
            assert proven.outcome.receipt.failure is None

    run(scene())


def test_a_point_that_was_confirmed_with_a_later_one_is_proven_by_way_of_it(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        sites["a"].stop()
        paid = []
        for amount in (1, 2, 3):
            paid.append(purse.pay("b", "a", amount))
            await sites.until(lambda: sites.standing("b", channel, paid[-1]) == "executed")
        assert sites["b"].running.proof(channel, paid[0]) is None  # not confirmed yet
        sites["a"].start()
        await sites.settle()
        for each in paid:
            proven = verify_channel_receipt(
                receipt(sites, "b", channel, each), write_genesis(sites.root.genesis)
            )
            assert proven.outcome.identity == each

    run(scene())


def test_what_was_confirmed_with_a_point_that_is_not_executed_here_yet_is_proven_when_it_is(
    sites: Sites,
) -> None:
    async def scene() -> None:
        channel = await sites.opened(
            sites.terms("a", "b", "c", policy=2, faults=1, custody=2, vaults=(sites.ids["d"],))
        )
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        await sites.settle()
        sites["b"].withheld = sites["c"].withheld = (Attest,)
        paid = purse.pay("b", "a", 1)
        await sites.until(lambda: sites.standing("c", channel, paid) == "executed")
        sites["b"].stop()
        sites["c"].custody.forgets = True
        sites.cut |= {("c", "a"), ("c", "d")}  # it gets no payload any more
        last = purse.pay("a", "b", 2)
        await sites.until(lambda: sites.standing("a", channel, last) == "executed")
        ordinal = sites.stream(channel).ordinal
        result = sites["a"].book.result(channel, ordinal)
        assert result is not None
        word = Attested(channel, result.generation, ordinal, result.digest, result.legs)
        assert sites.by_node("b", Attest(sites.ids["b"], (word,))) == ""
        await sites.until(lambda: sites.stream(channel).confirmed == ordinal)
        await sites.tick()
        assert sites.standing("c", channel, paid) == "confirmed"
        assert sites["c"].running.proof(channel, paid) is None
        sites.cut.clear()
        await sites.until(lambda: sites["c"].running.proof(channel, paid) is not None)

    run(scene())


def test_nobody_else_can_prove_anything_of_it(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        paid = purse.pay("b", "a", 300)
        await sites.settle()
        with pytest.raises(NotHosted):
            sites["c"].running.proof(channel, paid)

    run(scene())


def wipe(sites: Sites, name: str) -> None:
    """The node's disk is lost; its keys were elsewhere."""
    site = sites[name]
    site.stop()
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    site.start()


def test_a_node_that_lost_its_disk_gets_everything_back(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b", "c", policy=2))
        purse = Purse(sites, channel)
        await purse.fill("a", "b", "c")
        purse.pay("b", "a", 300)
        await sites.settle()
        before = sites["b"].running.hosted(channel).replica.info()
        wipe(sites, "b")
        await sites.settle()
        assert sites["b"].running.problems == {}
        assert sites["b"].running.hosted(channel).replica.info() == before
        assert purse.balance("b", "b") == 700

    run(scene())


def hide_copies() -> Callable[..., object]:
    """Give no copies of keys."""
    return lambda request, answer: Refusal("custody.not_held") if isinstance(request, GetCopy) else answer


def test_without_its_key_only_that_channel_waits_and_says_so(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        sites.lies["a"] = hide_copies()
        wipe(sites, "b")
        await sites.tick(4)
        assert isinstance(sites["b"].running.problems[channel], KeyMissing)
        del sites.lies["a"]
        await sites.settle()
        assert sites["b"].running.problems == {}

    run(scene())
