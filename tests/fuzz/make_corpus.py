"""Writes the genuine samples under ``corpus``: ``PYTHONPATH=src:tests python -m fuzz.make_corpus``. Past crashers are left alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fuzz.campaign import CORPUS, SUFFIX
from fuzz.targets import (
    channel_receipt,
    custody,
    deal,
    evidence,
    export,
    founding,
    keystore,
    payload,
    snapshot,
    snapshot_head,
)
from independent.examples import GENESIS, KEY, NETWORK, START_MS, examples
from support import abci_samples
from traco.kernel.codec import Codec, encode
from traco.kernel.genesis import write_genesis
from traco.kernel.receipt import BlockRecord
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    Signature,
    envelope_id,
    envelope_signing_message,
    signing_message,
    transaction_id,
)
from traco.modules.composition import compose
from traco.node.founding.card import write_card
from traco.node.founding.signatures import write_signature
from traco.node.transfer import BlockFrame, EndFrame, HeadFrame

INVOICES: Final = Path(__file__).parents[2] / "examples" / "invoices"
VECTORS: Final = Path(__file__).parents[1] / "vectors"


def main() -> None:
    """Write them all."""
    for target, name, content in samples():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}{SUFFIX}").write_bytes(content)


def samples() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and bytes of each."""
    known = examples()
    for name in ("transaction", "outcome", "rejection", "block-record", "receipt"):
        yield "codec", name, known[name]
    yield "receipt", "genuine", known["receipt"]
    yield "channel_receipt", "two-points", channel_receipt.sample()
    for name, content in deal.samples().items():
        yield "deal", name, content
    yield "checkpoint", "genuine", known["seal"]
    yield "evidence", "three-handovers", evidence.sample(32)
    yield "evidence", "no-handover", evidence.sample(4)
    yield "founding", "card", write_card(founding.card())
    yield "founding", "signature", write_signature(founding.signature())
    yield "founding", "founding", write_signature(founding.founding())
    for place, sample in enumerate(abci_samples.SAMPLES):
        yield "abci", f"{place:02}-{type(sample).__name__}", abci_samples.payload(sample)
    yield "token", "genuine", known["token"]
    yield "transaction", "genuine", known["transaction"]
    for path in (VECTORS / f"{module}.json" for module in ("document", "holding", "settlement")):
        instructions = _instructions(path)
        yield "transaction", path.stem, _transaction(instructions)
    envelope = _envelope(known["transaction"])
    yield "envelope", "genuine", envelope
    yield "codec", "envelope", envelope
    yield "genesis", "example", write_genesis(GENESIS)
    for path in sorted(INVOICES.glob("0*.xml")):
        yield "invoice", path.stem, path.read_bytes()
    yield "fields", "retyped", (INVOICES / "retyped.json").read_bytes()
    yield "keystore", "two-keys", keystore.sample()
    yield "payload", "three-transactions", payload.sample()
    for name, message in custody.samples():
        yield "custody", name, message
    yield from _files()
    yield "snapshot", "several-pieces", snapshot.sample()
    yield "snapshot_head", "several-pieces", snapshot_head.genuine()
    yield "export", "two-blocks", _export(known, envelope)


def _instructions(vectors: Path) -> list[msgspec.Raw]:
    """The instructions among the pinned bytes of a module."""
    pinned, known = msgspec.json.decode(vectors.read_bytes()), compose().instructions
    records = pinned.get("records", pinned)  # bytes by what they are of
    raws = [msgspec.Raw(bytes.fromhex(raw)) for raw in records.values()]
    return [raw for raw in raws if _is_instruction(known, raw)]


def _is_instruction(known: Codec[Any], raw: msgspec.Raw) -> bool:
    try:
        known.decode(encode((raw,)))
    except ValueError:
        return False
    return True


def _transaction(instructions: list[msgspec.Raw]) -> bytes:
    body = encode(Body(NETWORK, b"", START_MS + 60_000, bytes(16), tuple(instructions)))
    signature = Signature(KEY.public_key, KEY.sign(signing_message(transaction_id(body))))
    return encode_transaction(body, (signature,))


def _envelope(transaction: bytes) -> bytes:
    body = EnvelopeBody(NETWORK, b"", bytes(16), START_MS + 60_000, bytes(16), (transaction,))
    message = envelope_signing_message(envelope_id(body), KEY.public_key)
    return encode(Envelope(body, Signature(KEY.public_key, KEY.sign(message))))


def _export(known: Mapping[str, bytes], envelope: bytes) -> bytes:
    record = msgspec.msgpack.decode(known["block-record"], type=BlockRecord)
    frames = [
        HeadFrame(NETWORK, known["genesis"]),
        BlockFrame(1, START_MS, 1, bytes(32), None, ()),
        BlockFrame(2, START_MS + 1, 1, bytes(32), record, (envelope,)),
        EndFrame(2, START_MS + 1, bytes(32), known["seal"]),
    ]
    return export.packed([encode(frame) for frame in frames])


def _files() -> Iterator[tuple[str, str, bytes]]:
    identity, key = "0" * 31 + "1", KEY.public_key.hex()
    plain = {"format": "traco-node/1", "host": "127.0.0.1", "port": 7470, "verifiers": 1}
    full = {
        **plain, "host": "::", "auditors": [identity], "operators": [identity],
        "tls": {"certificate": "node.pem", "key": "node.key"}, "limits": {"in_flight": 5},
        "projections": {"url": "postgresql://user@host/name", "password_file": "password"},
        "log": {"level": "debug", "format": "json"}, "metrics": {"port": 9000},
        "tracing": {"endpoint": "http://127.0.0.1:4318/v1/traces"}, "health": {"stall_seconds": 5},
    }  # fmt: skip
    variables = (
        b"TRACO_NODE_PORT=7471\nTRACO_NODE_AUDITORS=" + identity.encode() + b"\nTRACO_NODE_LOG__ACCESS=true"
    )
    yield "configuration", "plain", _json(plain)
    yield "configuration", "full", _json(full)
    yield (
        "configuration",
        "layers",
        _json(plain) + b"\n--\n" + variables + b"\n--\nport=7472\nprojections.url=sqlite://",
    )
    entries = {
        "bank": {"kind": "party", "id": identity, "keystore": "keys/bank.keys", "keys": ["main"]},
        "eur": {"kind": "instrument", "id": identity},
    }
    book = {
        "format": "traco-addresses/1",
        "network": NETWORK.hex(),
        "url": "http://127.0.0.1:7470",
        "names": entries,
    }
    yield "addresses", "two-names", _json(book)
    signers: list[dict[str, Any]] = [
        {"name": "main", "roles": ["sign"], "public_key": key, "command": ["sign", "--key", "main"]},
        {
            "name": "second",
            "roles": ["read"],
            "public_key": key,
            "command": ["other"],
            "timeout_seconds": 2.5,
        },
    ]
    yield "signers", "two-commands", _json({"format": "traco-signers/1", "keys": signers})
    file = {"bytes": 1, "sha256": "ab" * 32}
    manifest = {
        "format": "traco-backup/1", "release": "0.1.0", "network": NETWORK.hex(), "height": 2, "time_ms": START_MS,
        "app_hash": "00" * 32, "made_ms": START_MS, "keys": False, "files": {"ledger.db": file, "genesis.json": file},
    }  # fmt: skip
    yield "backup", "manifest", _json(manifest)


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


if __name__ == "__main__":
    main()
