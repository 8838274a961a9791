"""The deterministic heart of the ledger: no I/O, no clock, no randomness."""
