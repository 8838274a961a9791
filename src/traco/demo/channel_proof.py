"""One transaction of a channel is shown to an organisation outside it: a file, and the founding genesis to judge it by."""

from typing import Final

from traco.demo.channel_world import FIRST_DELIVERY, SELLER, World
from traco.demo.confidential import Done
from traco.demo.consortium import GENESIS
from traco.demo.network import run
from traco.demo.stage import Stage, expect, money

RECEIPT: Final = "delivery.receipt"
SHOWN: Final = ("VALID", "outcome", "channel", "point", "sealed")


def prove(world: World, stage: Stage, channel: bytes, delivery: Done) -> str:
    """``traco channel receipt``, and ``traco verify`` in a process with nothing but the file and the genesis."""
    path, genesis = world.directory / RECEIPT, str(world.directory / GENESIS)
    world.command(SELLER, "channel", "receipt", channel.hex(), delivery.identity.hex(), "--output", str(path))
    verified = run("verify", str(path), "--genesis", genesis)
    expect(verified.returncode == 0, f"the receipt verifies: {verified.stderr}")
    expect(str(FIRST_DELIVERY) in verified.stdout, f"it shows the amount: {verified.stdout}")
    raw = path.read_bytes()
    stage.say(
        f"{len(raw):,} bytes about the delivery of {money(FIRST_DELIVERY, 'EUR', 2)} nominal; a process with no node and no network "
        "accepts it:"
    )
    stage.quote("\n".join(line for line in verified.stdout.splitlines() if line.startswith(SHOWN)))
    forged = path.with_name("forged.receipt")
    places = (len(raw) // 8, len(raw) // 2, len(raw) - 40)
    refused = []
    for place in places:
        forged.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        refused.append(run("verify", str(forged), "--genesis", genesis).returncode)
    forged.unlink()
    expect(0 not in refused, f"a changed receipt is refused: {refused}")
    stage.say(f"with one bit changed, at {len(places)} places, it is refused each time")
    return f"{len(raw):,} bytes accepted offline; {len(refused)} of {len(places)} changed ones refused"
