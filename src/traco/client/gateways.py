"""The gateways of one network that a client may ask: which one it asks now, which ones it left, and what they can do wrong.

Every node of a network has the same ledger: a transaction has the same id, an event the same position everywhere. So a
client that knows several gateways goes on at the next one where one fails, with the same bytes and from the same position.

ClientError
└── GatewayFault        ``url`` is the gateway; what it said contradicts what validators signed, or other gateways
    ├── GatewayAlters   it gave something that does not verify
    ├── GatewayDelays   its newest block is old, or far behind those of others
    ├── GatewayHides    it denies a transaction that is final in a block it has
    └── ForkDetected    two blocks of one height are both validly signed: validators broke the rules, not the gateway alone
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from traco.client.results import AddressRefused, ClientError


class GatewayFault(ClientError):
    """A gateway was caught."""

    def __init__(self, url: str, code: str, detail: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, detail, {"url": url, **(fields or {})})
        self.url = url


class GatewayAlters(GatewayFault):
    """``gateway.alters``: what it gave does not verify. ``reason`` is the code of the rule that is not met."""

    def __init__(self, url: str, what: str, reason: str, text: str = "") -> None:
        detail = (
            f"The gateway at {url} gave {what} that does not verify ({text or reason}). Rely on nothing that it said; ask "
            "another gateway, and tell its operator."
        )
        super().__init__(url, "gateway.alters", detail, {"reason": reason})
        self.reason = reason


class GatewayDelays(GatewayFault):
    """``gateway.delays``: its news are ``behind_ms`` old, compared with ``against``: another gateway, or the clock."""

    def __init__(self, url: str, behind_ms: int, against: str) -> None:
        detail = (
            f"The newest signed block of the gateway at {url} is {behind_ms / 1000:.0f} s behind {against}. It holds news back, "
            "catches up, or is cut off from the network; ask another gateway. Check this machine's clock too."
        )
        super().__init__(url, "gateway.delays", detail, {"behind_ms": behind_ms})
        self.behind_ms = behind_ms


class GatewayHides(GatewayFault):
    """``gateway.hides``: it denies a transaction that a verified receipt of another gateway shows final in block ``height``."""

    def __init__(self, url: str, identity: bytes, height: int) -> None:
        detail = (
            f"The gateway at {url} knows nothing of transaction {identity.hex()}, which is final in block {height}, and it has "
            "that block. Do not use it; tell its operator."
        )
        super().__init__(url, "gateway.hides", detail, {"transaction": identity.hex(), "height": height})
        self.identity = identity
        self.height = height


class ForkDetected(GatewayFault):
    """``network.fork``: ``evidence`` are two validly signed blocks of one height (``client.trust``), kept in ``file``."""

    def __init__(self, url: str, height: int, evidence: bytes, file: str) -> None:
        kept = f" Both are kept in {file}." if file else ""
        detail = (
            f"Two different blocks of height {height} are validly signed; the gateway at {url} gave the second. Validators "
            f"with a third of the voting power or more signed both.{kept} Act on nothing of either until the council has said "
            "which one counts; give them the two blocks."
        )
        super().__init__(url, "network.fork", detail, {"height": height, "file": file})
        self.height = height
        self.evidence = evidence
        self.file = file


class GatewayState(NamedTuple):
    """A gateway of a client: whether it is the one that is asked now, and why it is not asked any more."""

    url: str
    is_asked: bool
    fault: GatewayFault | None


class Gateways:
    """The addresses, in the order in which they are asked. Threads may share it: what is lost in a race is asked again."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        given = (urls,) if isinstance(urls, str) else tuple(urls)
        self.urls = tuple(dict.fromkeys(url.rstrip("/") for url in given))
        if not self.urls:
            raise AddressRefused("client.address_invalid", "Name at least one gateway: https://HOST:PORT.")
        self.current = self.urls[0]
        self._faults: dict[str, GatewayFault] = {}

    @property
    def usable(self) -> tuple[str, ...]:
        """Those that were not caught lying; never none."""
        return tuple(url for url in self.urls if url not in self._faults) or (self.current,)

    def others(self, url: str) -> tuple[str, ...]:
        """The usable ones but for this one, those that are asked next first."""
        place = self.urls.index(url) if url in self.urls else 0
        around = self.urls[place + 1 :] + self.urls[:place]
        return tuple(each for each in around if each not in self._faults)

    def advance(self, url: str) -> bool:
        """Ask another gateway than this one from now on; whether there is another."""
        if self.current != url:
            return True  # somebody else noticed before
        following = self.others(url)
        if following:
            self.current = following[0]
        return bool(following)

    def leave(self, fault: GatewayFault) -> bool:
        """Ask another gateway from now on, and one that lies never again; whether there is another.

        One that is late may catch up, and is come back to when all others fail.
        """
        following = self.others(fault.url)
        if following and not isinstance(fault, GatewayDelays):
            self._faults[fault.url] = fault
        return self.advance(fault.url) and bool(following)

    def report(self) -> tuple[GatewayState, ...]:
        """How things stand with each."""
        return tuple(GatewayState(url, url == self.current, self._faults.get(url)) for url in self.urls)
