"""What custodians in tests see of the root, and a node key that remembers what it signed."""

from support.ledger import Key
from support.sealed import CHANNEL, EPOCH, NETWORK, TERMS
from traco.channels.custody.receiving import Standing

NOW_MS = 1_000_000
AHEAD_MS = 60_000
ORDER_BY = NOW_MS + AHEAD_MS


class RootView:
    """One channel, which a test may change."""

    def __init__(self) -> None:
        self.network = NETWORK
        self.time_ms = NOW_MS
        self.max_order_ahead_ms = AHEAD_MS
        self.channel = Standing("open", EPOCH, TERMS)

    def standing(self, channel: bytes) -> Standing | None:
        """The channel, or None for any other."""
        return self.channel if channel == CHANNEL else None


class RecordingSigner:
    """Signs with a key, and notes each message."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.signed = list[bytes]()

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""
        self.signed.append(message)
        return self._key.sign(message)
