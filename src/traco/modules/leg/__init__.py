"""Legs: one ledger's part of a settlement across ledgers, held until the root decides."""

from traco.modules.leg.module import LegModule

__all__ = ["LegModule"]
