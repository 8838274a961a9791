"""Founds a network of real nodes on this machine, one organisation each, and starts, disturbs and ends it as a whole."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from support.live_node import CHEAP, free_port
from torture.report import Difference
from torture_cluster.sites import PASSPHRASE, Ports, Site
from torture_cluster.wires import Switchboard
from traco.client.keystore import KeyStore
from traco.kernel.genesis import Genesis, parse_genesis, write_genesis
from traco.node.configuration import EngineConfig, HealthConfig, NodeConfig, ProjectionsConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY
from traco.node.founding.acceptance import accept
from traco.node.founding.assembly import Terms, assemble
from traco.node.founding.card import Card, Organisation, Placement
from traco.node.founding.preparation import Draft, prepare
from traco.node.founding.signatures import sign_founding

NAMES: Final = ("Aurora", "Borealis", "Corona", "Delta", "Eclipse", "Fjord", "Glacier")
INSTRUMENT: Final = "TORTURE"
EMPTY_BLOCK_MS: Final = 1_000
RECOVERY_SECONDS: Final = 20.0
"""Within this time after the last disturbance every honest node must follow again."""

START_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.1


class Network:
    """Nodes with a common genesis. Validators come first in ``sites``, observers behind them."""

    def __init__(self, folder: Path, genesis: Genesis, sites: Sequence[Site], wires: Switchboard) -> None:
        self.folder, self.genesis, self.sites, self.wires = folder, genesis, tuple(sites), wires

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for site in self.sites:
            site.kill()
        self.wires.close()

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

    def await_height(self, wanted: int, sites: Iterable[Site] | None = None, seconds: float = RECOVERY_SECONDS) -> float:
        """Wait until each node has this block; how many seconds it took. Raises ``Difference``."""
        looked = tuple(self.sites if sites is None else sites)
        return self.await_true(
            lambda: all(site.height() >= wanted for site in looked), seconds,
            lambda: f"not all nodes reached block {wanted}: {self.heights(looked)}",
        )  # fmt: skip

    def await_recovered(self, sites: Iterable[Site] | None = None, seconds: float = RECOVERY_SECONDS) -> float:
        """Wait until every node has committed a block that did not exist when this was called. Raises ``Difference``."""
        looked = tuple(self.sites if sites is None else sites)
        return self.await_height(max(site.height() for site in looked) + 2, looked, seconds)

    def await_true(self, holds: Callable[[], bool], seconds: float, says: Callable[[], str]) -> float:
        """Wait until something holds; how long it took. Raises ``Difference`` with the ends of all logs."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > seconds:
                raise Difference("recovery", f"{says()} after {seconds:g} s\n{self.last_words()}")
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
    sites = []
    for name in NAMES[: validators + observers]:
        ports = Ports(free_port(), free_port(), 0)
        ports = ports._replace(proxy=wires.add(name, ports.peers))
        sites.append(_prepare(folder / name.lower(), name, ports, engine or {}))
    cards = [site.card for site in sites]
    genesis = _genesis(cards[:validators], cards[validators:], parameters or {})
    signatures = []
    for site in sites:
        with KeyStore.open(site.directory / KEYS_FILE, PASSPHRASE) as keys:
            site.signer = keys.signer(MEMBER_KEY)
        signatures.append(sign_founding(genesis, site.card.statement.member, site.signer))
    for site in sites:
        accept(site.directory, genesis, signatures)
    wires.owners = {site.name: site.engine for site in sites}
    return Network(folder, genesis, sites, wires)


def _prepare(directory: Path, name: str, ports: Ports, engine: dict[str, Any]) -> Site:
    draft = Draft(
        Organisation(name=name), f"127.0.0.1:{ports.proxy}", f"http://127.0.0.1:{ports.api}",
        Placement(operator=name.lower(), provider="here", region="here", zone=name.lower()),
    )  # fmt: skip
    config = NodeConfig(
        port=ports.api, projections=ProjectionsConfig(enabled=False), health=HealthConfig(free_bytes=0),
        engine=EngineConfig(p2p_port=ports.peers, **engine),
    )  # fmt: skip
    card = prepare(directory, PASSPHRASE, draft, config, cost=CHEAP)
    return Site(name, directory, ports, card)


def _genesis(validators: Sequence[Card], observers: Sequence[Card], parameters: dict[str, dict[str, Any]]) -> Genesis:
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
    return "" if os.path.isdir("/proc/self") else "the nodes' processes are found through /proc, which is not here"


