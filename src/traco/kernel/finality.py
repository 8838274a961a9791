"""The finality receipt: one file that proves what became of a transaction, judged by the genesis alone.

    transaction, outcome, events
      └─ in the transactions tree and, at the same index, in the receipts tree of a block
           └─ whose record is in the history log
                └─ whose root, with the state root, makes the app hash
                     └─ that the engine's seal vouches for

A seal is of the kind that the genesis names: a checkpoint of the embedded engine, or evidence of what CometBFT's
validators signed. What it assumes is said there (``kernel.seal``, ``kernel.light.evidence``). A receipt has one
canonical form; a newer seal may replace an older one.

    LedgerError
    └── ReceiptInvalid      the file does not prove anything under this genesis; ``code`` says why
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import msgspec

from traco.kernel import crypto
from traco.kernel.codec import Codec, Count, Hash, Record, encode
from traco.kernel.errors import LedgerError
from traco.kernel.genesis import Genesis, GenesisInvalid, network_id, parse_genesis
from traco.kernel.merkle import ProofInvalid, inclusion_path, leaf_hash, verify_inclusion
from traco.kernel.receipt import BlockRecord, Leaf, Receipt, app_hash, block_leaf_hash
from traco.kernel.seal import Sealing, SealInvalid, examine_seal
from traco.kernel.transaction import (
    Body,
    RawTransaction,
    signatures_hash,
    signing_message,
    transaction_id,
    transaction_leaf,
)

MAX_RECEIPT_BYTES: Final = 1_048_576
MAX_PATH: Final = 64

Path = Annotated[tuple[Hash, ...], msgspec.Meta(max_length=MAX_PATH)]
Size = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Index = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class FinalityReceipt(Record, frozen=True, tag="traco.receipt/1"):
    """The file. Paths are those of RFC 6962; ``seal`` is a checkpoint or evidence."""

    network: Hash
    transaction: bytes  # as ordered, with its signatures
    receipt: bytes  # the encoded outcome and events
    leaf_index: Count
    transaction_path: Path
    receipt_path: Path
    block: BlockRecord
    history_index: Index
    history_size: Size
    history_path: Path
    history_root: Hash
    state_root: Hash  # at the height of the seal
    seal: bytes


class HistoryProof(NamedTuple):
    """That a block record is in the history log: its position, the log's size, the path and the root."""

    position: int
    size: int
    path: tuple[bytes, ...]
    root: bytes


class Outcome(NamedTuple):
    """A transaction with what became of it. ``signatures`` is their hash, as in its leaf; ``body`` and ``receipt`` are generic."""

    identity: bytes
    signatures: bytes
    body: Body
    signers: tuple[bytes, ...]
    receipt: Receipt


class Verified(NamedTuple):
    """What a valid receipt proves. ``body`` and ``receipt`` are generic: instructions and events are arrays."""

    genesis: Genesis
    network: bytes
    identity: bytes
    body: Body
    signers: tuple[bytes, ...]
    receipt: Receipt
    height: int
    time_ms: int
    sealed_height: int
    sealed_time_ms: int
    sealing: Sealing


