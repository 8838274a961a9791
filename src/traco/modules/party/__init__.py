"""Who takes part: parties, their keys and signing policies, members, nodes, the council and granted roles."""

from traco.modules.party.keeper import Keeper
from traco.modules.party.module import PartyModule

__all__ = ["Keeper", "PartyModule"]
