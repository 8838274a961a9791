"""Restoring a backup: every file checked against the manifest, the ledger verified, and no second history by mistake.

What a node does after its backup was made is not in the backup. If the copy went on where the backup ends while somebody
has receipts of what came later, there would be two histories sealed with one key, and receipts of both would verify.
Three things stand against that:

    a restored copy does not start: ``restored.json`` holds it back until ``take_over`` is given the height it stands at;
    a restored validator stays silent up to the height that the network has reached: it might have voted there before;
    receipts or checkpoints that people hold are compared with the copy (``Expected``): it must contain what they prove;
    a sealed backup shows that it was made by the node itself, at that height.

None of them knows whether the original still runs elsewhere. That only people know.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from typing import Final, Literal, NamedTuple

import msgspec

from traco.client.private_file import replace_private
from traco.kernel.codec import Codec
from traco.kernel.finality import FinalityReceipt, verify_receipt
from traco.kernel.genesis import Genesis, network_id, parse_genesis
from traco.kernel.seal import Checkpoint
from traco.node.ahead import processes_for_verifying, stored_ahead
from traco.node.audit import Progress, compare, require_since_founding
from traco.node.backup import (
    CHECKPOINT_FILE,
    MANIFEST_FILE,
    FileEntry,
    Hex32,
    Manifest,
    Natural,
    read_manifest,
)
from traco.node.clock import wall_clock_ms
from traco.node.copies import (
    CopyProgress,
    CopyRefused,
    Digest,
    Report,
    appearing_directory,
    copy_file,
    make_folder_of,
    require_space,
    say_nothing,
    sync,
)
from traco.node.directory import (
    CARD_FILE,
    ENGINE_FOLDER,
    GENESIS_FILE,
    LEDGER_FILE,
    RESTORED_FILE,
    SIGNING_STATE_FILE,
    TAKEN_OVER_FILE,
    found_ledger,
    read_genesis,
)
from traco.node.verification import Verification, verify_quickly, verify_seal, vouches_for
from traco.storage import DirectoryLock, check_pages
from traco.storage.database import open_reader
from traco.storage.errors import halting
from traco.storage.loading import read_head

Level = Literal["quick", "full"]
SEAL_BEGINS: Final = (b"traco/", b"\x93\xb0traco.evidence/1")
"""A seal on its own: a checkpoint, or evidence. Everything else is a receipt."""
SCRATCH_FILE: Final = "again.db"

LAST_ROUND: Final = 2**31 - 1
PRECOMMIT: Final = 3
"""As the engine counts rounds and steps: nothing at a height comes after these two."""

_RECEIPT: Final[Codec[FinalityReceipt]] = Codec(FinalityReceipt)


class Restored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``restored.json``: of what a copy is one, and when it was made."""

    format: Literal["traco-restored/1"] = "traco-restored/1"
    source: Literal["backup", "export"]
    height: Natural
    time_ms: Natural
    app_hash: Hex32
    restored_ms: Natural


class Restoration(NamedTuple):
    """What was restored and how it was verified. ``sealed``: the backup has a checkpoint, and it holds."""

    manifest: Manifest
    level: Level
    transactions: int
    sealed: bool


class Expected(NamedTuple):
    """A receipt or checkpoint that somebody holds, under the name of its file."""

    name: str
    content: bytes


