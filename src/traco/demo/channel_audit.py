"""A regulator is given one month of a channel, executes it again, and compares it with what the members attested."""

import calendar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from traco.demo.channel_world import REGISTRY, SELLER, Assets, World
from traco.demo.consortium import GENESIS
from traco.demo.network import run
from traco.demo.stage import Stage, expect, until

DISCLOSURE: Final = "month.disclosure"
NOT_RECORDED: Final = "disclosure.not_recorded"
SEEN_SECONDS: Final = 60.0


class Audit:
    """The scene: the regulator works beside the registry's node, which has no key."""

    def __init__(self, world: World, stage: Stage, assets: Assets) -> None:
        self._world, self._stage, self._assets = world, stage, assets

    def month(self) -> str:
        """One month is disclosed and agrees; the file is refused once it was changed."""
        path = self._world.directory / DISCLOSURE
        first, last = month_of(self._world.root().status().time_ms)
        made = self._world.command(
            SELLER, "channel", "disclose", self._assets.channel.hex(), "--from", first, "--to", last, "--output", str(path)
        )  # fmt: skip
        self._stage.say(
            f"{self._world.traders[SELLER].organisation} discloses {first} to {last} of the securities channel: points {made['first_point']} to "
            f"{made['last_point']}, {made['bytes']:,} bytes; the root has a salted commitment to it, and nobody learns to whom"
        )
        report = until(
            lambda: self._audited(path), SEEN_SECONDS, "the registry's node has the block of the disclosure"
        )
        executed = report["executed"]
        expect(report["agrees"] is True and report["difference"] is None, f"the audit agrees: {report}")
        expect(executed["transactions"] > 0, f"something was executed: {executed}")
        expect(executed["voided"] == 1, f"the void entry is seen: {executed}")
        self._stage.say(
            f"executed again without a key and without a member's help: {executed['points']} points, {executed['entries']} entries, "
            f"{executed['transactions']} transactions, {executed['voided']} void entry; every digest up to point {report['confirmed_point']} is "
            f"the one that the members attested"
        )
        code = self._changed(path)
        self._stage.say(f"with one bit of the file changed it is refused: {code}")
        return f"{executed['transactions']} transactions in {executed['points']} points agree; a changed file refused"

    def _audited(self, path: Path) -> dict[str, Any] | None:
        done = self._run(path)
        if done.returncode and NOT_RECORDED in done.stderr:
            return None
        expect(done.returncode == 0, f"the audit agrees: {done.stderr}")
        report: dict[str, Any] = msgspec.json.decode(done.stdout)
        return report

    def _changed(self, path: Path) -> str:
        changed = path.with_name("changed.disclosure")
        raw = path.read_bytes()
        changed.write_bytes(raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :])
        refused = self._run(changed)
        changed.unlink()
        expect(refused.returncode != 0, "a changed file is refused")
        problem = msgspec.json.decode(refused.stderr)
        return str(problem["code"])

    def _run(self, path: Path) -> Any:
        node, genesis = str(self._world.directory / REGISTRY), str(self._world.directory / GENESIS)
        return run("channel", "audit", str(path), "--dir", node, "--genesis", genesis, "--json")


def month_of(time_ms: int) -> tuple[str, str]:
    """The first and the last day of the month that a moment is in, in UTC."""
    day = datetime.fromtimestamp(time_ms // 1_000, UTC)
    last = calendar.monthrange(day.year, day.month)[1]
    return f"{day:%Y-%m}-01", f"{day:%Y-%m}-{last}"
