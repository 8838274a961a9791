"""A node in processes of its own, on a free port of the loopback address; and key stores that open quickly."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from traco.client.keystore import Cost, KeyStore

CHEAP = Cost(memory_kib=64, passes=1, lanes=1)  # for tests: opening costs milliseconds
READY_SECONDS = 180.0
STOP_SECONDS = 120.0


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_keys(path: Path, passphrase: str) -> None:
    """A key store with one key for everything, and the file of its public key beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with KeyStore.create(path, passphrase, CHEAP) as store:
        store.generate("main", roles=("sign", "administer", "read"))
        path.with_name(path.stem + ".public.json").write_bytes(store.export_public())


class LiveNode:
    """``traco node start`` on a directory; ``ready`` is what it printed once it answered."""

    def __init__(self, directory: Path, passphrase: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TRACO_PASSPHRASE": passphrase}
        self._errors = (directory.parent / "node.err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "traco.cli", "node", "start", str(directory), "--json"], env=environment,
            stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        self.ready: Any = msgspec.json.decode(self._first_line(directory.parent / "node.err"))

    def _first_line(self, errors: Path) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
        reader.start()
        reader.join(READY_SECONDS)
        if not lines or not lines[0]:
            self.kill()
            raise AssertionError(f"the node did not get ready: {errors.read_text()[-4_000:]}")
        return lines[0]

    def wait(self) -> int:
        """The exit code, once it has stopped by itself."""
        code = self._process.wait(STOP_SECONDS)
        self._close()
        return code

    def kill(self) -> None:
        """End it at once, if it runs."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._close()

    def _close(self) -> None:
        self._errors.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
