"""Scenes of members that lie, collude, leave or are lost, and of what is sent where it does not belong."""

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from support.ledger import Key
from torture_channels.drills_settling import Drill
from torture_channels.lines import Line
from torture_channels.scenes import FEW, calm, line_of, noted, opened, require, standing
from traco.channels.seat.errors import SubmissionRefused
from traco.kernel.instruction import Instruction
from traco.modules.channel.entries import Suspended, Voided
from traco.modules.channel.events import CustodyFailed, Dissented, Supplied
from traco.modules.channel.messages import Attest, OrderBatch, Supply
from traco.modules.channel.parts import Attested, Held, Receipt, Shown
from traco.modules.channel.signing import custody_message, payload_hash
from traco.modules.holding.messages import Transfer

if TYPE_CHECKING:
    from torture_channels.simulation import Simulation

_WRONG: Final = b"\x66" * 32


def _lie(simulation: "Simulation", line: Line, name: str) -> str:
    """A member attests the newest point, but not what executing it gives."""
    town = simulation.town
    stream, generation = town.stream(line.channel), town.record(line.channel).generation
    word = Attested(line.channel, generation, stream.ordinal, _WRONG)
    return town.by_node(name, Attest(town.ids[name], (word,)))


async def liar_of_three(simulation: "Simulation") -> None:
    """One of three lies where one may: it is named, and business goes on."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "three")
    town["c"].withheld = (Attest,)
    before = len(town.events(Dissented))
    paid = noted(simulation, line.pay("a", "b", "cash", FEW))
    await simulation.until(lambda: standing(simulation, paid) != "received", "it is executed")
    _lie(simulation, line, "c")
    await simulation.until(lambda: standing(simulation, paid).startswith("confirmed"), "it is confirmed")
    await simulation.tick()
    await simulation.tick()
    named = [event.member for event in town.events(Dissented)[before:] if isinstance(event, Dissented)]
    require(town.ids["c"] in named, "dissent", "a liar is not named")
    require(line.is_open, "dissent", "one liar of three suspends the channel")


async def liars_differ(simulation: "Simulation") -> None:
    """Two say something else each: the channel is suspended, it alone; its adjudicator lets it go on."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "three")
    for name in "bc":
        town[name].withheld = (Attest,)
    paid = noted(simulation, line.pay("a", "b", "cash", FEW))
    await simulation.until(lambda: standing(simulation, paid) != "received", "it is executed")
    if standing(simulation, paid).startswith("executed"):
        stream = town.stream(line.channel)
        for name in "bc":
            word = Attested(
                line.channel, town.record(line.channel).generation, stream.ordinal, name.encode() * 32
            )
            town.by_node(name, Attest(town.ids[name], (word,)))
        await simulation.until(
            lambda: not line.is_open and bool(town.entries(line.channel, Suspended)), "it is suspended", limit=30
        )  # fmt: skip
        require(
            all(other.is_open for other in simulation.lines if other is not line),
            "dissent",
            "others are suspended",
        )
    await calm(simulation)


async def liars_alike(simulation: "Simulation") -> None:
    """Two of three say the same wrong thing: more than declared. It is confirmed, and the honest one is shown to dissent."""
    await calm(simulation)
    town = simulation.town
    line = await opened(simulation, "alike", "abc", faults=1, policy=2, custody=2)
    simulation.auditor.beyond.add(line.channel)
    for name in "bc":
        town[name].withheld = (Attest,)
    paid = line.pay("a", "b", "cash", FEW)
    require(paid is not None, "screening", "it is not taken")
    await simulation.until(
        lambda: town.stream(line.channel).ordinal > town.stream(line.channel).confirmed, "a point"
    )
    for name in "bc":
        _lie(simulation, line, name)
    await simulation.tick(3)
    confirmed = town.stream(line.channel)
    if confirmed.digest == _WRONG and paid is not None:
        await simulation.until(
            lambda: standing(simulation, paid) == "disputed", "the honest node says that it found otherwise", limit=30
        )  # fmt: skip


