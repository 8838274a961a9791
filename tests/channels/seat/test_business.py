"""Business in a channel, from a member's transaction to what all members attest."""

from channels.seat.sites import Sites
from support.virtual_time import run
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.holding.state import HOLDINGS

SALT = b"account".ljust(16, b"\0")


class Purse:
    """An instrument of ``a``'s in a channel, and an account for each of some members."""

    def __init__(self, sites: Sites, channel: bytes) -> None:
        self.sites, self.channel = sites, channel
        self.instrument = instrument_id(sites.ids["a"], "EUR")

    def account(self, name: str) -> bytes:
        return account_id(self.sites.ids[name], SALT)

    async def fill(self, *names: str) -> None:
        """Every member has an account with 1,000 in it."""
        ids, send = self.sites.ids, self.sites.send
        for name in names:
            opened = OpenAccount(
                ids[name], ids[name], AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, SALT
            )
            send(name, self.channel, opened)
        issuer = ids["a"]
        send(
            "a",
            self.channel,
            CreateInstrument(issuer, "EUR", InstrumentKind.SECURITY, None, 2, bytes(32), (issuer,)),
        )
        await self.sites.settle()
        issued = [Issue(issuer, self.instrument, self.account(name), 1_000, b"") for name in names]
        send("a", self.channel, *issued)
        await self.sites.settle()

    def balance(self, at: str, name: str) -> int:
        """What a member owns, as a node has it."""
        replica = self.sites[at].running.hosted(self.channel).replica
        found = HOLDINGS.get(replica.state, self.instrument, self.account(name))
        return 0 if found is None else found.available

    def pay(self, sender: str, receiver: str, amount: int) -> bytes:
        message = Transfer(
            self.sites.ids[sender], self.instrument, self.account(sender), self.account(receiver), amount, b""
        )
        return self.sites.send(sender, self.channel, message)


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
