"""What the REST interface is told about itself: who may read the node, how it is reached, how much it takes."""

import ipaddress
from typing import Annotated, Final

import msgspec

DEVELOPMENT: Final = "development"

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


def _said(description: str) -> msgspec.Meta:
    """What a limit is, for the configuration's table."""
    return msgspec.Meta(description=description)


class ApiLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How much one principal, and all together, may ask. A principal is a party, whatever its keys and tokens.

    The local operator of a development network is counted like a party, but for its rate, which is its own machine's.
    """

    requests_per_second: Annotated[Count, _said("requests of one principal, in the long run")] = 2_000
    request_burst: Annotated[Count, _said("requests of one principal without a pause")] = 4_000
    anonymous_per_second: Annotated[
        Count, _said("requests of one address without a token that was seen before, in the long run")
    ] = 50
    anonymous_burst: Annotated[Count, _said("the same without a pause")] = 500
    requests_at_once: Annotated[Count, _said("requests of one principal being answered")] = 128
    requests_at_once_all: Annotated[Count, _said("requests of all principals being answered")] = 512
    in_flight: Annotated[Count, _said("transactions of one principal on their way")] = 8_192
    in_flight_all: Annotated[
        Count, _said("transactions of all principals on their way; beyond it they take turns")
    ] = 32_768
    waiting_submissions: Annotated[Count, _said("requests of one principal that wait for their turn")] = 256
    streams: Annotated[Count, _said("open event streams of one principal")] = 16
    streams_all: Annotated[Count, _said("open event streams of all principals")] = 256
    json_bytes: Annotated[Count, _said("bytes of a body in JSON")] = 262_144
    json_depth: Annotated[Count, _said("how deeply a body in JSON may nest")] = 32


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask this node. ``node`` is the node's public key; parties are ids.

    ``purpose`` is the genesis document's: without a token only a ``development`` network answers, on loopback only.
    ``host_names`` are the names and addresses that clients may know this node by where it does not listen on the
    loopback address: those in its certificate.
    """

    node: bytes
    purpose: str
    host: str = "127.0.0.1"
    host_names: tuple[str, ...] = ()
    operators: frozenset[bytes] = frozenset()
    auditors: frozenset[bytes] = frozenset()
    limits: ApiLimits = ApiLimits()
    tls: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the interface."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def needs_token(self) -> bool:
        """Whether a request without a token is refused."""
        return not (self.is_loopback and self.purpose == DEVELOPMENT)
