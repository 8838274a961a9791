from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from support.api import PASSPHRASE
from support.channel_town import make_seats, member_of
from traco.client.results import NodeStatus, TransactionResult
from traco.client.signer import Signer
from traco.demo.dishonest import Dishonest
from traco.kernel import crypto
from traco.kernel.instruction import Instruction
from traco.modules.channel.messages import Attest, OrderBatch
from traco.modules.channel.parts import Held
from traco.modules.channel.signing import custody_message

NETWORK, CHANNEL, NOW_MS = b"\x11" * 32, b"\x22" * 32, 1_000_000
MEMBERS = sorted(member_of(name) for name in ("bank", "broker"))
VAULT = member_of("outsider")


class Gateway:
    """A node that answers what the root has of one channel, and remembers what it was given to order."""

    network = NETWORK

    def __init__(self) -> None:
        self.ordered: list[tuple[Instruction, tuple[bytes, ...]]] = []

    def query(self, name: str, **_: Any) -> Any:
        if name == "channel.points":
            return {"points": [{"ordinal": 7, "point": {"generation": 3}}]}
        terms = {"members": [each.hex() for each in MEMBERS], "vaults": [VAULT.hex()]}
        return {"channel": {"terms": terms, "epoch": 2}}

    def status(self) -> NodeStatus:
        return NodeStatus(NETWORK, "", 1, NOW_MS, 0, "")

    def transact(self, instructions: Iterable[Instruction], signers: Iterable[Signer]) -> TransactionResult:
        keys = tuple(signer.public_key for signer in signers)
        self.ordered += [(each, keys) for each in instructions]
        return TransactionResult(
            bytes(32), "final", 5, 0, None, ({"type": "channel.entered/1", "number": 9},)
        )


@pytest.fixture
def gateway() -> Any:
    return Gateway()


@pytest.fixture
def seats(tmp_path: Path) -> dict[bytes, tuple[Dishonest, bytes]]:
    """Each member with the node key of its seat on the root."""
    made = make_seats(tmp_path)
    return {seat.party: (Dishonest(tmp_path, PASSPHRASE, seat.party), seat.node) for seat in made.values()}


def test_a_wrong_digest_is_attested_with_the_key_of_the_members_own_seat(
    gateway: Any, seats: dict[bytes, tuple[Dishonest, bytes]]
) -> None:
    liar, key = seats[MEMBERS[0]]
    ordinal, _ = liar.attest_wrongly(gateway, CHANNEL)
    ((said, keys),) = gateway.ordered
    assert isinstance(said, Attest)
    (word,) = said.items
    assert (ordinal, said.party, keys) == (7, MEMBERS[0], (key,))
    assert (word.channel, word.generation, word.ordinal, word.legs) == (CHANNEL, 3, 7, ())


def test_nothing_is_ordered_with_receipts_that_the_accomplices_really_signed(
    gateway: Any, seats: dict[bytes, tuple[Dishonest, bytes]]
) -> None:
    liar, (other, other_key), (vault, vault_key) = seats[MEMBERS[0]][0], seats[MEMBERS[1]], seats[VAULT]
    number, _ = liar.order_nothing(gateway, CHANNEL, [vault, other])
    ((order, _),) = gateway.ordered
    assert isinstance(order, OrderBatch)
    held = order.payload
    assert isinstance(held, Held)
    assert (number, order.epoch, [each.place for each in held.receipts]) == (9, 2, [1, 2])
    for receipt, member, key in zip(held.receipts, (MEMBERS[1], VAULT), (other_key, vault_key), strict=True):
        message = custody_message(NETWORK, CHANNEL, member, 2, held.order_by, held.size, held.hash)
        assert crypto.is_valid(key, message, receipt.signature)
