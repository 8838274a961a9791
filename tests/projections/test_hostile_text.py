"""Texts that a member chose freely, such as names: whatever they hold, projections go on with them."""

from pathlib import Path

import pytest
from sqlalchemy import select

from projections.random_ledger import REGISTRY, RandomLedger
from support.ledger import Key
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.projections import schema
from traco.projections.database import ProjectionDatabase
from traco.projections.projection import Projection


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Null\0Bank", "Null\N{REPLACEMENT CHARACTER}Bank"),
        ("'); DROP TABLE party; --", "'); DROP TABLE party; --"),
        ("\x1b[2J\u202e\U0001f3e6", "\x1b[2J\u202e\U0001f3e6"),
        ("\uffff\ufffe", "\uffff\ufffe"),
    ],
)
def test_a_name_does_not_stop_projections(
    tmp_path: Path, growing: RandomLedger, url: str | None, name: str, kept: str
) -> None:
    member, keys = growing.world.ids["council"], (PartyKey(Key("hostile").public, ("sign", "administer")),)
    growing.do(RegisterParty(member, bytes(16), "organisation", keys, name))
    with ProjectionDatabase.open(tmp_path, growing.world.network, url) as database:
        Projection(growing.reader, REGISTRY, database).catch_up()
        with database.reading() as (connection, position):
            found = connection.execute(
                select(schema.party.c.name).where(schema.party.c.party == party_id(member, bytes(16)))
            ).scalar_one()
            assert position.height == growing.application.info().height
    assert found == kept
