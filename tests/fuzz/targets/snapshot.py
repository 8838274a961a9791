"""A snapshot is restored to the very state and ids that it was taken of, or refused; and nothing is written elsewhere.

If broken: a node that joins starts from what a peer made up, or a peer writes into its directory.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import apsw
import msgspec

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from support.copied import GENESIS, snapshot_of
from support.stored_ledger import StoredLedger
from traco.storage.copying import taking
from traco.storage.copying.form import PieceRefused, SnapshotRefused, decode_head, encode_head, piece_hash
from traco.storage.copying.restoring import Restoring, verify_head

PIECE_BYTES: Final = (
    17_600  # a thousand behind what is set apart for proofs, so that there are several pieces
)
RESTORED: Final = "restored.db"
_ROWS: Final = ("SELECT slot, key, value FROM state ORDER BY slot", "SELECT until_ms, ids FROM inherited")
_PARTS: Final = msgspec.msgpack.Decoder(list[bytes])


def sample() -> bytes:
    """A small ledger's snapshot: its head, and its pieces behind it."""
    with (
        tempfile.TemporaryDirectory(prefix="traco-fuzz-") as made,
        patch.object(taking, "PIECE_BYTES", PIECE_BYTES),
    ):
        (Path(made) / "node").mkdir()
        ledger = StoredLedger(Path(made) / "node")
        shelf, head = snapshot_of(ledger, Path(made) / "snapshots")
        ledger.close()
        pieces = [shelf.piece(head.height, index) for index in range(len(head.piece_hashes))]
    return msgspec.msgpack.encode([encode_head(head), *pieces])


_GENUINE: Final = sample()
APP_HASH: Final = decode_head(_PARTS.decode(_GENUINE)[0]).app_hash()


def check(raw: bytes, folder: Path) -> None:
    """Restore it as a node does that trusts the app hash, and look at all that was written."""
    place, before = folder / "restoring", _names(folder)
    place.mkdir()
    try:
        found = _restored(raw, place)
        written = _names(folder) - before
    finally:
        shutil.rmtree(place)
    require(written <= {"restoring", f"restoring/{RESTORED}"}, f"written elsewhere: {written}")
    require(found is None or found == _EXPECTED, "what was restored is not what the snapshot was taken of")
    require(found is not None or raw != _GENUINE, "the genuine one was refused")


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _restored(raw: bytes, place: Path) -> list[Any] | None:
    """What is in the file in the end; None where the snapshot is refused, or not complete."""
    try:
        head, *pieces = _PARTS.decode(raw)
        verified = verify_head(head, GENESIS, APP_HASH)
    except (ValueError, SnapshotRefused):  # no array of bytes, or an empty one
        return None
    restoring = Restoring(place / RESTORED, verified, GENESIS)
    try:
        for index, piece in enumerate(pieces):
            _add(restoring, index, piece)
        if restoring.missing:
            return None
        restoring.finish()
    except SnapshotRefused:
        return None
    finally:
        restoring.discard()
    connection = apsw.Connection(str(place / RESTORED), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [list(connection.execute(sql)) for sql in _ROWS]
    finally:
        connection.close()


def _add(restoring: Restoring, index: int, piece: bytes) -> None:
    """A piece with a wrong hash is its sender's fault: another one may have it."""
    try:
        restoring.add(index, piece)
    except PieceRefused as refused:
        require(refused.index == index, "another piece is refused")


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change the head or a piece; mostly with the piece's hash in the head, as a liar would who made both.

    Mostly of the genuine one: whatever has a fault already is refused for it.
    """
    try:
        parts = _PARTS.decode(raw if chance.one_in(4) else _GENUINE)
        head = decode_head(parts[0])
    except (ValueError, LookupError, SnapshotRefused):
        return chance.raw(raw)
    place = chance.draw.randrange(len(parts))
    parts[place] = of_messagepack(parts[place], chance)
    if 0 < place <= len(head.piece_hashes) and not chance.one_in(4):
        hashes = [*head.piece_hashes]
        hashes[place - 1] = piece_hash(parts[place])
        parts[0] = encode_head(msgspec.structs.replace(head, piece_hashes=tuple(hashes)))
    return msgspec.msgpack.encode(parts)


def _expected() -> list[Any]:
    with tempfile.TemporaryDirectory(prefix="traco-fuzz-") as made:
        found = _restored(_GENUINE, Path(made))
    if found is None:
        raise AssertionError("the genuine one was refused")
    return found


_EXPECTED: Final = _expected()
