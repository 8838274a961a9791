"""The receipt of a transaction in a channel: what it proves to an outsider, and that every change of it is refused."""

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import msgspec
import pytest

from modules.channel.world import World
from support.finality import make
from support.ledger import Key
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.keys import EpochSecret
from traco.client.channel_receipts import (
    ChannelReceipt,
    is_channel_receipt,
    make_channel_receipt,
    verify_channel_receipt,
)
from traco.client.verify import as_text, verify
from traco.kernel import founding, protocol
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import ReceiptInvalid
from traco.kernel.genesis import write_genesis
from traco.kernel.receipt import Leaf, Receipt
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import Body, signatures_hash, signing_message, transaction_id
from traco.modules.channel.digests import FIRST_DIGEST, PointSummary, point_digest
from traco.modules.channel.messages import Attest
from traco.modules.channel.parts import Attested
from traco.modules.holding.messages import Transfer

FILE: Codec[ChannelReceipt] = Codec(ChannelReceipt)
SECRET = EpochSecret(sha256(b"epoch").digest())
LEAVES = 5


class Scene(NamedTuple):
    """A file, the genesis it is judged by, and what it is about."""

    file: bytes
    genesis: bytes
    channel: bytes
    identity: bytes


def transaction(world: World, channel: bytes, number: int) -> tuple[bytes, Leaf]:
    """A payment inside a channel, and its leaf."""
    message = Transfer(bytes(16), bytes(16), bytes(16), bytes(16), number + 1, b"")
    body = encode(Body(world.network, channel, 1, number.to_bytes(16, "big"), (message,)))
    identity = transaction_id(body)
    signature = Key("payer").signature(signing_message(identity))
    leaf = Leaf(identity, signatures_hash((signature,)), encode(Receipt(identity, None, ())))
    return encode_transaction(body, (signature,)), leaf


def confirmed(world: World, channel: bytes, ordinal: int, digest: bytes) -> bytes:
    """Have both members attest a digest; the root's receipt of the word that confirms it."""
    said = Attested(channel, 0, ordinal, digest)
    world.do("a", Attest(world.ids["a"], (said,)))
    raw = world.sign("b", Attest(world.ids["b"], (said,)))
    (answer,) = world.ledger.run_block([raw])
    assert answer.failure is None
    return make(world.ledger, raw, -1, answer.leaf)


def made(world: World, later: int = 0) -> Scene:
    """The third of five transactions of a point; ``later`` more points lie between it and the one that was confirmed."""
    channel = world.opened(world.terms("a", "b"))
    for number in range(1 + later):
        world.do("a", world.shown("a", channel, b"batch %d" % number))
    parts = [transaction(world, channel, number) for number in range(LEAVES)]
    leaves = [leaf for _, leaf in parts]
    blinding = Blinding(SECRET, 0, 2)
    outcomes, state = blinding.outcomes_root(leaves), blinding.state_root(bytes(32))
    points = [PointSummary(channel, 0, 2, FIRST_DIGEST, bytes(32), state, outcomes, ())]
    for ordinal in range(3, 3 + later):
        points.append(
            PointSummary(channel, 0, ordinal, point_digest(points[-1]), bytes(32), state, bytes(32), ())
        )
    confirmation = confirmed(world, channel, points[-1].ordinal, point_digest(points[-1]))
    raw, leaf = parts[2]
    file = make_channel_receipt(raw, leaf.receipt, blinding.prove(leaves, 2), tuple(points), confirmation)
    return Scene(file, write_genesis(world.genesis), channel, leaf.identity)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (protocol, founding):
            patch.setattr(module, "NEWEST_PROTOCOL", max(3, protocol.NEWEST_PROTOCOL))
        yield World()


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    return made(world)


def code(file: bytes, genesis: bytes) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        verify_channel_receipt(file, genesis)
    return caught.value.code