def restore(
    backup: Path, directory: Path, level: Level = "full", expected: Sequence[Expected] = (),
    report: Report = say_nothing, now_ms: Callable[[], int] = wall_clock_ms, processes: int | None = None,
) -> Restoration:  # fmt: skip
    """Restore ``backup`` into the new directory ``directory``, which then is held back until ``take_over``.

    Raises ``CopyRefused``, ``ReceiptInvalid`` for what is no receipt, ``StorageHalt``; then there is no ``directory``.
    """
    manifest = read_manifest(backup)
    size = sum(entry.bytes for entry in manifest.files.values())
    with appearing_directory(directory, "restore.not_empty") as made:
        require_space(
            made, size if level == "quick" else 2 * size, "restore.no_space"
        )  # full: a second ledger
        for name, entry in manifest.files.items():
            _copy(backup, made, name, entry, report)
        genesis = (made / GENESIS_FILE).read_bytes()
        if network_id(parse_genesis(read_genesis(made))).hex() != manifest.network:
            raise CopyRefused(
                "backup.altered", f"{GENESIS_FILE} is of another network than {MANIFEST_FILE} says"
            )
        path = made / LEDGER_FILE
        verification = _verify(path, genesis, level, report, processes or processes_for_verifying())
        _compare_manifest(manifest, verification)
        sealed = _verify_checkpoint(made, genesis, verification)
        require_expected(path, genesis, expected)
        hold_back(made, "backup", verification, now_ms())
    return Restoration(manifest, level, verification.transactions, sealed)


def _copy(backup: Path, made: Path, name: str, entry: FileEntry, report: Report) -> None:
    make_folder_of(made, name)
    try:
        found = copy_file(
            backup / name, made / name, lambda done: report(CopyProgress(name, done, entry.bytes))
        )
    except FileNotFoundError:
        raise CopyRefused("backup.incomplete", f"{backup / name} is missing; take another backup") from None
    if found != Digest(entry.bytes, entry.sha256):
        raise CopyRefused(
            "backup.altered",
            f"{backup / name} is not what the manifest says; the medium is failing or somebody changed it: "
            "take another backup",
        )


def _verify(path: Path, genesis: bytes, level: Level, report: Report, processes: int) -> Verification:
    if level == "quick":
        return verify_quickly(path, genesis, report)
    report(CopyProgress("pages", 0, 1))
    check_pages(path)
    require_since_founding(path, "executed again (take --level quick)")
    return verify_fully(path, genesis, report, processes)


def verify_fully(path: Path, genesis: bytes, report: Report, processes: int) -> Verification:
    """Execute the ledger at ``path`` again and compare every row and column. Raises ``CopyRefused`` (``ledger.unsound``)."""

    def executed(progress: Progress) -> None:
        report(CopyProgress("blocks executed", progress.block, progress.blocks))

    limits = parse_genesis(genesis).kernel_parameters()
    scratch = path.with_name(SCRATCH_FILE)
    try:
        with stored_ahead(path, limits, processes) as screener:
            found = compare(path, genesis, scratch, executed, screener)
    finally:
        for leftover in path.parent.glob(f"{SCRATCH_FILE}*"):
            leftover.unlink()
    if found.differences:
        first = found.differences[0]
        raise CopyRefused(
            "ledger.unsound",
            f"what is stored is not what the ledger's transactions give: table {first.table}, row {first.row}, column "
            f"{first.column or '(whole row)'}; take another backup and find out who changed it",
        )
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        head = read_head(connection)
    return Verification(head.height, head.time_ms, head.app_hash, found.transactions, -1)


def _compare_manifest(manifest: Manifest, found: Verification) -> None:
    stated = manifest.height, manifest.time_ms, manifest.app_hash
    if stated != (found.height, found.time_ms, found.app_hash.hex()):
        raise CopyRefused(
            "backup.altered", f"the ledger stands at height {found.height}, not where {MANIFEST_FILE} says"
        )


def _verify_checkpoint(made: Path, genesis: bytes, found: Verification) -> bool:
    if not (made / CHECKPOINT_FILE).exists():
        return False
    checkpoint = verify_seal((made / CHECKPOINT_FILE).read_bytes(), genesis)
    if not vouches_for(checkpoint, Checkpoint(found.height, found.time_ms, found.app_hash), genesis):
        raise CopyRefused("backup.seal_invalid", "the checkpoint of the backup seals another block")
    return True


