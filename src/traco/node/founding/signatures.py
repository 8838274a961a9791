"""The founders' signatures over a genesis, and what a node keeps of them: ``founding.json``.

A founder signs the network id, which is the hash of the genesis, with a key of his that may administer. A node starts only in
a network that all founders signed, its own organisation among them. Where the organisation came later, it signs that it
accepts this network, with a key on its own card.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from traco.client.signer import Signer
from traco.kernel.crypto import is_valid
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, GenesisInvalid, network_id, parse_genesis
from traco.modules.network.genesis import NetworkSection
from traco.modules.party.genesis import PartySection, founding_member_id
from traco.node.founding.assembly import member_sections, node_section
from traco.node.founding.card import Card, HexId, HexKey, HexSignature
from traco.node.founding.documents import FoundingInvalid, read_document, require_unique_keys, write_document

FOUNDING_TAG: Final = b"traco/founding/1"
ACCEPTANCE_TAG: Final = b"traco/joining/1"
ADMINISTER: Final = "administer"
UNSTATED: Final = ("nodes", "roles")
"""What the genesis may say of a member beyond its cards: its other nodes, and capabilities that all founders see."""

HexNetwork = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class FounderSignature(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="traco-founder-signature/1"
):  # fmt: skip
    """A file that a founder hands to the others: his signature over the network id."""

    network: HexNetwork
    member: HexId
    key: HexKey
    signature: HexSignature


class Founding(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="traco-founding/1"
):  # fmt: skip
    """The content of ``founding.json``. ``accepted`` is there where the node's organisation is no founder."""

    network: HexNetwork
    signatures: tuple[FounderSignature, ...]
    accepted: FounderSignature | None = None


class Founder(msgspec.Struct, frozen=True):
    """A founding member: id, name, and the keys that may sign the genesis."""

    member: str
    name: str
    keys: tuple[str, ...]


def read_cluster_genesis(raw: bytes, what: str = "the genesis") -> Genesis:
    """The genesis of a cluster. Raises ``FoundingInvalid`` (``founding.genesis_invalid``)."""
    try:
        genesis = parse_genesis(raw)
        require_unique_keys(raw)
        # in the form that founding takes, and no other: what is compared and shown is what is founded
        msgspec.convert(genesis.modules.get("party"), PartySection)
        msgspec.convert(genesis.modules.get("network"), NetworkSection)
    except (GenesisInvalid, ValueError) as error:
        raise FoundingInvalid("founding.genesis_invalid", f"{what}: {error}") from None
    if genesis.seal.kind != SIGNED_BY_VALIDATORS:
        raise FoundingInvalid(
            "founding.genesis_invalid",
            f"{what} founds a network of one node, which needs no cards and signatures: traco node init makes such",
        )
    return genesis


def founders(genesis: Genesis) -> dict[str, Founder]:
    """The founding members by their ids in hex. Raises ``FoundingInvalid``."""
    try:
        found = [_founder(member) for member in genesis.modules["party"]["members"]]
    except (LookupError, TypeError, ValueError):
        raise FoundingInvalid("founding.genesis_invalid", "the genesis names no founding members") from None
    return {founder.member: founder for founder in found}


def _founder(member: Mapping[str, Any]) -> Founder:
    keys = member["keys"]
    administering = tuple(entry["key"] for entry in keys if ADMINISTER in entry["roles"])
    return Founder(founding_member_id(bytes.fromhex(keys[0]["key"])).hex(), member["name"], administering)


def require_own_cards(genesis: Genesis, cards: Sequence[Card]) -> None:
    """Refuse a genesis in which this organisation is anything else than its ``cards``, all of its nodes, say.

    Raises ``FoundingInvalid`` (``founding.card_missing``, ``founding.card_changed``, ``founding.node_foreign``).
    """
    for card in cards:
        require_own_card(genesis, card)
    own = {card.statement.node for card in cards}
    for node in _member_of(genesis, cards[0]).get("nodes", ()):
        if node not in own:
            raise FoundingInvalid(
                "founding.node_foreign",
                f"the genesis gives {cards[0].name} another node, {node}; if it is yours, show its card too: --card FILE",
            )


def require_own_card(genesis: Genesis, card: Card) -> None:
    """Refuse a genesis that says anything else of this organisation and node than its own card does.

    Raises ``FoundingInvalid`` (``founding.card_missing``, ``founding.card_changed``).
    """
    said = card.statement
    member = _member_of(genesis, card)
    nodes = [
        node for node in genesis.modules.get("network", {}).get("nodes", ()) if node.get("key") == said.node
    ]
    if len(nodes) != 1 or said.node not in member.get("nodes", ()):
        raise _missing(card)
    wanted = member_sections([card])[0]
    differing = [
        name for name in sorted(member.keys() | wanted.keys())
        if name not in UNSTATED and member.get(name) != wanted.get(name)
    ]  # fmt: skip
    node = nodes[0]
    node_wanted = node_section(card, "validator" if node.get("role") == "validator" else "observer")
    differing += [
        name for name in sorted(node.keys() | node_wanted.keys()) if node.get(name) != node_wanted.get(name)
    ]
    if differing:
        raise FoundingInvalid(
            "founding.card_changed",
            f"the genesis says something else of {card.name} than its card does: {', '.join(differing)}; do not sign it",
        )


