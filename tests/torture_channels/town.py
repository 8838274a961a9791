"""Organisations with a node each over one root, in virtual time.

Book and custody of a node are on a simulated disk: power cuts take what was not synced. Replicas and snapshots, which can be made
again, are files. Every draw comes from the name of the town, so the same name gives the same town, whatever machine it runs on.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from unittest.mock import patch

from channels.seat.fuses import Fuse, FusedBook, FusedCustody
from channels.seat.sites import Site, Sites
from faults import CutMode, Disk, PowerCut, SimulatedVFS
from support.founding import Founding, founding
from support.ledger import Key
from torture.report import Counts, Difference
from traco.channels.custody.messages import Hold, Signed
from traco.channels.custody.store import LIMITS, CustodyStore
from traco.channels.sealing.keys import EpochSecret, Place
from traco.channels.sealing.payloads import seal
from traco.channels.seat.answering import Answering
from traco.channels.seat.book import Book
from traco.channels.seat.messages import Answer, Request
from traco.kernel.instruction import Instruction
from traco.modules.channel.keeper import Keeper as ChannelKeeper
from traco.modules.channel.messages import AcceptEpoch
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.parts import Terms
from traco.modules.channel.root_legs import RootLegs
from traco.modules.channel.signing import payload_hash
from traco.modules.holding.module import HoldingModule
from traco.modules.leg.module import LegModule
from traco.modules.party.module import PartyModule

ORGANISATIONS = ("a", "b", "c", "d", "e")  # ``e`` is a member of no channel: vault, authority and adjudicator
PATIENCE = 40  # blocks until all members of a new channel can accept
_BOOK, _CUSTODY = Path("/channels.db"), Path("/custody.db")
_KEPT_MS = LIMITS.margin_ms // 2  # a payload that was not ordered is looked for until then


class DiskBook(FusedBook):
    """A book on a simulated disk."""

    def __init__(self, fuse: Fuse, vfs: str) -> None:
        self._fuse = fuse
        Book.__init__(self, _BOOK, vfs)


class DiskCustody(FusedCustody):
    """A custody store on a simulated disk."""

    def __init__(self, fuse: Fuse, own: bytes, vfs: str) -> None:
        CustodyStore.__init__(self, _CUSTODY, vfs=vfs)
        self._fuse, self._own, self.forgets = fuse, own, False


class Promising(Answering):
    """Answers as the node does, and remembers what it signed for."""

    def __init__(self, within: Answering, site: "DiskSite") -> None:
        self._within, self._site = within, site

    def answer(self, member: bytes, request: Request) -> Answer:
        answer = self._within.answer(member, request)
        if isinstance(request, Hold) and isinstance(answer, Signed) and not self._site.custody.forgets:
            place = request.channel, payload_hash(request.content)
            self._site.promised[place] = max(request.order_by, self._site.promised.get(place, 0))
        return answer


class DiskSite(Site):
    """A node whose disk is simulated. ``cuts_power``: when its fuse is burnt, the machine loses power, not the process only."""

    def __init__(self, name: str, folder: Path, town: "Town") -> None:
        self._town = town
        self._chance = Random(f"disk {town.name} {name}")
        self.disk = Disk()
        self.cuts_power = False
        self.promised: dict[tuple[bytes, bytes], int] = {}  # (channel, payload): until when it may be ordered
        super().__init__(name, folder, town)

    def start(self) -> None:
        self.machine = SimulatedVFS(self.disk)
        self.machine.__enter__()
        super().start()
        self.answering = Promising(self.answering, self)
        self.check_promises()

    def open_book(self) -> FusedBook:
        return DiskBook(self.fuse, self.machine.name)

    def open_custody(self) -> FusedCustody:
        return DiskCustody(self.fuse, self.member, self.machine.name)

    def stop(self) -> None:
        if self.seats is not None:
            super().stop()
            self.machine.__exit__(None, None, None)

    def restart(self) -> None:
        if self.fuse.is_burnt:
            self.crash(power=self.cuts_power)
        else:
            self.stop()
        self.start()

    def crash(self, *, power: bool) -> None:
        """The process is gone, or the whole machine: then what was not synced may be lost, in part and in any order."""
        if self.seats is None:
            return
        self._town.counts["disturbance: " + ("power cut" if power else "node killed")] += 1
        self.end()
        if power:
            self.disk = self.disk.power_cut(self._chance, self._chance.choice(list(CutMode)))

    def end(self) -> None:
        """Nothing that the node does reaches its disk any more."""
        if self.seats is not None:
            self.machine.faults.power_off()
            with contextlib.suppress(PowerCut, Exception):
                self.seats.close()
            self.machine.__exit__(None, None, None)
            self.seats = None

    def lose_replica(self, channel: bytes) -> None:
        """What a node that does not run can make again is gone."""
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{channel.hex()}.db{suffix}").unlink(missing_ok=True)

    def lose_custody(self) -> None:
        """All payloads, replicas and snapshots of a node that does not run are gone, and what it signed for with them."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = f"{_CUSTODY}{suffix}"
            if self.disk.exists(path):
                self.disk.delete(path)
                self.disk.sync_directory(path)
        self.promised.clear()

    def content(self) -> bytes:
        """All that it has stored."""
        files = [path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return b"".join((*self.disk.contents().values(), *files))

    def check_promises(self) -> None:
        """What this node signed for is there. Raises ``Difference``."""
        now_ms = self._town.root.ledger.time_ms
        for (channel, payload), order_by in list(self.promised.items()):
            if self.custody.get(channel, payload) is not None:
                continue
            if order_by + _KEPT_MS < now_ms or (channel, payload) in self._town.erased:
                # it was dropped because it was not ordered, or may be soon; or its members wanted it destroyed
                del self.promised[channel, payload]
                continue
            raise Difference("custody", f"{self.name} signed to hold {payload.hex()}, and has it no more")


class Town(Sites):
    """All of them over one root that settles too."""

    def __init__(self, name: str, folder: Path, counts: Counts) -> None:
        self.name, self.counts, self.random = name, counts, Random(f"town {name}")
        self._sequence = sha256(name.encode())
        self._digested = 0
        self.erased: set[tuple[bytes, bytes]] = set()  # (channel, payload) that members agreed to destroy
        super().__init__(folder, ORGANISATIONS, int.from_bytes(sha256(name.encode()).digest()[:7], "big"))

    def founded(self, names: Sequence[str]) -> tuple[Founding, ChannelModule]:
        party = PartyModule()
        holding = HoldingModule(party.keeper, channels=ChannelKeeper())
        root_legs = RootLegs(party.authority)
        leg = LegModule(holding.keeper, root_legs)
        channel = ChannelModule(party.keeper, root_legs, leg.keeper)
        roles = {"a": ("cash_operator",), "e": ("authority",)}
        modules = [holding, leg, channel]
        return founding(names, modules, party=party, threshold=2, protocol=3, roles=roles), channel

    def site(self, name: str, folder: Path) -> Site:
        return DiskSite(name, folder, self)

    def disk_site(self, name: str) -> DiskSite:
        """A node, as what it is."""
        site = self.sites[name]
        assert isinstance(site, DiskSite)
        return site

    def names_running(self) -> list[str]:
        """Whose nodes run."""
        return [name for name, site in self.sites.items() if site.seats is not None]

    async def accept_all(self, channel: bytes, terms: Terms, epoch: int = 1) -> None:
        """Every member accepts as soon as its node says that it can; others' offers may be open beside this one."""
        for _ in range(PATIENCE):
            offer = self.module.keeper.offer(self.state, channel)
            if self.record(channel).epoch == epoch:
                return
            await self.tick()
            for member in terms.members:
                if offer is not None and member not in offer.accepted and self._is_ready(channel, member):
                    self.on_root(self.names[member], AcceptEpoch(member, channel, epoch, offer.id))
        raise Difference("liveness", f"epoch {epoch} of a channel does not begin")

    def _is_ready(self, channel: bytes, member: bytes) -> bool:
        with self.root.reading() as root:
            offers = self.sites[self.names[member]].running.offers.open_offers(root)
        return any((each.channel, each.status) == (channel, "ready") for each in offers)

    # the root

    def on_root_soon(self, name: str, *instructions: Instruction, extra: Sequence[str] = ()) -> None:
        """Have something ordered in the next block, signed by parties; what becomes of it is not waited for."""
        keys = sorted((self.keys[each] for each in (name, *extra)), key=lambda key: key.public)
        raw = self.root.ledger.transaction(instructions, *keys)
        self._wait_for(raw)

    async def by_node_soon(self, name: str, instruction: Instruction) -> str:
        """What becomes of an instruction that a node signs, in a block with others: a code, or nothing."""
        raw = self.root.ledger.transaction([instruction], Key(f"{name} node"))
        return (await self.root.submit(raw)).code

    def _wait_for(self, raw: bytes) -> None:
        self.root.waiting.append((raw, asyncio.get_running_loop().create_future()))

    # the sequence

    def sequence(self) -> str:
        """A digest of all that has happened so far: blocks of the root, and what passed between nodes."""
        for sender, receiver, message in self.traffic[self._digested :]:
            self._sequence.update(f"{sender}{receiver}{len(message)}".encode() + message)
        self._digested = len(self.traffic)
        info = self.root.ledger.application.info()
        self._sequence.update(b"%d %d" % (info.height, self.root.ledger.time_ms) + info.app_hash)
        return self._sequence.hexdigest()[:16]

    def drop_traffic(self) -> list[tuple[str, str, bytes]]:
        """What has passed since it was last asked."""
        self.sequence()
        passed, self.traffic = self.traffic, []
        self._digested = 0
        return passed


@contextlib.contextmanager
def drawn_from(name: str) -> Iterator[None]:
    """What products draw from the system comes from a seed: keys of epochs, payload ids, nonces."""
    random = Random(f"entropy {name}")

    def generate(cls: type[EpochSecret]) -> EpochSecret:
        return cls(random.randbytes(32))

    def drawing(transactions: Sequence[bytes], secret: EpochSecret, place: Place, limit: int) -> bytes:
        return seal(transactions, secret, place, limit, draw=random.randbytes)

    with (
        patch.object(EpochSecret, "generate", classmethod(generate)),
        patch("traco.channels.seat.entrusting.seal", drawing),
    ):
        yield
