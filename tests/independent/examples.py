"""The worked examples of docs/reference/wire-format.md, computed by the ledger's own code."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from traco.client.access import AccessGrant, access_message, make_token
from traco.client.signer import Ed25519Signer
from traco.engine.embedded.checkpoint import sign_checkpoint
from traco.kernel.codec import encode
from traco.kernel.crypto import P256_MAX_S, P256_ORDER
from traco.kernel.errors import Failure
from traco.kernel.finality import HistoryProof, make_receipt
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.kernel.light import (
    BlockId,
    Commit,
    Header,
    Moment,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    address,
    chain_id,
    header_hash,
    in_order,
    make_evidence,
    sign_bytes,
    validators_hash,
)
from traco.kernel.merkle import inclusion_path, leaf_hash, root_of
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
from traco.kernel.seal import Checkpoint, checkpoint_text
from traco.kernel.transaction import (
    Body,
    Signature,
    signatures_hash,
    signing_message,
    transaction_id,
    transaction_leaf,
)
from traco.modules.holding.events import Cause, Moved
from traco.modules.holding.messages import Transfer, account_id, instrument_id
from traco.modules.party.genesis import founding_member_id

START_MS: Final = 1_790_000_000_000
SALT: Final = bytes(range(0x40, 0x50))
SECRET: Final = bytes(range(32))
KEY: Final = Ed25519Signer.from_seed(SECRET)
SEAL: Final = Ed25519Signer.from_seed(bytes(range(0x20, 0x40)))
NODE_KEY: Final = Ed25519Signer.from_seed(bytes(range(0x60, 0x80))).public_key
P256_SECRET: Final = bytes(range(1, 33))

GENESIS: Final = Genesis(
    name="Example", purpose="test", time_ms=START_MS, seal=SealTerms("checkpoint", SEAL.public_key.hex()),
    modules={
        "party": {
            "council": {"members": ["Bank"], "threshold": 1},
            "members": [
                {"keys": [{"key": KEY.public_key.hex(), "roles": ["sign", "administer", "read"]}], "name": "Bank",
                 "nodes": [NODE_KEY.hex()]}
            ],
        }
    },
)  # fmt: skip
NETWORK: Final = network_id(GENESIS)
PARTY: Final = founding_member_id(KEY.public_key)
EUR: Final = instrument_id(PARTY, "EUR")
SENDER: Final = account_id(PARTY, bytes(16))
RECEIVER: Final = account_id(PARTY, b"\0" * 15 + b"\1")


class Signed(NamedTuple):
    """The example transaction and what belongs to it."""

    body: bytes
    identity: bytes
    signature: Signature
    raw: bytes


def _transaction() -> Signed:
    transfer = Transfer(PARTY, EUR, SENDER, RECEIVER, 250, b"rent")
    body = encode(Body(NETWORK, b"", START_MS + 60_000, SALT, (transfer,)))
    identity = transaction_id(body)
    signature = Signature(KEY.public_key, KEY.sign(signing_message(identity)))
    return Signed(body, identity, signature, encode_transaction(body, (signature,)))


def _p256(message: bytes) -> Signature:
    key = derive_private_key(int.from_bytes(P256_SECRET, "big"), SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
    low = s if s <= P256_MAX_S else P256_ORDER - s
    return Signature(b"\2" + public, b"\2" + r.to_bytes(32, "big") + low.to_bytes(32, "big"))


def _signing(signed: Signed) -> dict[str, bytes]:
    message = signing_message(signed.identity)
    p256 = _p256(message)
    return {
        "network": NETWORK,
        "secret": SECRET,
        "key": KEY.public_key,
        "p256-secret": P256_SECRET,
        "p256-key": p256.key,
        "p256-signature": p256.value,
        "party": PARTY,
        "instrument": EUR,
        "sender": SENDER,
        "receiver": RECEIVER,
        "transfer": encode(Transfer(PARTY, EUR, SENDER, RECEIVER, 250, b"rent")),
        "body": signed.body,
        "id": signed.identity,
        "message": message,
        "signature": signed.signature.value,
        "transaction": signed.raw,
    }


def _proving(signed: Signed) -> dict[str, bytes]:
    hashed = signatures_hash((signed.signature,))
    outcome = encode(
        Receipt(signed.identity, None, (Moved(EUR, SENDER, RECEIVER, 250, b"rent", Cause.TRANSFER),))
    )
    envelope = Leaf(b"\xee" * 32, b"\xdd" * 32, encode(Receipt(b"\xee" * 32, None, ())))
    leaves = (envelope, Leaf(signed.identity, hashed, outcome))
    record = BlockRecord(7, START_MS + 500, transactions_root(leaves), receipts_root(leaves), b"\x55" * 32, 2)
    history = [b"\x11" * 32, b"\x22" * 32, block_leaf_hash(record)]
    proof = HistoryProof(2, 3, inclusion_path(history, 2), root_of(history))
    sealed = app_hash(b"\x77" * 32, proof.root, 3)
    seal = sign_checkpoint(Checkpoint(9, START_MS + 1_000, sealed), NETWORK, SEAL)
    return {
        "signatures-hash": hashed,
        "transaction-leaf-hash": leaf_hash(transaction_leaf(signed.identity, hashed)),
        "outcome": outcome,
        "outcome-leaf-hash": leaf_hash(outcome),
        "rejection": encode(
            Receipt(
                signed.identity,
                Failure("holding.insufficient", (("account", SENDER), ("available", 7), ("amount", 250))),
                (),
            )
        ),
        "other-transaction-leaf-hash": leaf_hash(transaction_leaf(envelope.identity, envelope.signatures)),
        "other-outcome-leaf-hash": leaf_hash(envelope.receipt),
        "transactions-root": record.transactions_root,
        "receipts-root": record.receipts_root,
        "block-record": encode(record),
        "block-leaf-hash": history[2],
        "history-path": b"".join(proof.path),
        "history-root": proof.root,
        "app-hash": sealed,
        "seal-text": checkpoint_text(Checkpoint(9, START_MS + 1_000, sealed), NETWORK),
        "seal": seal,
        "receipt": make_receipt(NETWORK, signed.raw, leaves, 1, record, proof, b"\x77" * 32, seal),
    }


VALIDATORS: Final[ValidatorSet] = in_order((Validator(KEY.public_key, 3), Validator(SEAL.public_key, 1)))


def _evidence(app_hash_: bytes) -> dict[str, bytes]:
    hashed = validators_hash(VALIDATORS)
    time = Moment(START_MS // 1_000 + 1, 500)
    last, rest = BlockId(b"\xaa" * 32, 1, b"\xbb" * 32), (b"\xcc" * 32, b"\xdd" * 32)
    header = Header(
        11, 2, chain_id(NETWORK), 10, time, last, *rest, hashed, hashed, b"\xee" * 32, app_hash_, b"\xff" * 32, b"\x99" * 32,
        address(KEY.public_key),
    )  # fmt: skip
    commit = Commit(10, 0, BlockId(header_hash(header), 1, b"\x88" * 32), ())
    vote = Vote(True, address(KEY.public_key), Moment(START_MS // 1_000 + 2, 0), bytes(64))
    message = sign_bytes(header.chain, commit, vote)
    vote = msgspec.structs.replace(vote, signature=KEY.sign(message)[1:])
    signed = SignedHeader(header, msgspec.structs.replace(commit, votes=(vote, None)))
    return {
        "address": vote.address,
        "validators-hash": hashed,
        "header-hash": commit.block.hash,
        "signed-by-validator": message,
        "evidence": make_evidence((), signed),
    }


def _access() -> dict[str, bytes]:
    grant = AccessGrant(NETWORK, NODE_KEY, PARTY, "submit", START_MS, START_MS + 900_000, SALT)
    return {
        "node-key": NODE_KEY,
        "grant": encode(grant),
        "grant-message": access_message(grant, KEY.public_key),
        "token": make_token(grant, KEY).encode(),
    }


def examples() -> Mapping[str, bytes]:
    """Every example by its name on the page."""
    signed = _transaction()
    genesis = {"genesis": msgspec.json.encode(GENESIS, order="sorted"), "seal-key": SEAL.public_key}
    proving = _proving(signed)
    return {**genesis, **_signing(signed), **proving, **_evidence(proving["app-hash"]), **_access()}
