"""For those who use the ledger: SDK, key store, offline verification of receipts. It needs no node's code."""
