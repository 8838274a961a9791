"""Seals of the CometBFT engine: evidence that a founding genesis alone can judge, whoever validates by now.

    evidence.db    the handovers of validators since the founding, in order

Handovers are looked for among the engine's own headers, so one that happened while this node was down, or between two
writes, is found as well. They must be kept before the engine prunes the blocks that have them.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import apsw

from traco.engine.cometbft.errors import EngineRefused
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.kernel.light import (
    Handover,
    LightInvalid,
    SignedHeader,
    ValidatorSet,
    decode_handover,
    make_evidence,
    trim,
    validators_hash,
)

FORMAT: Final = 1
log = logging.getLogger("traco.engine")


class Headers(Protocol):
    """What is asked of the engine. Both raise ``EngineError``, and answer None for a block that it does not have."""

    async def signed_header(self, height: int) -> SignedHeader | None:
        """The header of a block, and the signatures for it."""

    async def validators(self, height: int) -> ValidatorSet | None:
        """The set that signs a block."""


class HandoverStore:
    """A SQLite file. What is kept there can be fetched again as long as the engine has the blocks."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises ``Halt``."""
        try:
            self._connection = apsw.Connection(str(path))
            self._open(path)
        except apsw.Error as error:
            raise Halt(
                f"the handovers in {path} cannot be opened: {error}; restore the file from a backup"
            ) from error

    def _open(self, path: Path) -> None:
        execute = self._connection.execute
        found = next(iter(execute("PRAGMA user_version")))[0]
        if found > FORMAT:
            raise Halt(f"{path} has format {found}; this release knows {FORMAT}: install a newer one")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        if found < FORMAT:
            with self._connection:
                execute(
                    "CREATE TABLE IF NOT EXISTS handovers (height INTEGER PRIMARY KEY, handover BLOB NOT NULL) STRICT"
                )
                execute(f"PRAGMA user_version={FORMAT}")

    def all(self) -> list[Handover]:
        """Every handover kept, oldest first. Raises ``Halt``, ``LightInvalid`` for what is none."""
        try:
            rows = list(self._connection.execute("SELECT handover FROM handovers ORDER BY height"))
        except apsw.Error as error:
            raise Halt(f"the handovers cannot be read: {error}") from error
        return [decode_handover(raw) for (raw,) in rows]

    def add(self, handovers: Sequence[Handover]) -> None:
        """Keep handovers, all of them or none. Raises ``Halt``."""
        try:
            with self._connection:
                for each in handovers:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO handovers VALUES (?, ?)",
                        (each.signed.header.height, encode(each)),
                    )
        except apsw.Error as error:
            raise Halt(f"a handover cannot be written: {error}; make space, then start again") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Seals:
    """Makes seals. ``founding`` is the set of validators in the genesis."""

    def __init__(self, headers: Headers, store: HandoverStore, founding: ValidatorSet) -> None:
        self._headers, self._store = headers, store
        self._handovers = store.all()
        self._following = asyncio.Lock()
        self._current = self._handovers[-1].next_validators if self._handovers else founding

    @property
    def handovers(self) -> tuple[Handover, ...]:
        """Those known, oldest first."""
        return tuple(self._handovers)

    def adopt(self, handovers: Sequence[Handover]) -> None:
        """Go on from the handovers that came with a snapshot, all since the founding and verified. Raises ``Halt``."""
        self._store.add(handovers)
        self._handovers = list(handovers)
        if handovers:
            self._current = handovers[-1].next_validators

    async def follow(self, height: int) -> None:
        """Keep every handover up to the header at ``height``, which the engine has. Raises ``EngineError``, ``Halt``."""
        async with self._following:  # two that look at once would both keep the same handover
            await self._follow(height)

    async def _follow(self, height: int) -> None:
        while True:
            newest = await self._signed(height)
            if newest.header.validators_hash == validators_hash(self._current):
                return
            handover = await self._first_after(height)
            self._store.add((handover,))
            self._handovers.append(handover)
            self._current = handover.next_validators

    async def _first_after(self, height: int) -> Handover:
        """The handover from the current set: found by halving, since one set follows the other.

        A set that left and came back between two looks leaves nothing to find, and nothing to prove.
        """
        known = validators_hash(self._current)
        low = (
            self._handovers[-1].signed.header.height if self._handovers else 0
        )  # the next header has the current set
        high = height - 1  # names another set than the current one
        while high - low > 1:
            middle = (low + high) // 2
            signed = await self._signed(middle)
            if signed.header.next_validators_hash == known:
                low = middle
            else:
                high = middle
        signed = await self._signed(high)
        if signed.header.validators_hash != known:
            raise EngineRefused(
                "engine.no_handover",
                f"no header up to {height} hands over from the set of validators known last",
            )
        following = await self._headers.validators(high + 1)
        if following is None:
            raise _absent(high + 1)
        return Handover(self._trimmed(signed), following)

    def _trimmed(self, signed: SignedHeader) -> SignedHeader:
        """With no more votes than prove it, under the set in office."""
        try:
            return trim(signed, self._current)
        except LightInvalid as error:
            raise EngineRefused(
                "engine.commit_invalid",
                f"the engine's commit of block {signed.header.height} does not hold: {error.code}",
            ) from error

    async def _signed(self, height: int) -> SignedHeader:
        found = await self._headers.signed_header(height)
        if found is None:
            raise _absent(height)
        return found

    async def evidence(self, height: int) -> bytes:
        """The seal of block ``height``, whose successor is committed. Raises ``EngineError``, ``Halt``."""
        await self.follow(height + 1)
        last = self._trimmed(await self._signed(height + 1))
        try:
            return make_evidence(self._handovers, last)
        except LightInvalid as error:
            detail = (
                f"{len(self._handovers)} changes of validators are more than the evidence in a receipt holds"
            )
            log.error("no seal of block %d can be made: %s", height, detail)
            raise EngineRefused("engine.evidence_too_large", detail) from error


def _absent(height: int) -> EngineRefused:
    return EngineRefused("engine.no_block", f"the engine does not have block {height}, or not yet")
