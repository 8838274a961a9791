"""Committed events come in order, once, from any position, with the kind of the leaf that they are of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ledger import Key
from support.stored_ledger import BANK, BANK_ID, EUR, StoredLedger
from traco.kernel.block import UPGRADE_TAG
from traco.kernel.codec import digest, encode
from traco.kernel.receipt import NO_SIGNATURES, Leaf, Receipt
from traco.kernel.transaction import transaction_id
from traco.modules.composition import compose
from traco.modules.holding.messages import Hold, Transfer
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import (
    MAX_PART,
    CommittedEvent,
    CommittedLog,
    LeafKind,
    Position,
    PositionInvalid,
    blocks_after,
    end_of,
)
from traco.storage.rows import StoredBlock

REGISTRY = compose()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadSnapshot]:
    """Transfers, rejections, holds that expire (due items), a refused duplicate, a refused envelope."""
    directory: Path = tmp_path_factory.mktemp("committed")
    stored = StoredLedger(directory)
    stored.trade(30, 6)
    sender, receiver = stored.accounts[:2]
    place_hold_that_expires(stored)
    transfer = Transfer(BANK_ID, EUR, sender, receiver, 5, b"rent")
    twice = [stored.ledger.transaction([transfer], BANK)] * 2
    again = stored.ledger.envelope(twice)
    stored.ledger.time_ms += 1_000
    application = stored.ledger.application
    other = stored.ledger.transaction([transfer], BANK)
    application.finalize_block(
        application.info().height + 1, stored.ledger.time_ms,
        [again, b"nonsense", again, stored.ledger.envelope([b"no transaction", other])],
    )  # fmt: skip
    application.commit()
    stored.close()
    reader = SnapshotReader(directory / "ledger.db")
    taken = reader.snapshot()
    assert taken is not None
    yield taken
    taken.close()
    reader.close()


def place_hold_that_expires(stored: StoredLedger) -> None:
    ledger, salt = stored.ledger, stored.ledger.salt()
    keys = (PartyKey(Key("executor").public, ("sign", "administer")),)
    assert (
        ledger.submit(RegisterParty(BANK_ID, salt, "organisation", keys, "Executor"), keys=[BANK]).failure
        is None
    )
    expires_ms = ledger.time_ms + 2_000
    account, executor = stored.accounts[0], party_id(BANK_ID, salt)
    hold = Hold(BANK_ID, account, EUR, 5, executor, expires_ms, b"", ledger.salt())
    assert ledger.submit(hold, keys=[BANK]).failure is None
    ledger.run_block()
    ledger.run_block()


@pytest.fixture
def log(snapshot: ReadSnapshot) -> CommittedLog:
    return CommittedLog(REGISTRY, snapshot.network)


def everything(log: CommittedLog, snapshot: ReadSnapshot) -> list[CommittedEvent]:
    return list(log.events_after(snapshot))


def last_block(snapshot: ReadSnapshot) -> StoredBlock:
    block = snapshot.block(snapshot.height)
    assert block is not None
    return block


def test_positions_ascend_and_every_event_of_every_receipt_is_there(
    log: CommittedLog, snapshot: ReadSnapshot
) -> None:
    found = everything(log, snapshot)
    expected = [
        (Position(block.height, index, number), event)
        for block in snapshot.blocks(-1, 10_000)
        for index, leaf in enumerate(block.leaves)
        for number, event in enumerate(REGISTRY.receipt.trusted(leaf.receipt).events)
    ]
    assert [(event.position, event.event) for event in found] == expected
    assert [event.position for event in found] == sorted({event.position for event in found})


def test_behind_any_position_is_exactly_the_rest(log: CommittedLog, snapshot: ReadSnapshot) -> None:
    found = everything(log, snapshot)
    for index in range(0, len(found), 7):
        assert list(log.events_after(snapshot, found[index].position)) == found[index + 1 :]


def test_behind_the_end_of_a_block_are_the_events_of_later_blocks(
    log: CommittedLog, snapshot: ReadSnapshot
) -> None:
    found = everything(log, snapshot)
    for block in snapshot.blocks(9, 10):
        later = [event for event in found if event.position.height > block.height]
        assert list(log.events_after(snapshot, end_of(block))) == later


def test_a_leaf_knows_of_what_it_is(log: CommittedLog, snapshot: ReadSnapshot) -> None:
    kinds: dict[LeafKind, int] = {}
    for block in blocks_after(snapshot):
        for leaf in log.leaves(block):
            kinds[leaf.kind] = kinds.get(leaf.kind, 0) + 1
            if leaf.kind is LeafKind.TRANSACTION:
                assert leaf.transaction is not None
                body = REGISTRY.transaction.trusted(leaf.transaction).body
                assert transaction_id(encode(body)) == leaf.identity
            else:
                assert leaf.transaction is None
            expected = None if leaf.kind is LeafKind.DUE else BANK_ID
            assert leaf.member == expected
    assert kinds.keys() == {LeafKind.TRANSACTION, LeafKind.ENVELOPE, LeafKind.DUE}
    assert kinds[LeafKind.DUE] > 0


def test_refused_envelopes_and_transactions_do_not_shift_the_others(
    log: CommittedLog, snapshot: ReadSnapshot
) -> None:
    block = last_block(snapshot)
    kinds = [leaf.kind.value for leaf in log.leaves(block) if leaf.kind is not LeafKind.DUE]
    assert kinds == ["envelope", "transaction", "envelope", "transaction"]
    assert len(block.refusals) == 4


def test_one_leaf_is_as_among_all(log: CommittedLog, snapshot: ReadSnapshot) -> None:
    for block in blocks_after(snapshot):
        assert [log.leaf(block, index) for index in range(len(block.leaves))] == list(log.leaves(block))
    with pytest.raises(IndexError):
        log.leaf(block, len(block.leaves))


def test_the_leaf_of_an_upgrade_is_told_from_what_fell_due(log: CommittedLog, snapshot: ReadSnapshot) -> None:
    block = last_block(snapshot)
    identity = digest(UPGRADE_TAG, snapshot.network, bytes(32), block.protocol.to_bytes(4, "big"))
    leaf = Leaf(identity, NO_SIGNATURES, encode(Receipt(identity, None, ())))
    upgraded = block._replace(leaves=(leaf, *block.leaves))
    assert next(log.leaves(upgraded)).kind is LeafKind.UPGRADE
    assert log.leaf(upgraded, 0).kind is LeafKind.UPGRADE
    second = block._replace(leaves=(leaf, leaf, *block.leaves))
    assert log.leaf(second, 1).kind is LeafKind.DUE  # only the first leaf is ever that of an upgrade
    other = CommittedLog(REGISTRY, bytes(32))
    assert next(other.leaves(upgraded)).kind is LeafKind.DUE


def test_rejections_come_with_their_failure(log: CommittedLog, snapshot: ReadSnapshot) -> None:
    failures = [
        leaf.failure for block in blocks_after(snapshot) for leaf in log.leaves(block) if leaf.failure
    ]
    assert failures
    assert {failure.code for failure in failures} >= {"holding.insufficient"}


def test_blocks_come_one_by_one_above_a_height(snapshot: ReadSnapshot) -> None:
    assert [block.height for block in blocks_after(snapshot)] == list(range(snapshot.height + 1))
    above = list(range(5, snapshot.height + 1))
    assert [block.height for block in blocks_after(snapshot, 4)] == above
    assert list(blocks_after(snapshot, snapshot.height)) == []


def test_a_position_beyond_the_ledger_has_nothing_behind_it(
    log: CommittedLog, snapshot: ReadSnapshot
) -> None:
    assert list(log.events_after(snapshot, Position(snapshot.height + 5, 0, 0))) == []


@pytest.mark.parametrize("text", ["0.0.0", "1.2.3", "10.0.4", f"{MAX_PART}.0.0"])
def test_a_position_has_one_text(text: str) -> None:
    assert str(Position.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.03", "1.2.-3", "1.2.+3", " 1.2.3", "1.2.3\n", "1.2.\u0663", "1.2.\u00b3", "a.b.c", "1..3",
     f"{MAX_PART + 1}.0.0", "9" * 5_000 + ".0.0"],
)  # fmt: skip
def test_another_text_is_no_position(text: str) -> None:
    with pytest.raises(PositionInvalid, match="no position"):
        Position.parse(text)
