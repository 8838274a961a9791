"""What those outside two channels see of them: in their nodes' files, in their nodes' answers, on the root."""

from typing import Any, Final, NamedTuple

from traco.demo.channel_deal import BOUGHT, PRICE
from traco.demo.channel_world import (
    BOND,
    CASH,
    CASH_ISSUED,
    DEPOSITORY,
    EURO,
    FIRST_DELIVERY,
    NOMINAL,
    REGISTRY,
    SELLER,
    Assets,
    World,
)
from traco.demo.confidential import ROUTE
from traco.demo.root_events import first
from traco.demo.scanning import Scan, forms, scan
from traco.demo.stage import Stage, expect

DIGITS: Final = 16
EVENT_SECONDS: Final = 60.0
REFERENCE: Final = b"first delivery of the 2031 bond"


class Inside(NamedTuple):
    """A channel, how people speak of it, and what must not be found outside: in all forms."""

    title: str
    assets: Assets
    names: dict[str, bytes]
    amounts: dict[str, int]

    @property
    def forms(self) -> dict[str, bytes]:
        """What is looked for."""
        return forms(self.names, self.amounts)


class Privacy:
    """The scene, after the trade."""

    def __init__(self, world: World, stage: Stage, bond: Assets, cash: Assets) -> None:
        self._world, self._stage = world, stage
        self._securities = Inside(
            "securities", bond,
            {"the bond's code": BOND.encode(), "a reference": REFERENCE, "the bond's id": bond.instrument,
             "the bond account of Bank One": bond.seller, "the bond account of Bank Two": bond.buyer},
            {"issued": NOMINAL, "delivered": FIRST_DELIVERY, "bought": BOUGHT},
        )  # fmt: skip
        self._cash = Inside(
            "cash", cash,
            {"the code of cash": EURO.encode(), "the id of cash": cash.instrument,
             "the cash account of Bank One": cash.seller, "the cash account of Bank Two": cash.buyer},
            {"cash issued": CASH_ISSUED, "price": PRICE},
        )  # fmt: skip

    def outsiders(self) -> str:
        """The registry's node orders it all, vaults keep payloads: all they have is hashes and ciphertext."""
        self._files()
        self._answers()
        self._root()
        count = len(self._securities.forms) + len(self._cash.forms)
        return f"none of {count} forms in their files; every request refused"

    # files

    def _files(self) -> None:
        rows = [self._row(SELLER, "member of both", (self._securities, self._cash), is_outside=False)]
        for name, role, channels in (
            (REGISTRY, "outside both, orders all", (self._securities, self._cash)),
            (CASH, "vault of securities", (self._securities,)),
            (DEPOSITORY, "vault of cash", (self._cash,)),
        ):
            rows.append(self._row(name, role, channels, is_outside=True))
        names, amounts = (
            len(self._securities.names | self._cash.names),
            len(self._securities.amounts | self._cash.amounts),
        )
        self._stage.say(
            f"looked for: {names} names and ids, {amounts} amounts, in the clear, encoded, and in what is compressed"
        )
        self._stage.table(("files of", "which is", "looked for in", "size", "found in"), rows)

    def _row(
        self, name: str, role: str, channels: tuple[Inside, ...], *, is_outside: bool
    ) -> tuple[str, ...]:
        wanted = {title: form for each in channels for title, form in each.forms.items()}
        seen = scan(self._world.directory / name, wanted)
        if is_outside:
            expect(not seen.found, f"nothing of it is at {name}: {seen.found}")
        else:
            plain = [title for each in channels for title in each.names]
            lacking = [
                title for title in plain if not any(found.startswith(f"{title} in ") for found in seen.found)
            ]
            expect(not lacking, f"the same search finds all of it at a member: {lacking}")
        self._has_hashes(name, channels)
        found = f"{len(seen.found)} places" if seen.found else "no place"
        return self._world.traders[name].organisation, role, f"{seen.files} files", _size(seen), found

    def _has_hashes(self, name: str, channels: tuple[Inside, ...]) -> None:
        wanted = {each.title: each.assets.channel for each in channels}
        seen = {found.split(" in ")[0] for found in scan(self._world.directory / name, wanted).found}
        expect(seen == set(wanted), f"{name} has the channels' ids: {seen}")

    # answers

    def _answers(self) -> None:
        asked = [
            (REGISTRY, self._securities), (REGISTRY, self._cash), (CASH, self._securities), (DEPOSITORY, self._cash),
        ]  # fmt: skip
        answers = {answer for name, inside in asked for answer in self._refusals(name, inside.assets)}
        expect({status for status, _ in answers} == {404}, f"those outside are told nothing: {answers}")
        listed = self._world.command(REGISTRY, "channel", "list")
        expect(listed == {"items": [], "offers": []}, f"the registry is told of no channel: {listed}")
        self._stage.say(
            "each asked its own node for the channel that it is not in, for what is missing, a holding and a transaction there: "
            f"{', '.join(sorted({code for _, code in answers}))} (404), as for what does not exist; so nobody but the two banks saw both legs"
        )

    def _refusals(self, name: str, assets: Assets) -> list[tuple[int, str]]:
        path = f"{ROUTE}/{assets.channel.hex()}"
        holding = {"instrument": assets.instrument, "account": assets.seller}
        asked: list[tuple[str, dict[str, Any] | None]] = [
            (path, None), (f"{path}/missing", None), (f"{path}/queries/holding.get", holding),
            (f"{path}/transactions/{'00' * 32}", None),
        ]  # fmt: skip
        return [self._world.traders[name].refusal(each, form) for each, form in asked]

    # the root

    def _root(self) -> None:
        self._stage.say("what the registry does see, as everybody does on the root:")
        rows, attempts = [], []
        for inside in (self._securities, self._cash):
            found = self._world.record(inside.assets.channel)
            terms, stream = found["channel"]["terms"], found["stream"]
            entries = self._entries(inside.assets.channel, stream["entries"])
            payloads = [each["payload"] for each in entries if "payload" in each]
            attempts.append({each["attempt"] for each in entries if each["type"] == "leg"})
            sizes = sorted(each["size"] for each in payloads)
            expect(
                bool(sizes) and all(each["shown"] is None for each in payloads),
                f"hashes and sizes: {payloads}",
            )
            rows.append((
                inside.title, ", ".join(self._world.organisation(each).removeprefix("Example ") for each in terms["members"]),
                f"b = {terms['faults']}", f"{stream['entries']}", f"{sizes[0]} to {sizes[-1]} bytes", f"{stream['digest'][:DIGITS]}...",
            ))  # fmt: skip
        self._stage.table(
            ("channel", "members", "terms", "entries", "padded payloads", "confirmed digest"), rows
        )
        expect(bool(attempts[0] & attempts[1]), f"that the channels settled together shows: {attempts}")
        self._stage.say(
            "and who submits when, and that these two channels settled together; not what, nor how much"
        )

    def _entries(self, channel: bytes, count: int) -> list[dict[str, Any]]:
        entered = first(self._world.root(), "channel.entered/1", count, EVENT_SECONDS, channel=channel)
        return [dict(each["entry"]) for each in entered]


def _size(seen: Scan) -> str:
    return f"{seen.size / 1_000_000:.1f} MB"