async def colluding(simulation: "Simulation") -> None:
    """Custodians sign for what they do not store, and its sender does not show it: named, void, and sealed anew."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "three")
    others = [name for name in town.sites if name != "b"]
    for name in others:
        town[name].custody.forgets = True
        town.cut.add((name, "b"))
    town["b"].withheld = (Supply,)
    before, voided = len(town.events(CustodyFailed)), len(town.entries(line.channel, Voided))
    lost = noted(simulation, line.pay("b", "a", "cash", FEW))
    await simulation.until(
        lambda: len(town.entries(line.channel, Voided)) > voided,
        "the entry is void",
        limit=60,
        after_ms=3_000,
    )
    failed = town.events(CustodyFailed)[before:]
    require(bool(failed) and bool(failed[0].signers), "custody", "nobody is named")  # type: ignore[attr-defined]
    simulation.harm.calm()
    await simulation.until(
        lambda: standing(simulation, lost).startswith("confirmed"),
        "what was void is sealed anew and confirmed",
    )


async def shown_by_a_vault(simulation: "Simulation") -> None:
    """A member can get a payload from nobody: whoever has it shows it on the root, a vault if members do not."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "three")
    before = len(town.events(Supplied))
    town.cut |= {("a", "b"), ("b", "a"), ("b", "c"), ("b", "e")}
    town["a"].withheld = town["c"].withheld = (Supply,)
    paid = noted(simulation, line.pay("a", "c", "cash", FEW))
    await simulation.until(
        lambda: len(town.events(Supplied)) > before or standing(simulation, paid, "b") != "unknown",
        "the vault shows it", limit=60, after_ms=1_000,
    )  # fmt: skip
    simulation.harm.calm()


