"""Every operation of the OpenAPI document, with what schemathesis makes up for it, against a live node: no server error."""

import subprocess
import sys
from pathlib import Path

import httpx

from support.api import PASSPHRASE
from support.running import Running, make
from traco.client.access import make_token, new_grant
from traco.client.keystore import KeyStore
from traco.node.directory import KEYS_FILE, MEMBER_KEY, founding_member, read_genesis

EXAMPLES = 6
SECONDS = 300
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"


def token(directory: Path, url: str) -> str:
    """A token of the founding member."""
    status = httpx.get(url + "/v1/status").json()
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        signer = keys.signer(MEMBER_KEY)
    network, node, member = (
        bytes.fromhex(status["network"]),
        bytes.fromhex(status["node"]),
        read_genesis(directory),
    )
    return make_token(new_grant(network, node, founding_member(member), "submit", status["time_ms"]), signer)


def test_no_request_that_schemathesis_makes_up_is_answered_with_a_server_error(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    url = make(directory)
    with Running(directory, url) as node:
        node.ready()
        # the stream never ends by itself; tests/node/api/test_events.py and tests/live/test_tls.py have it
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "run", f"{url}/v1/openapi", "--url", url, "--header",
                f"Authorization: Bearer {token(directory, url)}", "--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--checks",
                CHECKS, "--exclude-path", "/v1/events", "--no-color", "--seed", "1", "--request-timeout", "30",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
        assert "Traceback" not in node.log()
