"""Makes signed transactions out of instructions, some of them spoilt on purpose, and remembers what each was meant to be."""

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from support.ledger import Key
from torture.model import WINDOW_MS, Books, Intent, needed_keys
from torture.world import NODE, World
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import Instruction
from traco.kernel.operations import Approve
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    RawTransaction,
    envelope_id,
    envelope_signing_message,
    signing_message,
    transaction_id,
)

FLAW_RATE = 0.12
STRANGER = "stranger"


class Request(NamedTuple):
    """What an action asks for; the parties that act sign it."""

    kind: str
    instructions: tuple[Instruction, ...]


Spoil = Callable[["Desk", Request, int], Intent]


class Desk:
    """Signs for everybody. ``intents`` has every transaction that was ever made here, by its bytes."""

    def __init__(self, world: World, books: Books, rng: random.Random) -> None:
        self.world, self.books, self.rng = world, books, rng
        self.intents: dict[bytes, Intent] = {}
        self.seen: dict[bytes, dict[bytes, None]] = {}  # the keys that a party ever had
        self.nodes: list[bytes] = []  # that were registered some time, for whatever member
        self.time_ms = 0  # what the parties take for the time
        self.keys: dict[bytes, Key] = {}  # by public key
        for name in (*world.ids, *(f"{name} node" for name in world.ids), STRANGER):
            self.new_key(name)

    def new_key(self, name: str) -> bytes:
        """The public key of a key with this name, with which the desk signs from now on."""
        key = Key(name)
        self.keys[key.public] = key
        return key.public

    def salt(self) -> bytes:
        """A salt that nobody used."""
        return self.rng.randbytes(16)

    def transaction(self, request: Request, time_ms: int) -> Intent:
        """A signed transaction, valid or (sometimes) not."""
        spoil = self.rng.choice(SPOILS) if self.rng.random() < FLAW_RATE else None
        intent = spoil(self, request, time_ms) if spoil else self.sign(request, time_ms)
        self.intents[intent.raw] = intent
        return intent

    def signers(self, request: Request) -> list[bytes]:
        """The keys that the acting parties' policies ask for, in the order of the wire."""
        needed: dict[bytes, None] = {}
        for instruction in request.instructions:
            for actor in instruction.actors():
                party = self.books.parties.get(actor)
                if party is not None:
                    wanted = needed_keys(party, instruction)
                    self.seen.setdefault(actor, {}).update(dict.fromkeys(key for key, _ in party["keys"]))
                    fresh = self._fresh_first(instruction, sorted(wanted.keys))
                    needed.update(dict.fromkeys(fresh[: wanted.threshold]))
        return sorted(needed)

    def _fresh_first(self, instruction: Instruction, keys: list[bytes]) -> list[bytes]:
        """Keys that have not approved a proposal yet, before those that have."""
        asked = instruction.proposal if isinstance(instruction, Approve) else b""
        done = self.books.proposals.get(asked, {"approvals": ()})["approvals"]
        return sorted(keys, key=lambda key: key in done)

    def sign(
        self, request: Request, time_ms: int, *, kind: str = "", flaw: str = "", network: bytes = b"",
        channel: bytes = ROOT, life_ms: int = 0, signers: Sequence[bytes] | None = None,
        spoil_body: Callable[[bytes], bytes] = bytes, spoil: Callable[[bytes], bytes] = bytes,
    ) -> Intent:  # fmt: skip
        """A transaction as asked; ``spoil`` changes its bytes after it was signed."""
        network = network or self.world.network
        valid_until = time_ms + (life_ms or self.rng.choice((20_000, 60_000, 60_000, WINDOW_MS // 2)))
        body = spoil_body(encode(Body(network, channel, valid_until, self.salt(), request.instructions)))
        identity = transaction_id(body)
        keys = self.signers(request) if signers is None else list(signers)
        message = signing_message(identity)
        signatures = tuple(self.keys[key].signature(message) for key in keys)
        raw = spoil(encode(RawTransaction(msgspec.Raw(body), signatures)))
        return Intent(
            kind or request.kind, raw, b"" if flaw else identity, flaw, network, channel, valid_until,
            request.instructions, tuple(keys),
        )  # fmt: skip

    def envelope(self, transactions: Sequence[bytes], time_ms: int, key: Key | None = None) -> bytes:
        """An envelope of the member that does not come from the gateway; ``key``: not signed by its first node."""
        member = self.world.member
        body = EnvelopeBody(
            self.world.network, ROOT, member, time_ms + 60_000, self.salt(), tuple(transactions)
        )
        key = key or Key(NODE)
        return encode(Envelope(body, key.signature(envelope_signing_message(envelope_id(body), key.public))))


# what can be wrong with the bytes


def _garbage(desk: Desk, request: Request, time_ms: int) -> Intent:
    raw = b"\xc1" + desk.rng.randbytes(desk.rng.randrange(200))  # a byte that no MessagePack begins with
    return Intent("garbage", raw, b"", "transaction.malformed", b"", b"", 0, (), ())


def _truncated(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(
        request, time_ms, kind="truncated", flaw="transaction.malformed", spoil=lambda raw: raw[:-1]
    )


def _trailing(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(
        request, time_ms, kind="trailing byte", flaw="transaction.malformed", spoil=lambda raw: raw + b"\0"
    )


def _not_canonical(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(
        request, time_ms, kind="not canonical", flaw="transaction.not_canonical",
        spoil=lambda raw: b"\xdc\x00\x02" + raw[1:],
    )  # fmt: skip


def _forged(desk: Desk, request: Request, time_ms: int) -> Intent:
    bit = 1 << desk.rng.randrange(8)
    keys = desk.signers(request) or [Key(STRANGER).public]
    return desk.sign(
        request, time_ms, kind="forged", flaw="transaction.signature_invalid", signers=keys,
        spoil=lambda raw: raw[:-1] + bytes((raw[-1] ^ bit,)),
    )  # fmt: skip


def _disordered(desk: Desk, request: Request, time_ms: int) -> Intent:
    keys = sorted(dict.fromkeys([*desk.signers(request), Key(STRANGER).public, Key("court").public]))
    return desk.sign(
        request, time_ms, kind="signatures disordered", flaw="transaction.signature_order", signers=keys[::-1]
    )


def _unknown_instruction(desk: Desk, request: Request, time_ms: int) -> Intent:
    def rename(body: bytes) -> bytes:
        fields: list[Any] = msgspec.msgpack.decode(body)
        return encode([*fields[:5], [["torture.nothing/1", fields[5][0][1]]]])

    return desk.sign(
        request, time_ms, kind="unknown instruction", flaw="transaction.unknown_instruction", spoil_body=rename
    )  # fmt: skip


# what can be wrong with a well-formed transaction


def _other_network(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="other network", network=b"\x77" * 32)


def _other_ledger(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="other ledger", channel=b"\x55" * 32)


def _expired(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="expired", life_ms=-desk.rng.choice((1, 1_000)))


def _expiring(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="about to expire", life_ms=desk.rng.choice((1, 2, 10)))


def _too_far_ahead(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="too far ahead", life_ms=3 * WINDOW_MS)


def _unsigned(desk: Desk, request: Request, time_ms: int) -> Intent:
    return desk.sign(request, time_ms, kind="signature missing", signers=desk.signers(request)[1:])


def _removed(desk: Desk, request: Request, time_ms: int) -> Intent:
    """Signed with a key that the party does not have any more, in the place of another or besides; plain where there is none."""
    signers = desk.signers(request)
    actors = [
        actor for each in request.instructions for actor in each.actors() if actor in desk.books.parties
    ]
    held = {actor: [key for key, _ in desk.books.parties[actor]["keys"]] for actor in actors}
    former = [key for actor in actors for key in desk.seen[actor] if key not in held[actor]]
    if not former:
        return desk.sign(request, time_ms)
    others = signers[1:] if desk.rng.random() < 0.7 else signers
    keys = sorted({*others, desk.rng.choice(former)})
    return desk.sign(request, time_ms, kind="removed key", signers=keys)


def _superfluous(desk: Desk, request: Request, time_ms: int) -> Intent:
    signers = desk.signers(request)
    # a stranger's key, unless somebody registered a party with it
    extra = next(key for key in (Key(STRANGER).public, *sorted(desk.keys)) if key not in signers)
    return desk.sign(request, time_ms, kind="signature superfluous", signers=sorted([*signers, extra]))


SPOILS: tuple[Spoil, ...] = (
    _garbage, _truncated, _trailing, _not_canonical, _forged, _disordered, _unknown_instruction, _other_network,
    _removed, _removed, _other_ledger, _expired, _expiring, _too_far_ahead, _unsigned, _superfluous,
)  # fmt: skip
