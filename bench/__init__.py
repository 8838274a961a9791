"""Benchmarks of the ledger: every figure with signatures, state tree, receipts, outbox and durable commits on."""
