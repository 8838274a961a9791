"""The independent signers make what this project makes from the same fields."""

import json
from pathlib import Path

import pytest

from independent.judging import NODE, WITHOUT_NODE
from independent.signers import PROGRAMS, SCHEMES, make_key, run_signer
from traco.client.access import AccessGrant, parse_token, verify_token
from traco.kernel.codec import encode
from traco.kernel.crypto import check_public_key
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener
from traco.kernel.transaction import Body, transaction_id
from traco.modules.composition import compose
from traco.modules.holding.messages import Transfer

NETWORK, PARTY, NODE_KEY, SALT = b"n" * 32, b"p" * 16, b"\x01" + b"k" * 32, bytes(range(16))
IDS = {"party": PARTY, "instrument": b"i" * 16, "sender": b"s" * 16, "receiver": b"r" * 16}


@pytest.fixture(params=list(PROGRAMS))
def program(request: pytest.FixtureRequest) -> str:
    if request.param == "node" and NODE is None:
        pytest.skip(WITHOUT_NODE)
    return str(request.param)


@pytest.mark.parametrize(
    ("scheme", "amount", "reference", "until"),
    [("ed25519", 1, b"", 1), ("ed25519", 127, b"r", 127), ("ed25519", 128, b"rent", 128), ("ed25519", 255, b"\0" * 64, 2**16 - 1),
     ("ed25519", 256, b"x", 2**16), ("ed25519", 2**32 - 1, b"x", 2**32), ("ed25519", 2**32, b"x", 2**53 - 1),
     ("p256", 1, b"", 1), ("p256", 2**63 - 1, b"x", 1_790_000_000_000)],
)  # fmt: skip
def test_a_transfer_has_the_ledgers_bytes_and_valid_signatures(
    program: str, scheme: str, tmp_path: Path, amount: int, reference: bytes, until: int
) -> None:
    key = make_key(program, scheme, tmp_path / "key")
    fields = {
        **{name: value.hex() for name, value in IDS.items()}, "network": NETWORK.hex(), "salt": SALT.hex(),
        "amount": str(amount), "reference": reference.hex(), "valid_until": until,
    }  # fmt: skip
    raw = bytes.fromhex(run_signer(program, "transaction", str(tmp_path / "key"), json.dumps(fields)))
    named = Transfer(PARTY, IDS["instrument"], IDS["sender"], IDS["receiver"], amount, reference)
    body = encode(Body(NETWORK, b"", until, SALT, (named,)))
    screened = DirectScreener(compose().body, KernelParameters()).screen([raw])[0]
    assert raw[1 : 1 + len(body)] == body
    assert (screened.refusal, screened.identity, screened.signers) == (None, transaction_id(body), (key,))
    check_public_key(key)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_token_is_valid(program: str, scheme: str, tmp_path: Path) -> None:
    key = make_key(program, scheme, tmp_path / "key")
    grant = AccessGrant(NETWORK, NODE_KEY, PARTY, "submit", 1_790_000_000_000, 1_790_000_900_000, SALT)
    fields = {
        "network": NETWORK.hex(), "node": NODE_KEY.hex(), "party": PARTY.hex(), "scope": grant.scope,
        "issued_ms": grant.issued_ms, "expires_ms": grant.expires_ms, "salt": SALT.hex(),
    }  # fmt: skip
    token = parse_token(run_signer(program, "token", str(tmp_path / "key"), json.dumps(fields)))
    verify_token(token)
    assert (token.grant, token.signature.key) == (grant, key)


def test_a_key_is_kept_for_its_owner_and_read_again(program: str, tmp_path: Path) -> None:
    first = make_key(program, "p256", tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert make_key(program, "p256", tmp_path / "key") == first


@pytest.mark.parametrize("name", ["signer.py", "signer.mjs"])
def test_nothing_of_this_project_is_imported(name: str) -> None:
    text = Path(__file__).with_name(name).read_text()
    lines = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    foreign = [line for line in lines if "traco" in line or "msgspec" in line or "nacl" in line]
    assert lines
    assert foreign == []
