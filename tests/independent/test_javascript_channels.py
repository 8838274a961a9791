"""The verifier in JavaScript accepts and refuses the receipts of channels that the one in Python does, with the same codes."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from independent import hostile
from independent.channel_forging import (
    BLINDING,
    CHANNEL,
    CONFIRMED,
    Scene,
    confirming,
    leaves_around,
    paid,
    points_over,
    saying,
    scene,
)
from independent.forging import GENESIS, body_of, outcome_of, sealed
from independent.judging import NODE, WITHOUT_NODE, code_in_python, disagreements, in_javascript, install
from traco.client.channel_receipts import MAX_BYTES, ChannelReceipt, is_channel_receipt
from traco.client.verify import verify
from traco.kernel.codec import Codec, encode
from traco.modules.channel.digests import PointSummary, point_digest
from traco.modules.channel.parts import LegResult

pytestmark = pytest.mark.skipif(NODE is None, reason=WITHOUT_NODE)

FILE: Codec[ChannelReceipt] = Codec(ChannelReceipt)
LEGS = (LegResult(b"a" * 32, True), LegResult(b"b" * 32, False))
PLAIN = scene()
LATER = scene(later=2, legs=LEGS)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("javascript") / "verifier")


@pytest.fixture
def agree(verifier: Path) -> Callable[[list[bytes]], None]:
    """Say whether both verifiers agree on files under the genesis of the tests."""

    def check(files: list[bytes]) -> None:
        assert disagreements(verifier, [(raw, "g") for raw in files], {"g": GENESIS}) == []

    return check


def changed(made: Scene = PLAIN, /, **parts: Any) -> bytes:
    """A file whose parts stand there as they are given, whatever they are."""
    file = FILE.decode(made.file())
    return encode(
        (
            "traco.channel-receipt/1",
            *({**{name: getattr(file, name) for name in file.__struct_fields__}, **parts}).values(),
        )
    )


def refused(raw: bytes, code: str) -> bytes:
    """The same bytes, which Python refuses with this code."""
    assert code_in_python(raw, GENESIS) == f"channel_receipt.{code}"
    return raw


def with_point(made: Scene = PLAIN, place: int = 0, /, **parts: Any) -> bytes:
    """A file one of whose points has other fields, of whatever type."""
    points: list[Any] = list(made.points)
    fields = {name: getattr(points[place], name) for name in PointSummary.__struct_fields__}
    points[place] = tuple((fields | parts).values())
    return changed(made, points=tuple(points))


# What members make


@pytest.mark.parametrize("made", [PLAIN, LATER], ids=["one point", "later points"])
def test_a_genuine_receipt_proves_the_same(verifier: Path, made: Scene) -> None:
    (verdict,) = in_javascript(verifier, [(made.file(), "g")], {"g": GENESIS})
    expected = verify(made.file(), GENESIS)
    assert (verdict.code, expected["channel"], expected["point"]) == (None, CHANNEL.hex(), 2)
    assert verdict.report is not None
    shown = {name: value for name, value in verdict.report.items() if name not in ("instructions", "events")}
    assert shown == {
        name: value for name, value in expected.items() if name not in ("instructions", "events")
    }
    assert [item["type"] for item in verdict.report["instructions"]] == ["counter.add/1"]
    assert [item["values"] for item in verdict.report["events"]] == [["b", 300]]


def test_a_receipt_of_the_root_is_taken_beside_it(verifier: Path) -> None:
    body = body_of()
    (verdict,) = in_javascript(verifier, [(sealed(body, outcome_of(body)), "g")], {"g": GENESIS})
    assert verdict.code is None
    assert verdict.report is not None
    assert "channel" not in verdict.report


@pytest.mark.parametrize("count", [1, 2, 3, 8, 33])
def test_every_place_in_a_point_is_valid(verifier: Path, count: int) -> None:
    files = [scene(index, count).file() for index in range(count)]
    verdicts = in_javascript(verifier, [(raw, "g") for raw in files], {"g": GENESIS})
    assert [verdict.code for verdict in verdicts] == [None] * count


# What somebody changed


@pytest.mark.parametrize("made", [PLAIN, LATER], ids=["one point", "later points"])
def test_every_changed_byte_is_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None], made: Scene
) -> None:
    random, raw, forged = Random(6), made.file(), []
    for position in range(len(raw)):
        content = bytearray(raw)
        content[position] ^= 1 << random.randrange(8)
        forged.append(bytes(content))
    assert all(code_in_python(each, GENESIS) for each in forged)
    agree(forged)


def test_truncated_and_longer_files_are_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    raw = PLAIN.file()
    agree([*(raw[:length] for length in range(len(raw))), *(raw + tail for tail in (b"\0", b"\xc0", raw))])


def test_too_large_files_are_refused_with_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    beginning = PLAIN.file()[:25]
    assert is_channel_receipt(beginning)
    agree([
        refused(beginning + bytes(MAX_BYTES - 24), "malformed"), refused(beginning + bytes(MAX_BYTES - 25), "malformed"),
        changed(transaction=bytes(MAX_BYTES - 10)), changed(confirmation=bytes(2**20 + 1)),
    ])  # fmt: skip


def test_anything_that_is_no_such_file_is_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    raw, parts = PLAIN.file(), FILE.decode(PLAIN.file())
    names = [getattr(parts, name) for name in parts.__struct_fields__]
    agree([
        b"", b"\x90", b"\x96", b"\x96\xb7", encode(("traco.channel-receipt/2", *names)), encode(("traco.channel-receipt/1", *names[:-1])),
        encode(("traco.channel-receipt/1", *names, b"")), b"\xdc\x00\x06" + raw[1:], b"\x96\xd9\x17" + raw[2:], encode(names),
        *(changed(**{name: value}) for name in parts.__struct_fields__ for value in (None, b"", "", (), 0, True, raw)),
    ])  # fmt: skip


def test_parts_that_do_not_belong_together_are_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    other, rejected = paid(301), outcome_of(body_of(), failure=encode(("counter.full", ())))
    agree([
        refused(PLAIN.file(paid=other), "path"),
        refused(PLAIN.file(paid=PLAIN.paid._replace(leaf=other.leaf._replace(receipt=PLAIN.paid.leaf.receipt[:-1] + b"\x01"))), "path"),
        refused(scene(what=paid(ledger=b"")).file(), "mismatch"), refused(scene(what=paid(ledger=b"\x08" * 32)).file(), "mismatch"),
        scene(what=paid(network=b"n" * 32)).file(), changed(receipt=rejected), changed(receipt=other.leaf.receipt),
        refused(PLAIN.file(proof=replace(PLAIN.proof, salt=bytes(32))), "path"), refused(PLAIN.file(proof=scene(3).proof), "path"),
        refused(PLAIN.file(points=LATER.points), "not_confirmed"), refused(PLAIN.file(confirmation=LATER.confirmation), "not_confirmed"),
        PLAIN.file(confirmation=PLAIN.file()), PLAIN.file(confirmation=b""),
    ])  # fmt: skip


def test_an_amount_changed_with_everything_in_the_channel_recomputed_is_refused(
    agree: Callable[[list[bytes]], None],
) -> None:
    more = scene(what=paid(301))
    agree([refused(more.file(confirmation=PLAIN.confirmation), "not_confirmed")])


@pytest.mark.parametrize("part", ["index", "count"])
def test_numbers_of_the_path_at_and_beyond_their_bounds_get_the_same_code(
    agree: Callable[[list[bytes]], None], part: str
) -> None:
    fields = {name: getattr(PLAIN.proof, name) for name in PLAIN.proof.__struct_fields__}
    values = (-1, 0, 1, 2, 4, 5, 6, 2**32 - 1, 2**32, 2**53, True, None, "2")
    agree([changed(proof=tuple((fields | {part: value}).values())) for value in values])


def test_paths_of_other_lengths_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    step, proof = b"x" * 32, PLAIN.proof
    paths = [
        (),
        proof.path[:-1],
        (*proof.path, step),
        (step,) * 64,
        (step,) * 65,
        (step,) * 500,
        (*proof.path[:-1], b"x" * 31),
    ]
    fields = {name: getattr(proof, name) for name in proof.__struct_fields__}
    agree([changed(proof=tuple((fields | {"path": steps}).values())) for steps in paths])


def test_fields_of_points_at_and_beyond_their_bounds_get_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    numbers, hashes = (
        (-1, 0, 1, 2, 2**32 - 1, 2**32, 2**53 - 1, 2**53, True, None),
        (b"", bytes(31), bytes(32), bytes(33), "x" * 32),
    )
    legs = (
        (),
        [[b"a" * 32, True]],
        [[b"a" * 32, 1]],
        [[b"a" * 31, True]],
        [[b"a" * 32]],
        [[b"a" * 32, True, True]],
        [b"a"],
        None,
    )
    agree([
        *(with_point(**{name: value}) for name in ("generation", "ordinal") for value in numbers),
        *(with_point(**{name: value}) for name in ("channel", "previous", "chain", "state", "outcomes") for value in hashes),
        *(with_point(legs=value) for value in legs),
        *(with_point(LATER, 1, **{name: value}) for name in ("generation", "ordinal") for value in numbers),
        *(with_point(LATER, 2, legs=value) for value in legs),
    ])  # fmt: skip


def test_points_that_do_not_follow_each_other_are_refused_with_the_same_code(
    agree: Callable[[list[bytes]], None],
) -> None:
    first, second, third = LATER.points
    skipping = replace(second, ordinal=4)
    elsewhere = replace(second, channel=b"\x08" * 32)
    for points in (
        (first, first),
        (first, third),
        (first, second, second),
        (first, skipping),
        (first, elsewhere),
        (first, third, second),
    ):
        refused(LATER.file(points=points, confirmation=confirming(points)), "chain")
        agree([LATER.file(points=points), LATER.file(points=points, confirmation=confirming(points))])
    agree([refused(LATER.file(points=(first, second)), "not_confirmed"), LATER.file(points=(second, third))])


@pytest.mark.parametrize("later", [1_023, 1_024])
def test_as_many_points_as_there_may_be_and_one_more_get_the_same_code(
    agree: Callable[[list[bytes]], None], later: int
) -> None:
    leaves = leaves_around(PLAIN.paid.leaf, 2, 5)
    points = points_over(BLINDING.outcomes_root(leaves), later)
    raw = PLAIN.file(points=points, confirmation=confirming(points))
    assert code_in_python(raw, GENESIS) == (None if later == 1_023 else "channel_receipt.malformed")
    agree([raw, changed(points=())])


def test_what_the_root_says_must_be_that_and_nothing_like_it(agree: Callable[[list[bytes]], None]) -> None:
    point = replace(PLAIN.points[0], ordinal=1)
    digest = point_digest(point)
    said = [CONFIRMED, CHANNEL, 1, digest]
    made = PLAIN._replace(points=(point,))
    assert code_in_python(made.file(confirmation=saying(said)), GENESIS) is None
    likes: list[Any] = [
        [CONFIRMED, CHANNEL, True, digest], [CONFIRMED, CHANNEL, 1.0, digest], [CONFIRMED, CHANNEL, 2, digest], [CONFIRMED, CHANNEL, "1", digest],
        [CONFIRMED, CHANNEL, 1, digest, None], [CONFIRMED, CHANNEL, 1], [CONFIRMED, b"\x08" * 32, 1, digest], [CONFIRMED, CHANNEL, 1, bytes(32)],
        [CONFIRMED.encode(), CHANNEL, 1, digest], ["channel.confirmed/2", CHANNEL, 1, digest], [CONFIRMED, list(CHANNEL), 1, digest],
        [said], {CONFIRMED: said}, None, CONFIRMED, b"", [], 1,
    ]  # fmt: skip
    files = [refused(made.file(confirmation=saying(like)), "not_confirmed") for like in likes]
    failed = saying(said, failure=encode(("channel.stale", ())))
    files.append(refused(made.file(confirmation=failed), "not_confirmed"))
    files += [made.file(confirmation=saying(like, said)) for like in likes]
    assert {code_in_python(raw, GENESIS) for raw in files[-len(likes) :]} == {None}
    agree(files)


def test_unusual_values_in_any_part_get_the_same_code(agree: Callable[[list[bytes]], None]) -> None:
    raw, proof = PLAIN.file(), encode(PLAIN.proof)
    point = encode(PLAIN.points[0])
    assert raw.count(proof) == raw.count(point) == 1
    files = []
    for value in hostile.edges():
        files += [
            raw.replace(proof, value),
            raw.replace(point, value),
            raw[:25] + value + raw[25:],
            raw[:25] + value,
        ]
    agree(files)
