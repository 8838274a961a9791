"""A member of the demonstration's channels: what it does there by its own node, and what it finds there."""

import os
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from traco.client.building import identity_of
from traco.client.results import ChannelResult, ClientError, NodeProblem
from traco.client.sdk import Party
from traco.demo.stage import DemoFailed, expect, until
from traco.kernel.instruction import Instruction
from traco.modules.channel.messages import AcceptEpoch
from traco.modules.holding.messages import OpenAccount
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl, account_id

ROUTE: Final = "/v1/channels"
WAIT_SECONDS: Final = 60.0
PENDING: Final = ("received", "executed")


class Done(NamedTuple):
    """A transaction that a channel's policy confirmed: its id, the point, and how long that took."""

    identity: bytes
    ordinal: int
    seconds: float


class Trader:
    """A member, with its key, at its own node."""

    def __init__(self, name: str, organisation: str, party: Party) -> None:
        self.name, self.organisation, self.party = name, organisation, party

    @property
    def id(self) -> bytes:
        """Its party id."""
        return self.party.id

    def accept(self, channel: bytes) -> None:
        """Accept the epoch on offer, once its node has the key and has checked everybody's copy. Raises ``DemoFailed``."""
        offered = until(
            lambda: self._ready(channel), WAIT_SECONDS, f"{self.organisation} gets its copy of the key"
        )
        self.party.transact(AcceptEpoch(self.id, channel, offered["epoch"], bytes.fromhex(offered["offer"])))

    def _ready(self, channel: bytes) -> Any:
        found = [each for each in self.party.client.get(ROUTE)["offers"] if each["channel"] == channel.hex()]
        expect(all(each["status"] != "wrong" for each in found), f"the copies are right: {found}")
        return next((each for each in found if each["status"] == "ready"), None)

    def send(self, channel: bytes, *instructions: Instruction) -> bytes:
        """Sign instructions for a channel and hand them to the node, where they are durable; the transaction's id."""
        client = self.party.client
        raw = client.build(instructions, self.party.signers, ledger=channel)
        result = client.submit_to_channel(channel, raw)
        expect(result.failure is None, f"the node takes it: {result.failure}")
        return identity_of(raw)

    def do(self, channel: bytes, *instructions: Instruction) -> Done:
        """The same, and wait until the policy confirmed it. Raises ``DemoFailed``."""
        begun = time.monotonic()
        identity = self.send(channel, *instructions)
        result = self.wait(channel, identity)
        return Done(identity, result.ordinal, time.monotonic() - begun)

    def wait(self, channel: bytes, identity: bytes) -> ChannelResult:
        """What became of a transaction, which must be confirmed and have succeeded. Raises ``DemoFailed``."""
        result = until(
            lambda: self._settled(channel, identity),
            WAIT_SECONDS,
            f"{identity.hex()} of {self.organisation} is confirmed",
        )
        expect(result.status == "confirmed" and result.failure is None, f"it is confirmed: {result}")
        return result

    def _settled(self, channel: bytes, identity: bytes) -> ChannelResult | None:
        found = self.party.client.channel_result(channel, identity)
        return None if found is None or found.status in PENDING else found

    def standing(self, channel: bytes, identity: bytes) -> str:
        """How far a transaction is on this node; empty where it does not know it."""
        found = self.party.client.channel_result(channel, identity)
        return "" if found is None else found.status

    def open_account(self, channel: bytes) -> bytes:
        """An account of its own in a channel, that anybody may credit and only itself may debit."""
        opening = self.opening()
        self.do(channel, opening)
        return account_id(self.id, opening.salt)

    def opening(self) -> OpenAccount:
        """The instruction that opens another such account."""
        salt = os.urandom(16)
        return OpenAccount(
            self.id, self.id, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
        )

    def ask(self, channel: bytes, query: str, **fields: Any) -> Any:
        """The answer of a query inside a channel, from the replica of its own node."""
        return self.party.client.post(f"{ROUTE}/{channel.hex()}/queries/{query}", fields)["answer"]

    def holding(self, channel: bytes, instrument: bytes, account: bytes) -> dict[str, int]:
        """What is in an account, in smallest units."""
        found = self.ask(channel, "holding.get", instrument=instrument, account=account)
        return dict(found) if found else {}

    def available(self, channel: bytes, instrument: bytes, account: bytes) -> int:
        """What its owner may dispose of."""
        return int(self.holding(channel, instrument, account).get("available", 0))

    def shown(self, channel: bytes) -> dict[str, Any]:
        """A channel as its node shows it."""
        return dict(self.party.client.get(f"{ROUTE}/{channel.hex()}"))

    def is_answered(self) -> bool:
        """Whether the node's channels' process answers."""
        try:
            self.party.client.get(ROUTE)
        except ClientError:
            return False
        return True

    def refusal(self, path: str, form: dict[str, Any] | None = None) -> tuple[int, str]:
        """With which status and code its node refuses a request. Raises ``DemoFailed`` where it does not."""
        client = self.party.client
        try:
            answer = client.get(path) if form is None else client.post(path, form)
        except NodeProblem as refused:
            return refused.status, refused.code
        raise DemoFailed(f"the node of {self.organisation} refuses {path}, and it answered {answer}")


def members(traders: Iterable[Trader]) -> tuple[bytes, ...]:
    """Their ids, in the order in which terms have them."""
    return tuple(sorted(trader.id for trader in traders))
