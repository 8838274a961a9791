"""The module's queries and its section of the genesis."""

from typing import Any

import pytest

from modules.document.desk import SERVICE, Desk, Facts
from support.ledger import Key
from traco.kernel.genesis import GenesisInvalid
from traco.modules.document.messages import ConfirmDocument, Match, Matches
from traco.modules.document.queries import (
    DocumentQuery,
    DocumentsByParty,
    DocumentView,
    FingerprintKeysQuery,
    MatchesQuery,
)
from traco.modules.document.state import ServiceKey


def test_a_document_is_answered_with_whether_it_is_confirmed(desk: Desk) -> None:
    document = desk.register()
    asked = DocumentQuery(document)
    expected = DocumentView(document, desk.get(document), False)
    assert desk.ledger.query("document.get", asked) == expected
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], document))
    assert desk.ledger.query("document.get", asked).confirmed is True
    assert desk.ledger.query("document.get", DocumentQuery(b"?" * 16)) is None


def test_the_documents_of_a_party_come_in_pages(desk: Desk) -> None:
    documents = sorted(desk.register(facts=Facts(f"n{n}", "", "", f"s{n}", f"b{n}")) for n in range(3))
    desk.register("agent", Facts("other", "o", "o", "o", "o"))
    seller, agent = desk.ids["seller"], desk.ids["agent"]
    page = desk.ledger.query("document.by_party", DocumentsByParty(agent))
    assert [view.record.registrant for view in page] == [agent]
    everything = desk.ledger.query("document.by_party", DocumentsByParty(seller))
    assert set(documents) < {view.document for view in everything}
    ids = [view.document for view in everything]
    assert ids == sorted(ids)
    first = desk.ledger.query("document.by_party", DocumentsByParty(seller, limit=2))
    rest = desk.ledger.query("document.by_party", DocumentsByParty(seller, first[-1].document, 2))
    assert ([view.document for view in first], [view.document for view in rest]) == (ids[:2], ids[2:])


def test_matches_are_answered_as_they_are_now(desk: Desk) -> None:
    document = desk.register()
    assert desk.ledger.query("document.matches", MatchesQuery(document)) == Matches((), False)
    later = desk.register("agent")
    desk.mark(later)
    expected = Matches((Match(later, desk.ids["agent"], "exact", (0,), True),), False)
    assert desk.ledger.query("document.matches", MatchesQuery(document)) == expected


def test_the_keys_of_the_service_are_answered(desk: Desk) -> None:
    answer = desk.ledger.query("document.fingerprint_keys", FingerprintKeysQuery())
    assert answer == (ServiceKey(SERVICE.public, 1, 1),)


HEX = SERVICE.public.hex()
BAD_SECTIONS: dict[str, dict[str, Any]] = {
    "no hex": {"fingerprint_keys": [{"key": "xy"}]},
    "no key": {"fingerprint_keys": [{"key": "09" * 33}]},
    "twice": {"fingerprint_keys": [{"key": HEX}, {"key": HEX}]},
    "version below one": {"fingerprint_keys": [{"key": HEX, "from_version": 0}]},
    "scheme below one": {"fingerprint_keys": [{"key": HEX, "scheme": 0}]},
    "unknown field": {"fingerprint_keys": [{"key": HEX, "secret": "x"}]},
    "unknown section": {"keys": []},
    "too many": {"fingerprint_keys": [{"key": Key(f"s{n}").public.hex()} for n in range(9)]},
}


@pytest.mark.parametrize("case", BAD_SECTIONS)
def test_a_wrong_section_founds_no_ledger(case: str) -> None:
    with pytest.raises(GenesisInvalid):
        Desk(section=BAD_SECTIONS[case])


def test_as_many_keys_as_the_limit_are_founded_in_order() -> None:
    keys = [Key(f"s{n}").public for n in range(8)]
    desk = Desk(section={"fingerprint_keys": [{"key": key.hex()} for key in keys]})
    assert [entry.key for entry in desk.keeper.service_keys(desk.state)] == sorted(keys)


def test_without_a_section_there_are_no_keys() -> None:
    assert Desk(section={}).keeper.service_keys(Desk(section={}).state) == ()
