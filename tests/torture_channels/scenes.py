"""What scenes have in common: a moment of calm, agreements to try things on, channels of their own, and what is required."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from torture.report import Difference
from torture_channels.deals import Deal, Side
from torture_channels.lines import Line, Sent
from traco.modules.channel.parts import Limits

if TYPE_CHECKING:
    from torture_channels.simulation import Simulation

QUICK: Final = Limits(accept_ms=60_000, answer_ms=15_000, attempt_ms=600_000, resume_ms=3_600_000)
FEW: Final = 1_000  # of an instrument, where how much does not matter


def require(holds: bool, check: str, text: str) -> None:
    """Raise ``Difference`` unless something holds."""
    if not holds:
        raise Difference(check, text)


async def calm(simulation: "Simulation") -> None:
    """Nothing is wrong for a moment, all channels are open, and all members have come so far."""
    simulation.harm.calm()
    await simulation.tick()  # what the council and the adjudicator said is in force then
    await simulation.tick()

    def is_calm() -> bool:
        simulation.harm.resume()
        town = simulation.town
        return all(
            line.is_open and town.has_confirmed(line.channel, *line.names()) for line in simulation.lines
        )

    await simulation.until(is_calm, "all channels are open and up to date", limit=200)


async def opened(simulation: "Simulation", label: str, names: str, **terms: Any) -> Line:
    """A channel for a scene alone."""
    town = simulation.town
    vaults = (town.ids["e"],) if terms.get("faults") and len(names) < 4 else ()
    agreed = town.terms(*names, **{"limits": QUICK, "vaults": vaults, "adjudicator": town.ids["e"], **terms})
    line = Line(town, label, await town.opened(agreed), (FEW, FEW))
    await line.fill()
    simulation.look()
    return line


def cut_short(simulation: "Simulation") -> None:
    """What went on before left a scene nothing to show."""
    simulation.counts["work: scenes cut short"] += 1


def rich(line: Line, label: str, names: Sequence[str]) -> str:
    """Who of these has most of an instrument that is free."""

    def free(name: str) -> int:
        found = line.holding(line.names()[0], label, name)
        return 0 if found is None else found.available

    return max(names, key=free)


def line_of(simulation: "Simulation", label: str) -> Line:
    """One of the town's channels."""
    return next(line for line in simulation.lines if line.label == label)


def sides(simulation: "Simulation", attester: str = "") -> tuple[Side, Side]:
    """``b`` gives ``c`` something in one channel and gets something in another; ``attester`` must attest both, or the takers."""
    desk, three, four = simulation.desk, line_of(simulation, "three"), line_of(simulation, "four")
    made = desk.move(three, "security", "b", "c", FEW), desk.move(four, "cash", "c", "b", FEW)
    if attester:
        return made[0]._replace(attesters=(attester,)), made[1]._replace(attesters=(attester,))
    return made


async def ordered(simulation: "Simulation", deal: Deal, by: str = "a") -> None:
    """The attempt is ordered."""
    simulation.begin("of a scene", deal, by)
    await simulation.until(lambda: bool(deal.codes), "an attempt is ordered", limit=60)


async def decided(simulation: "Simulation", deal: Deal, limit: int = 120) -> Any:
    """The decision about the last attempt at a deal."""
    auditor, count = simulation.auditor, len([code for code in deal.codes if not code])
    await simulation.until(
        lambda: len(auditor.by_terms.get(deal.id, [])) >= count, "an attempt is decided", limit
    )
    return auditor.by_terms[deal.id][-1]


def noted(simulation: "Simulation", sent: Sent | None) -> Sent:
    """Something that was acknowledged, to be looked at with everything else."""
    if sent is None:
        raise Difference("screening", "a node that is well does not take a transaction")
    simulation.sent.append(sent)
    simulation.counts["work: transactions acknowledged"] += 1
    return sent


def standing(simulation: "Simulation", sent: Sent, at: str = "") -> str:
    """How far a transaction is, as a node says."""
    return simulation.town.standing(at or sent.sender, sent.line.channel, sent.identity)
