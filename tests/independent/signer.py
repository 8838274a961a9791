"""Signs and submits a transfer, written from docs/reference/wire-format.md alone: nothing of this project is imported.

    python signer.py key FILE SCHEME            makes FILE (PKCS #8) unless it exists; prints the public key
    python signer.py transaction FILE FIELDS    prints the signed transaction in hex
    python signer.py token FILE FIELDS          prints an access token
    python signer.py transfer FILE URL FIELDS   signs, submits, prints what the node answers

SCHEME is ed25519 or p256. FIELDS is a JSON object; bytes are in hex, the amount is text.
"""

import base64
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TOKEN_LIFE_MS = 900_000

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


def packed(value: Any) -> bytes:
    """Canonical MessagePack of None, integers, text, bytes and sequences of these."""
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return packed_integer(value)
    if isinstance(value, str):
        raw = value.encode()
        return head(len(raw), (0xA0, 32), (0xD9, 1), (0xDA, 2), (0xDB, 4)) + raw
    if isinstance(value, bytes):
        return head(len(value), None, (0xC4, 1), (0xC5, 2), (0xC6, 4)) + value
    return head(len(value), (0x90, 16), (0xDC, 2), (0xDD, 4)) + b"".join(packed(item) for item in value)


def head(length: int, fixed: tuple[int, int] | None, *marks: tuple[int, int]) -> bytes:
    """The shortest head of this length: in the first byte, or behind a mark in so many bytes."""
    if fixed is not None and length < fixed[1]:
        return bytes([fixed[0] + length])
    mark, size = next((mark, size) for mark, size in marks if length < 1 << 8 * size)
    return bytes([mark]) + length.to_bytes(size, "big")


def packed_integer(value: int) -> bytes:
    """The shortest form of a number that is not negative."""
    if value < 128:
        return bytes([value])
    mark, size = next(
        (mark, size) for mark, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)) if value < 1 << 8 * size
    )
    return bytes([mark]) + value.to_bytes(size, "big")


def make_key(path: Path, scheme: str) -> None:
    """Make a private key for its owner alone, unless there is one."""
    if path.exists():
        return
    key: PrivateKey = (
        Ed25519PrivateKey.generate() if scheme == "ed25519" else generate_private_key(SECP256R1())
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def load_key(path: Path) -> PrivateKey:
    """The private key in a file."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise SystemExit(f"{path} holds a key of neither scheme")
    return key


def public_key(key: PrivateKey) -> bytes:
    """Scheme byte and key."""
    if isinstance(key, Ed25519PrivateKey):
        return b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"\x02" + key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Scheme byte and signature; of ECDSA the one of the two that has the low s."""
    if isinstance(key, Ed25519PrivateKey):
        return b"\x01" + key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
    return b"\x02" + r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def transaction(key: PrivateKey, fields: dict[str, Any]) -> bytes:
    """A signed transfer."""
    named = ("party", "instrument", "sender", "receiver")
    ids = [bytes.fromhex(fields[name]) for name in named]
    transfer = ["holding.transfer/1", *ids, int(fields["amount"]), bytes.fromhex(fields["reference"])]
    network, salt = bytes.fromhex(fields["network"]), bytes.fromhex(fields["salt"])
    body = packed([1, network, b"", fields["valid_until"], salt, [transfer]])
    identity = hashlib.sha256(b"traco/transaction/1\0" + body).digest()
    signature = sign(key, b"traco/transaction/1\0" + identity)
    return b"\x92" + body + packed([[public_key(key), signature]])


def token(key: PrivateKey, fields: dict[str, Any]) -> str:
    """An access token."""
    network, node, party, salt = (
        bytes.fromhex(fields[name]) for name in ("network", "node", "party", "salt")
    )
    grant = [1, network, node, party, fields["scope"], fields["issued_ms"], fields["expires_ms"], salt]
    public = public_key(key)
    signature = sign(key, b"traco/access/1\0" + public + packed(grant))
    return base64.urlsafe_b64encode(packed([grant, [public, signature]])).decode().rstrip("=")


def ask(url: str, content: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What the node answers, also where it refuses."""
    request = urllib.request.Request(url, data=content, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answered: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            answered = json.load(refused)
    return answered


def submit(key: PrivateKey, url: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Sign a transfer for the network of this node and submit it, with a token where ``node`` (its key) is given."""
    status = ask(url + "/v1/status")
    now, network = status["time_ms"], status["network"]
    headers = {"Content-Type": "application/octet-stream"}
    if "node" in fields:
        named = {"network": network, "node": fields["node"], "party": fields["party"], "scope": "submit"}
        times = {"issued_ms": now, "expires_ms": now + TOKEN_LIFE_MS, "salt": os.urandom(16).hex()}
        headers["Authorization"] = f"Bearer {token(key, {**named, **times})}"
    fresh = {"network": network, "valid_until": now + 60_000, "salt": os.urandom(16).hex()}
    return ask(url + "/v1/transactions", transaction(key, {**fresh, **fields}), headers)


def main(command: str, file: str, *rest: str) -> str:
    """What a command prints."""
    path = Path(file)
    if command == "key":
        make_key(path, rest[0])
        return public_key(load_key(path)).hex()
    fields = json.loads(rest[-1])
    if command == "transaction":
        return transaction(load_key(path), fields).hex()
    if command == "token":
        return token(load_key(path), fields)
    return json.dumps(submit(load_key(path), rest[0], fields))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
