"""A member that does not answer an offer stops it no more than the policy says: its copy of the key stands on the root."""

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.modules.channel.events import CopyGiven, OfferLapsed
from traco.modules.channel.messages import AcceptEpoch, GiveCopy, OpenChannel
from traco.modules.channel.parts import Limits
from traco.modules.channel.signing import channel_id


async def offered(sites: Sites, *accepting: str) -> bytes:
    """A channel of ``a``, ``b`` and ``c``, two of whom are enough, that these accept; ``c``'s node is away."""
    terms = sites.terms("a", "b", "c", policy=2, limits=Limits(accept_ms=60_000))
    salt = sites.root.ledger.salt()
    channel = channel_id(sites.network, sites.ids["a"], salt)
    key = sites.offered("a", channel, terms)
    sites["c"].stop()
    sites.on_root("a", OpenChannel(sites.ids["a"], salt, terms, key))
    await sites.tick(4)
    for name in accepting:
        with sites.root.reading() as root:
            (offer,) = sites[name].running.offers.open_offers(root)
        assert offer.status == "ready"
        sites.on_root(name, AcceptEpoch(sites.ids[name], channel, 1, offer.offer.id))
    return channel


def test_with_the_copies_of_the_silent_on_the_root_the_epoch_begins_at_the_deadline(sites: Sites) -> None:
    async def scene() -> None:
        channel = await offered(sites, "a", "b")
        assert not sites.events(CopyGiven)
        await sites.until(lambda: bool(sites.stream(channel).entries), after_ms=2_000)
        given = [event for event in sites.events(CopyGiven) if isinstance(event, CopyGiven)]
        assert [event.member for event in given] == [sites.ids["c"]]
        assert len([each for each in sites.submitted if isinstance(each, GiveCopy)]) == 1
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        sites["c"].start()
        paid = purse.pay("a", "b", 5)
        await sites.until(lambda: purse.is_confirmed(paid, at="abc"))
        assert purse.balances("c", "a", "b") == (995, 1_005)

    run(scene())


def test_what_too_few_accept_lapses_and_no_copy_is_shown(sites: Sites) -> None:
    async def scene() -> None:
        await offered(sites, "a")
        await sites.until(lambda: bool(sites.events(OfferLapsed)), after_ms=2_000)
        assert sites.events(CopyGiven) == []

    run(scene())
