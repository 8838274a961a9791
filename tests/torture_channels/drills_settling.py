"""Scenes of settlements across ledgers: what comes between hold and decision, and what must not settle at all."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from torture_channels.deals import Deal
from torture_channels.scenes import (
    FEW,
    calm,
    cut_short,
    decided,
    line_of,
    opened,
    ordered,
    require,
    rich,
    sides,
)
from traco.modules.channel.messages import Attest, VoteClose
from traco.modules.holding.messages import CloseAccount, Issue

if TYPE_CHECKING:
    from torture_channels.simulation import Simulation

Drill = Callable[["Simulation"], Awaitable[None]]
_ALL: Final = 2**62  # more than anybody has


async def frozen_between(simulation: "Simulation") -> None:
    """Freeze, suspension, a key revoked, closing: between hold and decision. It is committed all the same; then the freeze bites."""
    await calm(simulation)
    town, three = simulation.town, line_of(simulation, "three")
    deal = simulation.desk.deal(*sides(simulation, "a"), life_ms=300_000)
    town["a"].withheld = (Attest,)
    await ordered(simulation, deal)
    require(deal.codes == [""], "drill", f"an attempt that is right was refused: {deal.codes}")
    for _ in range(5):
        await simulation.tick()
    if not deal.is_undecided():
        town["a"].withheld = ()
        cut_short(simulation)  # the holder had too little: refused at once
        return
    for line in (three, line_of(simulation, "four")):
        for name in ("b", "c"):
            for label in ("security", "cash"):
                line.freeze("a", name, label, _ALL)
    closing = line_of(simulation, "four").send(
        "close account",
        "c",
        [CloseAccount(town.ids["c"], line_of(simulation, "four").account("c"))],
        (),
        ["c"],
    )
    for _ in range(4):
        await simulation.tick()
    refused = town.root.ledger.submit(VoteClose(town.ids["b"], three.channel), keys=[town.keys["b"]]).failure
    require(refused is not None, "drill", "a channel is closed while a settlement is undecided")
    for name in ("b", "c"):
        simulation.harm.suspend(name)
    await simulation.tick()
    town["a"].withheld = ()
    await decided(simulation, deal)
    require(deal.is_committed(simulation.auditor), "holds", "what came after the hold stopped the decision")
    simulation.harm.mend()
    await calm(simulation)
    found = three.holding("a", "security", "c")
    require(found is not None and found.available == 0, "holds", "what was credited escaped a freeze")
    if closing is not None:
        said = town.standing("c", closing.line.channel, closing.identity)
        require(
            said == "confirmed holding.account_in_use", "holds", f"an account was closed below a hold: {said}"
        )
    for line in simulation.lines:
        while line.frozen:
            line.thaw("a")


async def attester_silent(simulation: "Simulation") -> None:
    """A required attester says nothing: ABORT at the deadline, and it is named."""
    await calm(simulation)
    town = simulation.town
    deal = simulation.desk.deal(*sides(simulation, "a"), life_ms=25_000)
    town["a"].withheld = (Attest,)
    await ordered(simulation, deal)
    outcome = await decided(simulation, deal)
    town["a"].withheld = ()
    require(not outcome.committed, "attester", "committed without a required attester")
    if outcome.reason == "deadline":
        require(town.ids["a"] in outcome.silent, "decision", "who was silent is not named")


async def _parted(simulation: "Simulation", life_ms: int, healed_after: int) -> Deal:
    """A taker's node reaches neither the root nor others for some steps, beginning right behind the ordering."""
    await calm(simulation)
    town = simulation.town
    deal = simulation.desk.deal(*sides(simulation), life_ms=life_ms)
    await ordered(simulation, deal)
    town["c"].root_trouble = "before"
    town.cut |= {pair for name in town.sites if name != "c" for pair in ((name, "c"), ("c", name))}
    for _ in range(healed_after):
        await simulation.tick()
    require(
        not deal.is_committed(simulation.auditor),
        "attester",
        "committed while an attester was parted from it",
    )
    simulation.harm.calm()
    return deal


async def parted_and_healed(simulation: "Simulation") -> None:
    """A partition during an attempt ends before its deadline: it is decided on its merits."""
    deal = await _parted(simulation, 200_000, 6)
    outcome = await decided(simulation, deal)
    require(
        outcome.reason != "deadline", "decision", "aborted at the deadline, though all could speak before"
    )


async def parted_too_long(simulation: "Simulation") -> None:
    """A partition during an attempt ends after its deadline: ABORT."""
    deal = await _parted(simulation, 20_000, 30)
    outcome = await decided(simulation, deal)
    require(not outcome.committed, "decision", "committed after the deadline")


