"""Runs the public light-client vectors of tendermint-rs against our verification, and prints where they differ.

    git clone https://github.com/informalsystems/tendermint-rs
    PYTHONPATH=src python tools/light_vectors.py tendermint-rs/light-client/tests/support/model_based/single_step

Each file has a trusted header with the next validator set, and light blocks that follow, each with the time and the verdict
that is expected; after SUCCESS the block is what is trusted. The vectors are not part of this project.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from traco.engine.cometbft.answers import AnswerInvalid, read_moment, read_signed_header, read_validator
from traco.kernel.light import LightBlock, LightInvalid, TrustTerms, Validator, in_order, verify_next

NO_BLOCK: Final = {"hash": "", "parts": {"total": 0, "hash": ""}}
VERDICTS: Final = {"light.trusted_power": "NOT_ENOUGH_TRUST"}  # all else is INVALID, also what came too late
DRIFT_MS: Final = 1


class Outcome(NamedTuple):
    """One block of one file: the verdict expected, ours, and the code of ours."""

    place: str
    expected: str
    found: str
    code: str


def run_file(path: Path) -> list[Outcome]:
    """Every block of a file."""
    case = json.loads(path.read_text())
    initial = case["initial"]
    terms = TrustTerms(int(initial["trusting_period"]) // 1_000_000, DRIFT_MS)
    trusted = read_signed_header(_as_answered(initial["signed_header"])).header
    following = _validators(initial["next_validator_set"])
    outcomes = []
    for number, step in enumerate(case["input"]):
        code = ""
        try:
            block = _light_block(step["block"])
            verify_next(trusted, following, block, terms, read_moment(step["now"]).time_ms)
            trusted, following = block.signed.header, block.next_validators
        except LightInvalid as error:
            code = error.code
        except AnswerInvalid as error:
            code = f"unreadable: {error}"
        found = VERDICTS.get(code, "INVALID") if code else "SUCCESS"
        outcomes.append(Outcome(f"{path.name}[{number}]", step["verdict"], found, code))
    return outcomes


def _light_block(document: dict[str, Any]) -> LightBlock:
    signed = read_signed_header(_as_answered(document["signed_header"]))
    return LightBlock(
        signed, _validators(document["validator_set"]), _validators(document["next_validator_set"])
    )


def _validators(document: dict[str, Any]) -> tuple[Validator, ...]:
    """In the order of a set: the vectors list validators in any, as both implementations allow where they read one."""
    return in_order(read_validator(each) for each in document["validators"] or ())


def _as_answered(signed: dict[str, Any]) -> dict[str, Any]:
    """The same with the names that CometBFT's own answers have."""
    header, commit = dict(signed["header"]), dict(signed["commit"])
    header["last_block_id"] = _block_id(header["last_block_id"])
    commit["block_id"] = _block_id(commit["block_id"])
    return {"header": header, "commit": commit}


def _block_id(document: dict[str, Any] | None) -> dict[str, Any]:
    if document is None:
        return NO_BLOCK
    return {"hash": document["hash"], "parts": document["part_set_header"]}


def main(arguments: list[str]) -> int:
    """0 if every verdict is the one expected, 1 if not, 2 for wrong usage."""
    if len(arguments) != 1:
        print("usage: light_vectors.py DIRECTORY", file=sys.stderr)
        return 2
    files = sorted(Path(arguments[0]).glob("*.json"))
    outcomes = [outcome for path in files for outcome in run_file(path)]
    differing = [each for each in outcomes if each.expected != each.found]
    for each in differing:
        print(f"{each.place}: expected {each.expected}, found {each.found} ({each.code or 'no error'})")
    for (verdict, code), count in sorted(Counter((each.found, each.code) for each in outcomes).items()):
        print(f"{count:5} {verdict} {code}")
    print(f"{len(files)} files, {len(outcomes)} steps, {len(differing)} verdicts differ")
    return 1 if differing or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
