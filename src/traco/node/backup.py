"""The online backup of a node: a directory of copies that fit together, made while the node runs, by another process.

    channels/   first: channels.db, which follows the ledger and must not be ahead of it, then the payloads that it names
                (custody.db); not the replicas, which are executed again. channels.db only with keys: what waits to be sealed
                is in it as it was signed
    outbox.db   then: what was acknowledged and is not known to be in a block
    ledger.db   then: one snapshot of the ledger, at one height
    the rest    genesis.json, node.json, key stores (still encrypted), fingerprints.log, a checkpoint if asked for;
                of a cluster's node card.json, founding.json, evidence.db, and the engine's keys (in the clear)
    manifest.json   what it is a backup of: network, height, app hash, time; size and hash of every file

The order matters. An envelope leaves the outbox only after its block is durable. So whatever is in the outbox when that
is copied is later either in the ledger's copy, too (then a restored node finds it there and drops it), or it is not (then it
is offered again): neither lost nor done twice. In the other order an envelope could be ordered and forgotten between the
two copies, and be in neither. What is acknowledged after the outbox was copied is not promised to be in the backup.

The ledger is copied page by page under one read transaction. The node goes on writing; but SQLite cannot reuse the
log (``ledger.db-wal``) before the copy is complete, so that it grows by everything written meanwhile.

What a validator signed last is never in it: an older record would let it sign a second block at one height. ``take_over``
writes one that keeps it silent up to where the network is.

Not for a second copy that follows the first: every backup is whole. Incremental backups are left to storage that
snapshots files. Restoring is in ``restore``.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import apsw
import msgspec

from traco import __version__
from traco.engine.embedded.checkpoint import CheckpointSigner, sign_checkpoint
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.seal import Checkpoint
from traco.node.channels.keyring import SEATS_FILE
from traco.node.channels.stores import BOOK_FILE, CUSTODY_FILE
from traco.node.clock import wall_clock_ms
from traco.node.configuration import CONFIG_FILE
from traco.node.copies import (
    CopyProgress,
    CopyRefused,
    Digest,
    Report,
    appearing_directory,
    copy_file,
    digest_of,
    make_folder_of,
    require_space,
    say_nothing,
)
from traco.node.directory import (
    CARD_FILE,
    CONSENSUS_KEY_FILE,
    EVIDENCE_FILE,
    FINGERPRINT_KEYS_FILE,
    FINGERPRINT_LOG,
    FOUNDING_FILE,
    GENESIS_FILE,
    KEYS_FILE,
    LEDGER_FILE,
    OUTBOX_FILE,
    PEER_KEY_FILE,
    read_genesis,
)
from traco.storage import DirectoryLock, StoreLocked
from traco.storage.database import is_founded, open_reader, read_meta, require_network
from traco.storage.errors import StoreDamaged, halting
from traco.storage.loading import read_head

MANIFEST_FILE: Final = "manifest.json"
CHECKPOINT_FILE: Final = "checkpoint.txt"
KEY_FILES: Final = (KEYS_FILE, FINGERPRINT_KEYS_FILE, SEATS_FILE, CONSENSUS_KEY_FILE, PEER_KEY_FILE)
PLAIN_FILES: Final = (GENESIS_FILE, CONFIG_FILE, FINGERPRINT_LOG, CARD_FILE, FOUNDING_FILE)
KNOWN_FILES: Final = (
    LEDGER_FILE, OUTBOX_FILE, EVIDENCE_FILE, BOOK_FILE, CUSTODY_FILE, *PLAIN_FILES, *KEY_FILES, CHECKPOINT_FILE,
)  # fmt: skip
NEEDED_FILES: Final = (LEDGER_FILE, GENESIS_FILE)
PAGES_AT_ONCE: Final = 2_048
MAX_MANIFEST_BYTES: Final = 65_536

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    bytes: Natural
    sha256: Hex32


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a backup is of. ``time_ms`` is that of the last block, ``made_ms`` when the backup was begun."""

    format: Literal["traco-backup/1"] = "traco-backup/1"
    release: str
    network: Hex32
    height: Natural
    time_ms: Natural
    app_hash: Hex32
    made_ms: Natural
    keys: bool
    files: dict[str, FileEntry]