def changed(scene: Scene, **changes: object) -> str:
    """The code with which the file is refused after a change of its parts."""
    return code(encode(msgspec.structs.replace(FILE.decode(scene.file), **changes)), scene.genesis)


def test_it_proves_a_transaction_and_its_outcome_at_a_point_of_a_channel(scene: Scene) -> None:
    proven = verify_channel_receipt(scene.file, scene.genesis)
    assert (proven.channel, proven.ordinal, proven.outcome.identity) == (scene.channel, 2, scene.identity)
    assert proven.outcome.signers == (Key("payer").public,)


def test_a_later_point_that_was_confirmed_proves_those_before_it(world: World) -> None:
    later = made(world, later=2)
    assert verify_channel_receipt(later.file, later.genesis).ordinal == 2


def test_it_shows_nothing_of_the_other_transactions(world: World, scene: Scene) -> None:
    others = [transaction(world, scene.channel, number)[1] for number in (0, 1, 3, 4)]
    for leaf in others:
        for part in (leaf.identity, leaf.signatures, leaf.receipt):
            assert part not in scene.file


def test_any_altered_byte_is_refused(scene: Scene) -> None:
    for position in range(len(scene.file)):
        altered = bytearray(scene.file)
        altered[position] ^= 1 << position % 8
        with pytest.raises(ReceiptInvalid):
            verify_channel_receipt(bytes(altered), scene.genesis)


def test_anything_else_than_such_a_file_is_refused(scene: Scene) -> None:
    assert not is_channel_receipt(b"\x90")
    assert is_channel_receipt(scene.file)
    assert code(b"\x90", scene.genesis) == "channel_receipt.malformed"
    assert code(scene.file + b"\0", scene.genesis) == "channel_receipt.malformed"


def test_it_is_of_one_network(scene: Scene) -> None:
    other = write_genesis(msgspec.structs.replace(World().genesis, name="Other"))
    assert code(scene.file, other) == "receipt.other_network"


def test_another_transaction_of_the_point_does_not_take_its_place(world: World, scene: Scene) -> None:
    raw, leaf = transaction(world, scene.channel, 3)
    assert changed(scene, transaction=raw, receipt=leaf.receipt) == "channel_receipt.path"


def test_a_transaction_of_another_ledger_is_refused(world: World, scene: Scene) -> None:
    raw, leaf = transaction(world, b"", 2)
    assert changed(scene, transaction=raw, receipt=leaf.receipt) == "channel_receipt.mismatch"


def test_an_outcome_that_was_not_executed_is_refused(scene: Scene) -> None:
    forged = encode(Receipt(scene.identity, None, (["holding.moved/1", 1],)))
    assert changed(scene, receipt=forged) == "channel_receipt.path"


def test_a_point_that_the_root_did_not_confirm_is_refused(scene: Scene) -> None:
    (point,) = FILE.decode(scene.file).points
    other = msgspec.structs.replace(point, state=bytes(32))
    assert changed(scene, points=(other,)) == "channel_receipt.not_confirmed"


def test_points_that_do_not_follow_each_other_are_refused(world: World) -> None:
    later = made(world, later=1)
    first, second = FILE.decode(later.file).points
    assert changed(later, points=(first, first)) == "channel_receipt.chain"
    assert (
        changed(later, points=(first, msgspec.structs.replace(second, ordinal=4))) == "channel_receipt.chain"
    )
    assert changed(later, points=(second,)) == "channel_receipt.path"


def test_traco_verify_takes_it_and_says_what_it_means(scene: Scene) -> None:
    proof = verify(scene.file, scene.genesis)
    assert (proof["channel"], proof["point"], proof["outcome"]) == (scene.channel.hex(), 2, "success")
    assert proof["instructions"][0]["type"] == "holding.transfer/1"
    text = as_text(proof)
    assert text.startswith("VALID: this happened in a channel.\n")
    assert f"channel      {scene.channel.hex()}, point 2" in text
    assert "assumes      no more members of the channel are faulty than its terms on the root say" in text
