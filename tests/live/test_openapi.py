"""Every operation of the OpenAPI document, with what schemathesis makes up for it, against a live node with business on its ledger.

No answer is a server's error, each is documented (status, content type, schema), and a request that breaks the schema is refused.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from support.running import Running
from traco.client.access import make_token, new_grant
from traco.client.keystore import KeyStore

ROOT = Path(__file__).parents[2]
EXAMPLES = "4"
TIMEOUT = 600
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,unsupported_method"
)
STREAM = (
    "/v1/events"  # never ends by itself; tests/node/api/test_events.py and tests/live/test_tls.py have it
)
DEEP = (
    "/v1/drafts", "/v1/channels/attempts", "/v1/channels/attempts/batch", "/v1/channels/{channel}/legs",
    "/v1/channels/{channel}/legs/batch",
)  # fmt: skip
"""With instructions, or terms and legs, in their bodies: all combinations of their fields take minutes. The other runs have them."""

FOR_OPERATORS = 3  # operations that no other principal may use


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A node with the demonstration's data."""
    directory = tmp_path_factory.mktemp("openapi") / "demo"
    command = [sys.executable, "-m", "traco.cli", "demo", "--dir", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT, cwd=ROOT)
    url = msgspec.json.decode((directory / "home" / "addresses.json").read_bytes())["url"]
    with Running(directory / "node", url, (directory / "passphrase").read_text().strip()) as running:
        running.ready()
        yield running


def token(node: Running, name: str) -> str:
    """A token of one of the demonstration's parties."""
    home, passphrase = node.directory.parent / "home", node.directory.parent / "passphrase"
    entry = msgspec.json.decode((home / "addresses.json").read_bytes())["names"][name]
    status = httpx.get(node.url + "/v1/status").json()
    with KeyStore.open(home / entry["keystore"], passphrase.read_text().strip()) as keys:
        signer = keys.signer(keys.keys()[0].name)
    network, server, party = (
        bytes.fromhex(text) for text in (status["network"], status["node"], entry["id"])
    )
    return make_token(new_grant(network, server, party, "submit", status["time_ms"]), signer)


def schemathesis(node: Running, folder: Path, *options: str) -> str:
    """Run it; its report. Always the same requests."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "run", f"{node.url}/v1/openapi", "--url", node.url, "--checks", CHECKS,
            "--exclude-path", STREAM, "--generation-deterministic", "--generation-with-security-parameters", "false",
            "--no-shrink", "--no-color", "--request-timeout", "30", *options,
        ],
        cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    return done.stdout


def count_of_tested(report: str) -> int:
    """How many operations were tested."""
    found = re.search(r"Tested: (\d+)", report)
    assert found is not None, report
    return int(found[1])


def count_of_refused(report: str) -> int:
    """How many operations answered 401 or 403 alone."""
    found = re.search(r"Authentication failed: (\d+) operation", report)
    return int(found[1]) if found else 0


def operations(node: Running) -> int:
    """How many operations the document has."""
    paths = httpx.get(node.url + "/v1/openapi").json()["paths"]
    return sum(len(item) for item in paths.values())


def test_the_local_operator_without_a_token_gets_documented_answers(node: Running, tmp_path: Path) -> None:
    left_out = [option for path in DEEP for option in ("--exclude-path", path)]
    report = schemathesis(node, tmp_path, "--phases", "coverage", *left_out)
    assert (count_of_tested(report), count_of_refused(report)) == (operations(node) - 1 - len(DEEP), 0)


@pytest.mark.parametrize("name", ["seller", "bank-one"])
def test_a_party_with_a_token_gets_documented_answers(node: Running, tmp_path: Path, name: str) -> None:
    header = f"Authorization: Bearer {token(node, name)}"
    report = schemathesis(
        node, tmp_path, "--phases", "fuzzing", "--max-examples", EXAMPLES, "--header", header
    )
    assert (count_of_tested(report), count_of_refused(report)) == (operations(node) - 1, FOR_OPERATORS)


def test_nothing_went_wrong_inside(node: Running) -> None:
    assert httpx.get(node.url + "/v1/health/ready").status_code == 200
    assert "Traceback" not in node.log() + node.said()
    assert [line for line in node.log().splitlines() if " ERROR " in line] == []
