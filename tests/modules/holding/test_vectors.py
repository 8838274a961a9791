"""The bytes of this module: pinned, because ledgers, receipts and signatures consist of them."""

import json
from pathlib import Path

import pytest

from modules.holding.vectors import example, vectors
from traco.kernel.codec import Codec, encode
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.state import (
    Account,
    Awaiting,
    Holding,
    Instrument,
    Listing,
    OpenAttachment,
    OpenHold,
    OpenPledge,
    Pending,
    Supply,
)
from traco.modules.party.module import PartyModule

PINNED = json.loads((Path(__file__).parents[2] / "vectors" / "holding.json").read_text())
MODULE = HoldingModule(PartyModule().keeper)
KINDS = [
    *MODULE.instructions, *MODULE.events,
    Account, Awaiting, Holding, Instrument, Listing, OpenAttachment, OpenHold, OpenPledge, Pending, Supply,
]  # fmt: skip


def test_every_byte_form_is_as_pinned() -> None:
    assert vectors() == PINNED


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_form_is_read_back_as_it_was_written(kind: type) -> None:
    written = example(kind)
    assert Codec(kind).decode(encode(written)) == written
