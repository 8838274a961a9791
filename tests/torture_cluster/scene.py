"""A network under load together with what watches it: what a fault is given to work with, and what must hold after each."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from torture.report import Counts, Difference
from torture_cluster.comparison import Comparison
from torture_cluster.load import Load
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS, Network
from torture_cluster.sites import Site

LOOK_SECONDS: Final = 0.2


class Scene:
    """One network. ``honest`` are the nodes that are held to everything; a fault that spoils one for good takes it out."""

    def __init__(
        self, network: Network, load: Load, comparison: Comparison, counts: Counts, seed: str
    ) -> None:
        self.network, self.load, self.comparison, self.counts = network, load, comparison, counts
        self.random = random.Random(f"{seed} faults")
        self.honest: list[Site] = list(network.sites)

    @property
    def validators(self) -> list[Site]:
        """The honest validators."""
        return [site for site in self.network.validators if site in self.honest]

    def choose(self, count: int = 1) -> list[Site]:
        """Some validators, by chance."""
        return self.random.sample(self.validators, count)

    def others(self, sites: Sequence[Site]) -> list[Site]:
        """The honest nodes that are not among these."""
        return [site for site in self.honest if site not in sites]

    def count(self, what: str) -> None:
        """A disturbance was done."""
        self.counts[f"disturbance: {what}"] += 1

    def kill(self, *sites: Site) -> None:
        """All processes of nodes, as when their machines fail; what they told clients must be in their ledgers."""
        for site in sites:
            site.kill()
        for site in sites:
            self.comparison.check_durable(site)

    def restart(self, site: Site, fault: str = "", **settings: str) -> None:
        """Stop a node in order and start it again, perhaps with something planted. Raises ``Difference``."""
        if site.is_started:
            site.terminate()
            site.await_end()
        site.start(fault, **settings)
        site.await_ready(START_SECONDS)

    def lasting(self, seconds: float) -> None:
        """Let things go on as they are."""
        time.sleep(seconds)

    def goes_on(self, sites: Sequence[Site], blocks: int = 3, seconds: float = RECOVERY_SECONDS) -> None:
        """These nodes commit new blocks although something is broken. Raises ``Difference``."""
        self.network.await_height(max(site.height() for site in sites) + blocks, sites, seconds)

    def halts(self, sites: Sequence[Site], seconds: float) -> None:
        """These nodes commit nothing once what was decided already has arrived. Raises ``Difference``."""
        time.sleep(2 * LOOK_SECONDS)
        before = {site.name: site.height() for site in sites}
        highest = max(before.values())
        time.sleep(seconds)
        after = self.network.heights(sites)
        if max(after.values()) > highest + 1:
            raise Difference(
                "safety", f"without enough validators the network went on: {before}, then {after}"
            )

    def settle(self) -> float:
        """The disturbance is over: everybody follows in time, has the same, and forgot nothing. The seconds until all did."""
        self.network.wires.heal()
        self.network.start(site for site in self.honest if not site.is_started)
        took = self.network.await_recovered(self.honest)
        self.comparison.absorb(self.honest)
        self.comparison.check_told()
        return took

    def conclude(self) -> None:
        """The load has ended: what was acknowledged is there, what clients were told is so, money is conserved."""
        self.settle()
        self.comparison.await_promises(self.honest, RECOVERY_SECONDS)
        self.comparison.check_all_told()
        self.comparison.check_money()


class Fault(NamedTuple):
    """Something that is done to a network, which is whole again when ``disturb`` returns but for nodes that are down.

    ``seconds``: what it takes about, so that it is not begun too late. ``needs`` says why it cannot be done here, or nothing.
    """

    name: str
    says: str
    disturb: Callable[[Scene], None]
    seconds: float
    needs: Callable[[], str] = lambda: ""
