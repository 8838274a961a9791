"""Secrets planted in every way in, errors provoked everywhere: none is in logs, outputs, answers or process lists.

Beside ``test_operations.py``, which has the database's password in the environment and requests without a valid token.
"""

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.api import PASSPHRASE
from support.running import Running, free_port, make
from traco.client.access import make_token, new_grant
from traco.client.keystore import KeyStore
from traco.client.keystore_file import decrypt_keys, derive_key, parse_file
from traco.node.configuration import ConfigurationInvalid, configure
from traco.node.directory import FINGERPRINT_KEYS_FILE, KEYS_FILE, MEMBER_KEY, founding_member, read_genesis

PASSWORD = "planted-password-in-a-file"
WRONG = "planted-and-wrong-passphrase"
JSON = {"content-type": "application/json"}
TIMEOUT = 300


class Planted(NamedTuple):
    """A running node, a valid token for it, the seeds of its keys in hex, and all forms of everything secret."""

    node: Running
    token: str
    seeds: list[str]

    @property
    def secrets(self) -> list[str]:
        forms = [PASSPHRASE, PASSWORD, self.token, *self.seeds]
        raws = [bytes.fromhex(seed) for seed in self.seeds]
        return [*forms, *(b64encode(raw).decode() for raw in raws), *(repr(raw)[2:-1] for raw in raws), WRONG]

    def found_in(self, said: str) -> list[str]:
        return [secret for secret in self.secrets if secret in said]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A node that logs all it can, with a database that is not there and whose password is in a file."""
    directory = tmp_path_factory.mktemp("secrets") / "node"
    url = make(directory)
    (directory / "password").touch(mode=0o600)
    (directory / "password").write_text(PASSWORD + "\n")
    environment = {
        "TRACO_NODE_LOG__LEVEL": "debug", "TRACO_NODE_LOG__ACCESS": "true",
        "TRACO_NODE_PROJECTIONS__URL": f"postgresql://user@127.0.0.1:{free_port()}/none?connect_timeout=1",
        "TRACO_NODE_PROJECTIONS__PASSWORD_FILE": "password",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        running = Running(directory, url)
    with running:
        status = running.ready().json()
        network, node = bytes.fromhex(status["network"]), bytes.fromhex(status["node"])
        member = founding_member(read_genesis(directory))
        with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
            grant = new_grant(network, node, member, "submit", status["time_ms"])
            token = make_token(grant, keys.signer(MEMBER_KEY))
        yield Planted(running, token, seeds(directory))


def seeds(directory: Path) -> list[str]:
    """The seeds of all keys of a node."""
    found: list[str] = []
    for name in (KEYS_FILE, FINGERPRINT_KEYS_FILE):
        sealed = parse_file((directory / name).read_bytes(), name)
        keys = decrypt_keys(sealed, derive_key(PASSPHRASE, sealed.argon2id), name)
        found += [key.seed.hex() for key in keys]
    return found


def logs(node: Running) -> str:
    """All that the node wrote: its logs and what it printed."""
    return node.said() + "".join(path.read_text() for path in node.directory.glob("*.log*"))


def processes() -> str:
    """What everybody on the machine sees of every process."""
    said = ""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said += (entry / "cmdline").read_text(errors="replace") + (entry / "comm").read_text()
            except OSError:
                continue  # it ended
    return said


def ask(planted: Planted, method: str, path: str, **options: object) -> httpx.Response:
    return httpx.request(method, planted.node.url + path, timeout=60, **options)  # type: ignore[arg-type]


def test_a_used_token_is_in_no_log_and_no_answer(planted: Planted) -> None:
    header = {"Authorization": f"Bearer {planted.token}"}
    answers = [
        ask(planted, "GET", "/v1/principal", headers=header), ask(planted, "GET", "/v1/nothing", headers=header),
        ask(planted, "DELETE", "/v1/status", headers=header), ask(planted, "GET", "/v1/reports/positions", headers=header),
        ask(planted, "POST", "/v1/drafts", headers={**header, **JSON}, content=b"{"),
        ask(planted, "POST", "/v1/transactions", headers=header, content=b"\xc1"),
        ask(planted, "GET", "/v1/principal", headers={"Authorization": f"Bearer {planted.token}x"}),
        ask(planted, "GET", "/v1/principal", headers={"Authorization": f"Basic {planted.token}"}),
    ]  # fmt: skip
    assert answers[0].json()["role"] == "operator"
    assert {answer.status_code for answer in answers[1:]} <= {400, 401, 404, 405, 422, 503}
    assert "/v1/principal" in logs(planted.node)
    said = "".join(f"{answer.text}{answer.headers}" for answer in answers)
    assert planted.found_in(said + logs(planted.node)) == []


@pytest.mark.parametrize("path", [
    "/v1/status?access_token={}", "/v1/events?token={}", "/v1/blocks/0?{}", "/v1/transactions/{}", "/{}", "/v1/accounts/{}/holdings",
])  # fmt: skip
def test_a_secret_in_a_path_or_query_by_mistake_is_in_no_log(planted: Planted, path: str) -> None:
    for secret in (planted.token, PASSPHRASE, planted.seeds[0]):
        with httpx.stream("GET", planted.node.url + path.format(secret), timeout=60) as answer:
            assert answer.status_code
    assert planted.found_in(logs(planted.node)) == []


@pytest.mark.parametrize("path", [
    "/v1/drafts", "/v1/queries/party.get", "/v1/fingerprints", "/v1/transactions", "/v1/transactions/batch",
])  # fmt: skip
def test_a_secret_in_a_body_by_mistake_is_in_no_log(planted: Planted, path: str) -> None:
    for secret in (planted.token, PASSPHRASE, *planted.seeds):
        for body in (
            secret,
            f'"{secret}"',
            f'{{"{secret}": 1}}',
            f'{{"party": "{secret}"}}',
            f'{{"instructions": [{{"type": "{secret}"}}]}}',
        ):
            assert ask(planted, "POST", path, content=body.encode(), headers=JSON).status_code < 500
    for header in ("X-Request-Id", "Cookie", "User-Agent", "traceparent", "Last-Event-ID", "Origin"):
        ask(planted, "GET", "/v1/status", headers={header: planted.token})
    assert planted.found_in(logs(planted.node)) == []


def test_no_secret_is_in_any_process_list(planted: Planted) -> None:
    assert planted.node.children()
    assert planted.found_in(processes()) == []


def test_the_inside_that_operators_see_holds_no_secret(planted: Planted) -> None:
    said = "".join(
        ask(planted, "GET", path).text
        for path in ("/v1/health/progress", "/v1/health/ready", "/v1/metrics", "/v1/status")
    )
    assert planted.found_in(said) == []


PASSWORD_NAME = "TRACO_NODE_PROJECTIONS__PASSWORD"
URL_NAME = "TRACO_NODE_PROJECTIONS__URL"
MISTAKES: list[tuple[str, dict[str, str], list[str], int]] = [
    ("start", {"TRACO_PASSPHRASE": WRONG, "TRACO_NODE_LOG__LEVEL": "debug"}, [], 6),
    ("start", {URL_NAME: f"postgresql://user:{PASSWORD}@host/name"}, [], 7),
    ("start", {URL_NAME: f"postgresql://user@host/name?password={PASSWORD}"}, [], 7),
    ("start", {f"{PASSWORD_NAME}S": PASSWORD}, [], 7),
    ("start", {PASSWORD_NAME: PASSWORD, "TRACO_NODE_PORT": "none"}, [], 7),
    ("start", {PASSWORD_NAME: PASSWORD}, ["--set", "projections.password_file=password"], 7),
    ("start", {PASSWORD_NAME: PASSWORD}, ["--host", "0.0.0.0"], 7),
    ("start", {}, ["--passphrase-file", "not-there"], 6),
    ("config", {PASSWORD_NAME: PASSWORD}, ["--json"], 0),
    ("config", {URL_NAME: f"postgresql://user:{PASSWORD}@host/name"}, ["--json"], 7),
]  # fmt: skip


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("stopped") / "node"
    make(directory)
    return directory


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}-{'-'.join([*mistake[1], *mistake[2]])}"
)
def test_a_command_that_fails_or_tells_prints_no_secret(
    planted: Planted, stopped: Path, mistake: tuple[str, dict[str, str], list[str], int]
) -> None:
    name, variables, arguments, code = mistake
    environment = {
        **os.environ,
        "TRACO_PASSPHRASE": PASSPHRASE,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", "traco.cli", "node", name, str(stopped), *arguments], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr + "".join(path.read_text() for path in stopped.glob("*.log*"))
    assert (done.returncode, planted.found_in(said), "Traceback" in said) == (code, [], False)


@pytest.mark.parametrize(
    "mistake",
    [
        f'{{"projections": {{"password": "{PASSWORD}"}}}}',
        f'{{"passwort": "{PASSWORD}"}}',
        f'{{"projections": "{PASSWORD}"}}',
    ],
)
def test_a_password_in_the_configuration_file_is_refused_without_showing_it(mistake: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        configure(mistake.encode(), {})
    assert PASSWORD not in str(caught.value)


def test_the_alarm_rings_for_each_form_of_a_secret(planted: Planted) -> None:
    for secret in planted.secrets:
        assert planted.found_in(f"before {secret} behind") != []
