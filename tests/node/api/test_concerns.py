"""Whom ended objects concerned: gathered once, made again where the file does not fit the ledger."""

import threading
from pathlib import Path

import apsw
import pytest

from support.ledger import Key
from support.stored_ledger import BANK, BANK_ID, EUR, StoredLedger
from traco.modules.composition import compose
from traco.modules.holding.messages import Hold, ReleaseHold, hold_id
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.api import concerns as concerns_module
from traco.node.api.concerns import CONCERNS_FILE, Concerns
from traco.node.api.problems import Problem
from traco.storage import SnapshotReader

REGISTRY = compose()


class Desk:
    """A ledger with a hold that was placed and released."""

    def __init__(self, directory: Path) -> None:
        self.stored = StoredLedger(directory)
        ledger = self.stored.ledger
        keys = (PartyKey(Key("executor").public, ("sign", "administer")),)
        assert (
            ledger.submit(RegisterParty(BANK_ID, bytes(16), "organisation", keys, "E"), keys=[BANK]).failure
            is None
        )
        self.executor = party_id(BANK_ID, bytes(16))
        account, expires_ms = self.stored.accounts[0], ledger.time_ms + 100_000
        placing = Hold(BANK_ID, account, EUR, 5, self.executor, expires_ms, b"", bytes(16))
        assert ledger.submit(placing, keys=[BANK]).failure is None
        self.hold = hold_id(BANK_ID, bytes(16))
        assert ledger.submit(ReleaseHold(self.executor, self.hold), keys=[Key("executor")]).failure is None
        self.reader = SnapshotReader(self.stored.path)
        self.path = directory / CONCERNS_FILE

    def opened(self) -> Concerns:
        return Concerns(self.path, REGISTRY)

    def followed(self, concerns: Concerns) -> Concerns:
        snapshot = self.reader.snapshot()
        assert snapshot is not None
        with snapshot:
            concerns.require(snapshot)
        return concerns


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_hold_that_ended_concerned_its_holder_and_its_executor(desk: Desk) -> None:
    concerns = desk.followed(desk.opened())
    assert concerns.has(desk.hold, BANK_ID)
    assert concerns.has(desk.hold, desk.executor)
    assert not concerns.has(desk.hold, bytes(16))
    assert not concerns.has(bytes(32), BANK_ID)


def test_it_is_kept_over_a_restart(desk: Desk) -> None:
    first = desk.followed(desk.opened())
    height = first.height
    first.close()
    again = desk.opened()
    assert again.height == height
    assert desk.followed(again).has(desk.hold, desk.executor)


def test_slices_give_what_one_pass_gives(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concerns_module, "SLICE", 2)
    concerns = desk.opened()
    concerns.catch_up(desk.reader, threading.Event())
    snapshot = desk.reader.snapshot()
    assert snapshot is not None
    assert concerns.height == snapshot.height
    assert concerns.has(desk.hold, desk.executor)


def test_a_request_does_not_wait_for_many_blocks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concerns_module, "FEW", 3)
    with pytest.raises(Problem) as caught:
        desk.followed(desk.opened())
    assert (caught.value.status, caught.value.code) == (503, "node.starting")


def test_catching_up_ends_when_the_node_stops(desk: Desk) -> None:
    stopping = threading.Event()
    stopping.set()
    concerns = desk.opened()
    concerns.catch_up(desk.reader, stopping)
    assert concerns.height == -1


@pytest.mark.parametrize("change", ["height = 1000", "app_hash = x'00'"])
def test_a_file_that_does_not_fit_the_ledger_is_made_again(desk: Desk, change: str) -> None:
    desk.followed(desk.opened()).close()
    altered = apsw.Connection(str(desk.path))
    altered.execute(f"UPDATE followed SET {change}; DELETE FROM concern")
    altered.close()
    assert desk.followed(desk.opened()).has(desk.hold, desk.executor)


def test_a_file_of_another_format_is_made_again(desk: Desk) -> None:
    other = apsw.Connection(str(desk.path))
    other.execute("CREATE TABLE concern (x); PRAGMA user_version = 99")
    other.close()
    assert desk.followed(desk.opened()).has(desk.hold, desk.executor)


@pytest.mark.parametrize("damage", ["not a database", "cut short", "no tables"])
def test_a_damaged_file_does_not_keep_the_node_from_starting(desk: Desk, damage: str) -> None:
    desk.followed(desk.opened()).close()
    if damage == "not a database":
        desk.path.write_bytes(b"noise" * 5_000)
    elif damage == "cut short":
        desk.path.write_bytes(desk.path.read_bytes()[:4_100])
    else:
        altered = apsw.Connection(str(desk.path))
        altered.execute("DROP TABLE concern")
        altered.close()
    assert desk.followed(desk.opened()).has(desk.hold, desk.executor)


def test_who_named_a_request_is_remembered_over_a_restart(desk: Desk) -> None:
    document, party, request = b"d" * 16, b"p" * 16, b"r" * 16
    first = desk.followed(desk.opened())
    first.invite(document, party, request)
    first.invite(document, party, request)
    first.close()
    again = desk.followed(desk.opened())
    assert again.invitations(document, party) == (request,)
    assert again.invitations(document, b"o" * 16) == ()
    assert not again.has(document, party)
