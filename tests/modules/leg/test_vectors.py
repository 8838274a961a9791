"""What a leg's commitment hashes: formats that other software computes too."""

from hashlib import sha256

from traco.kernel.batch_hold import EDGE, Movement
from traco.kernel.codec import encode
from traco.modules.leg.keeper import movements_of
from traco.modules.leg.messages import Export, Import, LegContent, leg_commitment

BOND, A, B = b"\x01" * 16, b"\x02" * 16, b"\x03" * 16
CONTENT = LegContent(
    (Movement(BOND, A, B, 5, b"r"),), (Export(BOND, A, 6, b"o"),), (Import(BOND, B, 7, b"i"),)
)


def test_the_commitment_is_the_hash_of_tag_salt_and_content() -> None:
    content = (((BOND, A, B, 5, b"r"),), ((BOND, A, 6, b"o"),), ((BOND, B, 7, b"i"),))
    expected = sha256(b"traco/leg/1\0" + bytes(32) + encode(content)).digest()
    assert leg_commitment(bytes(32), CONTENT) == expected
    assert expected.hex() == "bd8eb605a0f5664b925ad5bd4bf0dbe5ea6cd0f63fcb4226d8903d9d4665d799"


def test_a_batch_hold_moves_within_then_out_then_in() -> None:
    assert list(movements_of(CONTENT)) == [
        Movement(BOND, A, B, 5, b"r"), Movement(BOND, A, EDGE, 6, b"o"), Movement(BOND, EDGE, B, 7, b"i"),
    ]  # fmt: skip
