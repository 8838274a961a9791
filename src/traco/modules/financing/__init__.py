"""Financing of invoices: requests, offers, receivables and their payment, and no invoice financed twice."""

from traco.modules.financing.keeper import Keeper
from traco.modules.financing.module import FinancingModule

__all__ = ["FinancingModule", "Keeper"]
