"""A whole ledger in memory, driven block by block, with deterministic keys and salts."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from support.memory_store import MemoryStore
from traco.kernel.application import Application
from traco.kernel.block import Answer
from traco.kernel.codec import ROOT, Record, encode
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
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

START_MS = 1_790_000_000_000


class Key:
    """A deterministic ed25519 key: the same name gives the same key in every run."""

    def __init__(self, name: str) -> None:
        self.seed = sha256(b"test key " + name.encode()).digest()
        self._key = SigningKey(self.seed)
        self.public = b"\x01" + bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        """The signature over a message, scheme byte first."""
        return b"\x01" + self._key.sign(message).signature

    def signature(self, message: bytes) -> Signature:
        """The signature with its key, as transactions carry it."""
        return Signature(self.public, self.sign(message))


class RejectedInTest(AssertionError):
    """A transaction that a test expected to succeed did not."""


class Ledger:
    """Founds a ledger and runs blocks on it. ``member`` and ``node`` sign the envelopes."""

    def __init__(
        self, genesis: Genesis, registry: Registry, member: bytes, node: Key, store: Any = None
    ) -> None:
        self.registry = registry
        self.store = MemoryStore() if store is None else store
        self.alarms: list[tuple[str, BaseException]] = []
        self.application = Application(
            genesis, registry, self.store, lambda kind, _, error: self.alarms.append((kind, error))
        )
        if not self.application.info().app_hash:
            self.application.init_chain()
        self.member, self.node = member, node
        self.time_ms = max(genesis.time_ms, self.application.info().time_ms)
        self._salt = 0

    def salt(self) -> bytes:
        """A fresh salt of 16 bytes."""
        self._salt += 1
        return self._salt.to_bytes(16, "big")

    def transaction(self, instructions: Sequence[Instruction], *keys: Key, valid_ms: int = 60_000) -> bytes:
        """The wire form of a signed transaction."""
        until = self.time_ms + valid_ms
        body = encode(Body(self.application.network, ROOT, until, self.salt(), tuple(instructions)))
        message = signing_message(transaction_id(body))
        return encode_transaction(body, tuple(key.signature(message) for key in keys))

    def envelope(self, transactions: Sequence[bytes]) -> bytes:
        """The wire form of an envelope signed by this ledger's node."""
        body = EnvelopeBody(
            self.application.network,
            ROOT,
            self.member,
            self.time_ms + 60_000,
            self.salt(),
            tuple(transactions),
        )
        message = envelope_signing_message(envelope_id(body), self.node.public)
        return encode(Envelope(body, self.node.signature(message)))

    def run_block(self, transactions: Sequence[bytes] = (), after_ms: int = 1_000) -> list[Answer]:
        """Order the transactions in one envelope (none: an empty block), commit, and return their answers."""
        self.time_ms += after_ms
        envelopes = [self.envelope(transactions)] if transactions else []
        finalized = self.application.finalize_block(
            self.application.info().height + 1, self.time_ms, envelopes
        )
        self.application.commit()
        return [answer for envelope in finalized.answers for answer in envelope.transactions]

    def submit(self, *instructions: Instruction, keys: Sequence[Key]) -> Answer:
        """One transaction in a block of its own."""
        return self.run_block([self.transaction(instructions, *keys)])[0]

    def succeed(self, *instructions: Instruction, keys: Sequence[Key]) -> Receipt:
        """As ``submit``; fails the test unless it succeeds. Returns the receipt with its events."""
        answer = self.submit(*instructions, keys=keys)
        if answer.failure is not None:
            raise RejectedInTest(f"{answer.failure.code} {answer.failure.fields} {self.alarms}")
        return self.receipt(answer)

    def reject(self, *instructions: Instruction, keys: Sequence[Key]) -> str:
        """As ``submit``; fails the test if it succeeds. Returns the code."""
        answer = self.submit(*instructions, keys=keys)
        assert answer.failure is not None, "it succeeded"
        return answer.failure.code

    def receipt(self, answer: Answer) -> Receipt:
        """The receipt of a transaction of the last block."""
        return self.registry.receipt.decode(self.store.blocks[-1].leaves[answer.leaf].receipt)

    def query(self, name: str, request: Record) -> Any:
        """A query on committed state."""
        return self.application.query(name, request)

    def check_invariants(self) -> list[str]:
        """Every ledger invariant's violations: must be empty."""
        found = [check(self.application.state) for _, check in self.registry.ledger_invariants]
        return [violation for violations in found for violation in violations]
