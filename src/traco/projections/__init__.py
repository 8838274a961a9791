"""SQL tables made from committed events: a journal in double entry, holdings, registers; and the reports on them.

`ProjectionDatabase` is a database of projections (SQLite or PostgreSQL), `Projection` brings it up to the ledger, and
`statement`, `lists` and `reconciliation` read it. Nothing here writes to the ledger, and everything here can be made again from
it. Not for deciding anything about the ledger: that is done on its own state.
"""