async def one_custodian_left(simulation: "Simulation") -> None:
    """All but one custodian have lost a payload, and its sender is away: it comes from the one."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "four")
    names = [name for name in line.names() if name != "b"]
    for name in town.sites:
        town[name].custody.forgets = name != "c"
    paid = noted(simulation, line.pay("b", "c", "cash", FEW))
    await simulation.until(lambda: standing(simulation, paid) != "received", "it is ordered")
    town["b"].stop()
    await simulation.until(
        lambda: all(standing(simulation, paid, name).startswith("confirmed") for name in names), "all have it"
    )  # fmt: skip
    town["b"].start()
    simulation.harm.calm()


async def late(simulation: "Simulation") -> None:
    """Keys are revoked and a party is suspended while a member is away: it finds what the others found then."""
    await calm(simulation)
    town, line = simulation.town, line_of(simulation, "three")
    town["b"].stop()
    for name in "ac":
        noted(simulation, line.pay(name, "b", "cash", FEW))
    for _ in range(4):
        await simulation.tick()
    simulation.harm.revoke("c")
    await simulation.tick()
    noted(simulation, line.pay("c", "a", "cash", FEW))
    for _ in range(4):
        await simulation.tick()
    simulation.harm.suspend("c")
    for _ in range(3):
        await simulation.tick()
    town["b"].start()
    await simulation.until(
        lambda: town["b"].book.cursor(line.channel).ordinal == town.stream(line.channel).ordinal
        and line.channel not in town["b"].book.unexecuted(),
        "who was away has come so far", limit=60,
    )  # fmt: skip
    await calm(simulation)


async def removed(simulation: "Simulation") -> None:
    """A member is removed: it opens nothing that is sealed later, and nothing that it sends is taken."""
    await calm(simulation)
    town = simulation.town
    line = await opened(simulation, "leave", "abc", faults=1, policy=2, custody=2)
    await town.rotate(
        "a", line.channel, replace(line.terms, members=_ids(simulation, "ab"), faults=0, custody=1)
    )
    paid = line.pay("a", "b", "cash", FEW)
    require(paid is not None, "screening", "it is not taken")
    for _ in range(6):
        await simulation.tick()
    try:
        town.send("c", line.channel, _transfer(simulation, line, "c", "a"))
    except SubmissionRefused:
        pass
    else:
        require(False, "removed", "a removed member's node takes business")
    shown = OrderBatch(town.ids["c"], line.channel, 2, Shown(b"x" * 200))
    require(
        town.by_node("c", shown) == "channel.not_member", "removed", "what a removed member orders is taken"
    )
    require(
        town["c"].running.secrets.find(line.channel, 2) is None, "removed", "a removed member has the new key"
    )
    require(
        paid is not None and standing(simulation, paid).startswith("confirmed"),
        "removed",
        "the others do not go on",
    )


async def replayed(simulation: "Simulation") -> None:
    """Receipts and transactions of another channel, epoch or network, or of the root."""
    await calm(simulation)
    town = simulation.town
    here = await opened(simulation, "here", "ab", faults=0, policy=2, custody=1)
    there = await opened(simulation, "there", "ab", faults=0, policy=2, custody=1)
    here.pay("a", "b", "cash", FEW)
    await simulation.until(lambda: town.has_confirmed(here.channel, "a", "b"), "it is confirmed")
    order = next(each for each in reversed(town.orders(here.channel)) if isinstance(each.payload, Held))
    content = town[town.names[order.party]].custody.get(here.channel, payload_hash_of(order))
    party, held = order.party, order.payload
    forged = _of_other_network(simulation, here, order)
    for channel, epoch, payload, what in (
        (there.channel, 1, held, "another channel"), (here.channel, 2, held, "another epoch"),
        (here.channel, 1, held, "before"), (here.channel, 1, forged, "another network"),
        (here.channel, 1, Shown(content or b"x"), "before, shown"),
    ):  # fmt: skip
        code = town.by_node(town.names[party], OrderBatch(party, channel, epoch, payload))
        require(bool(code), "replay", f"receipts of {what} were taken")
    raw = town.transaction(here.channel, _transfer(simulation, here, "a", "b"), keys=["a"])
    identity = town.send_signed("a", there.channel, raw)
    (answer,) = town.root.ledger.run_block([raw])
    require(answer.failure is not None, "replay", "a channel's transaction was taken on the root")
    await simulation.until(
        lambda: town.standing("a", there.channel, identity) == "refused transaction.wrong_ledger",
        "a transaction of another channel is refused", limit=30,
    )  # fmt: skip


def payload_hash_of(order: OrderBatch) -> bytes:
    """Of what was ordered."""
    return order.payload.hash if isinstance(order.payload, Held) else payload_hash(order.payload.content)


def _of_other_network(simulation: "Simulation", line: Line, order: OrderBatch) -> Held:
    """A payload whose receipt a custodian signed elsewhere."""
    town, custodians = simulation.town, line.terms.custodians()
    other = next(member for member in custodians if member != order.party)
    until_ms, payload = town.root.ledger.time_ms + 60_000, b"\x07" * 32
    message = custody_message(bytes(32), line.channel, other, 1, until_ms, 200, payload)
    signature = Key(f"{town.names[other]} node").sign(message)
    return Held(payload, 200, until_ms, (Receipt(custodians.index(other), signature),))


def _ids(simulation: "Simulation", names: str) -> tuple[bytes, ...]:
    return tuple(sorted(simulation.town.ids[name] for name in names))


def _transfer(simulation: "Simulation", line: Line, sender: str, receiver: str) -> Instruction:
    accounts: dict[str, Any] = {"sender": line.account(sender), "receiver": line.account(receiver)}
    return Transfer(
        simulation.town.ids[sender], line.instruments["cash"], amount=FEW, reference=b"", **accounts
    )


DRILLS: Final[dict[str, Drill]] = {
    "one liar where one may be": liar_of_three,
    "two liars who differ": liars_differ,
    "two liars alike, more than declared": liars_alike,
    "custodians that collude: missing, named, void": colluding,
    "a payload shown by a vault": shown_by_a_vault,
    "a payload lost at all but one custodian": one_custodian_left,
    "a member away while keys are revoked and parties suspended": late,
    "a removed member that still sends": removed,
    "receipts and transactions replayed from elsewhere": replayed,
}
