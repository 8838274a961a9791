"""A channel for the tests of sealing and custody: its place, members, keys, and terms. Everything follows from fixed seeds."""

from hashlib import sha256
from typing import Final

from support.ledger import Key
from traco.channels.sealing.keys import BoxSecret, EpochSecret, Place
from traco.channels.sealing.payloads import seal
from traco.modules.channel.parts import Limits, Terms


def seed(name: str) -> bytes:
    """32 bytes by name."""
    return sha256(name.encode()).digest()


def drawn(name: str) -> "Drawn":
    """Random bytes that are the same on every run."""
    return Drawn(name)


class Drawn:
    """Stands for the system's random bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return seed(f"{self._name} {self._count}")[:size]


NETWORK: Final = seed("network")
CHANNEL: Final = seed("channel")
EPOCH: Final = 3
PLACE: Final = Place(NETWORK, CHANNEL, EPOCH)
SECRET: Final = EpochSecret(seed("epoch key"))
ANNA, BERT, CARL, VERA, OLAF = (bytes([number]) * 16 for number in range(1, 6))
"""Three members, a vault, and somebody else."""
MEMBERS: Final = (ANNA, BERT, CARL)
BOXES: Final = {member: BoxSecret(seed(f"box {member.hex()}")) for member in (*MEMBERS, OLAF)}
NODES: Final = {member: Key(f"node {member.hex()}") for member in (*MEMBERS, VERA, OLAF)}
TERMS: Final = Terms(MEMBERS, (VERA,), 1, 2, 2, None, ("holding",), Limits(max_payload_bytes=4_096))
TRANSACTIONS: Final = (b"first transaction", b"", b"third " * 20)
PAYLOAD: Final = seal(TRANSACTIONS, SECRET, PLACE, draw=drawn("payload"))


def payload(name: str, size: int = 100) -> bytes:
    """Another payload of the channel; the name decides its content."""
    return seal((name.encode().ljust(size, b"."),), SECRET, PLACE, draw=drawn(name))
