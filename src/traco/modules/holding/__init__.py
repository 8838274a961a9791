"""What is owned, where and how much: instruments, accounts, holdings, and what sets parts of them aside."""

from traco.modules.holding.keeper import Keeper
from traco.modules.holding.module import HoldingModule

__all__ = ["HoldingModule", "Keeper"]
