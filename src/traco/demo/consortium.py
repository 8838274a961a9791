"""The nodes of the cluster's demonstration: made, founded, started and killed by the commands that people use."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import httpx
import msgspec

from traco.client.keystore import KeyStore
from traco.client.sdk import LedgerClient, Party
from traco.client.wire import connection_options
from traco.demo.network import PASSPHRASE_FILE, run
from traco.demo.stage import DemoFailed, expect, until
from traco.modules.party.genesis import founding_member_id
from traco.node.directory import KEYS_FILE, MEMBER_KEY
from traco.node.founding.local import free_ports
from traco.node.running import Background, holder, request_stop, wait_stopped

GENESIS: Final = "genesis.json"
HOME: Final = "home"
NO_ANSWER: Final = "no_answer"
READY_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.1
AT_ONCE: Final = 3  # commands: each is a process with little to do but to begin

Item = TypeVar("Item")
Result = TypeVar("Result")


class Place(NamedTuple):
    """A node: the name of its folder and of its organisation, where it stands, its ports, whether it only follows."""

    name: str
    organisation: str
    provider: str
    region: str
    port: int
    p2p_port: int
    is_observer: bool = False

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"


class Consortium:
    """Nodes of several organisations in one directory, each in a folder of its own, all on the loopback address."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / HOME
        self.passphrase = secrets.token_urlsafe(24)
        self._passphrase_file = directory / PASSPHRASE_FILE
        self._passphrase_file.touch(mode=0o600)
        self._passphrase_file.write_text(self.passphrase + "\n")
        self.places: dict[str, Place] = {}
        self._running: dict[str, Background] = {}

    def prepare(self, name: str, organisation: str, provider: str, region: str, *more: str) -> Place:
        """``traco node init``: keys that stay where they are, and a card to hand out."""
        port, p2p_port = free_ports(2)
        place = Place(name, organisation, provider, region, port, p2p_port)
        self._prepare(place, *more)
        self.places[name] = place
        return place

    def prepare_all(self, places: Sequence[Place]) -> None:
        """The same for several, several at once."""
        self.places |= {place.name: place for place in places}
        at_once(self._prepare, places)

    def _prepare(self, place: Place, *more: str) -> None:
        self.command(
            "node", "init", str(self.directory / place.name), "--engine", "cometbft", "--operator", place.organisation,
            "--address", f"127.0.0.1:{place.p2p_port}", "--gateway", place.url, "--port", str(place.port),
            "--provider", place.provider, "--region", place.region, *more,
        )  # fmt: skip

    def found(self, fingerprints: str) -> dict[str, Any]:
        """``traco network assemble``, ``sign`` and ``accept``: each founder signs with its own key, and enters."""
        names, genesis = list(self.places), str(self.directory / GENESIS)
        cards = [
            part for name in names for part in (self._role(name), str(self.directory / name / "card.json"))
        ]
        validators = [name for name in names if not self.places[name].is_observer]
        threshold = str(2 * len(validators) // 3 + 1)
        assembled = self.command(
            "network", "assemble", "--name", "Demonstration consortium", "--purpose", "development", "--threshold",
            threshold, "--fingerprints", fingerprints, "--output", genesis, *cards,
        )  # fmt: skip
        at_once(
            lambda name: self.command(
                "network", "sign", str(self.directory / name), genesis, "--output", self._signature(name)
            ),
            names,
        )
        for name in names:
            self.enter(name, *(self._signature(each) for each in names))
        return assembled

    def _role(self, name: str) -> str:
        return "--observer" if self.places[name].is_observer else "--card"

    def enter(self, name: str, *signatures: str) -> None:
        """``traco network accept``."""
        more = (
            ("--member-keys", str(self.directory / self._owner(name) / KEYS_FILE))
            if self._owner(name) != name
            else ()
        )
        self.command(
            "network",
            "accept",
            str(self.directory / name),
            str(self.directory / GENESIS),
            *signatures,
            "--name",
            name,
            *more,
        )

    def _owner(self, name: str) -> str:
        """The first node of the same organisation, which has its keys."""
        organisation = self.places[name].organisation
        return next(each.name for each in self.places.values() if each.organisation == organisation)

    def _signature(self, name: str) -> str:
        return str(self.directory / f"{name}.signature.json")

    def command(self, *arguments: str) -> dict[str, Any]:
        """Run a command with the consortium's names; what it prints as JSON. Raises ``DemoFailed``."""
        places = () if arguments[:2] in LOCAL_COMMANDS else ("--home", str(self.home))
        keys = () if arguments[:2] in KEYLESS_COMMANDS else ("--passphrase-file", str(self._passphrase_file))
        done = run(*arguments, *places, *keys, "--json")
        if done.returncode != 0:
            raise DemoFailed(f"traco {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
        found: dict[str, Any] = msgspec.json.decode(done.stdout) if done.stdout.strip() else {}
        return found

    # Processes

    def start(self, *names: str) -> None:
        """Start nodes in the background; they need not be ready when this returns."""
        for name in names:
            self._running[name] = Background(self.directory / name, self._passphrase_file)

    def wait_ready(self, *names: str) -> None:
        """Wait until nodes are ready. Raises ``DemoFailed``."""
        deadline = time.monotonic() + READY_SECONDS
        for name in names:
            while not self._is_ready(name):
                ended = self._running[name].ended()
                expect(ended is None, f"{name} runs: {self._running[name].last_words()}")
                expect(
                    time.monotonic() < deadline,
                    f"{name} is ready within {READY_SECONDS:.0f} s: {self.health(name)}",
                )
                time.sleep(LOOK_SECONDS)

    def _is_ready(self, name: str) -> bool:
        return bool(self.health(name).get("ready"))

    def health(self, name: str) -> dict[str, Any]:
        """What a node says of itself: whether it is ready, and why not; ``NO_ANSWER`` while it says nothing."""
        url = self.places[name].url
        try:
            answer = httpx.get(f"{url}/v1/health/ready", timeout=READY_SECONDS, **connection_options(url))
            return dict(answer.json())
        except httpx.TransportError as error:
            return {"ready": False, "reasons": [{"code": NO_ANSWER, "detail": str(error)}]}

    def kill(self, name: str) -> None:
        """End all processes of a node as a power cut would: the keeper first, so that it starts nothing again."""
        keeper, ledger = self._running.pop(name), holder(self.directory / name)
        os.kill(keeper.pid, signal.SIGKILL)
        os.waitpid(keeper.pid, 0)
        if ledger is not None:
            with suppress(ProcessLookupError):
                os.kill(ledger, signal.SIGKILL)
        deadline = time.monotonic() + READY_SECONDS
        while holder(self.directory / name) is not None:
            expect(time.monotonic() < deadline, f"{name} is dead")
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop all nodes in order, those too that have only begun to start."""
        stopping = [(name, request_stop(self.directory / name)) for name in reversed(self._running)]
        for name, pid in stopping:
            if pid is None and self._running[name].ended() is None:
                os.kill(self._running[name].pid, signal.SIGTERM)
        for name, pid in stopping:
            if pid is not None:
                wait_stopped(self.directory / name, pid)
            self._await_end(name)
        self._running.clear()

    def _await_end(self, name: str) -> None:
        node = self._running[name]
        until(lambda: node.ended() is not None, READY_SECONDS, f"{name} has ended")

    # Asking

    def client(self, name: str) -> LedgerClient:
        """A client of a node."""
        return LedgerClient(self.places[name].url)

    def member(self, name: str, *, alone: bool = False) -> Party:
        """A founder, with the key in its node's key store. It acts through its own node; if that is gone, through another,
        unless it is to act ``alone``.
        """
        with KeyStore.open(self.directory / name / KEYS_FILE, self.passphrase) as keys:
            signer = keys.signer(MEMBER_KEY)
        own = self.places[name]
        others = [each.url for each in self.places.values() if each is not own and not alone]
        return LedgerClient([own.url, *others]).party(founding_member_id(signer.public_key), signer)

    def heights(self, names: Sequence[str]) -> list[int]:
        """Where the ledgers of nodes stand."""
        found = []
        for name in names:
            with self.client(name) as client:
                found.append(client.status().height)
        return found

    def app_hashes(self, names: Sequence[str]) -> tuple[int, set[str]]:
        """A height that all of these nodes have, and their app hashes after it."""
        height = min(self.heights(names))
        found = set()
        for name in names:
            with self.client(name) as client:
                found.add(str(client.block(height)["app_hash"]))
        return height, found


def at_once(act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do the same for each, several at once; the results in order. Raises what the first that failed did."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, items))


LOCAL_COMMANDS: Final = (
    ("network", "assemble"),
    ("network", "sign"),
    ("node", "restore"),
    ("node", "takeover"),
)
"""Commands that know no names."""

KEYLESS_COMMANDS: Final = (
    ("network", "assemble"),
    ("network", "nodes"),
    ("network", "placement"),
    ("node", "restore"),
    ("node", "takeover"),
)
"""Commands that sign nothing."""
