"""The engine's rule for signatures in JavaScript, held against the one in Python; and which keys both take for sound."""

from pathlib import Path
from random import Random

import pytest

from independent.judging import NODE, WITHOUT_NODE, install, run
from support.engine_signatures import (
    NON_CANONICAL,
    PUBLIC_CASES,
    SMALL_ORDER,
    Signed,
    key_with,
    sign_for_the_engine,
)
from traco.kernel.crypto_cofactored import GROUP_ORDER, is_sound_key, is_valid

pytestmark = pytest.mark.skipif(NODE is None, reason=WITHOUT_NODE)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("javascript") / "verifier")


def judged(verifier: Path, cases: list[Signed]) -> tuple[list[bool], list[bool]]:
    """Whether the JavaScript takes each signature for valid, and each key for sound."""
    request = [{name: value.hex() for name, value in case._asdict().items()} for case in cases]
    answer = run("run_cofactored.mjs", verifier, request)
    return answer["answers"], answer["sound"]


def honest(count: int, seed: int) -> list[Signed]:
    """Signatures made with the secret, with components of small order in R and in the key."""
    random, made = Random(seed), []
    for number in range(count):
        secret, message = random.randbytes(32), random.randbytes(number % 200)
        of_r, of_key = number % 8, number // 8 % 8
        signature = sign_for_the_engine(secret, message, of_r, of_key)
        made.append(Signed(key_with(secret, of_key), message, signature))
    return made


def test_the_196_public_cases_are_valid(verifier: Path) -> None:
    answers, sound = judged(verifier, PUBLIC_CASES)
    assert answers == [True] * 196
    assert sound == [False] * 196


def test_components_of_small_order_do_not_matter(verifier: Path) -> None:
    answers, sound = judged(verifier, honest(64, 1))
    assert answers == [True] * 64
    assert sound == [True] * 64


def test_changed_signatures_are_judged_alike(verifier: Path) -> None:
    random, cases = Random(2), []
    for case in (*honest(16, 3), *PUBLIC_CASES):
        parts = [bytearray(part) for part in case]
        changing = parts[random.randrange(3)] or parts[0]
        changing[random.randrange(len(changing))] ^= 1 << random.randrange(8)
        cases.append(Signed(*map(bytes, parts)))
    expected = [is_valid(*case) for case in cases]
    assert judged(verifier, cases)[0] == expected
    assert {True, False} == set(expected)  # by what does not matter in R and keys of small order


def test_s_at_and_above_the_group_order_is_refused(verifier: Path) -> None:
    cases = []
    for case in honest(8, 4):
        s = int.from_bytes(case.signature[32:], "little") + GROUP_ORDER
        cases.append(case._replace(signature=case.signature[:32] + s.to_bytes(32, "little")))
    zero = GROUP_ORDER.to_bytes(32, "little")
    cases += [case._replace(signature=case.signature[:32] + zero) for case in PUBLIC_CASES[::9]]
    assert judged(verifier, cases)[0] == [False] * len(cases)


def test_any_bytes_are_judged_alike(verifier: Path) -> None:
    random = Random(5)
    points = [*SMALL_ORDER, *NON_CANONICAL, *(random.randbytes(32) for _ in range(40))]
    points += [bytes((*point[:31], point[31] ^ 0x80)) for point in points]
    cases = [Signed(key, b"", random.choice(points) + bytes(32)) for key in points]
    answers, sound = judged(verifier, cases)
    assert answers == [is_valid(*case) for case in cases]
    assert sound == [is_sound_key(case.key) for case in cases]


@pytest.mark.parametrize("sizes", [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_other_lengths_are_not_valid(verifier: Path, sizes: tuple[int, int]) -> None:
    assert judged(verifier, [Signed(bytes(sizes[0]), b"", bytes(sizes[1]))])[0] == [False]
