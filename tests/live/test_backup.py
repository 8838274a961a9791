"""Backups of a node that really runs: under load, and by the drills of docs/operating.md."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.api import PASSPHRASE
from support.live_node import free_port
from support.page_runs import commands, environment, place, script
from support.running import Running, make, wait_until
from traco.client.keystore import KeyStore
from traco.client.sdk import LedgerClient, Party
from traco.modules.holding.messages import CreateInstrument, Issue, OpenAccount, Transfer
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.node.directory import KEYS_FILE, MEMBER_KEY, founding_member

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
SECONDS = 900
BATCH = 20
PAUSE_SECONDS = 0.2  # so that there are not more transactions to look up afterwards than the test needs

VALIDITY_MS = 540_000  # they are sent again after the restore, which may take minutes on a busy machine

PRELUDE = """
set -e -o pipefail
export TRACO_HOME=$PWD/home TRACO_PASSPHRASE='an exercise, not a secret'
traco node init node --port $PORT
traco node start node > first.out &
until traco node status > status.txt 2> waiting.txt; do sleep 0.2; done
traco instrument create bond --code BOND --kind security --as @operator --json > created.json
python -c 'import json; print(json.load(open("created.json"))["transaction"])' > last.transaction
traco receipt export $(cat last.transaction) --output last.receipt
"""


def section(page: str) -> str:
    """The part of the page about backups."""
    begin = page.index("## Backup and restore\n")
    return page[begin : page.index("\n## ", begin)]


def test_every_drill_of_the_operating_guide_works(tmp_path: Path) -> None:
    page = section(PAGE.read_text())
    assert len(commands(page)) > 12
    with place(tmp_path) as work:
        code, said = _run(PRELUDE + script(page) + "traco node stop node\n", work)
    assert code == 0, said[-3_000:]
    sealed = re.findall(r"^sealed +yes$", said, re.MULTILINE)
    assert len(sealed) == 4  # monthly backup, its restore, export, import


def _run(drills: str, work: Path) -> tuple[int, str]:
    """The exit code of a shell script, and what it printed."""
    with (work / "out").open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", drills], cwd=work, start_new_session=True, env=environment(work, free_port()),
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            code = shell.wait(SECONDS)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    return code, (work / "out").read_text()


def traco(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, as an operator does."""
    environment = {**os.environ, "TRACO_PASSPHRASE": PASSPHRASE, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "traco.cli", *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done


class Load:
    """Payments of one unit each from two threads, acknowledged as soon as they are durable."""

    def __init__(self, url: str, party: Party, security: bytes, accounts: Sequence[bytes]) -> None:
        self._url, self._party, self._security, self._accounts = url, party, security, accounts
        self.acknowledged: list[bytes] = []
        self.sent: list[bytes] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        sender, receiver = self._accounts
        with LedgerClient(self._url) as client:
            while not self._stopping.wait(PAUSE_SECONDS):
                transfer = Transfer(self._party.id, self._security, sender, receiver, 1, b"load")
                made = [client.build([transfer], self._party.signers, VALIDITY_MS) for _ in range(BATCH)]
                self.sent += made
                self.acknowledged += [
                    result.identity for result in client.submit_many(made, until="received")
                ]


def market(client: LedgerClient, party: Party) -> tuple[bytes, list[bytes]]:
    """A security and two accounts, of which the first has plenty of it."""
    party.transact(CreateInstrument(party.id, "B", InstrumentKind.SECURITY, None, 0, bytes(32), (party.id,)))
    security, accounts = instrument_id(party.id, "B"), []
    for number in range(2):
        salt = number.to_bytes(16, "big")
        terms = AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN
        party.transact(OpenAccount(party.id, party.id, *terms, None, salt))
        accounts.append(account_id(party.id, salt))
    party.transact(Issue(party.id, security, accounts[0], 10**9, b""))
    return security, accounts


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Running, Path, str]]:
    directory = tmp_path / "node"
    url = make(directory)
    with Running(directory, url) as running:
        running.ready()
        yield running, directory, url


def test_what_was_acknowledged_before_a_backup_under_load_is_restored_once(
    node: tuple[Running, Path, str], tmp_path: Path
) -> None:
    running, directory, url = node
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        signer = keys.signer(MEMBER_KEY)
    with LedgerClient(url) as client:
        party = client.party(founding_member((directory / "genesis.json").read_bytes()), signer)
        security, accounts = market(client, party)
    with Load(url, party, security, accounts) as load:
        wait_until(lambda: len(load.acknowledged) >= 10 * BATCH)
        promised = list(load.acknowledged)
        traco("node", "backup", directory, tmp_path / "backup", "--json")
        behind = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > behind)
    running.process.kill()  # the machine is lost
    running.process.wait()
    assert behind > len(promised)  # the node went on meanwhile
    traco("node", "restore", tmp_path / "backup", tmp_path / "again", "--json")
    height = (tmp_path / "again" / "restored.json").read_text().split('"height": ')[1].split(",")[0]
    traco("node", "takeover", tmp_path / "again", "--at-height", height, "--json")
    with Running(tmp_path / "again", url) as again:
        again.ready()
        with LedgerClient(url) as client:
            results = [client.result(identity) for identity in promised]
            assert {None if result is None else result.status for result in results} == {"final"}
            known = [client.result(identity) for identity in load.acknowledged]
            done = sum(result is not None and result.status == "final" for result in known)
            held = client.query("holding.get", instrument=security, account=accounts[1])
            assert int(held["available"]) == done
            client.submit_many(load.sent)  # whoever got no answer, or lost his, sends the same bytes again
            held = client.query("holding.get", instrument=security, account=accounts[1])
            assert int(held["available"]) == len(load.sent)


def test_a_restored_copy_does_not_start_by_itself(node: tuple[Running, Path, str], tmp_path: Path) -> None:
    running, directory, url = node
    traco("node", "backup", directory, tmp_path / "backup")
    traco("node", "restore", tmp_path / "backup", tmp_path / "copy")
    running.process.terminate()
    assert running.ends() == 0
    with Running(tmp_path / "copy", url) as copy:
        assert copy.ends() == 7
        assert "node.restored" in copy.said()
