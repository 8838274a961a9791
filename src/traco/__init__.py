"""Traco: a permissioned ledger for trade finance and capital markets."""

__version__ = "0.1.0"
