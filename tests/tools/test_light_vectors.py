"""The runner of public light-client vectors, on a file of their form that is made here."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.light_chain import REAL
from traco.kernel.light import BlockId, Moment, SignedHeader, Validator, ValidatorSet, address

TOOL = Path(__file__).resolve().parents[2] / "tools" / "light_vectors.py"


def ran(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def block_id(block: BlockId) -> dict[str, Any] | None:
    if not block.hash:
        return None
    parts = {"total": block.part_count, "hash": block.parts_hash.hex().upper()}
    return {"hash": block.hash.hex().upper(), "part_set_header": parts}


def moment(time: Moment) -> str:
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{time.nanos:09}Z"


def signed_header(signed: SignedHeader) -> dict[str, Any]:
    header, commit = signed.header, signed.commit
    hashes = (
        "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
        "last_results_hash", "evidence_hash",
    )  # fmt: skip
    absent = {
        "block_id_flag": 1,
        "validator_address": "",
        "timestamp": "0001-01-01T00:00:00Z",
        "signature": None,
    }
    votes = [
        absent if vote is None else {
            "block_id_flag": 2 if vote.for_block else 3, "validator_address": vote.address.hex().upper(),
            "timestamp": moment(vote.time), "signature": base64.b64encode(vote.signature).decode(),
        }
        for vote in commit.votes
    ]  # fmt: skip
    return {
        "header": {
            "version": {"block": str(header.block_protocol), "app": str(header.app_protocol)}, "chain_id": header.chain,
            "height": str(header.height), "time": moment(header.time), "last_block_id": block_id(header.last_block),
            "proposer_address": header.proposer.hex().upper(),
            **{name: getattr(header, name).hex().upper() for name in hashes},
        },
        "commit": {
            "height": str(commit.height), "round": commit.round, "block_id": block_id(commit.block), "signatures": votes,
        },
    }  # fmt: skip


def validator_set(validators: ValidatorSet) -> dict[str, Any]:
    def written(validator: Validator) -> dict[str, Any]:
        key = {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(validator.key[1:]).decode()}
        name = address(validator.key).hex().upper()
        return {"address": name, "pub_key": key, "voting_power": str(validator.power)}

    return {"validators": [written(each) for each in reversed(validators)]}


def step(height: int, now: int, verdict: str) -> dict[str, Any]:
    block = REAL[height]
    return {
        "block": {
            "signed_header": signed_header(block.signed), "validator_set": validator_set(block.validators),
            "next_validator_set": validator_set(block.next_validators),
        },
        "now": moment(Moment(now, 0)), "verdict": verdict,
    }  # fmt: skip


def vectors(folder: Path, *steps: tuple[int, int, str]) -> None:
    """A file that trusts block 1 for a day; each step is a height, seconds after block 1, and the verdict expected."""
    base = REAL[1].signed.header.time.seconds
    initial = {
        "signed_header": signed_header(REAL[1].signed), "next_validator_set": validator_set(REAL[1].next_validators),
        "trusting_period": str(86_400 * 10**9), "now": "unused",
    }  # fmt: skip
    case = {
        "initial": initial,
        "input": [step(height, base + after, verdict) for height, after, verdict in steps],
    }
    (folder / "case.json").write_text(json.dumps(case))


def test_verdicts_as_expected_end_well(tmp_path: Path) -> None:
    vectors(tmp_path, (2, 600, "SUCCESS"), (32, 600, "SUCCESS"), (4, 600, "INVALID"))
    code, printed = ran(str(tmp_path))
    assert code == 0
    assert printed.endswith("1 files, 3 steps, 0 verdicts differ\n")


def test_a_verdict_that_differs_is_named(tmp_path: Path) -> None:
    vectors(tmp_path, (2, 90_000, "SUCCESS"), (4, 600, "NOT_ENOUGH_TRUST"))
    code, printed = ran(str(tmp_path))
    assert code == 1
    assert "case.json[0]: expected SUCCESS, found INVALID (light.expired)\n" in printed
    assert "case.json[1]: expected NOT_ENOUGH_TRUST, found SUCCESS (no error)\n" in printed


def test_a_folder_without_vectors_is_no_success(tmp_path: Path) -> None:
    assert ran(str(tmp_path))[0] == 1
    assert ran()[0] == 2
