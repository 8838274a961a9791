"""Snapshots of a ledger for nodes that join, and new ledger files that take the place of old ones.

`form` says what a snapshot is made of, `ranges` how its pieces verify on their own; `taking` makes one beside a running
node, `restoring` makes a ledger of one, `shelf` keeps some, `swap` puts a new ledger file in the place of the old one.
Not for backups, which are of a node and are made by `node.backup`.
"""
