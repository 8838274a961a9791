"""Settlement: batches of instructions between parties that settle all or none, such as delivery versus payment."""

from traco.modules.settlement.keeper import Keeper
from traco.modules.settlement.module import SettlementModule

__all__ = ["Keeper", "SettlementModule"]
