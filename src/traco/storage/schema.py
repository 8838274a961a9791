"""The tables of a ledger's store, and the rule by which changes reach them.

Every table is a function of the blocks alone: the same blocks give the same rows, byte for byte, however often the store
was opened meanwhile. That is what the audit compares.

    meta               what never changes: format, network, ledger, genesis document
    head               one row: the last height and what the tree and the history need at start
    blocks             one row per block, its parts as canonical MessagePack
    history            leaf hash of each block record, by position in the history log
    state, leaf_tile   the state by slot, and its leaf hashes in tiles; behind by up to ``SWEEP_BLOCKS`` blocks
    delta              per recent block what it changed: what ``state``, ``leaf_tile`` and the index do not have yet
    transaction_index  where each id is: a prefix of it, height and leaf; behind like ``state``
    inherited          only in a store made from a snapshot: used ids of blocks before it, and when they are forgotten

A store made from a snapshot has no blocks before it. The block at its height is there without leaves, as the founding is,
and its ``meta`` has a row ``base``.

Writing each block's changes where they belong would touch as many pages as keys. Instead a block stores them in one
blob and *sweeps*: it brings one ``SWEEP_BLOCKS``-th of the slot space up to date, so that neighbouring slots are written
together. After ``SWEEP_BLOCKS`` blocks every change was swept, and its delta is dropped.
"""

from typing import Final

FORMAT: Final = 1
"""Version of these tables. A store of a higher one is refused; for a lower one a release brings a migration."""

JOINED_FORMAT: Final = 2
"""The same of a store made from a snapshot, which earlier releases would take for whole."""

SWEEP_BLOCKS: Final = 50
"""In how many blocks the sweep comes around; also how many deltas are kept."""

TILE_SLOTS: Final = 256
"""Slots per row of ``leaf_tile``; a tile and its slots are swept together."""

PREFIX_BYTES: Final = 6
"""How much of an id the index keeps. What it finds is confirmed against the leaf."""

TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    height INTEGER NOT NULL,
    slot_count INTEGER NOT NULL,
    first_empty INTEGER,
    frontier BLOB NOT NULL
) STRICT;
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    app_hash BLOB NOT NULL,
    state_root BLOB NOT NULL,
    history_root BLOB NOT NULL,
    history_size INTEGER NOT NULL,
    used_until INTEGER,
    record BLOB,
    used BLOB NOT NULL,
    refusals BLOB NOT NULL,
    leaves BLOB NOT NULL,
    envelopes BLOB NOT NULL
) STRICT;
CREATE INDEX blocks_by_used_until ON blocks (used_until) WHERE used_until IS NOT NULL;
CREATE TABLE history (position INTEGER PRIMARY KEY, record_hash BLOB NOT NULL) STRICT;
CREATE TABLE state (slot INTEGER PRIMARY KEY, key BLOB, value BLOB NOT NULL) STRICT;
CREATE INDEX state_by_key ON state (key) WHERE key IS NOT NULL;
CREATE TABLE leaf_tile (tile INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
CREATE TABLE delta (height INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT;
CREATE TABLE transaction_index (entry BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
INHERITED_TABLE: Final = "CREATE TABLE inherited (until_ms INTEGER NOT NULL, ids BLOB NOT NULL) STRICT"
# ``state_by_key`` is not unique: a key that moves to another slot is in two rows from the sweep of its new slot to
# that of its old one. Readers ask the deltas first, and these have every key that moved in that time.
