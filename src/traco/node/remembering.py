"""Screening answers, remembered by the exact bytes they are about, so that no signature is checked twice."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic, TypeVar

from traco.kernel.screening import Screened, ScreenedEnvelope, Screener

A = TypeVar("A")

MAX_BYTES: Final = 67_108_864
"""How many bytes of transactions, and of envelopes, are remembered: more than waits in a gateway at any time."""


class Memory(Generic[A]):
    """Answers by bytes; the oldest are forgotten beyond ``limit`` answers, or ``max_bytes`` of what they are about.

    Bytes, not ids: an id does not cover signatures.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        # a plain dict finds its oldest entry by walking over all that were deleted before it
        self._answers: OrderedDict[bytes, A] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, raw: bytes) -> A | None:
        """The answer remembered, if any."""
        return self._answers.get(raw)

    def put(self, raw: bytes, answer: A) -> None:
        """Remember an answer."""
        if raw not in self._answers:
            self._bytes += len(raw)
        self._answers[raw] = answer
        while len(self._answers) > self._limit or self._bytes > self._max_bytes:
            oldest, _ = self._answers.popitem(last=False)
            self._bytes -= len(oldest)

    def of(self, raw: bytes, ask: Callable[[bytes], A]) -> A:
        """The answer remembered, or the one that ``ask`` gives, which is then remembered."""
        answer = self._answers.get(raw)
        if answer is None:
            answer = ask(raw)
            self.put(raw, answer)
        return answer


class RememberingScreener:
    """What the application asks. What nobody screened before is screened here, in the asking process."""

    def __init__(self, direct: Screener, transactions: int = 100_000, envelopes: int = 32_768) -> None:
        """``envelopes``: more than fit into a block, for each of them is asked about several times until it is executed."""
        self._direct = direct
        self._transactions: Memory[Screened] = Memory(transactions)
        self._envelopes: Memory[ScreenedEnvelope] = Memory(envelopes)

    def remember(self, raw: bytes, screened: Screened) -> None:
        """Keep the answer of a verifier process."""
        self._transactions.put(raw, screened)

    def missing(self, transactions: Collection[bytes]) -> list[bytes]:
        """Those of the transactions that nobody screened yet, or whose answer was forgotten; in order."""
        return [raw for raw in transactions if self._transactions.get(raw) is None]

    def screen(self, transactions: Sequence[bytes]) -> list[Screened]:
        """One answer per transaction, in order."""
        return [self._transactions.of(raw, self._screen_one) for raw in transactions]

    def _screen_one(self, raw: bytes) -> Screened:
        return self._direct.screen((raw,))[0]

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        """The answer for an envelope, without its transactions."""
        return self._envelopes.of(raw, self._direct.screen_envelope)
