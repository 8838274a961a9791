import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import msgspec
import pytest

from support.stored_ledger import StoredLedger, genesis
from traco.kernel.errors import Halt
from traco.kernel.screening import DirectScreener
from traco.kernel.transaction import Envelope
from traco.modules.composition import compose
from traco.node.ahead import (
    AHEAD,
    AheadScreener,
    processes_for_verifying,
    screening_ahead,
    stored_ahead,
    stored_envelopes,
)

LIMITS = genesis().kernel_parameters()
Blocks = list[tuple[bytes, ...]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredLedger:
    ledger = StoredLedger(tmp_path_factory.mktemp("node"))
    ledger.trade(blocks=60, per_block=3)
    ledger.close()
    return ledger


@pytest.fixture(scope="module")
def blocks(stored: StoredLedger) -> Blocks:
    return list(stored_envelopes(stored.path))


def transactions(envelope: bytes) -> tuple[bytes, ...]:
    return msgspec.msgpack.decode(envelope, type=Envelope).body.transactions


def direct() -> DirectScreener:
    return DirectScreener(compose().body, LIMITS)


def test_every_block_is_read_in_order(stored: StoredLedger, blocks: Blocks) -> None:
    assert len(blocks) == stored.ledger.application.info().height
    assert len(blocks) > 64  # more than are read at once


def test_answers_are_those_of_a_direct_screener_and_none_is_missed(
    stored: StoredLedger, blocks: Blocks
) -> None:
    own = direct()
    with stored_ahead(stored.path, LIMITS, 1) as ahead:
        for (envelope,) in blocks:
            asked = transactions(envelope)
            assert ahead.screen(asked) == own.screen(asked)
            assert ahead.screen_envelope(envelope) == own.screen_envelope(envelope)
        assert ahead.missed == 0


def test_what_is_passed_over_is_forgotten_and_the_next_is_found(blocks: Blocks) -> None:
    with screening_ahead(LIMITS, lambda: blocks, 1) as ahead:
        for (envelope,) in blocks[5::7]:
            asked = transactions(envelope)
            assert ahead.screen(asked) == direct().screen(asked)
        assert ahead.missed == 0


def test_what_was_not_screened_ahead_is_screened_by_the_asking_process(blocks: Blocks) -> None:
    forged = transactions(blocks[9][0])[0][:-1] + b"\0"
    with screening_ahead(LIMITS, lambda: blocks[:3], 1) as ahead:
        (answer,) = ahead.screen([forged])
        assert answer.refusal is not None
        assert answer.refusal.code == "transaction.signature_invalid"
        assert ahead.missed == 1


def test_a_source_that_fails_leaves_the_rest_to_the_asking_process(blocks: Blocks) -> None:
    def failing() -> Iterator[tuple[bytes, ...]]:
        yield blocks[0]
        raise OSError("the medium failed")

    with screening_ahead(LIMITS, failing, 1) as ahead:
        for (envelope,) in blocks[:2]:
            assert len(ahead.screen(transactions(envelope))) == len(transactions(envelope))
        assert ahead.missed == len(transactions(blocks[1][0]))


def test_whoever_stops_early_waits_for_nothing(blocks: Blocks) -> None:
    assert len(blocks) > AHEAD
    before = set(active_children())  # a node that other tests share may run
    with screening_ahead(LIMITS, lambda: blocks, 1):
        pass
    assert [child for child in active_children() if child.is_alive() and child not in before] == []


def screen_all(ahead: AheadScreener, blocks: Blocks) -> None:
    for (envelope,) in blocks:
        ahead.screen(transactions(envelope))


def test_the_end_of_a_verifier_process_stops_the_execution(blocks: Blocks) -> None:
    with screening_ahead(LIMITS, lambda: blocks, 1) as ahead:
        ahead.screen(transactions(blocks[0][0]))
        for child in active_children():
            if child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Halt, match="a verifier process ended"):
            screen_all(ahead, blocks[1:])
        assert ahead.missed == 0


def test_one_core_is_left_to_the_execution() -> None:
    assert processes_for_verifying() == max(1, (os.cpu_count() or 1) - 1)


def test_a_store_that_is_no_ledger_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database, but as long as one" * 300)
    with pytest.raises(Halt):
        list(stored_envelopes(tmp_path / "ledger.db"))