def back_up(
    directory: Path, target: Path, *, keys: bool = True, seal: CheckpointSigner | None = None,
    report: Report = say_nothing, now_ms: Callable[[], int] = wall_clock_ms,
) -> Manifest:  # fmt: skip
    """Back up the node in ``directory``, running or not, into the new directory ``target``.

    ``keys`` False leaves the key stores out, and what waits to be sealed in channels. ``seal`` signs a checkpoint of the copied height. Raises ``CopyRefused``
    (``backup.exists``, ``backup.other_seal``), ``NodeDirectoryError`` and ``StorageHalt``; then there is no ``target``.
    """
    genesis = read_genesis(directory)
    founding = parse_genesis(genesis)
    network, made_ms = network_id(founding), now_ms()
    if seal is not None and seal.public_key.hex() != founding.seal.key:
        raise CopyRefused(
            "backup.other_seal", "the seal key of this node is not the one that its genesis names"
        )
    _settle(directory)
    with appearing_directory(target, "backup.exists") as made:
        # the order is what keeps acknowledged work: see the head of this file
        for name in (*((BOOK_FILE,) if keys else ()), CUSTODY_FILE, OUTBOX_FILE):
            if (directory / name).exists():
                make_folder_of(made, name)
                _copy_database(directory / name, made / name, None, report)
        head = _copy_database(directory / LEDGER_FILE, made / LEDGER_FILE, network, report)
        if (directory / EVIDENCE_FILE).exists():
            _copy_database(directory / EVIDENCE_FILE, made / EVIDENCE_FILE, None, report)
        for name in (*PLAIN_FILES, *(KEY_FILES if keys else ())):
            if (directory / name).exists():
                make_folder_of(made, name)
                copy_file(directory / name, made / name)
        if seal is not None:
            _write(made / CHECKPOINT_FILE, sign_checkpoint(head, network, seal))
        files = {name: _entry(digest_of(made / name)) for name in KNOWN_FILES if (made / name).exists()}
        manifest = Manifest(
            release=__version__, network=network.hex(), height=head.height, time_ms=head.time_ms,
            app_hash=head.app_hash.hex(), made_ms=made_ms, keys=keys, files=files,
        )  # fmt: skip
        _write(made / MANIFEST_FILE, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def _settle(directory: Path) -> None:
    """Have what a killed process wrote on the disk before it is read; a running node has seen to that itself."""
    try:
        lock = DirectoryLock(directory)
    except StoreLocked:
        return
    with lock:
        for name in (LEDGER_FILE, OUTBOX_FILE, BOOK_FILE, CUSTODY_FILE):
            path = str(directory / name)
            if (directory / name).exists():
                with halting(path), closing(apsw.Connection(path, apsw.SQLITE_OPEN_READWRITE)) as connection:
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _copy_database(source: Path, target: Path, network: bytes | None, report: Report) -> Checkpoint:
    """Copy a database at one snapshot; for a ledger (``network`` given) the checkpoint of its last block."""
    _write(target, b"")
    name = str(source)
    if not source.exists():
        raise CopyRefused("backup.no_ledger", f"{source} is missing; there is nothing to back up")
    with halting(name), closing(open_reader(name, None)) as reader:
        reader.execute("BEGIN")
        # the first read begins the snapshot; under it the copy never has to begin again, whatever is written meanwhile
        head = _read_checkpoint(reader, name, network)
        size = int(reader.pragma("page_count")) * int(reader.pragma("page_size"))
        require_space(target.parent, size, "backup.no_space")
        with halting(str(target)), closing(apsw.Connection(str(target))) as writer:
            writer.pragma("synchronous", "OFF")  # synced as a whole before it gets its name
            with writer.backup("main", reader, "main") as copy:
                while not copy.done:
                    copy.step(PAGES_AT_ONCE)
                    report(CopyProgress(source.name, copy.page_count - copy.remaining, copy.page_count))
        reader.execute("ROLLBACK")
    return head


def _read_checkpoint(reader: apsw.Connection, name: str, network: bytes | None) -> Checkpoint:
    if network is None:
        reader.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018 -- begins the snapshot
        return Checkpoint(0, 0, bytes(32))
    if not is_founded(reader):
        raise StoreDamaged(name, "it is empty")
    require_network(read_meta(reader, name), name, network, b"")
    head = read_head(reader)
    return Checkpoint(head.height, head.time_ms, head.app_hash)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)


def _entry(found: Digest) -> FileEntry:
    return FileEntry(found.size, found.sha256)


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup. Raises ``CopyRefused`` (``backup.not_a_backup``, ``backup.incomplete``)."""
    try:
        with (backup / MANIFEST_FILE).open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES)
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (OSError, ValueError, RecursionError) as error:
        reason: Any = error.strerror if isinstance(error, OSError) else error
        raise CopyRefused(
            "backup.not_a_backup", f"{backup / MANIFEST_FILE}: {reason}; give the folder that a backup made"
        ) from None
    unknown = sorted(manifest.files.keys() - set(KNOWN_FILES))
    missing = [name for name in NEEDED_FILES if name not in manifest.files]
    if unknown or missing:
        raise CopyRefused(
            "backup.not_a_backup",
            f"the manifest of {backup} " + (f"names {unknown[0]}" if unknown else f"lacks {missing[0]}"),
        )
    return manifest


def moment(time_ms: int) -> str:
    """A time for people, in UTC."""
    try:
        return f"{datetime.fromtimestamp(time_ms // 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
