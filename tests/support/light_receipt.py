"""A finality receipt that validators sealed: of one transaction in a block, proven by evidence."""

from typing import Any, Final

from support.ledger import START_MS, Key
from support.light_chain import FOUNDERS, LightChain, Powers, light_genesis, set_of
from traco.kernel.codec import encode
from traco.kernel.finality import HistoryProof, make_receipt
from traco.kernel.genesis import network_id, write_genesis
from traco.kernel.light import Moment, SignedHeader, chain_id, make_evidence, trim
from traco.kernel.merkle import root_of
from traco.kernel.receipt import (
    BlockRecord,
    Leaf,
    Receipt,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import (
    Body,
    signatures_hash,
    signing_message,
    transaction_id,
)
from traco.modules.holding.messages import Transfer

GENESIS: Final = light_genesis()
DOCUMENT: Final = write_genesis(GENESIS)
NETWORK: Final = network_id(GENESIS)
CHAIN: Final = LightChain(chain_id(NETWORK))
HEIGHT: Final = 20
TIME_MS: Final = START_MS + 20_000
SECOND: Final[Powers] = {"ann": 10, "ben": 10, "cas": 10, "zoe": 10}
THIRD: Final[Powers] = {"zoe": 30, "yul": 10}
HANDOVERS: Final = (CHAIN.handover(5, FOUNDERS, SECOND), CHAIN.handover(9, SECOND, THIRD))
"""The set changed twice before the block."""
_STATE_ROOT: Final = b"\x77" * 32


def _record(leaf: Leaf) -> BlockRecord:
    roots = transactions_root((leaf,)), receipts_root((leaf,))
    return BlockRecord(HEIGHT, TIME_MS, *roots, _STATE_ROOT, 1)


def _parts() -> tuple[bytes, Leaf]:
    body = encode(
        Body(
            NETWORK,
            b"",
            TIME_MS + 1,
            bytes(16),
            (Transfer(bytes(16), bytes(16), bytes(16), bytes(16), 5, b""),),
        )
    )
    identity = transaction_id(body)
    signature = Key("alice").signature(signing_message(identity))
    raw = encode_transaction(body, (signature,))
    return raw, Leaf(identity, signatures_hash((signature,)), encode(Receipt(identity, None, ())))


_RAW, _LEAF = _parts()
_HISTORY: Final = [block_leaf_hash(_record(_LEAF))]
APP_HASH: Final = app_hash(_STATE_ROOT, root_of(_HISTORY), 1)


def last_header(powers: Powers = THIRD, height: int = HEIGHT + 1, **changes: Any) -> SignedHeader:
    """The header after the block, signed by those who validate by then."""
    fields = {"app_hash": APP_HASH, "time": Moment(TIME_MS // 1_000, 999_999), **changes}
    return trim(CHAIN.signed(CHAIN.header(height, powers, **fields), powers), set_of(powers))


def receipt_with(seal: bytes) -> bytes:
    """The receipt with any seal."""
    proof = HistoryProof(0, 1, (), root_of(_HISTORY))
    return make_receipt(NETWORK, _RAW, (_LEAF,), 0, _record(_LEAF), proof, _STATE_ROOT, seal)


def light_receipt(**changes: Any) -> bytes:
    """A receipt from before which the validators changed twice. ``changes``: fields of the last header."""
    return receipt_with(make_evidence(HANDOVERS, last_header(**changes)))
