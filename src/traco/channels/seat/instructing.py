"""Transactions for the root that a node signs by itself, for the members whose seats it has."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from traco.channels.seat.ports import Root, RootAnswer, RootReading, SeatKeys
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

    async def submit(self, member: bytes, instruction: Instruction, root: RootReading) -> RootAnswer:
        """Have one instruction of a member ordered, by its node's key. Raises ``RootUnavailable``.

        It is valid for half the root's window from the time of ``root`` on.
        """
        key = self._seats[member].node
        until = root.time_ms + _LIMITS.get(root.state, KernelParameters).window_ms // 2
        body = encode(Body(self._network, ROOT, until, self._draw(16), (instruction,)))
        message = signing_message(transaction_id(body))
        signature = Signature(key.public_key, key.sign(message))
        return await self._root.submit(encode_transaction(body, (signature,)))
