"""Writes light.json: what a real network of CometBFT v0.39.4 signed, for the light rules of every implementation.

    PYTHONPATH=../src:. python -m vectors.make_light_vectors GENESIS URL HEIGHT...

GENESIS names the validators; its network id gives the chain id that the engine was started with. URL is where a node of
that network answers RPC, HEIGHT... which blocks to keep. The network of light.json: four validators of power 10, all of the
engine's own kvstore, its app hash hashed once more because it has eight bytes; one node with timeouts of one
millisecond, whose impatience gives votes for no block; the fifth node made a validator of power 7 (block 8), the
second one stopped (no votes, more rounds), the second given power 25, the first removed.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from traco.engine.cometbft.answers import read_signed_header, read_validator
from traco.kernel.codec import encode
from traco.kernel.genesis import parse_genesis
from traco.kernel.light import LightBlock, Validator

FILE: Final = Path(__file__).with_name("light.json")


def recorded(genesis: bytes, url: str, heights: list[int]) -> dict[str, Any]:
    """The content of the file: the genesis document, and light blocks by height, in hex."""
    parse_genesis(genesis)
    blocks = {str(height): encode(_light_block(url, height)).hex() for height in heights}
    return {"genesis": json.loads(genesis), "blocks": blocks}


def _light_block(url: str, height: int) -> LightBlock:
    signed = read_signed_header(_asked(url, f"commit?height={height}")["signed_header"])
    return LightBlock(signed, _validators(url, height), _validators(url, height + 1))


def _validators(url: str, height: int) -> tuple[Validator, ...]:
    answer = _asked(url, f"validators?height={height}&per_page=100")
    return tuple(read_validator(each) for each in answer["validators"])


def _asked(url: str, question: str) -> Any:
    with urlopen(f"{url}/{question}", timeout=10) as answer:
        return json.load(answer)["result"]


if __name__ == "__main__":
    founding, address, *wanted = sys.argv[1:]
    content = recorded(Path(founding).read_bytes(), address, [int(each) for each in wanted])
    FILE.write_text(json.dumps(content, indent=1) + "\n")
