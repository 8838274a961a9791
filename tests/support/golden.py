"""A node's directory that an earlier release left, unpacked and opened with today's code under a clock that tests turn."""

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from traco.client.keystore import KeyStore
from traco.client.signer import Signer
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.application import Application
from traco.kernel.block import Answer
from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.registry import Registry
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
from traco.node.directory import KEYS_FILE, LEDGER_FILE, MEMBER_KEY, NODE_KEY, SEAL_KEY, founding_member
from traco.storage import LedgerStore

GOLDEN: Final = Path(__file__).parents[1] / "golden"
PASSPHRASE: Final = "a golden passphrase"


class Golden:
    """What is in an archive: the node's directory, who is who, and receipts."""

    def __init__(self, number: int, folder: Path) -> None:
        with tarfile.open(GOLDEN / str(number) / "node.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        self.folder = folder
        self.directory = folder / "node"
        self.names: dict[str, Any] = json.loads((folder / "names.json").read_bytes())
        self.genesis = (self.directory / "genesis.json").read_bytes()
        self.receipts = {path.stem: path.read_bytes() for path in (folder / "receipts").iterdir()}
        self.member = founding_member(self.genesis)

    def party(self, name: str) -> bytes:
        """The id of a party."""
        return bytes.fromhex(self.names[name]["party"])

    def account(self, name: str) -> bytes:
        """The id of its account."""
        return bytes.fromhex(self.names[name]["account"])

    def cash(self, currency: str) -> bytes:
        """The id of an instrument."""
        return bytes.fromhex(self.names["cash"][currency])

    def signer(self, name: str) -> Signer:
        """The key of a party; of the operator, the founding member's."""
        if name == "operator":
            return self.key(MEMBER_KEY)
        with KeyStore.open(self.folder / "keys" / self.names[name]["keys"], PASSPHRASE) as keys:
            return keys.signer("main")

    def key(self, name: str) -> Signer:
        """A key of the node."""
        with KeyStore.open(self.directory / KEYS_FILE, PASSPHRASE) as keys:
            return keys.signer(name)


class Opened:
    """The ledger of a golden directory with an engine that makes blocks when told to."""

    def __init__(self, golden: Golden, registry: Registry, store: LedgerStore) -> None:
        self.golden = golden
        self.alarms: list[str] = []
        founding = parse_genesis(golden.genesis)
        self.application = Application(
            founding, registry, store, lambda kind, _, error: self.alarms.append(f"{kind} {error!r}")
        )
        self.store = store
        self.now_ms = self.application.info().time_ms
        self.engine = EmbeddedEngine(self.application, golden.key(SEAL_KEY), lambda: self.now_ms)
        self.engine.start()
        self._salt = 0

    def do(self, name: str, *instructions: Instruction) -> Answer:
        """Order a transaction of one party in a block of its own."""
        return self.order(self.transaction(name, *instructions))

    def transaction(self, name: str, *instructions: Instruction) -> bytes:
        """A signed transaction of one party."""
        signer, network = self.golden.signer(name), self.application.network
        body = encode(Body(network, ROOT, self.now_ms + 60_000, self._next_salt(), instructions))
        signature = Signature(signer.public_key, signer.sign(signing_message(transaction_id(body))))
        return encode_transaction(body, (signature,))

    def order(self, transaction: bytes) -> Answer:
        """Order a transaction as the golden node would."""
        node = self.golden.key(NODE_KEY)
        body = EnvelopeBody(
            self.application.network, ROOT, self.golden.member, self.now_ms + 60_000, self._next_salt(), (transaction,)
        )  # fmt: skip
        message = envelope_signing_message(envelope_id(body), node.public_key)
        envelope = encode(Envelope(body, Signature(node.public_key, node.sign(message))))
        assert self.engine.offer(envelope) is None
        return self.engine.make_block().answers[0].transactions[0]

    def wait(self, milliseconds: int) -> None:
        """Turn the clock on and make the blocks that fall due."""
        self.now_ms += milliseconds
        while self.engine.wants_block():
            self.engine.make_block()

    def _next_salt(self) -> bytes:
        self._salt += 1
        return b"golden" + self._salt.to_bytes(10, "big")


@contextmanager
def opened(golden: Golden, make: Callable[[], Registry] = compose) -> Iterator[Opened]:
    """Open the ledger of a golden directory, with the modules of this release or those that are given."""
    store = LedgerStore(
        golden.directory / LEDGER_FILE, network_id(parse_genesis(golden.genesis)), durable=False
    )
    try:
        yield Opened(golden, make(), store)
    finally:
        store.close()
