"""A text is an access token in one spelling or ``AccessInvalid``, and none verifies but the one that was signed.

If broken: somebody reads as another party, or a header stops the interface.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import of_base64, of_messagepack
from independent.examples import KEY, examples
from traco.client.access import AccessInvalid, join_token, parse_token, verify_token

_GENUINE: Final = examples()["token"].decode()
mutate = of_base64(of_messagepack)


def check(raw: bytes, _folder: Path) -> None:
    """Parse and verify; header texts are Latin-1."""
    text = raw.decode("latin-1")
    try:
        token = parse_token(text)
        assert join_token(*token) == text, "two texts of one token"
        verify_token(token)
    except AccessInvalid:
        require(text != _GENUINE, "the genuine token was refused")
        return
    assert text == _GENUINE or token.signature.key != KEY.public_key, "a forged token was accepted"
