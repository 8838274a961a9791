"""docs/reference/wire-format.md says what the code does: its tables and its worked examples, which also work elsewhere."""

import ast
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from independent.examples import GENESIS, NETWORK, SECRET, START_MS, VALIDATORS, examples
from independent.judging import NODE, ROOT, WITHOUT_NODE, in_javascript, install
from independent.signers import PROGRAMS, run_signer
from traco.cli.type_text import record_fields
from traco.client.access import ACCESS_TAG, MAX_LIFE_MS, AccessGrant, parse_token, verify_token
from traco.client.verify import verify
from traco.kernel import crypto, finality
from traco.kernel.codec import encode
from traco.kernel.finality import FinalityReceipt
from traco.kernel.genesis import GENESIS_TAG, Genesis, network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.light import (
    MAX_EVIDENCE_BYTES,
    MAX_HANDOVERS,
    MAX_VALIDATORS,
    BlockId,
    Commit,
    Evidence,
    Header,
    Vote,
    chain_id,
    verify_evidence,
)
from traco.kernel.light.errors import REASONS
from traco.kernel.operations import proposal_id
from traco.kernel.receipt import APP_TAG, BLOCK_TAG, BlockRecord, Receipt
from traco.kernel.transaction import ENVELOPE_TAG, SIGNATURES_TAG, TRANSACTION_TAG, Body
from traco.modules.document.messages import document_id
from traco.modules.financing.messages import financing_id, offer_id
from traco.modules.holding.messages import (
    Transfer,
    account_id,
    attachment_id,
    hold_id,
    instrument_id,
    pledge_id,
)
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import party_id
from traco.modules.settlement.messages import batch_id

PAGE = (ROOT / "docs" / "reference" / "wire-format.md").read_text()
MADE = examples()
AS_TEXT = ("genesis", "token", "seal-text", "seal")


