"""Check digits of the public identifiers of organisations. Not for looking up whether an identifier was ever issued.

Errors:

    ValueError
    └── IdentifierInvalid          one stable code per reason
"""

from typing import Final

LEI_LENGTH: Final = 20
GLN_LENGTH: Final = 13

_DIGITS: Final = "0123456789"
_LEI_CHARACTERS: Final = _DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class IdentifierInvalid(ValueError):
    """An identifier cannot be right. `code` is stable, e.g. `identifier.lei_check_digits`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_lei(value: str) -> None:
    """Refuse a Legal Entity Identifier (ISO 17442) that cannot be one.

    A LEI is 18 characters 0-9 A-Z and two check digits by ISO/IEC 7064 MOD 97-10: letters count as 10 to 35,
    and the whole number leaves 1 on division by 97. Lower case and spaces are refused, so that one entity has
    one spelling; for the same reason the check digits 00, 01 and 99, which the procedure never produces, are.

    Raises IdentifierInvalid with `identifier.lei_length`, `identifier.lei_character` or
    `identifier.lei_check_digits`.
    """
    if len(value) != LEI_LENGTH:
        raise IdentifierInvalid("identifier.lei_length")
    if any(character not in _LEI_CHARACTERS for character in value):
        raise IdentifierInvalid("identifier.lei_character")
    check_digits = value[-2:]
    if any(character not in _DIGITS for character in check_digits):
        raise IdentifierInvalid("identifier.lei_character")
    if not 2 <= int(check_digits) <= 98:
        raise IdentifierInvalid("identifier.lei_check_digits")
    number = int("".join(str(_LEI_CHARACTERS.index(character)) for character in value))
    if number % 97 != 1:
        raise IdentifierInvalid("identifier.lei_check_digits")


def check_gln(value: str) -> None:
    """Refuse a GS1 Global Location Number that cannot be one: 13 digits, weights 1 and 3, sum divisible by 10.

    Raises IdentifierInvalid with `identifier.gln_length`, `identifier.gln_character` or
    `identifier.gln_check_digit`.
    """
    if len(value) != GLN_LENGTH:
        raise IdentifierInvalid("identifier.gln_length")
    if any(character not in _DIGITS for character in value):
        raise IdentifierInvalid("identifier.gln_character")
    odd = sum(int(character) for character in value[0::2])
    even = sum(int(character) for character in value[1::2])
    if (odd + 3 * even) % 10 != 0:
        raise IdentifierInvalid("identifier.gln_check_digit")
