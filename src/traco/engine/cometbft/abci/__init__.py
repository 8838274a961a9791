"""ABCI 2.0 over a socket: wire codec, messages, frames, server. What the ledger answers is in ``adapter.py`` beside it."""
