"""Business on the ledger: one folder per module, the same file names in each."""
