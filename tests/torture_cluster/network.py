"""Founds a network of real nodes on this machine, one organisation each, and starts, disturbs and ends it as a whole."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from support.live_node import CHEAP
from torture.report import Difference
from torture_cluster.sites import PASSPHRASE, Ports, Site, lasting_port, slowness
from torture_cluster.wires import Switchboard
from traco.client.keystore import KeyStore
from traco.kernel.genesis import Genesis, parse_genesis, write_genesis
from traco.node.configuration import EngineConfig, HealthConfig, NodeConfig, ProjectionsConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY
from traco.node.founding.acceptance import accept
from traco.node.founding.assembly import Terms, assemble
from traco.node.founding.card import Card, Organisation, Placement
from traco.node.founding.preparation import Draft, Owner, owner_of, prepare
from traco.node.founding.signatures import FounderSignature, sign_founding

NAMES: Final = ("Aurora", "Borealis", "Corona", "Delta", "Eclipse", "Fjord", "Glacier")
INSTRUMENT: Final = "TORTURE"
EMPTY_BLOCK_MS: Final = 1_000
RECOVERY_SECONDS: Final = 20.0
"""Within this time after the last disturbance every honest node must follow again."""

START_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.1


class Network:
    """Nodes with a common genesis. Validators come first in ``sites``, observers behind them."""

    def __init__(
        self, folder: Path, genesis: Genesis, sites: Sequence[Site], wires: Switchboard, signatures: Sequence[FounderSignature]
    ) -> None:  # fmt: skip
        self.folder, self.genesis, self.sites, self.wires = folder, genesis, tuple(sites), wires
        self.signatures = tuple(signatures)
        self.strangers: list[Site] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for site in (*self.sites, *self.strangers):
            site.kill()
        self.wires.close()

    def stranger(self) -> Site:
        """A second node of the first organisation, which knows the network, and of which the network knows nothing."""
        name = f"Stranger {len(self.strangers) + 1}"
        with KeyStore.open(self.sites[0].directory / KEYS_FILE, PASSPHRASE) as keys:
            owner = owner_of(keys)
        site = _new_site(self.folder, name, self.wires, {}, self.sites[0], owner)
        accept(site.directory, self.genesis, self.signatures)
        self.strangers.append(site)
        return site

    @property
    def validators(self) -> tuple[Site, ...]:
        """The sites that were founded as validators."""
        roles = {node["key"]: node["role"] for node in self.genesis.modules["network"]["nodes"]}
        return tuple(site for site in self.sites if roles.get(site.card.statement.node) == "validator")

    def start(self, sites: Iterable[Site] | None = None, **settings: str) -> None:
        """Start nodes (all of them) at once and wait until each answers. Raises ``Difference``."""
        starting = [site for site in (self.sites if sites is None else sites) if not site.is_started]
        for site in starting:
            site.start(**settings)
        for site in starting:
            site.await_ready(START_SECONDS)

    def stop(self) -> None:
        """Stop all nodes in order. Raises ``Difference`` where one does not end, or not well."""
        running = [site for site in self.sites if site.is_started]
        for site in running:
            site.terminate()
        for site in running:
            site.await_end()

    def heights(self, sites: Iterable[Site] | None = None) -> dict[str, int]:
        """The last committed block of each node, read from its ledger."""
        return {site.name: site.height() for site in (self.sites if sites is None else sites)}

    def await_height(
        self, wanted: int, sites: Iterable[Site] | None = None, seconds: float = RECOVERY_SECONDS
    ) -> float:
        """Wait until each node has this block; how many seconds it took. Raises ``Difference``."""
        looked = tuple(self.sites if sites is None else sites)
        return self.await_true(
            lambda: all(site.height() >= wanted for site in looked), seconds,
            lambda: f"not all nodes reached block {wanted}: {self.heights(looked)}",
        )  # fmt: skip

    def await_recovered(
        self, sites: Iterable[Site] | None = None, seconds: float = RECOVERY_SECONDS
    ) -> float:
        """Wait until every node has committed a block that did not exist when this was called. Raises ``Difference``."""
        looked = tuple(self.sites if sites is None else sites)
        return self.await_height(max(site.height() for site in looked) + 2, looked, seconds)

    def await_true(
        self, holds: Callable[[], bool], seconds: float, says: Callable[[], str], check: str = "recovery"
    ) -> float:
        """Wait until something holds; how long it took. Raises ``Difference`` with the ends of all logs.

        Where other work keeps the machine busy, the limit is longer in proportion.
        """
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > seconds and time.monotonic() - began > seconds * slowness():
                raise Difference(check, f"{says()} after {seconds:g} s\n{self.last_words()}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def last_words(self) -> str:
        """The ends of the nodes' logs."""
        return "\n".join(f"--- {site.name}\n{site.last_words()}" for site in self.sites)


