"""Starting, stopping and watching the nodes of a network on one machine. Every node is on its own, as in a consortium."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from traco.client.wire import connection_options
from traco.kernel.errors import Halt
from traco.node.directory import LEDGER_FILE, NODE_LOG
from traco.node.founding.local import PASSPHRASE_FILE, LocalNetwork, LocalNode
from traco.node.running import POLL_SECONDS, Background, holder, request_stop, wait_stopped
from traco.storage.database import open_reader
from traco.storage.errors import halting
from traco.storage.loading import read_head

ASK_SECONDS: Final = 5.0
LAST_LINES: Final = 3
DOWN: Final = "down"
STARTING: Final = "starting"
SILENT: Final = "silent"
READY: Final = "ready"


class NodeState(NamedTuple):
    """Where a node stands. ``height`` is -1 where its ledger cannot be read; peers are None where the node does not say.

    ``state``: ``down``, ``starting``, ``silent`` (it runs and gives no answer), ``ready``, or the code of what ails it.
    """

    name: str
    role: str
    state: str
    height: int
    app_hash: str
    lag: int
    peers_present: int | None
    peers_wanted: int | None
    bytes: int
    url: str
    detail: str

    def form(self) -> dict[str, Any]:
        """As plain values."""
        return self._asdict()


class Failed(NamedTuple):
    """A node that did not get ready, and why."""

    name: str
    reason: str


def start_all(
    directory: Path, nodes: Sequence[LocalNode], seconds: float, report: Callable[[dict[str, str]], None]
) -> list[Failed]:
    """Start those that do not run, and wait until all are ready; those that are not after ``seconds``, and why.

    ``report`` is told the state of each, again and again.
    """
    started = {
        node.name: Background(directory / node.name, directory / PASSPHRASE_FILE)
        for node in nodes
        if holder(directory / node.name) is None
    }
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(len(nodes)) as pool:
        while True:
            states = dict(zip([node.name for node in nodes], pool.map(_readiness, nodes), strict=True))
            ended = {name for name, each in started.items() if each.ended() is not None}
            report({name: "ended" if name in ended else state for name, (state, _) in states.items()})
            waiting = [name for name, (state, _) in states.items() if state != READY and name not in ended]
            if not waiting or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    failed = [Failed(name, _last_words(started[name])) for name in sorted(ended)]
    return failed + [Failed(name, _still(*states[name])) for name in waiting]


def _still(state: str, detail: str) -> str:
    return f"runs, but is not ready in time ({': '.join(part for part in (state, detail) if part)})"


def _last_words(node: Background) -> str:
    lines = [line.strip() for line in node.last_words().splitlines() if line.strip()]
    said = " ".join(lines[-LAST_LINES:]) or f"it said nothing; see {node.directory / NODE_LOG}"
    return f"ended with exit code {node.ended()}: {said}"


def stop_all(directory: Path, nodes: Sequence[LocalNode]) -> list[str]:
    """Stop the nodes that run, the last one first; their names. Raises ``NodeDirectoryError``."""
    told = [(node, request_stop(directory / node.name)) for node in reversed(nodes)]
    running = [(node, pid) for node, pid in told if pid]
    for node, pid in running:
        wait_stopped(directory / node.name, pid)
    return [node.name for node, _ in running]


def look(directory: Path, network: LocalNetwork) -> list[NodeState]:
    """Where every node stands, whether it runs or not."""
    with ThreadPoolExecutor(len(network.nodes)) as pool:
        found = list(pool.map(lambda node: _look_at(directory / node.name, node), network.nodes))
    highest = max(state.height for state in found)
    return [state._replace(lag=highest - state.height if state.height >= 0 else -1) for state in found]


def _look_at(directory: Path, node: LocalNode) -> NodeState:
    height, app_hash = _stored(directory / LEDGER_FILE)
    state, detail = DOWN, ""
    engine: dict[str, int] = {}
    if holder(directory) is not None:
        state, detail = _readiness(node)
        engine = _engine(node)
    return NodeState(
        node.name, node.role, state, height, app_hash, 0, engine.get("peers_present"), engine.get("peers_wanted"),
        _size(directory), node.url, detail,
    )  # fmt: skip


def _ask(node: LocalNode, path: str) -> Any:
    return httpx.get(node.url + path, timeout=ASK_SECONDS, **connection_options(node.url)).json()


def _readiness(node: LocalNode) -> tuple[str, str]:
    """The state of a node that runs, by its own word, and a sentence where it is not ready."""
    try:
        answer = _ask(node, "/v1/health/ready")
        if answer["ready"]:
            return READY, ""
        return answer["reasons"][0]["code"], answer["reasons"][0]["detail"]
    except httpx.ConnectError:
        return STARTING, ""
    except (httpx.HTTPError, LookupError, TypeError, ValueError):
        return SILENT, "it does not answer as a node does"


def _engine(node: LocalNode) -> dict[str, int]:
    """What the node says of its engine; it tells the operator, who on a development network is whoever asks from here."""
    try:
        answer = _ask(node, "/v1/health/progress")
        return dict(answer["ledger"]["engine"])
    except (httpx.HTTPError, LookupError, TypeError, ValueError):
        return {}


def _stored(path: Path) -> tuple[int, str]:
    """Height and app hash of the ledger's file."""
    try:
        with halting(str(path)), closing(open_reader(str(path), None)) as reader:
            head = read_head(reader)
    except (Halt, OSError):
        return -1, ""
    return head.height, head.app_hash.hex()


def _size(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # it went away meanwhile
    return total
