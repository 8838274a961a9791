"""A genesis document is refused with ``GenesisInvalid``, or reads back with the same id; a ledger is founded from it or refused so.

If broken: a network has two ids, or a document that was agreed on by the members cannot be founded and nobody says why.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from fuzz.mutation import of_json
from support.memory_store import MemoryStore
from traco.kernel.application import Application
from traco.kernel.genesis import Genesis, GenesisInvalid, network_id, parse_genesis, write_genesis
from traco.modules.composition import compose
from traco.node.directory import NodeDirectoryError, founding_member

LARGEST: Final = 16_384  # beyond, founding costs time and shows nothing new
mutate = of_json


def check(raw: bytes, _folder: Path) -> None:
    """Parse, write, parse, found."""
    try:
        genesis = parse_genesis(raw)
    except GenesisInvalid:
        return
    again = parse_genesis(write_genesis(genesis))
    assert again == genesis
    assert network_id(again) == network_id(genesis)
    with suppress(NodeDirectoryError):
        founding_member(raw)
    if len(raw) <= LARGEST:
        _found(genesis)


def _found(genesis: Genesis) -> None:
    with suppress(GenesisInvalid):
        Application(genesis, compose(), MemoryStore(), _alarm).init_chain()


def _alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise AssertionError(f"{kind} in {identity.hex()}") from error
