"""The demonstration's network: a node directory, its process, and commands run in processes of their own."""

import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from traco.client.keystore import KeyStore
from traco.client.results import ClientError
from traco.client.sdk import LedgerClient, Party, Patience
from traco.demo.stage import DemoFailed
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY, create, founding_member, read_genesis

NODE: Final = "node"
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105 -- the name of a file
READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0


class DemoNetwork:
    """A founded network with one node that runs as a process of its own on the loopback address."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.node_directory = directory / NODE
        self.passphrase = secrets.token_urlsafe(24)
        self.passphrase_file = directory / PASSPHRASE_FILE
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_text(self.passphrase + "\n")
        self.port = _free_port()
        create(
            self.node_directory, self.passphrase, name="Demonstration", operator="Example Consortium Operator",
            purpose="development", time_ms=wall_clock_ms(), config=NodeConfig(port=self.port),
        )  # fmt: skip
        self.genesis = read_genesis(self.node_directory)
        (directory / "genesis.json").write_bytes(self.genesis)
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> LedgerClient:
        """Start the node and wait until it answers. Raises ``DemoFailed``."""
        arguments = [
            "node",
            "start",
            str(self.node_directory),
            "--passphrase-file",
            str(self.passphrase_file),
        ]
        with (self.directory / "node.out").open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603
                command(*arguments), stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        client = LedgerClient(self.url, patience=Patience(pauses=()))
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                client.status()
            except ClientError:
                time.sleep(0.05)
            else:
                return LedgerClient(self.url)
        raise DemoFailed(
            f"the node did not start; see {self.directory / 'node.out'} and {self.node_directory}/node.log"
        )

    def stop(self) -> None:
        """Stop the node in good order."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the node as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def operator(self, client: LedgerClient) -> Party:
        """The founding member, acting with the key that its node's key store holds."""
        with KeyStore.open(self.node_directory / KEYS_FILE, self.passphrase) as keys:
            return client.party(founding_member(self.genesis), keys.signer(MEMBER_KEY))


def command(*arguments: str) -> list[str]:
    """The command line that runs ``traco`` with these arguments in a process of its own."""
    return [sys.executable, "-m", "traco.cli", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a ``traco`` command to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=600)  # noqa: S603


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
