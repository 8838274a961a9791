"""Runs the JavaScript verifier, in one process of Node.js for many receipts, and says what the Python verifier says."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from independent.forging import as_base64
from traco.client.channel_receipts import is_channel_receipt, verify_channel_receipt
from traco.kernel.finality import ReceiptInvalid, verify_receipt

ROOT: Final = Path(__file__).parents[2]
EXPLORER: Final = ROOT / "src" / "traco" / "node" / "explorer"
VERIFIER: Final = (
    "channel.js", "verify.js", "outcome.js", "merkle.js", "reading.js", "messagepack.js", "genesis.js", "light.js", "seal.js",
    "signature.js", "cofactored.js",
)  # fmt: skip
NODE: Final = shutil.which("node")
WITHOUT_NODE: Final = "Node.js (node) is not installed: the JavaScript is not tried here"
SECONDS: Final = 300

Case = tuple[bytes, str]  # a receipt, and the name of a genesis document


class Verdict(NamedTuple):
    """``code`` is None for a valid receipt, and ``report`` says then what it proves."""

    code: str | None
    report: dict[str, Any] | None


def install(folder: Path) -> Path:
    """The verifier alone, copied into ``folder``: nothing else of the explorer is needed."""
    folder.mkdir()
    for name in VERIFIER:
        shutil.copy(EXPLORER / name, folder)
    # what browsers know from `<script type="module">`, Node.js reads here
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run(script: str, folder: Path, request: Any) -> Any:
    """What a script beside this file answers to a request, both as JSON."""
    done = subprocess.run(
        [str(NODE), str(Path(__file__).with_name(script)), str(folder)], input=json.dumps(request), capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout)


def in_javascript(folder: Path, cases: Sequence[Case], documents: Mapping[str, bytes]) -> list[Verdict]:
    """The verdicts of the JavaScript verifier."""
    request = {
        "cases": [{"receipt": as_base64(receipt), "genesis": name} for receipt, name in cases],
        "documents": {name: as_base64(document) for name, document in documents.items()},
    }
    return [Verdict(answer["code"], answer["report"]) for answer in run("run_verdicts.mjs", folder, request)]


def code_in_python(receipt: bytes, genesis: bytes) -> str | None:
    """The code by which the Python verifier refuses a receipt, or None."""
    try:
        (verify_channel_receipt if is_channel_receipt(receipt) else verify_receipt)(receipt, genesis)
    except ReceiptInvalid as invalid:
        return invalid.code
    return None


def disagreements(
    folder: Path, cases: Sequence[Case], documents: Mapping[str, bytes]
) -> list[tuple[str | None, str | None, str]]:
    """Where the codes differ: Python's, JavaScript's, and the beginning of the receipt."""
    judged = in_javascript(folder, cases, documents)
    return [
        (expected, verdict.code, receipt.hex()[:400] + " under " + name)
        for (receipt, name), verdict in zip(cases, judged, strict=True)
        if (expected := code_in_python(receipt, documents[name])) != verdict.code
    ]
