"""The node card: everything public about a node and the organisation behind it, signed with every key that it names.

    {"format": "traco-node-card/1",
     "statement": {"member": "<party id>", "organisation": {...}, "member_keys": [...], "node": "<key>", "consensus": "<key>",
                   "peer": "<40 hex digits>", "peer_key": "<key>", "fingerprint": "<key>", "address": "host:port",
                   "gateway": "https://...", "placement": {...}},
     "signatures": [{"key": "<key>", "signature": "<hex>"}, ...]}

Keys and signatures are lower-case hex with their scheme byte. Each key signs ``card_message``: so nobody can put another's
key on a card of his own, and nothing on a card can be changed by who passes it on. A card is public. It belongs to no network
yet: what a network consists of, its founders sign separately (``signatures``).
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec

from traco.client.signer import Signer
from traco.kernel.codec import Label, digest
from traco.kernel.crypto import KeyInvalid, check_public_key, is_valid
from traco.kernel.identifiers import IdentifierInvalid, check_gln, check_lei
from traco.modules.network import validity
from traco.modules.network.errors import AddressWrong, GatewayWrong
from traco.modules.network.state import Address, Gateway, OperatorName, Place
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.state import GLN_SCHEME, LEI_SCHEME, CountryCode, KeyRole
from traco.node.founding.documents import FoundingInvalid, read_document, write_document

CARD_TAG: Final = b"traco/node-card/1"
PEER_ID_BYTES: Final = 20

HexId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
HexKey = Annotated[str, msgspec.Meta(pattern=r"^(01[0-9a-f]{64}|02[0-9a-f]{66})\Z")]
HexEd25519Key = Annotated[str, msgspec.Meta(pattern=r"^01[0-9a-f]{64}\Z")]
HexPeer = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}\Z")]
HexSignature = Annotated[str, msgspec.Meta(pattern=r"^0[12][0-9a-f]{128}\Z")]

_IPV4: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a card."""


class Organisation(_Part, frozen=True, kw_only=True):
    """Who runs the node: ``identifiers`` are pairs of an ISO 6523 scheme and a value, such as 0199 and an LEI."""

    name: Label
    country: CountryCode | None = None
    identifiers: Annotated[tuple[tuple[str, str], ...], msgspec.Meta(max_length=32)] = ()


class MemberKey(_Part, frozen=True, kw_only=True):
    """A key of the organisation and what it may do on the ledger."""

    key: HexKey
    roles: Annotated[tuple[KeyRole, ...], msgspec.Meta(min_length=1, max_length=3)]


class Placement(_Part, frozen=True, kw_only=True):
    """Where the node is. ``operator``: who runs the machine; ``provider``: whose data centre or cloud."""

    operator: OperatorName = ""
    provider: Place = ""
    region: Place = ""
    zone: Place = ""


class Statement(_Part, frozen=True, kw_only=True):
    """What a card says. ``member`` is the organisation's id on the ledger, for a founder derived from its first key."""

    member: HexId
    organisation: Organisation
    member_keys: Annotated[tuple[MemberKey, ...], msgspec.Meta(min_length=1, max_length=16)]
    node: HexKey
    consensus: HexEd25519Key
    peer: HexPeer
    peer_key: HexEd25519Key
    fingerprint: HexKey
    address: Address
    gateway: Gateway = ""
    placement: Placement

    def all_keys(self) -> tuple[bytes, ...]:
        """Every key that the card names, the member's first."""
        named = [entry.key for entry in self.member_keys]
        return tuple(
            bytes.fromhex(key) for key in (*named, self.node, self.consensus, self.peer_key, self.fingerprint)
        )


class KeySignature(_Part, frozen=True, kw_only=True):
    """A signature and the key that made it."""

    key: HexKey
    signature: HexSignature


class Card(_Part, frozen=True, kw_only=True):
    """A statement and the signatures of all its keys."""

    format: Literal["traco-node-card/1"] = "traco-node-card/1"
    statement: Statement
    signatures: tuple[KeySignature, ...]

    @property
    def name(self) -> str:
        """The organisation's name."""
        return self.statement.organisation.name


def card_message(statement: Statement, key: bytes) -> bytes:
    """What ``key`` signs: type, signer, and the hash of the statement as compact JSON with sorted keys."""
    return CARD_TAG + b"\0" + key + digest(CARD_TAG, msgspec.json.encode(statement, order="sorted"))