def _member_of(genesis: Genesis, card: Card) -> dict[str, Any]:
    members: list[dict[str, Any]] = genesis.modules.get("party", {}).get("members", [])
    for member in members:
        if member["name"] == card.name:
            return member
    raise _missing(card)


def _missing(card: Card) -> FoundingInvalid:
    return FoundingInvalid(
        "founding.card_missing",
        f"the genesis has no node of {card.name} with the key {card.statement.node}; send your card again",
    )


def sign_founding(genesis: Genesis, member: str, signer: Signer) -> FounderSignature:
    """A founder's signature. Raises ``FoundingInvalid`` where it is none of his keys that may administer."""
    made = _signed(FOUNDING_TAG, network_id(genesis), member, signer)
    require_founders(genesis, [made], whole=False)
    return made


def _signed(tag: bytes, network: bytes, member: str, signer: Signer) -> FounderSignature:
    key = signer.public_key
    return FounderSignature(
        network=network.hex(), member=member, key=key.hex(),
        signature=signer.sign(_message(tag, network, member, key)).hex(),
    )  # fmt: skip


def _message(tag: bytes, network: bytes, member: str, key: bytes) -> bytes:
    """What is signed: type, network, member, key."""
    return tag + b"\0" + network + bytes.fromhex(member) + key


def require_founders(
    genesis: Genesis, signatures: Iterable[FounderSignature], *, whole: bool = True
) -> tuple[FounderSignature, ...]:
    """The signatures in order of members, each checked; ``whole``: one of every founder.

    Raises ``FoundingInvalid`` (``founding.signature_wrong``, ``founding.signature_missing``).
    """
    network, known = network_id(genesis), founders(genesis)
    found: dict[str, FounderSignature] = {}
    for signature in signatures:
        founder = known.get(signature.member)
        if founder is None or signature.key not in founder.keys:
            raise _wrong(signature, "is not by a key of a founder that may administer")
        _require_holds(FOUNDING_TAG, network, signature)
        found[signature.member] = signature
    missing = [founder.name for founder in known.values() if founder.member not in found]
    if whole and missing:
        raise FoundingInvalid(
            "founding.signature_missing",
            f"{', '.join(missing)} did not sign this genesis; ask for the file that traco network sign writes",
        )
    return tuple(found[member] for member in sorted(found))


def _require_holds(tag: bytes, network: bytes, signature: FounderSignature) -> None:
    if signature.network != network.hex():
        raise _wrong(signature, f"is for the network {signature.network}, not {network.hex()}")
    key = bytes.fromhex(signature.key)
    message = _message(tag, network, signature.member, key)
    if not is_valid(key, message, bytes.fromhex(signature.signature)):
        raise _wrong(signature, "does not hold")


def _wrong(signature: FounderSignature, why: str) -> FoundingInvalid:
    return FoundingInvalid("founding.signature_wrong", f"the signature of member {signature.member} {why}")


def conclude(
    genesis: Genesis, signatures: Sequence[FounderSignature], card: Card, signer: Signer | None
) -> Founding:
    """What a node keeps: all founders' signatures; where its organisation is none of them, ``signer`` accepts for it.

    Raises ``FoundingInvalid``.
    """
    ordered = require_founders(genesis, signatures)
    accepted = None
    if card.statement.member not in founders(genesis):
        if signer is None:
            raise FoundingInvalid(
                "founding.key_needed", f"{card.name} is no founder: a key of its own must accept this network"
            )
        accepted = _signed(ACCEPTANCE_TAG, network_id(genesis), card.statement.member, signer)
    founding = Founding(network=network_id(genesis).hex(), signatures=ordered, accepted=accepted)
    check_founding(genesis, founding, card)
    return founding


def check_founding(genesis: Genesis, founding: Founding, card: Card) -> None:
    """Return if all founders and this node's own organisation signed this genesis. Raises ``FoundingInvalid``."""
    if founding.network != network_id(genesis).hex():
        raise FoundingInvalid(
            "founding.signature_wrong", f"the signatures are for the network {founding.network}"
        )
    require_founders(genesis, founding.signatures)
    said = card.statement
    founder = founders(genesis).get(said.member)
    if founder is not None:
        if said.node in {node["key"] for node in genesis.modules["network"]["nodes"]}:
            require_own_card(genesis, card)
        return
    accepted = founding.accepted
    own = [entry.key for entry in said.member_keys if ADMINISTER in entry.roles]
    if accepted is None or accepted.member != said.member or accepted.key not in own:
        raise FoundingInvalid(
            "founding.signature_missing",
            f"{card.name} is no founder, and has not accepted this network itself",
        )
    _require_holds(ACCEPTANCE_TAG, network_id(genesis), accepted)


def read_founding(raw: bytes, what: str) -> Founding:
    """What a node keeps. Raises ``FoundingInvalid`` (``founding.signature_wrong``)."""
    return read_document(raw, Founding, "founding.signature_wrong", what)


def read_signatures(raw: bytes, what: str) -> tuple[FounderSignature, ...]:
    """The signatures in a file: of one founder, or those that a node keeps. Raises ``FoundingInvalid``."""
    found: FounderSignature | Founding = read_document(
        raw, FounderSignature | Founding, "founding.signature_wrong", what  # type: ignore[arg-type]
    )  # fmt: skip
    return found.signatures if isinstance(found, Founding) else (found,)


def write_signature(signature: FounderSignature | Founding) -> bytes:
    """A founder's signature, or what a node keeps, in readable canonical form."""
    return write_document(signature)
