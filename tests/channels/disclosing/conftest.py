"""Channels come with protocol 3."""

from channels.seat.conftest import protocol_three, sites

__all__ = ["protocol_three", "sites"]
