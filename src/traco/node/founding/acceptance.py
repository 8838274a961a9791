"""Entering a network: the node checks its genesis and the founders' signatures, and founds its ledger; and checks again at
every start that it is in a network that its own organisation agreed to."""

from collections.abc import Sequence
from pathlib import Path

from traco.client.private_file import replace_private
from traco.client.signer import Signer
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, parse_genesis, write_genesis
from traco.node.directory import (
    CARD_FILE,
    FOUNDING_FILE,
    GENESIS_FILE,
    NodeDirectoryError,
    found_ledger,
    founding_member,
    read_file,
    read_genesis,
)
from traco.node.founding.card import Card, read_card
from traco.node.founding.signatures import (
    FounderSignature,
    check_founding,
    conclude,
    read_founding,
    write_signature,
)
from traco.storage import DirectoryLock


def own_card(directory: Path) -> Card:
    """The card of the node in a directory. Raises ``NodeDirectoryError``, ``FoundingInvalid``."""
    return read_card(read_file(directory / CARD_FILE), CARD_FILE)


def own_member(directory: Path) -> bytes:
    """The id of the member that runs the node in a directory. Raises ``NodeDirectoryError``, ``FoundingInvalid``.

    That is the one on its card; a node without a card founded a network of its own, with one member.
    """
    if not (directory / CARD_FILE).exists():
        return founding_member(read_genesis(directory))
    return bytes.fromhex(own_card(directory).statement.member)


def accept(
    directory: Path, genesis: Genesis, signatures: Sequence[FounderSignature], signer: Signer | None = None
) -> Card:
    """Enter a network: found block 0 and keep genesis and signatures. The node's card.

    ``signer``, one of the organisation's keys, is needed where it is no founder. Accepting the same again changes nothing.
    Raises ``FoundingInvalid``, ``NodeDirectoryError``, ``StorageHalt``.
    """
    card = own_card(directory)
    with DirectoryLock(directory):
        _require_unfounded(directory)
        founding = conclude(genesis, signatures, card, signer)
        found_ledger(directory, genesis)
        (directory / FOUNDING_FILE).unlink(missing_ok=True)  # of an attempt that was cut short
        replace_private(directory / FOUNDING_FILE, write_signature(founding), None)
        # last: from now on the directory is founded, and is damaged where one of its files is missing
        replace_private(directory / GENESIS_FILE, write_genesis(genesis), None)
    return card


def _require_unfounded(directory: Path) -> None:
    if (directory / GENESIS_FILE).exists():
        raise NodeDirectoryError(
            "node.founded", f"{directory} is in a network already; for another one make another node"
        )


def require_founding(directory: Path, genesis: bytes) -> None:
    """Refuse to run in a network that not all founders, or not this node's own organisation, signed.

    For the start of every node; a network of one node has nothing to check. Raises ``NodeDirectoryError``,
    ``FoundingInvalid``.
    """
    founding = parse_genesis(genesis)
    if founding.seal.kind != SIGNED_BY_VALIDATORS:
        return
    kept = read_founding(read_file(directory / FOUNDING_FILE), FOUNDING_FILE)
    check_founding(founding, kept, own_card(directory))
