"""The fingerprint service of one node: holds the keys, answers slowly and on the record, signs what it answers.

Not for networking or for telling callers apart: the node authenticates the caller and passes its name in. Whoever may
ask can test guesses about invoices, so the rate limit and the log are part of the protection.

Errors:

    Exception
    └── FingerprintRefused         stable code, and a text for people
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from traco.kernel.codec import ROOT
from traco.modules.document.statement import FingerprintStatement, SignedStatement, statement_message
from traco.services.doc.fingerprint import FingerprintKey, fingerprints_of
from traco.services.doc.invoice import InvoiceUnreadable
from traco.services.doc.normalise import InvoiceFields

MAXIMUM_ACTIVE_KEYS: Final = 4
MAXIMUM_CALLERS: Final = 10_000
MAXIMUM_CALLER_LENGTH: Final = 128
COMMITMENT_BYTES: Final = 32
NETWORK_BYTES: Final = 32
EVERYBODY: Final = ""  # no caller has this name


class FingerprintRefused(Exception):
    """The service gave no fingerprints. `code` is stable; `retry_after_ms` is set where waiting helps."""

    def __init__(self, code: str, detail: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms


class Fingerprinter(Protocol):
    """Whoever turns normalised fields into signed fingerprints: one node's service, or later a threshold of nodes."""

    def key_fields(
        self, caller: str, fields: InvoiceFields, content_commitment: bytes, register: bool
    ) -> SignedStatement:
        """Key and sign the fields. The same fields and commitment give the same result, registering or not."""
        ...


class StatementSigner(Protocol):
    """The service's signing key; keys and signatures carry their scheme byte."""

    @property
    def public_key(self) -> bytes:
        """The public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over a message."""
        ...


class RateLimit(msgspec.Struct, frozen=True):
    """A token bucket: `burst` requests at once, then one token again every `interval_ms`."""

    burst: int
    interval_ms: int

    def __post_init__(self) -> None:
        if self.burst < 1 or self.interval_ms < 1:
            raise ValueError("a rate limit needs a burst and an interval of at least 1")


class RateLimiter:
    """Token buckets by caller, in bounded memory.

    A bucket is kept as the time at which it will be full again, so a full one needs no entry at all.
    """

    def __init__(self, limit: RateLimit, maximum_callers: int = MAXIMUM_CALLERS) -> None:
        self._limit = limit
        self._maximum_callers = maximum_callers
        self._full_at_ms: dict[str, int] = {}
        self._now_ms = 0

    def take(self, caller: str, now_ms: int) -> None:
        """Take one token. Raises FingerprintRefused (`fingerprint.rate_limited`, `fingerprint.busy`)."""
        self._full_at_ms[caller] = self.check(caller, now_ms)

    def check(self, caller: str, now_ms: int) -> int:
        """When the bucket would be full again with one token less, in ms, taking none. Raises as `take`."""
        # A clock that is set back must not hand out tokens twice, nor lock callers out.
        self._now_ms = max(self._now_ms, now_ms)
        if caller not in self._full_at_ms and len(self._full_at_ms) >= self._maximum_callers:
            self._forget_full_buckets()
        full_at_ms = max(self._full_at_ms.get(caller, 0), self._now_ms) + self._limit.interval_ms
        wait_ms = full_at_ms - self._now_ms - self._limit.burst * self._limit.interval_ms
        if wait_ms > 0:
            raise FingerprintRefused(
                "fingerprint.rate_limited", f"too many requests; try again in {wait_ms} ms.", wait_ms
            )
        return full_at_ms

    def _forget_full_buckets(self) -> None:
        self._full_at_ms = {caller: at for caller, at in self._full_at_ms.items() if at > self._now_ms}
        if len(self._full_at_ms) >= self._maximum_callers:
            raise FingerprintRefused(
                "fingerprint.busy", "too many callers at once; try again later.", self._limit.interval_ms
            )


class RequestLog:
    """Append-only JSON lines on disk, one for each request: when, who, which commitment, with what outcome.

    Never holds the fields. A line is on disk before fingerprints are given.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            # A crash tore the last line: end it, so that the next one can be read.
            self._write(b"\n")

    def append(
        self, time_ms: int, caller: str, content_commitment: bytes, register: bool, outcome: str, *,
        durable: bool = True,
    ) -> None:  # fmt: skip
        """Write one line, durably unless said otherwise. Raises OSError where that fails."""
        line = {
            "time_ms": time_ms,
            "caller": caller,
            "content_commitment": content_commitment.hex(),
            "register": register,
            "outcome": outcome,
        }
        self._write(json.dumps(line).encode("ascii") + b"\n")
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file; nothing can be logged afterwards."""
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._file, line) :]


