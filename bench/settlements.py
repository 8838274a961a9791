"""Delivery against payment as it is measured, on the root and in channels alike."""

import os
from typing import NamedTuple

from bench.market import signed
from traco.client.signer import Signer
from traco.modules.settlement.messages import (
    Affirm,
    CreateBatch,
    IntoAccount,
    OwnHolding,
    SettlementInstruction,
    batch_id,
    terms_hash,
)


class Place(NamedTuple):
    """The ledger in which is settled (empty: the root), and what is settled there."""

    network: bytes
    ledger: bytes
    cash: bytes
    security: bytes


class Side(NamedTuple):
    """One of the two, with the account out of which it gives and into which it takes."""

    party: bytes
    account: bytes
    signer: Signer


def delivery(place: Place, buyer: Side, seller: Side, amount: int, until: int) -> bytes:
    """Created, affirmed by both sides and settled in one transaction with two signatures: three in cash for one security."""
    salt = os.urandom(16)
    legs = (
        SettlementInstruction(seller.party, buyer.party, place.security, amount),
        SettlementInstruction(buyer.party, seller.party, place.cash, amount * 3),
    )
    batch, terms = batch_id(buyer.party, salt), terms_hash(legs, (), True, until)
    instructions = (
        CreateBatch(buyer.party, legs, (), True, until, salt),
        Affirm(buyer.party, batch, terms, ((1, OwnHolding(buyer.account)),), ((0, IntoAccount(buyer.account)),)),
        Affirm(seller.party, batch, terms, ((0, OwnHolding(seller.account)),), ((1, IntoAccount(seller.account)),)),
    )  # fmt: skip
    return signed(
        place.network, instructions, (buyer.signer, seller.signer), until, salt, ledger=place.ledger
    )
