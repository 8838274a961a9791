"""As whom a client asks: access tokens made when they are needed and renewed before they expire.

    with LedgerClient("http://127.0.0.1:7470", access=Access(bank_id, signer, "read")) as client:
        print(client.query("party.get", party=bank_id))

Another machine's node is asked over TLS: ``LedgerClient("https://node.example", access=..., ca_file="ca.pem")``.

A token is made by the node's clock, with the party's own key (``access``). It is sent in the clear to this machine only.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from traco.client.access import MAX_LIFE_MS, Scope, make_token, new_grant
from traco.client.results import AddressRefused
from traco.client.signer import Signer

RENEWAL: Final = 0.2
"""A token is renewed when less than this part of its life is left."""


@dataclass(frozen=True, slots=True)
class Access:
    """The party for which a client asks, and the key that proves it. ``scope`` ``read`` cannot submit.

    ``on_demand``: the first requests go without a token, until the node asks for one. That suits people, whose key stores
    then stay closed where nothing is asked for.
    """

    party: bytes
    signer: Signer
    scope: Scope = "submit"
    life_ms: int = MAX_LIFE_MS
    on_demand: bool = False


class Tokens:
    """The token of an access, for one node at a time. Two threads may both make one: either holds."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.is_wanted = not access.on_demand
        self._token: tuple[str, int] | None = None  # and from when on, by the node's clock, to renew it

    def current(self, now_ms: int) -> str | None:
        """The token, unless there is none or it must be renewed."""
        token = self._token
        return token[0] if token is not None and now_ms < token[1] else None

    def renew(self, network: bytes, node: bytes, now_ms: int) -> str:
        """A new token from now on. The signer's own errors pass."""
        access = self.access
        grant = new_grant(network, node, access.party, access.scope, now_ms, access.life_ms)
        token = make_token(grant, access.signer)
        self._token = (token, grant.expires_ms - int(access.life_ms * RENEWAL))
        return token


def check_address(url: str) -> None:
    """Return if a token may be sent there: over TLS, or to this machine. Raises ``AddressRefused``."""
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme.lower()
    except ValueError:
        host, scheme = "", ""
    if scheme not in ("http", "https") or not host:
        raise AddressRefused(
            "client.address_invalid",
            f"{url!r} is no address of a node; write https://HOST:PORT.",
            {"url": url},
        )
    if scheme == "http" and not _is_loopback(host):
        raise AddressRefused(
            "client.insecure_address",
            f"An access token would go to {host} in the clear, where others can read and use it. Write https://.",
            {"url": url},
        )


def is_here(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        return _is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
