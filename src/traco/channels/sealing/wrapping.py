"""The key of an epoch, wrapped for each member, so that each can check that all got the same.

    copy = E (32 bytes), XChaCha20-Poly1305 of the epoch key (48 bytes);
    e = derived from epoch key, place, member and its box key;  E = X25519(e, base);  s = X25519(e, box key)
    key derived from s, E and member;  nonce 0 (the key has no other use);  associated: tag, network, channel, epoch, member

Nothing in a copy is random but the epoch key: whoever opened its own makes all others anew and compares their hashes with
the offer. A member that is given something else knows that before it accepts, and it can prove nothing false against others.
"""

from collections.abc import Sequence
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from traco.channels.sealing.errors import BoxKeyUnusable, CommitmentWrong, CopiesWrong, CopyRefused
from traco.channels.sealing.keys import KEY_BYTES, BoxSecret, EpochSecret, Place
from traco.kernel.codec import encode
from traco.modules.channel.digests import copy_hash
from traco.modules.channel.parts import EpochKey

COPY_BYTES: Final = 80
WRAPPED_TAG: Final = b"traco/wrapped/1"
_NONCE: Final = bytes(24)


def wrap(secret: EpochSecret, place: Place, member: bytes, box_key: bytes) -> bytes:
    """The copy for one member. Raises ``BoxKeyUnusable``."""
    ephemeral_secret = secret.ephemeral_of(place, member, box_key)
    ephemeral = ephemeral_secret.public_key
    try:
        key = ephemeral_secret.copy_key(box_key, ephemeral, member)
    except ValueError:
        raise BoxKeyUnusable(member) from None
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        secret.reveal(), _associated(place, member), _NONCE, key
    )
    return ephemeral + sealed


def wrap_all(
    secret: EpochSecret, place: Place, members: Sequence[bytes], box_keys: Sequence[bytes]
) -> tuple[bytes, ...]:
    """The copies for all members, in their order. Raises ``BoxKeyUnusable``."""
    return tuple(
        wrap(secret, place, member, box_key) for member, box_key in zip(members, box_keys, strict=True)
    )


def offered(secret: EpochSecret, place: Place, copies: Sequence[bytes]) -> EpochKey:
    """What the root is told of the key and its copies."""
    return EpochKey(secret.commitment(place), tuple(copy_hash(copy) for copy in copies))


def unwrap(copy: bytes, box: BoxSecret, place: Place, member: bytes) -> EpochSecret:
    """The epoch's key from one's own copy. Raises ``CopyRefused``. It is not checked yet: see ``check_offer``."""
    if len(copy) != COPY_BYTES:
        raise CopyRefused
    ephemeral, sealed = copy[:KEY_BYTES], copy[KEY_BYTES:]
    try:
        key = box.copy_key(ephemeral, ephemeral, member)
        raw = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, _associated(place, member), _NONCE, key)
    except (ValueError, CryptoError):
        raise CopyRefused from None
    return EpochSecret(raw)


def check_offer(
    secret: EpochSecret, place: Place, members: Sequence[bytes], box_keys: Sequence[bytes], key: EpochKey
) -> None:
    """Return if the offer is of this key, and every member's copy is a copy of it.

    ``box_keys`` are those that the root pinned for the offer. Raises ``CommitmentWrong``; ``CopiesWrong`` with all members
    whose copies are not; ``BoxKeyUnusable``.
    """
    if secret.commitment(place) != key.commitment:
        raise CommitmentWrong
    if len(key.copies) != len(members):
        raise CopiesWrong(tuple(members))
    made = offered(secret, place, wrap_all(secret, place, members, box_keys))
    wrong = tuple(
        member
        for member, right, given in zip(members, made.copies, key.copies, strict=True)
        if right != given
    )
    if wrong:
        raise CopiesWrong(wrong)


def _associated(place: Place, member: bytes) -> bytes:
    return WRAPPED_TAG + b"\0" + encode((*place, member))