def require_expected(path: Path, genesis: bytes, expected: Sequence[Expected]) -> None:
    """Refuse a ledger that does not contain what receipts and checkpoints prove.

    Raises ``CopyRefused`` (``backup.older_than_receipt``, ``backup.other_history``), ``ReceiptInvalid``.
    """
    name = str(path)
    with halting(name), closing(open_reader(name, None)) as connection:
        height = read_head(connection).height
        for each in expected:
            sealed = _sealed(each, genesis)
            if sealed.height > height:
                raise CopyRefused(
                    "backup.older_than_receipt",
                    f"{each.name} was sealed at height {sealed.height}, and this copy ends at {height}: it lacks what "
                    "somebody can prove; look for a newer one",
                )
            row = connection.execute(
                "SELECT time_ms, app_hash FROM blocks WHERE height = ?", (sealed.height,)
            ).fetchone()
            if row is None or not vouches_for(sealed, Checkpoint(sealed.height, *row), genesis):
                raise CopyRefused(
                    "backup.other_history",
                    f"{each.name} was sealed over another block {sealed.height} than the one in this copy: there are "
                    "two histories, or one was forged; do not go on with either before it is known which",
                )


def _sealed(expected: Expected, genesis: bytes) -> Checkpoint:
    if expected.content.startswith(SEAL_BEGINS):
        return verify_seal(expected.content, genesis)
    verify_receipt(expected.content, genesis)
    return verify_seal(_RECEIPT.decode(expected.content).seal, genesis)


def hold_back(directory: Path, source: Literal["backup", "export"], found: Verification, now_ms: int) -> None:
    """Mark a directory as a copy that must not start before somebody decides that it may."""
    marker = Restored(
        source=source, height=found.height, time_ms=found.time_ms, app_hash=found.app_hash.hex(), restored_ms=now_ms
    )  # fmt: skip
    path = directory / RESTORED_FILE
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(marker), indent=2) + b"\n")


def take_over(
    directory: Path, height: int, expected: Sequence[Expected] = (), network_height: int | None = None
) -> Restored:  # fmt: skip
    """Let a restored copy go on in the place of its original, from ``height``, which must be where it stands.

    A node of a cluster begins at block 0 again and gets every block from the others; ``network_height`` is the height that
    they have reached, up to which it casts no vote. Raises ``CopyRefused`` (``takeover.not_restored``,
    ``takeover.other_height``, ``takeover.network_height``, and as ``require_expected``).
    """
    path = directory / RESTORED_FILE
    try:
        marker = msgspec.json.decode(path.read_bytes(), type=Restored)
    except FileNotFoundError:
        raise CopyRefused(
            "takeover.not_restored",
            f"{directory} is not held back: it is no restored copy, or took over before",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CopyRefused("takeover.not_restored", f"{path} cannot be read: {error}; restore again") from None
    with DirectoryLock(directory):
        if marker.height != height:
            raise CopyRefused(
                "takeover.other_height",
                f"the copy stands at height {marker.height}, not {height}; everything after its height is lost for "
                "this network when it takes over, so say the height that it has",
            )
        genesis = read_genesis(directory)
        require_expected(directory / LEDGER_FILE, genesis, expected)
        if (directory / CARD_FILE).exists():
            _begin_again(directory, parse_genesis(genesis), marker.height, network_height)
        path.unlink()
        sync(directory)
    return marker


def _begin_again(directory: Path, genesis: Genesis, height: int, network_height: int | None) -> None:
    """Give a cluster's node an engine without blocks, a ledger at block 0 to go with it, and a validator that stays silent."""
    if network_height is None or network_height < height:
        raise CopyRefused(
            "takeover.network_height",
            f"this copy is of a validator or observer of a cluster, and stands at height {height}: say with --network-height "
            "which height the other nodes have reached (traco node status), so that it votes on no block twice",
        )
    for path in directory.glob(f"{LEDGER_FILE}*"):
        path.unlink()
    found_ledger(directory, genesis)
    rmtree(directory / ENGINE_FOLDER / "data", ignore_errors=True)
    path = directory / SIGNING_STATE_FILE
    make_folder_of(directory, SIGNING_STATE_FILE)
    state = {"height": str(network_height + 1), "round": LAST_ROUND, "step": PRECOMMIT}
    replace_private(path, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n", None)
    replace_private(directory / TAKEN_OVER_FILE, b"", None)
