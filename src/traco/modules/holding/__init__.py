"""What is owned, where and how much: instruments, accounts, holdings, and what sets parts of them aside."""
