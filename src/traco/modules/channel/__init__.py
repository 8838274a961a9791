"""Confidential channels as the root sees them: who takes part, in which order, and what members attest. Never content."""

from traco.modules.channel.keeper import Keeper
from traco.modules.channel.module import ChannelModule

__all__ = ["ChannelModule", "Keeper"]