class ReceiptInvalid(LedgerError):
    """The file proves nothing under this genesis. ``code`` is stable, the text says which step failed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


_FILE: Final[Codec[FinalityReceipt]] = Codec(FinalityReceipt)
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)
_BODY: Final[Codec[Body]] = Codec(Body)
_RECEIPT: Final[Codec[Receipt]] = Codec(Receipt)


def make_receipt(
    network: bytes, transaction: bytes, leaves: Sequence[Leaf], index: int, record: BlockRecord,
    history: HistoryProof, state_root: bytes, seal: bytes,
) -> bytes:  # fmt: skip
    """The file for the transaction at ``index`` of the ``leaves`` of its block, whose record is ``record``.

    ``history`` shows the record in the log up to the block that ``seal`` seals, and ``state_root`` is that of the sealed
    block. Raises ``ValueError`` for a leaf that does not exist; whether the parts fit together is what
    ``verify_receipt`` says.
    """
    in_transactions = [leaf_hash(transaction_leaf(leaf.identity, leaf.signatures)) for leaf in leaves]
    in_receipts = [leaf_hash(leaf.receipt) for leaf in leaves]
    paths = inclusion_path(in_transactions, index), inclusion_path(in_receipts, index)
    file = FinalityReceipt(
        network, transaction, leaves[index].receipt, index, *paths, record, history.position, history.size,
        history.path, history.root, state_root, seal,
    )  # fmt: skip
    return encode(file)


def verify_receipt(raw: bytes, genesis: bytes) -> Verified:
    """What the receipt file proves under the genesis document. Raises ``ReceiptInvalid``, never anything else."""
    founding = _genesis(genesis)
    network = network_id(founding)
    if len(raw) > MAX_RECEIPT_BYTES:
        _fail("receipt.too_large", f"{len(raw)} bytes, the limit is {MAX_RECEIPT_BYTES}")
    file = _decode(_FILE, raw, "the file")
    if file.network != network:
        _fail("receipt.other_network", f"it belongs to network {file.network.hex()}")
    proven = judge_outcome(file.transaction, file.receipt, network)
    _check_paths(file, transaction_leaf(proven.identity, proven.signatures))
    sealing = _check_seal(file, founding)
    sealed = sealing.checkpoint
    return Verified(
        founding, network, proven.identity, proven.body, proven.signers, proven.receipt, file.block.height, file.block.time_ms,
        sealed.height, sealed.time_ms, sealing,
    )  # fmt: skip


def judge_outcome(transaction: bytes, receipt: bytes, network: bytes) -> Outcome:
    """A signed transaction of a network and an outcome that names it, whose signatures hold; nothing about where they stand.

    Raises ``ReceiptInvalid``.
    """
    raw = _decode(_RAW, transaction, "the transaction")
    outcome = _decode(_RECEIPT, receipt, "the outcome")
    encoded_body = bytes(raw.body)
    body = _decode(_BODY, encoded_body, "the transaction's body")
    identity = transaction_id(encoded_body)
    if body.network != network or outcome.identity != identity:
        _fail("receipt.mismatch", "transaction, outcome and network do not belong together")
    _check_signatures(raw, identity)
    signers = tuple(signature.key for signature in raw.signatures)
    return Outcome(identity, signatures_hash(raw.signatures), body, signers, outcome)


def _genesis(raw: bytes) -> Genesis:
    try:
        return parse_genesis(raw)
    except GenesisInvalid as error:
        _fail("receipt.genesis_invalid", str(error))


def _decode(codec: Codec[Any], raw: bytes, what: str) -> Any:
    try:
        return codec.decode(raw)
    except ValueError as error:
        _fail("receipt.malformed", f"{what}: {error}")


def _check_signatures(transaction: RawTransaction, identity: bytes) -> None:
    message = signing_message(identity)
    for signature in transaction.signatures:
        if not crypto.is_valid(signature.key, message, signature.value):
            _fail("receipt.signature", f"the signature of {signature.key.hex()} does not verify")


def _check_paths(file: FinalityReceipt, leaf: bytes) -> None:
    block, index, count = file.block, file.leaf_index, file.block.leaf_count
    steps = (
        ("transaction", leaf_hash(leaf), index, count, file.transaction_path, block.transactions_root),
        ("outcome", leaf_hash(file.receipt), index, count, file.receipt_path, block.receipts_root),
        ("block", block_leaf_hash(block), file.history_index, file.history_size, file.history_path, file.history_root),
    )  # fmt: skip
    for what, hashed, position, size, path, root in steps:
        try:
            verify_inclusion(hashed, position, size, path, root)
        except ProofInvalid as error:
            _fail("receipt.path", f"the {what} is not where the path says: {error.reason}")


def _check_seal(file: FinalityReceipt, genesis: Genesis) -> Sealing:
    try:
        sealing = examine_seal(file.seal, genesis)
    except SealInvalid as error:
        _fail("receipt.seal", error.code)
    sealed = sealing.checkpoint
    if sealed.app_hash != app_hash(file.state_root, file.history_root, file.history_size):
        _fail("receipt.seal", "it vouches for another state of the ledger")
    if sealed.height < file.block.height or sealed.time_ms < file.block.time_ms:
        _fail("receipt.seal", "it is older than the block")
    return sealing


def _fail(code: str, reason: str) -> NoReturn:
    raise ReceiptInvalid(code, reason)
