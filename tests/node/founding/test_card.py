"""A node card says what a node is, and every key on it has agreed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.consortium import prepared
from support.engine_signatures import NON_CANONICAL, SMALL_ORDER
from traco.client.signer import Ed25519Signer
from traco.node.founding.card import (
    Card,
    KeySignature,
    Statement,
    card_message,
    founding_id,
    listens_on,
    peer_id,
    read_card,
    sign_card,
    write_card,
)
from traco.node.founding.documents import FoundingInvalid

FOREIGN = Ed25519Signer.from_seed(bytes(32))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return prepared(tmp_path_factory.mktemp("cards"), "Bank A").card


def refused(raw: bytes) -> str:
    with pytest.raises(FoundingInvalid) as caught:
        read_card(raw)
    assert caught.value.code == "founding.card_invalid"
    return str(caught.value)


def changed(card: Card, **fields: Any) -> bytes:
    return write_card(
        msgspec.structs.replace(card, statement=msgspec.structs.replace(card.statement, **fields))
    )


def test_a_card_is_read_as_it_was_written(card: Card) -> None:
    assert read_card(write_card(card)) == card


def test_the_layout_of_a_card_does_not_matter(card: Card) -> None:
    assert read_card(msgspec.json.encode(card)) == card


def test_every_key_on_the_card_has_signed(card: Card) -> None:
    keys = [key.hex() for key in card.statement.all_keys()]
    assert [entry.key for entry in card.signatures] == keys
    assert len(keys) == 5


def test_a_founders_id_follows_from_its_first_key(card: Card) -> None:
    assert founding_id(card) == card.statement.member


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "127.0.0.1:26657"}, {"gateway": "https://elsewhere.example"}, {"member": "00" * 16},
    ],
)  # fmt: skip
def test_what_a_card_says_cannot_be_changed(card: Card, fields: dict[str, Any]) -> None:
    assert "does not hold" in refused(changed(card, **fields))


def test_the_placement_and_name_cannot_be_changed(card: Card) -> None:
    said = card.statement
    placement = msgspec.structs.replace(said.placement, provider="other")
    organisation = msgspec.structs.replace(said.organisation, name="Bank B")
    assert "does not hold" in refused(changed(card, placement=placement))
    assert "does not hold" in refused(changed(card, organisation=organisation))


@pytest.mark.parametrize("field", ["node", "consensus", "fingerprint"])
def test_nobody_can_put_the_key_of_another_on_his_card(card: Card, field: str) -> None:
    assert "one signature of each" in refused(changed(card, **{field: FOREIGN.public_key.hex()}))


@pytest.mark.parametrize("missing", range(5))
def test_no_signature_may_be_missing(card: Card, missing: int) -> None:
    rest = tuple(entry for index, entry in enumerate(card.signatures) if index != missing)
    assert "one signature of each" in refused(write_card(msgspec.structs.replace(card, signatures=rest)))


def test_a_signature_of_one_key_does_not_count_for_another(card: Card) -> None:
    entries = list(card.signatures)
    entries[1] = KeySignature(key=entries[1].key, signature=entries[2].signature)
    assert "does not hold" in refused(write_card(msgspec.structs.replace(card, signatures=tuple(entries))))


def test_one_key_has_one_purpose(card: Card) -> None:
    assert "two of its keys" in refused(changed(card, consensus=card.statement.node))


def test_the_peer_id_is_that_of_the_peer_key(card: Card) -> None:
    assert "peer is not the id" in refused(changed(card, peer="00" * 20))
    assert peer_id(bytes.fromhex(card.statement.peer_key)) == card.statement.peer


def test_a_key_that_is_no_point_is_refused(card: Card) -> None:
    assert "is not a public key" in refused(changed(card, node="01" + "02" + "00" * 31))


@pytest.mark.parametrize("key", [*SMALL_ORDER, *NON_CANONICAL], ids=bytes.hex)
def test_a_consensus_key_of_small_order_or_not_in_canonical_form_is_refused(card: Card, key: bytes) -> None:
    assert "is not a public key" in refused(changed(card, consensus="01" + key.hex()))


def test_an_organisation_needs_a_key_that_may_administer(card: Card) -> None:
    keys = (msgspec.structs.replace(card.statement.member_keys[0], roles=("sign",)),)
    assert "may administer" in refused(changed(card, member_keys=keys))


def test_an_lei_that_cannot_be_right_is_refused(card: Card) -> None:
    organisation = msgspec.structs.replace(
        card.statement.organisation, identifiers=(("0199", "529900T8BM49AURSDO56"),)
    )
    assert "lei_check_digits" in refused(changed(card, organisation=organisation))


@pytest.mark.parametrize(
    "address", ["host", "host:0", "host:70000", "Host:1", "a b:1", "http://a:1", "1.2.3.400:1", "[::]:1"]
)
def test_an_address_that_nobody_can_dial_is_refused(card: Card, address: str) -> None:
    assert "host:port" in refused(changed(card, address=address))


@pytest.mark.parametrize(
    "gateway", ["ftp://a.example", "https://user@a.example", "a.example", "https://a.example?x"]
)
def test_a_gateway_that_is_no_address_for_clients_is_refused(card: Card, gateway: str) -> None:
    assert "not an address for clients" in refused(changed(card, gateway=gateway))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"traco-node-card/1"', '"traco-node-card/2"'),
        lambda text: text.replace('"statement"', '"more": 1, "statement"'),
        lambda text: text.replace('"address"', '"address": "a.example:1", "address"'),
        lambda text: text.replace('"node": "01', '"node": "03'),
        lambda text: text.upper(),
    ],
)
def test_a_document_that_is_not_exactly_a_card_is_refused(card: Card, change: Callable[[str], str]) -> None:
    refused(change(write_card(card).decode()).encode())


def test_what_is_signed_names_the_signer_and_everything_said(card: Card) -> None:
    said = card.statement
    other = msgspec.structs.replace(said, gateway="https://a.example")
    messages = {card_message(said, b"a"), card_message(said, b"b"), card_message(other, b"a")}
    assert len(messages) == 3


def test_a_card_that_would_not_hold_is_not_made(card: Card) -> None:
    with pytest.raises(FoundingInvalid):
        sign_card(card.statement, [FOREIGN])


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("ledger.bank.example:26656", ("0.0.0.0", 26_656)), ("192.0.2.7:1", ("0.0.0.0", 1)), ("127.0.0.1:5", ("127.0.0.1", 5)),
        ("localhost:9", ("127.0.0.1", 9)), ("[::1]:7", ("::1", 7)), ("[2001:db8::7]:7", ("::", 7)),
    ],
)  # fmt: skip
def test_a_node_listens_where_its_address_leads(address: str, where: tuple[str, int]) -> None:
    assert listens_on(address) == where


def test_a_statement_holds_no_secret(card: Card, tmp_path: Path) -> None:
    made = prepared(tmp_path, "Bank B")
    said = (made.directory / "card.json").read_text()
    for name in ("node.keys", "fingerprint.keys"):
        sealed = msgspec.json.decode((made.directory / name).read_bytes())
        assert str(sealed["ciphertext"]) not in said
    for name in ("node_key.json", "priv_validator_key.json"):
        secret = msgspec.json.decode((made.directory / "engine" / "config" / name).read_bytes())["priv_key"][
            "value"
        ]
        assert secret not in said
    assert set(msgspec.json.decode(said)["statement"]) == {
        field.name for field in msgspec.structs.fields(Statement)
    }
