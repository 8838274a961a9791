"""Business in a channel, from a member's transaction to what all members attest."""

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run


def test_a_payment_in_a_channel_is_confirmed_at_all_members(sites: Sites) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        paid = purse.pay("b", "a", 300)
        assert sites.standing("b", channel, paid) == "received"
        await sites.settle()
        for name in ("a", "b"):
            assert sites.standing(name, channel, paid) == "confirmed"
            assert (purse.balance(name, "a"), purse.balance(name, "b")) == (1_300, 700)

    run(scene())
