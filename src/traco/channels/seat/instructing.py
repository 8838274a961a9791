"""Transactions for the root that a node signs by itself, for the members whose seats it has."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from traco.channels.seat.ports import Root, RootReading, SeatKeys
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import Instruction, KernelParameters
from traco.kernel.parameters import Parameters
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import Body, Signature, signing_message, transaction_id

_LIMITS: Final = Parameters({})


class Instructing:
    """Signs and submits. ``draw`` gives random bytes; anything but the system's is for tests."""

    def __init__(
        self, network: bytes, root: Root, seats: Mapping[bytes, SeatKeys], draw: Callable[[int], bytes] = os.urandom
    ) -> None:  # fmt: skip
        self._network = network
        self._root = root
        self._seats = seats
        self._draw = draw

    def until(self, root: RootReading) -> int:
        """Until when what is signed now is good: half the root's window."""
        return root.time_ms + _LIMITS.get(root.state, KernelParameters).window_ms // 2

    def signed(self, member: bytes, instruction: Instruction, until_ms: int) -> bytes:
        """A transaction with one instruction of a member, by its node's key."""
        key = self._seats[member].node
        body = encode(Body(self._network, ROOT, until_ms, self._draw(16), (instruction,)))
        message = signing_message(transaction_id(body))
        return encode_transaction(body, (Signature(key.public_key, key.sign(message)),))

    async def submit(self, member: bytes, instruction: Instruction, until_ms: int) -> str:
        """Have it ordered; the code of why it was refused, empty where it was not. Raises ``RootUnavailable``."""
        return (await self._root.submit(self.signed(member, instruction, until_ms))).code

    async def succeed(self, member: bytes, instruction: Instruction, until_ms: int) -> bool:
        """As ``submit``: whether it was not refused."""
        return not await self.submit(member, instruction, until_ms)
