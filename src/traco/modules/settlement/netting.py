"""Netting of legs, for clients that build batches. Nothing on the ledger depends on it: a netted batch is a batch.

DvP model 1 (gross securities, gross cash) is a batch as agreed. Model 2 (gross securities, net cash) nets the cash
instruments of all trades of a cycle into one batch; model 3 (net, net) nets all. Models: BIS, "Delivery versus payment in
securities settlement systems" (1992).
"""

from collections.abc import Collection, Iterable

from traco.kernel.codec import MAX_AMOUNT
from traco.modules.settlement.messages import SettlementInstruction


def net_legs(
    legs: Iterable[SettlementInstruction], instruments: Collection[bytes] | None = None
) -> tuple[SettlementInstruction, ...]:
    """Fewer legs with the same effect: for each party and instrument, what it receives less what it delivers is kept.

    Legs of other ``instruments`` than the given ones (None: all are netted) come first, as they are. Then, by instrument in
    ascending order of ids, those who owe deliver to those who are owed, each group in ascending order of party ids: at most
    one leg less than there are parties in it. Nobody both delivers and receives. References are not carried over.
    """
    kept: list[SettlementInstruction] = []
    positions: dict[bytes, dict[bytes, int]] = {}
    for leg in legs:
        if instruments is not None and leg.instrument not in instruments:
            kept.append(leg)
            continue
        position = positions.setdefault(leg.instrument, {})
        position[leg.sender] = position.get(leg.sender, 0) - leg.amount
        position[leg.receiver] = position.get(leg.receiver, 0) + leg.amount
    for instrument in sorted(positions):
        kept += _matched(instrument, positions[instrument])
    return tuple(kept)


def _matched(instrument: bytes, position: dict[bytes, int]) -> list[SettlementInstruction]:
    """Deliveries from those below zero to those above, until all are at zero."""
    owing = [(-net, party) for party, net in sorted(position.items()) if net < 0]
    owed = [(net, party) for party, net in sorted(position.items()) if net > 0]
    legs: list[SettlementInstruction] = []
    while owing:
        (debt, sender), (claim, receiver) = owing[0], owed[0]
        amount = min(debt, claim, MAX_AMOUNT)
        legs.append(SettlementInstruction(sender, receiver, instrument, amount))
        _reduce(owing, amount)
        _reduce(owed, amount)
    return legs


def _reduce(queue: list[tuple[int, bytes]], amount: int) -> None:
    """Take ``amount`` off the first entry, which leaves the queue when nothing remains of it."""
    left, party = queue[0]
    queue[:1] = [(left - amount, party)] if left > amount else []
