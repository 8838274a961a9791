"""The embedded engine: one order, time that never goes back, work when there is some, seals that say one thing."""

from pathlib import Path

import pytest

from support.counters import ALICE, MEMBER, NODE, SOLO, Add, AddLater, counter_genesis, counter_registry
from support.gateway import SEAL_SIGNER
from support.ledger import START_MS, Key, Ledger
from support.memory_store import MemoryStore
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.application import Application
from traco.kernel.errors import Halt
from traco.kernel.genesis import Genesis
from traco.kernel.seal import Checkpoint, verify_checkpoint
from traco.storage import LedgerStore

LATER = START_MS + 10_000


class Driven:
    """An engine over counters, with a clock that tests turn; ``ledger`` signs."""

    def __init__(self, genesis: Genesis | None = None, store: MemoryStore | None = None) -> None:
        self.genesis = counter_genesis() if genesis is None else genesis
        self.store = MemoryStore() if store is None else store
        self.now_ms = LATER
        self.application = Application(
            self.genesis, counter_registry(), self.store, lambda kind, _, error: None
        )
        self.engine = EmbeddedEngine(self.application, SEAL_SIGNER, lambda: self.now_ms)
        self.engine.start()
        self.ledger = Ledger(self.genesis, counter_registry(), MEMBER, NODE)
        self.ledger.time_ms = LATER

    def envelope(self, *names: str) -> bytes:
        """An envelope that adds to counters."""
        return self.ledger.envelope([self.ledger.transaction([Add(SOLO, name, 1)], ALICE) for name in names])


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_starting_founds_the_ledger_once(driven: Driven) -> None:
    assert driven.application.info().app_hash == driven.store.blocks[0].app_hash
    Driven(store=driven.store)
    assert len(driven.store.blocks) == 1


def test_an_engine_without_work_wants_no_block(driven: Driven) -> None:
    assert not driven.engine.wants_block()
    assert driven.engine.next_due_ms() is None


def test_what_was_offered_is_ordered_in_one_block_in_that_order(driven: Driven) -> None:
    envelopes = tuple(driven.envelope("a") for _ in range(3))
    assert [driven.engine.offer(envelope) for envelope in envelopes] == [None] * 3
    assert driven.engine.wants_block()
    finalized = driven.engine.make_block()
    assert finalized.block.envelopes == envelopes
    assert driven.store.blocks[-1] == finalized.block
    assert not driven.engine.wants_block()


def test_offered_twice_is_ordered_once(driven: Driven) -> None:
    envelope = driven.envelope("a")
    assert (driven.engine.offer(envelope), driven.engine.offer(envelope)) == (None, None)
    assert driven.engine.make_block().block.envelopes == (envelope,)
    again = driven.engine.offer(envelope)
    assert again is not None
    assert again.code == "transaction.duplicate"


@pytest.mark.parametrize(
    ("raw", "code"), [(b"", "transaction.malformed"), (bytes(1_048_577), "transaction.too_large")]
)
def test_a_refused_offer_has_a_code_and_leaves_nothing_behind(driven: Driven, raw: bytes, code: str) -> None:
    failure = driven.engine.offer(raw)
    assert failure is not None
    assert failure.code == code
    assert not driven.engine.wants_block()


def test_an_envelope_of_an_unknown_node_is_refused() -> None:
    driven = Driven()
    driven.ledger.node = Key("stranger")
    failure = driven.engine.offer(driven.envelope("a"))
    assert failure is not None
    assert failure.code == "envelope.node_unknown"


def test_block_time_follows_the_clock_and_never_goes_back(driven: Driven) -> None:
    times = []
    for now_ms in (LATER + 5, LATER - 5_000, 0, LATER + 6):
        driven.now_ms = now_ms
        driven.engine.offer(driven.envelope("a"))
        times.append(driven.engine.make_block().block.time_ms)
    assert times == [LATER + 5, LATER + 5, LATER + 5, LATER + 6]


def test_a_clock_before_the_founding_gives_the_founding_time() -> None:
    driven = Driven()
    driven.now_ms = 0
    assert driven.engine.block_time_ms() == START_MS


