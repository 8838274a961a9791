"""A whole ledger as one file: exported from a node, executed again wherever it is imported.

    traco-ledger/1 and a line feed, then one zlib stream of frames:

    head      network, genesis document
    block     height, time, protocol, app hash, block record, envelopes       from block 1 on, in order
    end       height, time, app hash, and a checkpoint where the exporter sealed it

A frame is the length of a record (4 bytes, big-endian), the record in its canonical MessagePack form, and a hash over the
hash of the frame before and the record; so a frame that is changed, left out or moved shows at once. The hash of the last
block's frame is the ledger's *digest*: the same ledger always has the same one, however it was compressed.

What is imported are the inputs (genesis, times, envelopes). All else is made again by executing them, and compared.
"""

import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, NamedTuple, NoReturn

from traco.engine.embedded.checkpoint import CheckpointSigner, sign_checkpoint
from traco.kernel.application import Application, Finalized
from traco.kernel.codec import Codec, Count, Hash, Height, Record, TimeMs, encode
from traco.kernel.genesis import MAX_GENESIS_BYTES, Genesis, GenesisInvalid, network_id, parse_genesis
from traco.kernel.receipt import BlockRecord
from traco.kernel.seal import Checkpoint
from traco.modules.composition import compose
from traco.node.ahead import processes_for_verifying, screening_ahead
from traco.node.audit import require_since_founding
from traco.node.clock import wall_clock_ms
from traco.node.copies import (
    CopyProgress,
    CopyRefused,
    Report,
    appearing_directory,
    appearing_file,
    say_nothing,
)
from traco.node.directory import GENESIS_FILE, LEDGER_FILE
from traco.node.restore import hold_back
from traco.node.verification import Verification, verify_seal, vouches_for
from traco.storage import LedgerStore
from traco.storage.database import open_reader, read_meta
from traco.storage.errors import halting
from traco.storage.loading import Head, read_head
from traco.storage.rows import BLOCK_COLUMNS, StoredBlock, stored_block

MAGIC: Final = b"traco-ledger/1\n"
MAGIC_BEGINS: Final = b"traco-ledger/"
LENGTH_BYTES: Final = 4
HASH_BYTES: Final = 32
MAX_FRAME_BYTES: Final = 2 * MAX_GENESIS_BYTES
CHUNK_BYTES: Final = 1_048_576
BLOCKS_AT_ONCE: Final = 32


class HeadFrame(Record, frozen=True, tag="head"):
    """Which ledger it is."""

    network: Hash
    genesis: bytes


class BlockFrame(Record, frozen=True, tag="block"):
    """One block: its inputs, and what has to come out."""

    height: Height
    time_ms: TimeMs
    protocol: Count
    app_hash: Hash
    record: BlockRecord | None
    envelopes: tuple[bytes, ...]


class EndFrame(Record, frozen=True, tag="end"):
    """That nothing is missing. ``seal`` is a checkpoint of this block, or empty."""

    height: Height
    time_ms: TimeMs
    app_hash: Hash
    seal: bytes


Frame = HeadFrame | BlockFrame | EndFrame
_FRAME: Final[Codec[Frame]] = Codec(Frame)


class Exported(NamedTuple):
    """What was written."""

    network: bytes
    height: int
    app_hash: bytes
    digest: bytes
    sealed: bool


class Imported(NamedTuple):
    """What was executed again and stored."""

    network: bytes
    height: int
    time_ms: int
    app_hash: bytes
    digest: bytes
    transactions: int
    sealed: bool


def export_ledger(
    directory: Path, target: Path, *, seal: CheckpointSigner | None = None, report: Report = say_nothing
) -> Exported:
    """Write the ledger of the node in ``directory``, running or not, to the new file ``target``.

    Raises ``CopyRefused`` (``export.exists``, ``export.no_ledger``, ``export.other_seal``), ``StorageHalt``.
    """
    path = directory / LEDGER_FILE
    if not path.exists():
        raise CopyRefused("export.no_ledger", f"{path} is missing; there is nothing to export")
    require_since_founding(path, "exported")
    with (
        appearing_file(target, "export.exists") as made,
        halting(str(path)),
        closing(open_reader(str(path), None)) as connection,
        made.open("wb") as file,
    ):
        genesis = read_meta(connection, str(path))["genesis"]
        founding = parse_genesis(genesis)
        network, head = network_id(founding), read_head(connection)
        writer = _Writer(file)
        writer.write(HeadFrame(network, genesis))
        # Blocks never change, so they are read a few at a time: one long snapshot would keep the node's log growing.
        for after in range(0, head.height, BLOCKS_AT_ONCE):
            last = min(after + BLOCKS_AT_ONCE, head.height)
            rows = connection.execute(
                f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE height > ? AND height <= ? ORDER BY height",  # noqa: S608 -- constants
                (after, last),
            ).fetchall()
            for row in rows:
                writer.write(_block_frame(stored_block(row)))
            report(CopyProgress("blocks", last, head.height))
        digest = writer.chain
        note = b"" if seal is None else _sealed(head, founding, network, seal)
        writer.write(EndFrame(head.height, head.time_ms, head.app_hash, note))
        writer.close()
    return Exported(network, head.height, head.app_hash, digest, seal is not None)


