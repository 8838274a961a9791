"""What clients were told, kept so that a node that forgets can be held to it: in memory to compare with, in a file to look at.

Each line of the file is JSON: what was made (id, payment), or what a gateway said of it.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from traco.client.results import TransactionResult
from traco.client.sdk import Until

SETTLED: Final = ("final", "rejected")


class Payment(NamedTuple):
    """A transfer of the load: from account to account, by their numbers."""

    sender: int
    receiver: int
    amount: int


class Made(NamedTuple):
    """A signed transaction and what it is to do."""

    raw: bytes
    payment: Payment


class Told(NamedTuple):
    """What a gateway said of a transaction."""

    gateway: str
    status: str
    height: int
    leaf: int
    code: str


class Journal:
    """Everything that was submitted and answered. For several threads."""

    def __init__(self, path: Path) -> None:
        self.made: dict[bytes, Made] = {}
        self.told: list[tuple[bytes, Told]] = []
        self.acknowledged: dict[bytes, Told] = {}  # durable at a gateway, and not known to be settled
        self.highest: dict[str, int] = {}  # by gateway, the last block of which it told an outcome
        self._settled: set[bytes] = set()
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def make(self, made: Iterable[tuple[bytes, Made]]) -> None:
        """Transactions that are about to be submitted."""
        with self._lock:
            for identity, each in made:
                self.made[identity] = each
                self._write({"id": identity.hex(), "payment": each.payment})

    def tell(self, gateway: str, results: Iterable[TransactionResult], until: Until) -> None:
        """What a gateway answered; durable when this returns."""
        with self._lock:
            for result in results:
                code = "" if result.failure is None else result.failure.code
                told = Told(gateway, result.status, result.height, result.leaf, code)
                self.told.append((result.identity, told))
                if result.status in SETTLED:
                    self._settled.add(result.identity)
                    self.acknowledged.pop(result.identity, None)
                    self.highest[gateway] = max(result.height, self.highest.get(gateway, 0))
                elif result.status == "received" and result.identity not in self._settled:
                    self.acknowledged[result.identity] = told
                self._write({"id": result.identity.hex(), "until": until, "told": told})
            os.fdatasync(self._file)

    def take_told(self) -> list[tuple[bytes, Told]]:
        """What was answered since the last call."""
        with self._lock:
            told, self.told = self.told, []
            return told

    def unsettled(self) -> list[bytes]:
        """The transactions that nobody has said the outcome of."""
        with self._lock:
            return [identity for identity in self.made if identity not in self._settled]

    def settle(self, identity: bytes) -> None:
        """A transaction's outcome was found on the ledger."""
        with self._lock:
            self._settled.add(identity)
            self.acknowledged.pop(identity, None)

    def _write(self, document: object) -> None:
        os.write(self._file, msgspec.json.encode(document) + b"\n")
