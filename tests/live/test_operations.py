"""A node as its operators see it: a ledger process that stands still is noticed, and no secret gets out anywhere."""

import os
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from support.api import PASSPHRASE
from support.running import Running, free_port, make, wait_until
from traco.cli.main import run as command_line
from traco.client.keystore_file import decrypt_keys, derive_key, parse_file
from traco.client.wire import connection_options

DATABASE_PASSWORD = "planted-database-password"
TOKEN = "planted-token"


@pytest.fixture(scope="module")
def scrape() -> int:
    return free_port()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, scrape: int) -> Iterator[Running]:
    """A node with metrics on a port, lines in JSON, quick judgement, and a database that is not there."""
    directory = tmp_path_factory.mktemp("operations") / "node"
    url = make(directory)
    environment = {
        "TRACO_NODE_METRICS__PORT": str(scrape), "TRACO_NODE_LOG__FORMAT": "json", "TRACO_NODE_LOG__ACCESS": "true",
        "TRACO_NODE_HEALTH__STALL_SECONDS": "1", "TRACO_NODE_LOG__LEVEL": "debug",
        "TRACO_NODE_PROJECTIONS__URL": f"postgresql://user@127.0.0.1:{free_port()}/none?connect_timeout=1",
        "TRACO_NODE_PROJECTIONS__PASSWORD": DATABASE_PASSWORD,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with Running(directory, url) as running:
            running.ready()
            yield running


def ready(node: Running) -> httpx.Response:
    return httpx.get(f"{node.url}/v1/health/ready", timeout=60, **connection_options(node.url))


def codes(answer: httpx.Response, kind: str) -> list[str]:
    return [reason["code"] for reason in answer.json()[kind]]


def test_a_node_is_ready_and_warns_of_the_database_that_is_not_there(node: Running) -> None:
    answer = ready(node)
    assert (answer.status_code, codes(answer, "reasons")) == (200, [])
    assert codes(answer, "warnings") == ["projections.unknown"]


def test_metrics_are_served_on_their_port_without_a_token_and_nothing_else_is(
    node: Running, scrape: int
) -> None:
    text = httpx.get(f"http://127.0.0.1:{scrape}/metrics").text
    assert "\ntraco_ready 1.0\n" in text
    assert 'traco_memory_bytes{process="ledger"}' in text
    assert httpx.get(f"http://127.0.0.1:{scrape}/v1/status").status_code == 404


def test_a_ledger_process_that_stands_still_is_noticed_and_so_is_its_return(
    node: Running, scrape: int
) -> None:
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        answer = ready(node)
        assert (answer.status_code, codes(answer, "reasons")) == (503, ["ledger.silent"])
        assert httpx.get(f"{node.url}/v1/health/live").status_code == 200
        text = httpx.get(f"http://127.0.0.1:{scrape}/metrics", timeout=60).text
        assert "\ntraco_ledger_up 0.0\n" in text
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    wait_until(lambda: ready(node).status_code == 200)


def test_status_says_whether_the_node_is_ready(node: Running, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    code = command_line(
        ["node", "status", "--directory", str(node.directory), "--home", str(node.directory.parent), "--json"]
    )
    found = msgspec.json.decode(capfd.readouterr().out)
    assert (code, found["ready"], found["height"]) == (0, True, 0)
    assert [warning["code"] for warning in found["warnings"]] == ["projections.unknown"]


def test_an_answered_request_is_in_the_log_with_its_correlation_id(node: Running) -> None:
    httpx.get(f"{node.url}/v1/blocks/0", headers={"X-Request-Id": "looked-for"})

    def entries() -> list[dict[str, object]]:
        lines = [msgspec.json.decode(line) for line in node.log().splitlines()]
        return [entry for entry in lines if entry.get("request") == "looked-for"]

    wait_until(lambda: bool(entries()))
    (entry,) = entries()
    assert (entry["route"], entry["status"], entry["logger"]) == ("/v1/blocks/{height}", 200, "traco.access")


def test_no_secret_is_in_logs_answers_or_process_lists(node: Running) -> None:
    answers = [
        httpx.get(f"{node.url}/v1/status?token={TOKEN}", headers={"Authorization": f"Bearer {TOKEN}"}),
        httpx.post(f"{node.url}/v1/transactions", content=PASSPHRASE.encode()),
        httpx.get(f"{node.url}/v1/health/progress"), httpx.get(f"{node.url}/v1/nothing/{TOKEN}"),
    ]  # fmt: skip
    said = "".join(answer.text for answer in answers) + node.said()
    said += "".join(path.read_text() for path in node.directory.glob("*.log*"))
    for pid in (node.process.pid, *node.children()):
        said += Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/comm").read_text()
    found = [secret for secret in secrets(node.directory) if secret in said]
    assert found == []


def secrets(directory: Path) -> list[str]:
    """Everything that must not get out, in the forms that it could have."""
    found = [PASSPHRASE, DATABASE_PASSWORD, TOKEN]
    for name in ("node.keys", "fingerprint.keys"):
        sealed = parse_file((directory / name).read_bytes(), name)
        for key in decrypt_keys(sealed, derive_key(PASSPHRASE, sealed.argon2id), name):
            found += [key.seed.hex(), b64encode(key.seed).decode(), repr(key.seed)[2:-1]]
    return found
