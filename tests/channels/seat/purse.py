"""Money in a channel of a test: an instrument, an account for each member, payments."""

from collections.abc import Sequence

from channels.seat.sites import Sites
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

    def __init__(self, sites: Sites, channel: bytes, code: str = "EUR") -> None:
        self.sites, self.channel, self.code = sites, channel, code
        self.instrument = instrument_id(sites.ids["a"], code)

    def account(self, name: str) -> bytes:
        return account_id(self.sites.ids[name], SALT)

    async def fill(self, *names: str, amount: int = 1_000) -> None:
        """Every member has an account with an amount in it."""
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
            CreateInstrument(issuer, self.code, InstrumentKind.SECURITY, None, 2, bytes(32), (issuer,)),
        )
        await self.sites.settle()
        issued = [Issue(issuer, self.instrument, self.account(name), amount, b"") for name in names]
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

    def is_confirmed(self, *paid: bytes, at: Sequence[str]) -> bool:
        """Whether these nodes all say that these payments are confirmed."""
        return all(
            self.sites.standing(name, self.channel, each) == "confirmed" for name in at for each in paid
        )

    def balances(self, at: str, *names: str) -> tuple[int, ...]:
        """What members own, as a node has it."""
        return tuple(self.balance(at, name) for name in names)
