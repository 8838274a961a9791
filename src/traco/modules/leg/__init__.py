"""Legs: one ledger's part of a settlement across ledgers, held until the root decides."""