async def competing(simulation: "Simulation") -> None:
    """Two attempts want one holding: one of them gets it at most."""
    await calm(simulation)
    three, four, desk = line_of(simulation, "three"), line_of(simulation, "four"), simulation.desk
    giver = rich(three, "security", ("b", "c"))
    taker = "c" if giver == "b" else "b"
    found = three.holding("a", "security", giver)
    if found is None or not found.available:
        cut_short(simulation)
        return
    deals = [
        desk.deal(
            desk.move(three, "security", giver, taker, found.available), desk.move(four, "cash", taker, giver, FEW)
        )
        for _ in range(2)
    ]  # fmt: skip
    for deal in deals:
        simulation.begin("competing", deal, "a")
    await simulation.until(lambda: all(deal.codes for deal in deals), "both are ordered", limit=60)
    outcomes = [await decided(simulation, deal) for deal in deals if deal.codes == [""]]
    require(sum(outcome.committed for outcome in outcomes) <= 1, "units", "one holding was given away twice")


async def minting(simulation: "Simulation") -> None:
    """A channel issues for itself what it then wants to give out: it gives out no more than it took in."""
    await calm(simulation)
    town, desk = simulation.town, simulation.desk
    line = await opened(simulation, "mint", "ab", faults=0, policy=2, custody=1)
    minted = Issue(town.ids["a"], line.instruments["bridged"], line.account("b"), 500, b"")
    line.send("mint", "a", [minted], (), ["a"])
    brought = desk.deal(desk.leave_root("a", 100), desk.enter(line, "b", 100))
    await ordered(simulation, brought)
    await decided(simulation, brought)
    too_much = desk.deal(desk.leave(line, "b", 101), desk.enter_root("b", 101))
    await ordered(simulation, too_much)
    require(
        too_much.codes == ["channel.edge_exceeded"],
        "units",
        f"a channel gives out what it minted: {too_much.codes}",
    )
    back = desk.deal(desk.leave(line, "b", 100), desk.enter_root("b", 100))
    await ordered(simulation, back)
    outcome = await decided(simulation, back)
    require(outcome.committed, "decision", "what came in does not come out again")


async def other_terms(simulation: "Simulation") -> None:
    """A leg that is sealed, or signed by its parties, for other terms."""
    await calm(simulation)
    deal = simulation.desk.deal(*sides(simulation))
    other = simulation.desk.deal(*sides(simulation))
    for terms, signed, expected in ((other.id, None, "channel.legs_wrong"), (None, other.id, "")):
        if not await simulation.while_going_on(deal.seal(terms, signed)):
            cut_short(simulation)
            return
        code = await simulation.while_going_on(deal.order("a"))
        require(code == expected, "replay", f"an attempt with a leg for other terms: {code or 'ordered'}")
    outcome = await decided(simulation, deal)
    require(outcome.reason == "refused", "replay", f"an allocation for other terms was {outcome.reason}")


async def again(simulation: "Simulation") -> None:
    """An old attempt is ordered again, after its ABORT and after its COMMIT."""
    await calm(simulation)
    town, deal = simulation.town, simulation.desk.deal(*sides(simulation, "a"), life_ms=150_000)
    town["a"].withheld = (Attest,)
    await ordered(simulation, deal)
    if deal.codes != [""]:
        town["a"].withheld = ()
        cut_short(simulation)
        return
    first = await simulation.while_going_on(deal.order("b"))
    require(first == "channel.terms_used", "replay", f"an undecided attempt was ordered again: {first}")
    await simulation.until(lambda: not deal.is_undecided(), "its deadline", limit=60, after_ms=10_000)
    code = await simulation.while_going_on(deal.order("b"))
    require(bool(code), "replay", "an aborted attempt was ordered again as it was")
    town["a"].withheld = ()
    await calm(simulation)
    good = simulation.desk.deal(*sides(simulation))
    await ordered(simulation, good)
    outcome = await decided(simulation, good)
    if outcome.committed:
        code = await simulation.while_going_on(good.order("b"))
        require(code == "channel.terms_used", "replay", f"a committed attempt was ordered again: {code}")


DRILLS: Final[dict[str, Drill]] = {
    "freeze, suspension and closing between hold and decision": frozen_between,
    "a required attester silent until the deadline": attester_silent,
    "partition during an attempt, healed before the deadline": parted_and_healed,
    "partition during an attempt, healed after the deadline": parted_too_long,
    "two attempts competing for one holding": competing,
    "a channel minting what it exports": minting,
    "an allocation paired with other terms": other_terms,
    "an old attempt replayed after its decision": again,
}
