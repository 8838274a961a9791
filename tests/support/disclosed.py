"""A disclosure and a registrar's total of a channel over a simulated root, made once, and the root by which they are judged."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from channels.disclosing.period import business
from channels.disclosing.regulator import RegulatorsRoot, made
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.form import End, Head, Reader, commitment
from traco.channels.seat.disclosing import Period
from traco.channels.seat.ports import RootBlock
from traco.kernel.codec import encode
from traco.modules.channel.events import Disclosed


class Scene(NamedTuple):
    """The files, the root, and the heights of its blocks."""

    disclosure: bytes
    total: bytes
    root: RegulatorsRoot


class Recording(RegulatorsRoot):
    """A root that has the commitment to whatever file it was told of: what a member makes up, it can put on record."""

    def __init__(self, root: RegulatorsRoot) -> None:
        self.genesis, self.reading, self.network = root.genesis, root.reading, root.network
        self._blocks = root.blocks
        self._said: tuple[bytes, Disclosed] | None = None

    def record(self, raw: bytes) -> bytes:
        """Take a file on record; the file with the hash that it has, as far as it can be read."""
        reader = Reader(BytesIO(raw))
        try:
            head = reader.next(Head)
            while not isinstance(reader.peek(), End):
                reader.next(type(reader.peek()))
        except DisclosureRefused:
            return raw
        end, content = reader.next(End), reader.content()
        self._said = end.origin, Disclosed(head.channel, head.member, commitment(head, content))
        old, new = encode(end), encode(End(content, end.origin))
        return raw.replace(old, new)

    def blocks(self, after: int, limit: int) -> Iterator[RootBlock]:
        last = after
        for block in self._blocks(after, limit):
            last = block.height
            yield block
        if self._said is not None and last == after:
            origin, said = self._said
            self._said = None
            yield RootBlock(after + 1, 0, (said,), (origin,))


@cache
def scene() -> Scene:
    """Both files, of a channel of two members with four payments, of which two are disclosed."""
    with TemporaryDirectory() as folder:
        sites = Sites(Path(folder))
        try:
            disclosure, total = run(_files(sites))
            return Scene(disclosure, total, RegulatorsRoot(sites.root))
        finally:
            sites.close()


async def _files(sites: Sites) -> Sequence[bytes]:
    purse = await business(sites)
    last, file = sites.stream(purse.channel).confirmed, BytesIO()
    discloser = sites["a"].running.discloser
    making = asyncio.create_task(
        discloser.disclose(purse.channel, sites.ids["a"], Period(last - 2, last - 1), file.write)
    )
    await sites.until(making.done)
    making.result()
    return file.getvalue(), encode(await made(sites, purse.instrument))