class FingerprintService:
    """Keys fields under the current key and, so that older registrations match too, under the previous ones.

    `keys` are the active keys, at most four; the highest version is the current one. `signer` holds the service's
    signing key. `clock_ms` gives UTC milliseconds. `limit` is for each caller by name, `overall` for all callers together:
    names are free text until callers are authenticated, so only `overall` stops somebody who makes them up. Safe to call
    from several threads.
    """

    def __init__(
        self,
        *,
        network: bytes,
        keys: Sequence[FingerprintKey],
        signer: StatementSigner,
        clock_ms: Callable[[], int],
        limit: RateLimit,
        overall: RateLimit,
        log: RequestLog,
    ) -> None:
        if len(network) != NETWORK_BYTES:
            raise ValueError(f"a network id has {NETWORK_BYTES} bytes, not {len(network)}")
        if not 1 <= len(keys) <= MAXIMUM_ACTIVE_KEYS:
            raise ValueError(f"a fingerprint service needs 1 to {MAXIMUM_ACTIVE_KEYS} keys, not {len(keys)}")
        if len({key.version for key in keys}) != len(keys):
            raise ValueError("two fingerprint keys have the same version")
        self._network = network
        self._keys = sorted(keys, key=lambda key: key.version, reverse=True)
        self._signer = signer
        self._clock_ms = clock_ms
        self._limiter = RateLimiter(limit)
        self._overall = RateLimiter(overall, maximum_callers=1)
        self._log = log
        self._lock = threading.Lock()

    def key_fields(
        self, caller: str, fields: InvoiceFields, content_commitment: bytes, register: bool
    ) -> SignedStatement:
        """Fingerprints of the fields under all active keys, signed together with the content commitment.

        `register` says whether the caller is about to register the document or only checks a file; it is logged and
        changes nothing in the result. Raises FingerprintRefused (`fingerprint.caller_invalid`,
        `fingerprint.commitment_invalid`, `fingerprint.rate_limited`, `fingerprint.busy`, `fingerprint.not_normal`,
        `fingerprint.log_unavailable`).
        """
        _check_request(caller, content_commitment)
        with self._lock:
            now_ms = self._clock_ms()
            try:
                self._limiter.check(
                    caller, now_ms
                )  # first: a flood of one caller takes nothing from the others
                self._overall.take(EVERYBODY, now_ms)
                self._limiter.take(caller, now_ms)
                signed = self._signed(fields, content_commitment)
            except FingerprintRefused as refused:
                # it tells nothing of any invoice, and a flood of them must not hold up others by waiting for the disk
                self._record(now_ms, caller, content_commitment, register, refused.code, durable=False)
                raise
            self._record(now_ms, caller, content_commitment, register, "keyed")
        return signed

    def _signed(self, fields: InvoiceFields, content_commitment: bytes) -> SignedStatement:
        try:
            fingerprints = tuple(fingerprints_of(key, fields) for key in self._keys)
        except InvoiceUnreadable as error:
            raise FingerprintRefused("fingerprint.not_normal", error.detail) from None
        statement = FingerprintStatement(
            self._network, ROOT, self._signer.public_key, content_commitment, fingerprints
        )
        return SignedStatement(statement, self._signer.sign(statement_message(statement)))

    def _record(
        self,
        now_ms: int,
        caller: str,
        commitment: bytes,
        register: bool,
        outcome: str,
        *,
        durable: bool = True,
    ) -> None:
        try:
            self._log.append(now_ms, caller, commitment, register, outcome, durable=durable)
        except OSError as error:
            raise FingerprintRefused(
                "fingerprint.log_unavailable",
                f"the request could not be logged ({error.strerror}), so it is not answered; see to the disk.",
            ) from error


def _check_request(caller: str, content_commitment: bytes) -> None:
    if not 0 < len(caller) <= MAXIMUM_CALLER_LENGTH:
        raise FingerprintRefused(
            "fingerprint.caller_invalid", f"a caller's name has 1 to {MAXIMUM_CALLER_LENGTH} characters."
        )
    if len(content_commitment) != COMMITMENT_BYTES:
        raise FingerprintRefused(
            "fingerprint.commitment_invalid", f"a content commitment has {COMMITMENT_BYTES} bytes."
        )
