"""Services around the ledger. They import the client, never the inside of a node."""
