"""Whom a network address stands for, where requests and connections are counted before anybody has said who he is."""

import ipaddress


def origin_of(host: str) -> str:
    """One IPv4 address, or the /64 that one machine has at least in IPv6; anything else as it is."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
