"""Check digits of LEI and GLN."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.kernel.identifiers import IdentifierInvalid, check_gln, check_lei

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# The LEI that the foundation running the LEI system has itself, and one of this project's test parties.
LEIS = ("506700GE1G29325QX363", "TRACOTESTSELLER00122")
GLNS = ("9520000000011", "9520000000028")


def code_of_lei(value: str) -> str:
    with pytest.raises(IdentifierInvalid) as caught:
        check_lei(value)
    return caught.value.code


def code_of_gln(value: str) -> str:
    with pytest.raises(IdentifierInvalid) as caught:
        check_gln(value)
    return caught.value.code


def remainder(value: str) -> int:
    return int("".join(str(int(character, 36)) for character in value)) % 97


def with_check_digits(base: str) -> str:
    return f"{base}{98 - remainder(base + '00'):02d}"


@pytest.mark.parametrize("value", LEIS)
def test_a_lei_is_accepted(value: str) -> None:
    check_lei(value)


@given(st.text(CHARACTERS, min_size=18, max_size=18))
@settings(max_examples=50)
def test_every_base_has_check_digits_that_are_accepted(base: str) -> None:
    check_lei(with_check_digits(base))


@given(
    st.text(CHARACTERS, min_size=18, max_size=18),
    st.integers(0, 17),
    st.integers(1, 35),
)
@settings(max_examples=100)
def test_one_wrong_character_is_found(base: str, position: int, shift: int) -> None:
    right = with_check_digits(base)
    wrong = CHARACTERS[(CHARACTERS.index(right[position]) + shift) % 36]
    damaged = right[:position] + wrong + right[position + 1 :]
    # Two characters whose values differ by 97's worth are indistinguishable by any mod 97 check.
    if remainder(damaged) != 1:
        assert code_of_lei(damaged) == "identifier.lei_check_digits"


@pytest.mark.parametrize("value", ["", LEIS[0][:-1], LEIS[0] + "0"])
def test_a_lei_of_another_length_is_refused(value: str) -> None:
    assert code_of_lei(value) == "identifier.lei_length"


@pytest.mark.parametrize(
    "value",
    [
        LEIS[0].lower(),
        "506700GE1G29325QX36\u0663",
        "506700 E1G29325QX363",
        "506700GE1G29325QX3A3",
        "506700GE1G29325QX36A",
    ],
)
def test_a_lei_with_other_characters_is_refused(value: str) -> None:
    assert code_of_lei(value) == "identifier.lei_character"


def same_remainder(check_digits: str) -> str:
    """A base for which these check digits would satisfy the division."""
    for number in range(97):
        base = f"TRACOTESTPARTY00{number:02d}"
        if remainder(base + check_digits) == 1:
            return base + check_digits
    raise AssertionError("97 bases in a row cover every remainder")


@pytest.mark.parametrize("check_digits", ["00", "01", "99"])
def test_check_digits_that_the_procedure_never_gives_are_refused(check_digits: str) -> None:
    assert code_of_lei(same_remainder(check_digits)) == "identifier.lei_check_digits"


@pytest.mark.parametrize("check_digits", ["02", "98"])
def test_the_lowest_and_the_highest_check_digits_are_accepted(check_digits: str) -> None:
    check_lei(same_remainder(check_digits))


@pytest.mark.parametrize("value", GLNS)
def test_a_gln_is_accepted(value: str) -> None:
    check_gln(value)


@pytest.mark.parametrize("position", range(13))
def test_one_wrong_digit_of_a_gln_is_found(position: int) -> None:
    right = GLNS[0]
    damaged = right[:position] + str((int(right[position]) + 1) % 10) + right[position + 1 :]
    assert code_of_gln(damaged) == "identifier.gln_check_digit"


@pytest.mark.parametrize("value", ["", GLNS[0][:-1], GLNS[0] + "0"])
def test_a_gln_of_another_length_is_refused(value: str) -> None:
    assert code_of_gln(value) == "identifier.gln_length"


@pytest.mark.parametrize("value", ["952000000001X", "952000000001\u0661"])
def test_a_gln_with_other_characters_is_refused(value: str) -> None:
    assert code_of_gln(value) == "identifier.gln_character"
