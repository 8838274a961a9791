"""What tests share: a ledger in memory, keys, and ways to submit. Not for production."""