def shown() -> dict[str, bytes]:
    """The examples on the page by name: lines of ``name  value``, goes on where a line begins with spaces; and notes."""
    found: dict[str, str] = {}
    for block in re.findall(r"^```example\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        name = ""
        for line in block.splitlines():
            beginning, _, value = line.partition("  ")
            name = beginning or name
            found[name] = found.get(name, "") + value.strip(" ")
    found |= dict(re.findall(r"^```text ([a-z-]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    return {name: text.encode() if name in AS_TEXT else bytes.fromhex(text) for name, text in found.items()}


SHOWN = shown()


def tables() -> list[list[tuple[str, str]]]:
    """The first two columns of each table, in the order of the page, with the heads."""
    rows = [re.split(r"(?<!\\)\|", line)[1:3] if line.startswith("|") else None for line in PAGE.splitlines()]
    found: list[list[tuple[str, str]]] = [[]]
    for row in rows:
        if row is None:
            found += [[]] if found[-1] else []
        else:
            found[-1].append((row[0].strip(), row[1].strip()))
    return [[table[0], *table[2:]] for table in found if table]


def table_with(first: str, head: str = "field") -> list[tuple[str, str]]:
    """The rows of the one table with this head whose first row begins with these words."""
    fitting = [table for table in tables() if table[0][0] == head and table[1][0].startswith(first)]
    assert len(fitting) == 1, first
    return fitting[0][1:]


def names(rows: list[tuple[str, str]]) -> list[str]:
    return [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]


def test_the_page_has_every_example_and_no_other() -> None:
    assert sorted(SHOWN) == sorted(MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_example_is_what_the_code_makes(name: str) -> None:
    assert SHOWN[name] == MADE[name]


def test_the_encodings_of_values_are_those_of_the_codec() -> None:
    rows = table_with("`0`", "value")
    shown = [(value, encoded.strip("`")) for value, encoded in rows]
    assert len(shown) > 20
    assert shown == [(value, encode(ast.literal_eval(value.strip("`"))).hex()) for value, _ in shown]


@pytest.mark.parametrize(
    ("first", "kind"),
    [("`network` ", Body), ("`network`", FinalityReceipt), ("`network`", AccessGrant), ("`identity`", Receipt),
     ("`height`", BlockRecord), ("`block_protocol`", Header), ("`hash`", BlockId), ("`height`", Commit),
     ("`for_block`", Vote), ("`handovers`", Evidence)],
)  # fmt: skip
def test_the_fields_of_records_are_listed_in_their_order(first: str, kind: Any) -> None:
    listed = [
        names(table[1:]) for table in tables() if table[0][0] == "field" and table[1][0] == first.strip()
    ]
    assert list(kind.__struct_fields__) in listed


def test_the_fields_of_the_transfer_are_listed_in_their_order() -> None:
    rows = table_with("tag")
    assert rows[0] == ("tag", f"`{Transfer.__struct_config__.tag}`")
    assert names(rows[1:]) == list(Transfer.__struct_fields__)


def test_the_tags_of_records_are_those_of_the_code() -> None:
    assert f"record with the tag `{FinalityReceipt.__struct_config__.tag}`" in PAGE
    assert {kind.__struct_config__.tag for kind in (Body, Receipt, BlockRecord, AccessGrant)} == {1}


def test_the_names_of_the_genesis_are_listed() -> None:
    assert names(table_with("`format`", "name")) == list(Genesis.__struct_fields__)


def test_the_parameters_of_the_kernel_are_listed_with_their_bounds() -> None:
    rows = table_with("`window_ms`", "name")
    assert rows == [(f"`{name}`", text) for name, text in record_fields(KernelParameters)]


def test_the_contexts_are_those_of_the_code() -> None:
    tags = (GENESIS_TAG, TRANSACTION_TAG, SIGNATURES_TAG, BLOCK_TAG, APP_TAG, ENVELOPE_TAG)
    listed = {row[0].strip("`").encode() for row in table_with("`traco/genesis/1`", "context")}
    assert set(tags) <= listed
    assert f'"{ACCESS_TAG.decode()}" || 00' in PAGE
    assert str(MAX_LIFE_MS) in PAGE


def hashed(context: str, *parts: bytes) -> bytes:
    """H of the page."""
    return sha256(context.encode() + b"\0" + b"".join(parts)).digest()


def test_ids_are_made_as_the_page_says() -> None:
    party, salt, key = b"p" * 16, b"s" * 16, SHOWN["key"]

    def identity(kind: str, creator: bytes, salt: bytes) -> bytes:
        return hashed(f"traco/id/1/{kind}", bytes([len(creator)]), creator, salt)[:16]

    assert founding_member_id(key) == identity("party", b"", key)
    assert instrument_id(party, "EUR") == identity("instrument", party, b"EUR")
    made = {
        "party": party_id, "account": account_id, "document": document_id, "batch": batch_id, "financing": financing_id,
        "offer": offer_id,
    }  # fmt: skip
    assert {kind: make(party, salt) for kind, make in made.items()} == {
        kind: identity(kind, party, salt) for kind in made
    }
    longer = {"hold": hold_id, "pledge": pledge_id, "attachment": attachment_id}
    assert {kind: make(party, salt) for kind, make in longer.items()} == {
        kind: hashed(f"traco/{kind}/1", party, salt) for kind in longer
    }
    network, operation = SHOWN["network"], b"\x90"
    expected = hashed("traco/proposal/1", network, party, salt, operation)
    assert proposal_id(network, party, salt, operation) == expected


def test_envelopes_are_made_as_the_page_says() -> None:
    pinned = json.loads((ROOT / "tests" / "vectors" / "kernel.json").read_bytes())
    raw, message, identity = (
        bytes.fromhex(pinned[name]) for name in ("envelope", "envelope_signing_message", "envelope_id")
    )
    signature_bytes = 1 + 2 + 33 + 2 + 65  # an array of two, key and signature as bytes
    assert hashed("traco/envelope/1", raw[1:-signature_bytes]) == identity
    key = raw[-65 - 2 - 33 : -65 - 2]
    assert message == b"traco/envelope/1\0" + key + identity


def test_the_codes_of_the_verifier_are_all_listed_in_the_order_of_the_steps() -> None:
    source = Path(finality.__file__).read_text()
    codes = dict.fromkeys(code.strip("`") for _, code in table_with("The genesis document", "step"))
    assert sorted(codes) == sorted(set(re.findall(r'"(receipt\.\w+)"', source)))


def test_the_rules_of_evidence_name_codes_of_the_code_and_its_limits() -> None:
    codes = {code for row in table_with("Bounds", "rule") for code in re.findall(r"`(light\.\w+)`", row[1])}
    live_only = {"light.future", "light.expired", "light.trusted_power"}
    assert codes == REASONS.keys() - live_only
    assert f"{MAX_EVIDENCE_BYTES:,} bytes" in PAGE
    assert f"up to {MAX_HANDOVERS:,} handovers" in PAGE
    assert f"1 to {MAX_VALIDATORS} validators" in PAGE
    assert f"record with the tag `{Evidence.__struct_config__.tag}`" in PAGE


# The examples fit together


def test_the_evidence_of_the_page_proves_the_app_hash_of_the_page() -> None:
    proof = verify_evidence(SHOWN["evidence"], chain_id(NETWORK), VALIDATORS)
    assert (proof.height, proof.app_hash) == (9, SHOWN["app-hash"])
    assert [validator.key for validator in proof.signers] == [SHOWN["key"]]


def test_the_genesis_of_the_page_has_the_network_id_of_the_page() -> None:
    assert network_id(parse_genesis(SHOWN["genesis"])) == SHOWN["network"]
    assert parse_genesis(SHOWN["genesis"]) == GENESIS


@pytest.mark.parametrize("scheme", ["", "p256-"])
def test_the_signatures_of_the_page_are_valid(scheme: str) -> None:
    crypto.check_public_key(SHOWN[f"{scheme}key"])
    crypto.verify(SHOWN[f"{scheme}key"], SHOWN["message"], SHOWN[f"{scheme}signature"])


def test_the_token_of_the_page_is_valid() -> None:
    token = parse_token(SHOWN["token"].decode())
    verify_token(token)
    assert encode(token.grant) == SHOWN["grant"]


def test_the_receipt_of_the_page_proves_the_transaction_of_the_page() -> None:
    proof = verify(SHOWN["receipt"], SHOWN["genesis"])
    assert (proof["transaction"], proof["outcome"]) == (SHOWN["id"].hex(), "success")
    assert proof["events"][0]["amount"] == 250


@pytest.mark.skipif(NODE is None, reason=WITHOUT_NODE)
def test_the_receipt_of_the_page_proves_the_same_in_javascript(tmp_path: Path) -> None:
    cases = [(SHOWN["receipt"], "g")]
    verdict = in_javascript(install(tmp_path / "verifier"), cases, {"g": SHOWN["genesis"]})[0]
    assert verdict.report is not None
    assert verdict.report["transaction"] == SHOWN["id"].hex()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_independent_signers_make_the_transaction_and_the_token_of_the_page(
    program: str, tmp_path: Path
) -> None:
    if program == "node" and NODE is None:
        pytest.skip(WITHOUT_NODE)
    key, file = Ed25519PrivateKey.from_private_bytes(SECRET), tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ids = {name: SHOWN[name].hex() for name in ("network", "party", "instrument", "sender", "receiver")}
    more = {"amount": "250", "reference": b"rent".hex(), "valid_until": START_MS + 60_000}
    salt = parse_token(SHOWN["token"].decode()).grant.salt.hex()
    grant = {
        "scope": "submit",
        "issued_ms": START_MS,
        "expires_ms": START_MS + 900_000,
        "node": SHOWN["node-key"].hex(),
    }
    fields = json.dumps({**ids, **more, **grant, "salt": salt})
    assert run_signer(program, "transaction", str(file), fields) == SHOWN["transaction"].hex()
    assert run_signer(program, "token", str(file), fields) == SHOWN["token"].decode()
