"""What a node's addresses and keys must be like in themselves. Not what depends on other nodes.

The text of an address comes from a member and is shown to others and handed to the engine: only what cannot be mistaken for
anything else is let in. Names are in lower case, so that one address has one spelling.
"""

import re
from typing import Final

from traco.kernel.crypto import ED25519_KEY_BYTES, KeyInvalid, Scheme, check_public_key
from traco.modules.network.errors import AddressWrong, ConsensusKeyWrong, GatewayWrong
from traco.modules.network.state import NodeRecord

MAX_PORT: Final = 65_535
MAX_HOST: Final = 253  # RFC 1035, without the final dot

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC: Final = re.compile(
    r"(?:.*\.)?[0-9]+"
)  # a name whose last label is a number is an IPv4 address or nothing
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_IPV6_GROUP: Final = re.compile(r"[0-9a-f]{1,4}")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PLACE: Final = re.compile(r"(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::([0-9]+))?")
_GATEWAY: Final = re.compile(r"https?://([^/]+)((?:/[A-Za-z0-9._~-]+)*)/?")
_WILDCARDS: Final = ("0.0.0.0", "[::]")  # noqa: S104 - refused here: where one listens, not where others dial


def check_address(address: str) -> None:
    """``host:port``, which other nodes can dial. Raises ``AddressWrong``."""
    place = _PLACE.fullmatch(address)
    if place is None or place[2] is None or not _fits(place[1], place[2]):
        raise AddressWrong


def check_gateway(gateway: str) -> None:
    """Empty, or an http or https URL of host, port and path alone. Raises ``GatewayWrong``."""
    if not gateway:
        return
    url = _GATEWAY.fullmatch(gateway)
    place = None if url is None else _PLACE.fullmatch(url[1])
    if place is None or not _fits(place[1], place[2]):
        raise GatewayWrong


def check_keys(record: NodeRecord) -> None:
    """The consensus key is one that the engine takes, and not the node key too. Raises ``ConsensusKeyWrong``.

    The engine would take any 32 bytes, and by its rule (ZIP-215) anybody can sign votes for a key of small order:
    only a canonical key of prime order is let in.
    """
    key = record.consensus
    if len(key) != ED25519_KEY_BYTES or key[0] != Scheme.ED25519:
        raise ConsensusKeyWrong(key, "scheme")
    try:
        check_public_key(key)
    except KeyInvalid as invalid:
        raise ConsensusKeyWrong(key, invalid.code) from None
    if key == record.key:
        raise ConsensusKeyWrong(key, "node_key")


def _fits(host: str, port: str | None) -> bool:
    if port is not None and not (_PORT.fullmatch(port) and int(port) <= MAX_PORT):
        return False
    if host in _WILDCARDS or len(host) > MAX_HOST:
        return False
    if host.startswith("["):
        return _is_ipv6(host[1:-1])
    if _NUMERIC.fullmatch(host):
        return _IPV4.fullmatch(host) is not None
    return _NAME.fullmatch(host) is not None


def _is_ipv6(text: str) -> bool:
    """Eight groups, or fewer with one gap (RFC 4291, 2.2) that stands for two or more; no IPv4 inside."""
    left, gap, right = text.partition("::")
    groups = [group for half in (left, right) if half for group in half.split(":")]
    if any(_IPV6_GROUP.fullmatch(group) is None for group in groups):
        return False
    return len(groups) <= 6 if gap else len(groups) == 8
