"""What the type of a setting does not say: which texts are addresses, and of what."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

_ADDRESS: Final = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]{1,253}):([1-9][0-9]{0,4})", re.ASCII)
_PEER: Final = re.compile(r"[0-9a-f]{40}@(.+)", re.ASCII)
_LEAST_RETAINED: Final = 100_000  # what evidence of misbehaviour may refer to


def _check_host(value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("an IP address is expected, such as 127.0.0.1") from None


def _check_database(value: str) -> None:
    try:
        parts = urlsplit(value)
        has_password = parts.password is not None
    except ValueError:
        raise ValueError("the address of a database is expected") from None
    if has_password or "password=" in parts.query:
        raise ValueError("it must not hold the password; name a file in projections.password_file")
    if not parts.scheme:
        raise ValueError("the address of a database is expected, such as postgresql://user@host/name")


def _check_endpoint(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an http or https address is expected")


def _check_peers(value: tuple[str, ...]) -> None:
    for peer in value:
        found = _PEER.fullmatch(peer)
        if found is None or not _is_address(found[1]):
            raise ValueError("each is <id of 40 hex digits>@host:port")


def _check_address(value: str) -> None:
    if value and not _is_address(value):
        raise ValueError("host:port is expected")


def _check_addresses(value: tuple[str, ...]) -> None:
    for address in value:
        if not _is_address(address):
            raise ValueError("each is host:port")


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and int(found[1]) <= 65_535


def _check_retained(value: int) -> None:
    if 0 < value < _LEAST_RETAINED:
        raise ValueError(f"0 (all) or {_LEAST_RETAINED} at least")


CHECKS: Final[Mapping[str, Callable[[Any], None]]] = {
    "host": _check_host,
    "engine.p2p_host": _check_host,
    "engine.external_address": _check_address,
    "engine.bootstrap_peers": _check_peers,
    "engine.retain_blocks": _check_retained,
    "projections.url": _check_database,
    "tracing.endpoint": _check_endpoint,
    "channels.listen": _check_addresses,
    "channels.address": _check_addresses,
}
"""By the dotted name of the setting; each raises ``ValueError`` with what is expected."""
