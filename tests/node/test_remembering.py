"""Screening answers are remembered by exact bytes, within limits."""

from collections.abc import Sequence

from support.counters import ALICE, BOB, SOLO, Add, counter_registry
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener, Screened, ScreenedEnvelope, encode_transaction
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.remembering import Memory, RememberingScreener


class Counting:
    """A real screener that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.direct = DirectScreener(counter_registry().body, KernelParameters())

    def screen(self, transactions: Sequence[bytes]) -> list[Screened]:
        self.asked += transactions
        return self.direct.screen(transactions)

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        self.asked.append(raw)
        return self.direct.screen_envelope(raw)


def signed_by(key: object) -> bytes:
    body = encode(Body(bytes(32), ROOT, 1, bytes(16), (Add(SOLO, "a", 1),)))
    message = signing_message(transaction_id(body))
    return encode_transaction(body, (key.signature(message),))  # type: ignore[attr-defined]


def test_the_same_bytes_are_screened_once() -> None:
    counting = Counting()
    screener, raw = RememberingScreener(counting), signed_by(ALICE)
    first = screener.screen([raw, raw])
    assert screener.screen([raw]) == [first[0]]
    assert first[0] == first[1]
    assert counting.asked == [raw]


def test_another_signature_under_the_same_id_is_screened_by_itself() -> None:
    screener = RememberingScreener(Counting())
    own, other = screener.screen([signed_by(ALICE), signed_by(BOB)])
    assert own.identity == other.identity
    assert (own.signers, other.signers) == ((ALICE.public,), (BOB.public,))


def test_what_a_verifier_process_answered_is_not_asked_again() -> None:
    counting = Counting()
    screener, raw = RememberingScreener(counting), signed_by(ALICE)
    answer = counting.direct.screen([raw])[0]
    screener.remember(raw, answer)
    assert screener.screen([raw]) == [answer]
    assert counting.asked == []


def test_envelopes_are_screened_once_hostile_ones_too() -> None:
    counting = Counting()
    screener = RememberingScreener(counting)
    first = screener.screen_envelope(b"nonsense")
    assert first.refusal is not None
    assert screener.screen_envelope(b"nonsense") == first
    assert counting.asked == [b"nonsense"]


def test_a_block_full_of_the_smallest_envelopes_is_screened_once() -> None:
    counting = Counting()
    screener = RememberingScreener(counting)
    fitting = KernelParameters().max_block_bytes // 190  # bytes of an envelope with one byte in it
    envelopes = [b"%d" % index for index in range(fitting)]
    for _ in range(2):
        for raw in envelopes:
            screener.screen_envelope(raw)
    assert len(counting.asked) == fitting


def test_beyond_the_limit_the_oldest_is_forgotten() -> None:
    memory: Memory[int] = Memory(2)
    for number in range(3):
        memory.put(b"%d" % number, number)
    assert [memory.get(b"%d" % number) for number in range(3)] == [None, 1, 2]


def test_beyond_the_bytes_the_oldest_are_forgotten() -> None:
    memory: Memory[int] = Memory(100, max_bytes=10)
    memory.put(b"aaaa", 1)
    memory.put(b"bbbbbb", 2)
    assert len(memory) == 2
    memory.put(b"ccccccccc", 3)
    assert [memory.get(raw) for raw in (b"aaaa", b"bbbbbb", b"ccccccccc")] == [None, None, 3]


def test_what_is_larger_than_the_memory_is_answered_and_not_kept() -> None:
    memory: Memory[int] = Memory(100, max_bytes=3)
    assert memory.of(b"aaaa", len) == 4
    assert len(memory) == 0
    memory.put(b"bbb", 1)
    assert memory.get(b"bbb") == 1


def test_remembering_the_same_bytes_again_forgets_nothing() -> None:
    memory: Memory[int] = Memory(2, max_bytes=2)
    for raw in (b"a", b"b", b"b", b"a"):
        memory.put(raw, 1)
    assert len(memory) == 2
