"""What a client believes between two runs: the newest block that it verified, in a private file for each network.

    <folder>/<network id>.trust          the newest verified block
    <folder>/fork-<height>-<hash>.proof  two validly signed blocks of one height

The first is only ever replaced by what was verified from it, or from the genesis document. Whoever deletes it makes the
client begin with the genesis document again; whoever can write it can make the client believe anything.
"""

import time
from collections.abc import Callable
from errno import ENOTDIR
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from traco.client.private_file import FileChanged, read_private, replace_private
from traco.client.results import ClientError
from traco.kernel.codec import Codec, Hash, Record, encode
from traco.kernel.genesis import Genesis, network_id
from traco.kernel.light import (
    LightBlock,
    LightInvalid,
    chain_id,
    check_validators,
    header_hash,
    verify_signed,
)

PERIOD_MS: Final = 14 * 86_400_000
DRIFT_MS: Final = 10_000
DELAY_MS: Final = 60_000
MAX_TRUST_BYTES: Final = 131_072


def wall_clock_ms() -> int:
    """The machine's clock in ms, UTC."""
    return time.time_ns() // 1_000_000


class Trust(NamedTuple):
    """On what terms a client believes signed headers.

    ``folder``: where it keeps what it verified; None keeps nothing. ``period_ms``: how long a verified block is a place to
    go on from; afterwards the client begins with the genesis document. ``drift_ms``: how far this machine's clock and that of the validators
    may differ. ``delay_ms``: from which age on the newest block of a gateway is no news.
    """

    folder: Path | None = None
    period_ms: int = PERIOD_MS
    drift_ms: int = DRIFT_MS
    delay_ms: int = DELAY_MS
    clock_ms: Callable[[], int] = wall_clock_ms


class TrustedBlock(Record, frozen=True, tag="traco.trust/1"):
    """The file."""

    network: Hash
    block: LightBlock


class Fork(Record, frozen=True, tag="traco.fork/1"):
    """Two blocks of one height that are both validly signed, and which gateways gave them."""

    network: Hash
    first: LightBlock
    second: LightBlock
    first_url: str
    second_url: str


_TRUSTED: Final[Codec[TrustedBlock]] = Codec(TrustedBlock)
_FORK: Final[Codec[Fork]] = Codec(Fork)


class TrustStore:
    """The folder, for one network. Without one, nothing is kept."""

    def __init__(self, folder: Path | None, network: bytes) -> None:
        self._folder, self._network = folder, network
        self._previous: bytes | None = None

    def read(self) -> LightBlock | None:
        """The newest verified block that was kept. Raises ``ClientError`` (``trust.unreadable``)."""
        if self._folder is None:
            return None
        path = self._path()
        try:
            raw = read_private(path, MAX_TRUST_BYTES)
            found = _TRUSTED.decode(raw)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _unreadable(path, str(error)) from None
        if found.network != self._network:
            raise _unreadable(path, "it belongs to another network")
        block = found.block
        try:
            verify_signed(block.signed, block.validators, chain_id(self._network))
            check_validators(
                block.next_validators, block.signed.header.next_validators_hash, "light.next_validators"
            )
        except LightInvalid as error:
            raise _unreadable(path, str(error)) from None
        self._previous = raw
        return block

    def write(self, block: LightBlock) -> None:
        """Keep a verified block. What another program kept meanwhile is left as it is: it was verified too.

        Raises ``ClientError`` (``trust.unwritable``).
        """
        if self._folder is None:
            return
        path, raw = self._path(), encode(TrustedBlock(self._network, block))
        try:
            _make(self._folder)
            replace_private(path, raw, self._previous)
        except (FileExistsError, FileChanged):
            self.read()
        except OSError as error:
            detail = f"What was verified cannot be kept in {path}: {error.strerror or error}. Make room, or name another folder."
            raise ClientError("trust.unwritable", detail, {"file": str(path)}) from None
        else:
            self._previous = raw

    def keep_fork(self, fork: Fork) -> tuple[bytes, str]:
        """The evidence of a fork, and the file that it is kept in; no file where nothing is kept, or nothing can be."""
        raw = encode(fork)
        if self._folder is None:
            return raw, ""
        height = fork.first.signed.header.height
        path = self._folder / f"fork-{height}-{sha256(raw).hexdigest()[:16]}.proof"
        try:
            _make(self._folder)
            replace_private(path, raw, None)
        except FileExistsError:
            pass  # the same two blocks
        except OSError:
            return raw, ""  # that there is a fork matters more than that it can be kept
        return raw, str(path)

    def _path(self) -> Path:
        return (self._folder or Path()) / f"{self._network.hex()}.trust"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:  # which for the caller means something else
        raise NotADirectoryError(ENOTDIR, "it is no folder", str(folder)) from None


def check_fork(raw: bytes, genesis: Genesis) -> int:
    """The height at which evidence shows a fork: both blocks signed by two thirds of one same set of validators.

    Raises ``LightInvalid`` for evidence of no fork. Whether that set was ever in office is for evidence of handovers to show.
    """
    try:
        fork = _FORK.decode(raw)
    except ValueError:
        raise LightInvalid("light.malformed") from None
    first, second = fork.first.signed.header, fork.second.signed.header
    if fork.network != network_id(genesis):
        raise LightInvalid("light.chain")
    if first.height != second.height:
        raise LightInvalid("light.height")
    if header_hash(first) == header_hash(second):
        raise LightInvalid("light.header")
    for block in (fork.first, fork.second):
        check_validators(block.validators, first.validators_hash)
        verify_signed(block.signed, block.validators, chain_id(fork.network))
    return first.height


def _unreadable(path: Path, reason: str) -> ClientError:
    detail = (
        f"{path}, where the newest verified block is kept, cannot be used: {reason}. If nobody should have changed it, find out "
        "who did; delete it, and the client begins with the genesis document."
    )
    return ClientError("trust.unreadable", detail, {"file": str(path)})
