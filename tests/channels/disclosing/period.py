"""A channel of two members with payments, of which some points are disclosed; and files that a member makes up."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from msgspec.structs import replace

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from traco.channels.disclosing.auditing import audit
from traco.channels.disclosing.finding import AuditReport
from traco.channels.disclosing.form import End, Frame, Head, Reader, Writer, commitment
from traco.channels.seat.disclosing import Disclosure, Period
from traco.modules.channel.events import Disclosed
from traco.modules.channel.messages import Disclose

AMOUNTS = (1, 2, 3, 4)


async def business(sites: Sites) -> Purse:
    """A channel of ``a`` and ``b`` with payments by ``a``, each in a point of its own."""
    purse = Purse(sites, await sites.opened(sites.terms("a", "b")))
    await purse.fill("a", "b")
    for amount in AMOUNTS:
        await paid(sites, purse, amount)
    await sites.settle()
    return purse


async def paid(sites: Sites, purse: Purse, amount: int) -> bytes:
    """A confirmed payment; its id."""
    identity = purse.pay("a", "b", amount)
    await sites.until(lambda: purse.is_confirmed(identity, at="ab"))
    return identity


async def disclosed(
    sites: Sites, purse: Purse, path: Path, period: Period | None = None, name: str = "a"
) -> Disclosure:  # fmt: skip
    """The file that a member's node makes of a period; by default of the last payments but one, from the third on."""
    last = sites.stream(purse.channel).confirmed
    wanted = period or Period(last - 2, last - 1)
    with path.open("wb") as file:
        made = asyncio.create_task(
            sites[name].running.discloser.disclose(purse.channel, sites.ids[name], wanted, file.write)
        )
        await sites.until(made.done)
        return made.result()


def audited(sites: Sites, path: Path) -> AuditReport:
    """What an auditor finds who has the root and no key."""
    return audit(path, sites.root)


def frames(path: Path) -> list[Frame]:
    """The frames of a file."""
    reader, found = Reader(BytesIO(path.read_bytes())), list[Frame]()
    while not found or not isinstance(found[-1], End):
        found.append(reader.peek())
        reader.next(type(found[-1]))
    return found


def put_on_record(sites: Sites, path: Path, records: list[Frame], name: str = "a") -> None:
    """Write a file of these frames that a member has put on record itself, whatever its software would do."""
    writer = Writer()
    raw = b"".join(map(writer.frame, records[:-1]))
    (head,) = (record for record in records if isinstance(record, Head))
    said = commitment(head, writer.content())
    assert sites.by_node(name, Disclose(sites.ids[name], head.channel, said)) == ""
    origins = [
        origin
        for block in sites.root.blocks(0, 1_000_000)
        for event, origin in zip(block.events, block.origins, strict=True)
        if isinstance(event, Disclosed) and event.commitment == said
    ]
    path.write_bytes(raw + writer.frame(End(writer.content(), origins[-1])))


def changed(
    sites: Sites, path: Path, kind: type, change: Callable[[Frame], Frame | None], index: int = 0
) -> None:
    """Have a member disclose the same with another frame of a kind, or (None) without it."""
    found, seen = list[Frame](), -1
    for record in frames(path):
        seen += isinstance(record, kind)
        put = change(record) if isinstance(record, kind) and seen == index else record
        found += [] if put is None else [put]
    put_on_record(sites, path, found)


__all__ = ["audited", "business", "changed", "disclosed", "frames", "paid", "put_on_record", "replace"]
