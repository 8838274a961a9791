"""The REST interface of a node. It runs in a process of its own and reads committed snapshots only."""