def found_network(
    folder: Path, validators: int = 4, observers: int = 0, *, parameters: dict[str, dict[str, Any]] | None = None,
    engine: dict[str, Any] | None = None,
) -> Network:  # fmt: skip
    """Make the directories of a network whose nodes are to reach each other through proxies; nothing runs but these.

    ``engine``: settings of the section ``engine`` of each node's configuration.
    """
    wires = Switchboard()
    sites = [_new_site(folder, name, wires, engine or {}) for name in NAMES[: validators + observers]]
    cards = [site.card for site in sites]
    genesis = _genesis(cards[:validators], cards[validators:], parameters or {})
    signatures = [sign_founding(genesis, site.card.statement.member, site.signer) for site in sites]
    for site in sites:
        accept(site.directory, genesis, signatures)
    return Network(folder, genesis, sites, wires, signatures)


def _new_site(
    folder: Path, name: str, wires: Switchboard, engine: dict[str, Any], first: Site | None = None, owner: Owner | None = None
) -> Site:  # fmt: skip
    """A node's directory with keys and card, and a proxy before it. ``first``, ``owner``: of an organisation that has a node."""
    directory = folder / name.lower().replace(" ", "-")
    ports = Ports(lasting_port(), lasting_port(), 0)
    ports = ports._replace(proxy=wires.add(name, ports.peers))
    draft = Draft(
        Organisation(name=name if first is None else first.name), f"127.0.0.1:{ports.proxy}", f"http://127.0.0.1:{ports.api}",
        Placement(operator=directory.name, provider="here", region="here", zone=directory.name),
    )  # fmt: skip
    config = NodeConfig(
        port=ports.api, projections=ProjectionsConfig(enabled=False), health=HealthConfig(free_bytes=0),
        engine=EngineConfig(p2p_port=ports.peers, **engine),
    )  # fmt: skip
    card = prepare(directory, PASSPHRASE, draft, config, owner=owner, cost=CHEAP)
    if first is not None:
        signer = first.signer
    else:
        with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
            signer = keys.signer(MEMBER_KEY)
    site = Site(name, directory, ports, card, signer)
    wires.owners[name] = site.engine
    return site


def _genesis(
    validators: Sequence[Card], observers: Sequence[Card], parameters: dict[str, dict[str, Any]]
) -> Genesis:
    """As the founders would assemble it, with an instrument of the first of them."""
    terms = Terms(
        name="Torture", purpose="development", threshold=1, time_ms=time.time_ns() // 1_000_000,
        parameters={"network": {"empty_block_ms": EMPTY_BLOCK_MS}, **parameters},
    )  # fmt: skip
    genesis = assemble(validators, observers, terms)
    issuer = validators[0].statement.member
    instrument = {
        "issuer": issuer, "code": INSTRUMENT, "kind": "cash", "currency": "EUR", "decimals": 2, "terms": "00" * 32,
        "operators": [issuer],
    }  # fmt: skip
    modules = {**genesis.modules, "holding": {"instruments": [instrument]}}
    return parse_genesis(write_genesis(msgspec.structs.replace(genesis, modules=modules)))


def runs_on_this_machine() -> str:
    """Why real engines cannot run here; empty where they can."""
    return (
        ""
        if os.path.isdir("/proc/self")
        else "the nodes' processes are found through /proc, which is not here"
    )