def test_a_due_item_wants_a_block_at_its_time_and_not_before(driven: Driven) -> None:
    due = LATER + 1_000
    later = driven.ledger.transaction([AddLater(SOLO, "later", due)], ALICE)
    driven.engine.offer(driven.ledger.envelope([later]))
    driven.engine.make_block()
    assert driven.engine.next_due_ms() == due
    driven.now_ms = due - 1
    assert not driven.engine.wants_block()
    driven.now_ms = due
    assert driven.engine.wants_block()
    block = driven.engine.make_block().block
    assert (block.envelopes, len(block.leaves)) == ((), 1)
    assert not driven.engine.wants_block()
    assert driven.engine.next_due_ms() is None


def test_due_items_beyond_the_budget_want_another_block() -> None:
    driven = Driven(counter_genesis(parameters={"kernel": {"due_budget": 1}}))
    due = LATER + 1_000
    raws = [driven.ledger.transaction([AddLater(SOLO, name, due)], ALICE) for name in "ab"]
    driven.engine.offer(driven.ledger.envelope(raws))
    driven.engine.make_block()
    driven.now_ms = due
    assert [len(driven.engine.make_block().block.leaves), driven.engine.wants_block()] == [1, True]
    assert [len(driven.engine.make_block().block.leaves), driven.engine.wants_block()] == [1, False]


def test_what_does_not_fit_into_a_block_comes_in_the_next() -> None:
    kernel = {"max_transaction_bytes": 1_024, "max_envelope_bytes": 1_536, "max_block_bytes": 1_536}
    driven = Driven(counter_genesis(parameters={"kernel": kernel}))
    envelopes = [driven.envelope(*"abcd") for _ in range(2)]
    for envelope in envelopes:
        driven.engine.offer(envelope)
    assert driven.engine.make_block().block.envelopes == (envelopes[0],)
    assert driven.engine.make_block().block.envelopes == (envelopes[1],)
    assert driven.engine.take_dropped() == []


def test_what_expires_while_it_waits_is_dropped_with_the_reason_once(driven: Driven) -> None:
    envelope = driven.envelope("a")
    driven.engine.offer(envelope)
    driven.now_ms = LATER + 60_000  # an envelope of these tests is valid for that long
    assert driven.engine.make_block().block.envelopes == ()
    [(raw, failure)] = driven.engine.take_dropped()
    assert (raw, failure.code) == (envelope, "transaction.expired")
    assert driven.engine.take_dropped() == []
    assert not driven.engine.wants_block()


def test_the_same_block_always_has_the_same_seal_and_it_verifies(driven: Driven) -> None:
    driven.engine.offer(driven.envelope("a"))
    driven.engine.make_block()
    seal = driven.engine.seal()
    info = driven.application.info()
    assert driven.engine.seal() == seal
    checkpoint = verify_checkpoint(seal, driven.application.network, SEAL_SIGNER.public_key)
    assert checkpoint == Checkpoint(info.height, info.time_ms, info.app_hash)


def test_another_engine_with_the_same_envelopes_and_times_has_the_same_seals() -> None:
    one, other = Driven(), Driven()
    for name in "abc":
        one.now_ms = other.now_ms = one.now_ms + 1
        envelope = one.envelope(name)
        for driven in (one, other):
            driven.engine.offer(envelope)
            driven.engine.make_block()
        assert one.engine.seal() == other.engine.seal()


def test_a_store_that_fails_halts(tmp_path: Path) -> None:
    driven = Driven()
    store = LedgerStore(tmp_path / "ledger.db", driven.application.network)
    application = Application(driven.genesis, counter_registry(), store, lambda kind, _, error: None)
    engine = EmbeddedEngine(application, SEAL_SIGNER, lambda: LATER)
    engine.start()
    engine.offer(driven.envelope("a"))
    store.close()
    with pytest.raises(Halt):
        engine.make_block()


def test_the_limits_are_those_in_force(driven: Driven) -> None:
    assert driven.engine.limits() == driven.genesis.kernel_parameters()
