"""A member's disk is lost: its node comes back from the backup of its first day, and its channels from the others."""

import shutil
import time
from collections.abc import Mapping
from typing import Any, Final

from traco.demo.channel_world import BUYER, REGISTRY, SELLER, Assets, World
from traco.demo.stage import Stage, expect, until
from traco.modules.holding.messages import Transfer

BACKUP: Final = "bank-two-backup"
AWAY: Final = 250_000  # delivered while the node is away
BACK_SECONDS: Final = 120.0
DIGITS: Final = 16


class Loss:
    """The scene. ``keep`` the backup first, ``recover`` later. ``channels``: those of Bank Two, by title."""

    def __init__(self, world: World, stage: Stage) -> None:
        self._world, self._stage = world, stage
        self._lost = world.directory / BUYER

    def keep(self) -> None:
        """``traco node backup``, before there is a channel."""
        self._world.consortium.command("node", "backup", str(self._lost), str(self._world.directory / BACKUP))

    def recover(self, assets: Assets, channels: Mapping[str, bytes]) -> str:
        """Everything of the node is deleted. Restored, it has its keys and an old ledger; the others have the rest."""
        world, buyer, seller = self._world, self._world.traders[BUYER], self._world.traders[SELLER]
        before = seller.available(assets.channel, assets.instrument, assets.buyer)
        world.consortium.kill(BUYER)
        until(self._wiped, BACK_SECONDS, f"the directory of {buyer.organisation} is gone")
        moved = Transfer(seller.id, assets.instrument, assets.seller, assets.buyer, AWAY, b"meanwhile")
        done = seller.do(assets.channel, moved)
        self._stage.say(
            f"everything of the node is deleted; the others go on: a delivery to {buyer.organisation} is confirmed after "
            f"{done.seconds:.1f} s without it"
        )
        begun = time.monotonic()
        self._restore()
        world.consortium.start(BUYER)
        with self._stage.waiting("the node gets every block from the others"):
            world.consortium.wait_ready(BUYER)
            until(buyer.is_answered, BACK_SECONDS, f"the channels' process of {buyer.organisation} answers")
        self._stage.say(
            "restored from a backup that is older than all channels: keys, and a ledger that follows the others' now"
        )
        reports = {title: self._rebuild(channel) for title, channel in channels.items()}
        taken = time.monotonic() - begun
        expect(
            buyer.available(assets.channel, assets.instrument, assets.buyer) == before + AWAY,
            "the rebuilt node knows what it held, and what came while it was away",
        )
        self._show(reports)
        self._stage.say(
            f"complete {taken:.1f} s after the restore began; it knows what came while it was away, too"
        )
        found = sum(map(_back, reports.values()))
        return f"{found} of {found} payloads back from others, digests agree in {len(reports)} channels"

    def _wiped(self) -> bool:
        # what ran beside the ledger ends a moment after it, and does away with a file of its own meanwhile
        shutil.rmtree(self._lost, ignore_errors=True)
        return not self._lost.exists()

    def _restore(self) -> None:
        made = self._world.consortium.command(
            "node", "restore", str(self._world.directory / BACKUP), str(self._lost)
        )
        highest = self._world.consortium.heights([REGISTRY])[0]
        self._world.consortium.command(
            "node", "takeover", str(self._lost), "--at-height", str(made["height"]), "--network-height", str(highest)
        )  # fmt: skip

    def _rebuild(self, channel: bytes) -> dict[str, Any]:
        """``traco channel rebuild``: the completeness report, checked against the root."""
        report = self._world.command(BUYER, "channel", "rebuild", channel.hex())
        expect(
            report["status"] == "complete" and report["agrees"],
            f"the report is complete and agrees: {report}",
        )
        expect(
            _back(report) == report["payloads"] and not report["missing_total"],
            f"every payload came back: {report}",
        )
        expect(
            report["own_digest"] == report["confirmed_digest"], f"its digest is the one confirmed: {report}"
        )
        expect(bool(report["fetched"]), f"payloads came from others: {report}")
        return report

    def _show(self, reports: Mapping[str, dict[str, Any]]) -> None:
        rows = []
        for title, report in reports.items():
            givers = ", ".join(
                f"{self._name(each['member'])} {each['payloads']}" for each in report["fetched"]
            )
            rows.append((
                title, f"{report['noted']} of {report['entries']}", f"{_back(report)} of {report['payloads']}", givers,
                f"{report['own_digest'][:DIGITS]}...", f"point {report['confirmed']}, the same",
            ))  # fmt: skip
        self._stage.table(("channel", "entries", "payloads", "from", "digest reached", "confirmed"), rows)

    def _name(self, identity: str) -> str:
        return self._world.organisation(identity).removeprefix("Example ")


def _back(report: Mapping[str, Any]) -> int:
    """How many payloads others gave."""
    return sum(int(each["payloads"]) for each in report["fetched"])