def sign_card(statement: Statement, signers: Iterable[Signer]) -> Card:
    """The card. ``signers`` are those of all keys of the statement, in any order. Raises ``FoundingInvalid``."""
    by_key = {signer.public_key: signer for signer in signers}
    made = tuple(
        KeySignature(key=key.hex(), signature=by_key[key].sign(card_message(statement, key)).hex())
        for key in statement.all_keys()
        if key in by_key
    )
    card = Card(statement=statement, signatures=made)
    check_card(card)
    return card


def peer_id(peer_key: bytes) -> str:
    """The engine's name for a node: the first 20 bytes of the hash of its peer key (without scheme), in hex."""
    return sha256(peer_key[1:]).digest()[:PEER_ID_BYTES].hex()


def read_card(raw: bytes, what: str = "the card") -> Card:
    """The card in ``raw``, checked. ``what`` names it in messages. Raises ``FoundingInvalid`` (``founding.card_invalid``)."""
    card = read_document(raw, Card, "founding.card_invalid", what)
    check_card(card, what)
    return card


def write_card(card: Card) -> bytes:
    """The card in its readable canonical form."""
    return write_document(card)


def check_card(card: Card, what: str = "the card") -> None:
    """Return if everything on the card can be right and every key has signed it. Raises ``FoundingInvalid``."""
    said = card.statement
    problem = (
        _organisation_problem(said.organisation) or _keys_problem(said) or _address_problem(said.address)
        or _gateway_problem(said.gateway) or _signature_problem(said, card.signatures)
    )  # fmt: skip
    if problem:
        raise FoundingInvalid("founding.card_invalid", f"{what}: {problem}")


def founding_id(card: Card) -> str:
    """The id that a founding member has on the ledger, in hex: it follows from its first key."""
    return founding_member_id(bytes.fromhex(card.statement.member_keys[0].key)).hex()


def _organisation_problem(organisation: Organisation) -> str:
    for scheme, value in organisation.identifiers:
        check = {LEI_SCHEME: check_lei, GLN_SCHEME: check_gln}.get(scheme)
        try:
            if check is not None:
                check(value)
        except IdentifierInvalid as invalid:
            return f"the identifier {scheme} {value} cannot be right ({invalid.code})"
    return ""


def _keys_problem(said: Statement) -> str:
    keys = said.all_keys()
    if len(frozenset(keys)) != len(keys):
        return "two of its keys are the same; each key has one purpose"
    for key in keys:
        try:
            check_public_key(key)
        except KeyInvalid as invalid:
            return f"{key.hex()} is not a public key ({invalid.code})"
    if said.peer != peer_id(bytes.fromhex(said.peer_key)):
        return "peer is not the id of peer_key"
    if not any("administer" in entry.roles for entry in said.member_keys):
        return "none of the member's keys may administer"
    return ""


def _address_problem(address: str) -> str:
    try:
        validity.check_address(address)
    except AddressWrong:
        return f"{address!r} is not host:port that other nodes can dial, the host as a name in lower case or an IP address"
    return ""


def _gateway_problem(gateway: str) -> str:
    try:
        validity.check_gateway(gateway)
    except GatewayWrong:
        return f"{gateway!r} is not an address for clients, such as https://ledger.example.org"
    return ""


def _signature_problem(said: Statement, signatures: Sequence[KeySignature]) -> str:
    keys = said.all_keys()
    if [entry.key for entry in signatures] != [key.hex() for key in keys]:
        return "it needs one signature of each of its keys, in their order"
    for key, entry in zip(keys, signatures, strict=True):
        if not is_valid(key, card_message(said, key), bytes.fromhex(entry.signature)):
            return (
                f"the signature of {key.hex()} does not hold: the card was changed, or the key is another's"
            )
    return ""


def listens_on(address: str) -> tuple[str, int]:
    """Where a node listens that others reach at ``address`` (host:port). Raises ``FoundingInvalid``.

    On every address of the machine, because the one that others know may be that of a router; on the loopback address
    where that is what they know.
    """
    problem = _address_problem(address)
    if problem:
        raise FoundingInvalid("founding.card_invalid", problem)
    host, _, port = address.rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    if plain == "localhost":
        return "127.0.0.1", int(port)
    if ":" in plain or _IPV4.fullmatch(plain):
        return (
            (plain, int(port)) if ipaddress.ip_address(plain).is_loopback else (_anywhere(plain), int(port))
        )
    return "0.0.0.0", int(port)  # noqa: S104 -- other nodes are to reach it


def _anywhere(address: str) -> str:
    return "::" if ":" in address else "0.0.0.0"  # noqa: S104 -- other nodes are to reach it