def _block_frame(block: StoredBlock) -> BlockFrame:
    return BlockFrame(
        block.height, block.time_ms, block.protocol, block.app_hash, block.record, block.envelopes
    )


def _sealed(head: Head, founding: Genesis, network: bytes, signer: CheckpointSigner) -> bytes:
    if signer.public_key.hex() != founding.seal.key:
        raise CopyRefused(
            "export.other_seal", "the seal key of this node is not the one that its genesis names"
        )
    return sign_checkpoint(Checkpoint(head.height, head.time_ms, head.app_hash), network, signer)


class _Writer:
    """Frames, chained, through one compressor."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._compressor = zlib.compressobj()
        self.chain = bytes(HASH_BYTES)
        file.write(MAGIC)

    def write(self, frame: Frame) -> None:
        """Append a frame."""
        payload = encode(frame)
        self.chain = sha256(self.chain + payload).digest()
        framed = len(payload).to_bytes(LENGTH_BYTES, "big") + payload + self.chain
        self._file.write(self._compressor.compress(framed))

    def close(self) -> None:
        """End the compressed stream."""
        self._file.write(self._compressor.flush())


def import_ledger(
    source: Path, target: Path, *, genesis: bytes | None = None, report: Report = say_nothing,
    processes: int | None = None,
) -> Imported:  # fmt: skip
    """Execute the ledger in ``source`` again and store it in the new directory ``target``.

    ``genesis``: refuse any other network's. The result has the same rows as the exported ledger, and is held back like
    a restored copy. Raises ``CopyRefused`` (``import.not_empty``, ``import.not_an_export``, ``import.newer_format``,
    ``import.truncated``, ``import.altered``, ``import.out_of_order``, ``import.trailing``, ``import.other_network``,
    ``import.different_result``), ``Halt``; then there is no ``target``.
    """
    with appearing_directory(target, "import.not_empty") as made, _Reader(source) as reader:
        head, founding = _read_head(reader, genesis)
        limits = founding.kernel_parameters()
        store = LedgerStore(made / LEDGER_FILE, head.network, durable=False)
        try:
            with screening_ahead(
                limits, partial(_envelopes, source), processes or processes_for_verifying()
            ) as screener:
                application = Application(founding, compose(), store, _ignore_alarm, screener)
                application.init_chain()
                transactions, end, digest = _execute(application, reader, report)
            info = application.info()
        finally:
            store.close()
        if (end.height, end.time_ms, end.app_hash) != info:
            _refuse("import.truncated", f"its end speaks of block {end.height}, but it has {info.height}")
        if end.seal and not vouches_for(verify_seal(end.seal, head.genesis), Checkpoint(*info), head.genesis):
            _refuse("import.altered", "its checkpoint seals another block")
        for name, content in ((GENESIS_FILE, head.genesis), (LEDGER_FILE, None)):
            (made / name).touch(mode=0o600)
            (made / name).chmod(0o600)
            if content is not None:
                (made / name).write_bytes(content)
        hold_back(made, "export", Verification(*info, transactions, -1), wall_clock_ms())
    return Imported(head.network, *info, digest, transactions, bool(end.seal))


def _read_head(reader: "_Reader", trusted: bytes | None) -> tuple[HeadFrame, Genesis]:
    head = reader.frame()
    if not isinstance(head, HeadFrame):
        _refuse("import.altered", "it does not begin with its head")
    try:
        founding = parse_genesis(head.genesis)
        wanted = None if trusted is None else network_id(parse_genesis(trusted))
    except GenesisInvalid as error:
        _refuse("import.altered", f"a genesis document is none: {error}")
    if network_id(founding) != head.network:
        _refuse("import.altered", "its genesis is not that of its network")
    if wanted is not None and head.network != wanted:
        _refuse("import.other_network", f"it is of network {head.network.hex()}, not {wanted.hex()}")
    return head, founding


def _execute(application: Application, reader: "_Reader", report: Report) -> tuple[int, EndFrame, bytes]:
    """Execute block after block up to the end. Transactions, the end, and the digest."""
    transactions = 0
    while True:
        digest = reader.chain
        frame = reader.frame()
        if isinstance(frame, EndFrame):
            reader.require_nothing_more()
            return transactions, frame, digest
        if isinstance(frame, HeadFrame):
            _refuse("import.out_of_order", "a second head follows the first")
        finalized = application.finalize_block(frame.height, frame.time_ms, frame.envelopes)
        _require_same(frame, finalized)
        application.commit()
        transactions += sum(len(answer.transactions) for answer in finalized.answers)
        report(CopyProgress("bytes", reader.position, reader.size))


def _require_same(frame: BlockFrame, finalized: Finalized) -> None:
    block = finalized.block
    for what, stated, found in (
        ("record", frame.record, block.record),
        ("app hash", frame.app_hash, block.app_hash),
        ("protocol", frame.protocol, block.protocol),
    ):
        if stated != found:
            _refuse(
                "import.different_result",
                f"executed again, block {frame.height} has another {what}: it was changed, or another release made it",
            )


def _envelopes(source: Path) -> Iterator[tuple[bytes, ...]]:
    """The envelopes of each block, for the verifiers; what is wrong with the file is said by the one who executes it."""
    with _Reader(source) as reader:
        while not isinstance(frame := reader.frame(), EndFrame):
            if isinstance(frame, BlockFrame):
                yield frame.envelopes


class _Reader:
    """Frames out of the file, each checked before it is believed."""

    def __init__(self, source: Path) -> None:
        self._file = source.open("rb")
        self.size = source.stat().st_size
        self._decompressor = zlib.decompressobj()
        self.chain = bytes(HASH_BYTES)
        self._buffer, self._offset = b"", 0
        self._height = 0
        self._time_ms = 0
        magic = self._file.read(len(MAGIC))
        if magic != MAGIC:
            self._file.close()
            if magic.startswith(MAGIC_BEGINS):
                _refuse(
                    "import.newer_format", "it has another format than traco-ledger/1; use a newer release"
                )
            _refuse("import.not_an_export", f"{source} is not what traco node export writes")

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """How much of the file was read."""
        return self._file.tell()

    def frame(self) -> Frame:
        """The next frame. Raises ``CopyRefused``."""
        length = int.from_bytes(self._take(LENGTH_BYTES), "big")
        if length > MAX_FRAME_BYTES:
            _refuse("import.altered", "a frame is longer than any can be")
        payload = self._take(length)
        chain = self._take(HASH_BYTES)
        try:
            frame = _FRAME.decode(payload)
        except ValueError as error:
            _refuse("import.altered", f"behind block {self._height}: {error}")
        if isinstance(frame, BlockFrame):
            if frame.height != self._height + 1 or frame.time_ms < self._time_ms:
                _refuse("import.out_of_order", f"block {frame.height} follows block {self._height}")
            self._height, self._time_ms = frame.height, frame.time_ms
        self.chain = sha256(self.chain + payload).digest()
        if chain != self.chain:
            _refuse(
                "import.altered",
                f"behind block {self._height} a frame does not follow from what is before it",
            )
        return frame

    def require_nothing_more(self) -> None:
        """Raise ``CopyRefused`` where anything is behind the end."""
        self._fill(1)
        if len(self._buffer) > self._offset or self._decompressor.unused_data or self._file.read(1):
            _refuse("import.trailing", "there is something behind its end")
        if not self._decompressor.eof:
            _refuse("import.truncated", "the compressed stream does not end")

    def _take(self, count: int) -> bytes:
        self._fill(count)
        end = self._offset + count
        if len(self._buffer) < end:
            _refuse("import.truncated", f"it ends behind block {self._height}")
        taken, self._offset = self._buffer[self._offset : end], end
        return taken

    def _fill(self, count: int) -> None:
        """Decompress until there are ``count`` bytes, or no more."""
        have = len(self._buffer) - self._offset
        if have >= count:
            return
        parts = [self._buffer[self._offset :]]
        while have < count and not self._decompressor.eof:
            pending = self._decompressor.unconsumed_tail or self._file.read(CHUNK_BYTES)
            try:
                more = self._decompressor.decompress(pending, CHUNK_BYTES)
            except zlib.error as error:
                _refuse("import.altered", f"behind block {self._height}: {error}")
            if not more and not pending:
                break
            parts.append(more)
            have += len(more)
        self._buffer, self._offset = b"".join(parts), 0


def _refuse(code: str, text: str) -> NoReturn:
    raise CopyRefused(code, f"{text}; nothing was imported, get the file anew")


def _ignore_alarm(_kind: str, _identity: bytes, _error: BaseException) -> None:
    """An alarm that was raised when the block was made is raised again; its outcome is in the receipts."""
