"""The authority's memory: it spares work and never answers from an older version of a party."""

from typing import Any

import pytest

from support.founding import ALL_ROLES, Founding, founding
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.kernel.module import Context, Requirement
from traco.modules.party import authority
from traco.modules.party.handlers import RECOVERY_DUE
from traco.modules.party.messages import ChangeKeys
from traco.modules.party.state import PartyKey


def requirement(f: Founding, party: bytes) -> Requirement | None:
    return f.party.authority.requirement(f.ledger.application.state, party, Note(party))


def one(key: Key) -> Requirement:
    return Requirement(frozenset((key.public,)), 1)


def test_an_abandoned_block_leaves_no_trace_in_its_answers() -> None:
    f = founding(["bank"], [ProbeModule()])
    seller = f.register("seller")
    change = ChangeKeys(seller, add=(PartyKey(Key("new").public, ALL_ROLES),), remove=(Key("seller").public,))
    transactions = [f.ledger.transaction([m], Key(k)) for m, k in ((change, "seller"), (Note(seller), "new"))]
    application = f.ledger.application
    application.finalize_block(
        application.info().height + 1, f.ledger.time_ms, [f.ledger.envelope(transactions)]
    )
    assert requirement(f, seller) == one(Key("new"))
    f.ledger.run_block()
    assert requirement(f, seller) == one(Key("seller"))


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "PREPARED_LIMIT", 2)
    f = founding(["bank"], [ProbeModule()])
    parties = {name: f.register(name) for name in ("a", "b", "c")}
    for _ in range(2):
        for name, party in parties.items():
            assert requirement(f, party) == one(Key(name))
            assert len(f.party.authority._prepared) <= 2


def test_nobody_has_no_requirement() -> None:
    assert requirement(founding(["bank"]), b"?" * 16) is None


class Scheduler(ProbeModule):
    """A module that schedules a recovery's end without a recovery."""

    def _nothing(self, context: Context, message: Any) -> None:
        context.schedule(context.block.time_ms, RECOVERY_DUE, message.party)


def test_the_end_of_a_recovery_that_is_not_there_changes_nothing() -> None:
    f = founding(["bank"], [Scheduler()])
    f.ledger.succeed(Note(f.ids["bank"]), keys=[Key("bank")])
    f.ledger.run_block()
    due = f.ledger.registry.receipt.decode(f.ledger.store.blocks[-1].leaves[0].receipt)
    assert (due.failure, due.events, f.ledger.alarms) == (None, (), [])
