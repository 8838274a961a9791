"""Access tokens: how a request to a node's REST interface proves for which party it is made.

    grant = new_grant(network, node, party, "read", now_ms)     # now_ms by the node's clock (/v1/status: time_ms)
    headers = {"Authorization": f"Bearer {make_token(grant, signer)}"}

A token is a record signed with one of the party's own keys under a context string of its own, so that no other signed
thing can serve as one and it as no other. It names network and node: it is of no use at another node. It lives at most
fifteen minutes. Nothing secret is sent: who steals a token can ask what the party may ask until it expires, and can sign
nothing. Whether the key is the party's is for the node to check, on its ledger.

Form: base64url without padding of the MessagePack array [grant, [key, signature]]; the grant is the array [1, network,
node, party, scope, issued_ms, expires_ms, salt]; signed is ``traco/access/1``, a zero byte, the key, the grant's bytes.
"""

import base64
import binascii
import os
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from traco.kernel.codec import Codec, Hash, Id, PublicKey, Record, Salt, TimeMs, encode
from traco.kernel.crypto import SignatureInvalid, verify
from traco.kernel.errors import LedgerError
from traco.kernel.transaction import Signature

ACCESS_TAG: Final = b"traco/access/1"
MAX_LIFE_MS: Final = 900_000
"""How long a token may live: fifteen minutes."""

MAX_TOKEN_CHARACTERS: Final = 512

Scope = Literal["read", "submit"]


class AccessInvalid(LedgerError):
    """A text is not an access token: ``code`` is ``access.malformed`` or ``access.signature``."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class AccessGrant(Record, frozen=True, tag=1):
    """What is signed: ``party`` asks the node with key ``node`` from ``issued_ms`` until before ``expires_ms``.

    ``scope`` ``submit`` may submit transactions besides reading.
    """

    network: Hash
    node: PublicKey
    party: Id
    scope: Scope
    issued_ms: TimeMs
    expires_ms: TimeMs
    salt: Salt


class _SignedGrant(Record, frozen=True):
    grant: AccessGrant
    signature: Signature


class AccessToken(NamedTuple):
    """A token's content: the grant and who signed it. ``parse_token`` has not checked the signature."""

    grant: AccessGrant
    signature: Signature


class SignsAccess(Protocol):
    """A key of the party."""

    @property
    def public_key(self) -> bytes:
        """The public key, scheme byte first."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        ...


_CODEC: Final[Codec[_SignedGrant]] = Codec(_SignedGrant)


def new_grant(
    network: bytes, node: bytes, party: bytes, scope: Scope, now_ms: int, life_ms: int = MAX_LIFE_MS
) -> AccessGrant:
    """A grant from now on. Raises ``ValueError`` where it would live too long or not at all."""
    if not 0 < life_ms <= MAX_LIFE_MS:
        raise ValueError(f"a token lives 1 to {MAX_LIFE_MS} ms, not {life_ms}")
    return AccessGrant(network, node, party, scope, now_ms, now_ms + life_ms, os.urandom(16))


def access_message(grant: AccessGrant, key: bytes) -> bytes:
    """What the key signs."""
    return ACCESS_TAG + b"\0" + key + encode(grant)


def make_token(grant: AccessGrant, signer: SignsAccess) -> str:
    """The token of a grant."""
    key = signer.public_key
    return join_token(grant, Signature(key, signer.sign(access_message(grant, key))))


def join_token(grant: AccessGrant, signature: Signature) -> str:
    """The token of a grant that was signed elsewhere."""
    raw = encode(_SignedGrant(grant, signature))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse_token(text: str) -> AccessToken:
    """The content of a token, signature unchecked. Raises ``AccessInvalid`` (``access.malformed``)."""
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise _malformed()
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        signed = _CODEC.decode(raw)
    except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError, ValueError):
        raise _malformed() from None
    token = AccessToken(signed.grant, signed.signature)
    if join_token(*token) != text:
        raise _malformed()  # base64 has several texts for the same bytes
    return token


def verify_token(token: AccessToken) -> None:
    """Return if the token is signed by the key it names. Raises ``AccessInvalid`` (``access.signature``)."""
    key, value = token.signature.key, token.signature.value
    try:
        verify(key, access_message(token.grant, key), value)
    except SignatureInvalid:
        raise AccessInvalid("access.signature", "the token's signature does not verify") from None


def _malformed() -> AccessInvalid:
    return AccessInvalid("access.malformed", "this is not an access token")
