"""Traco: a permissioned ledger for trade finance and capital markets."""
