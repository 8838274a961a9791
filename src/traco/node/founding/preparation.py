"""Making a node that is to found or join a network: its keys, its configuration, and its card. No private key leaves it.

A card names the keys of the organisation, too. They are made with the organisation's first node and kept in its ``node.keys``;
or they exist already, in a key store or behind a file of signers, and only sign the card (``Owner``).
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from traco.client.keystore import PRODUCTION_COST, Cost, KeyEntry, KeyStore
from traco.client.private_file import read_private, replace_private
from traco.client.signer import Ed25519Signer, Signer
from traco.engine.cometbft.home import create_keys
from traco.kernel.crypto import Scheme
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.state import KEY_ROLES
from traco.node.configuration import CONFIG_FILE, NodeConfig, encode_config
from traco.node.directory import (
    CARD_FILE,
    CONSENSUS_KEY_FILE,
    ENGINE_FOLDER,
    FINGERPRINT_KEY,
    FINGERPRINT_KEYS_FILE,
    KEYS_FILE,
    MEMBER_KEY,
    MEMBER_ROLES,
    NODE_KEY,
    PEER_KEY_FILE,
    new_directory,
)
from traco.node.founding.card import (
    Card,
    MemberKey,
    Organisation,
    Placement,
    Statement,
    peer_id,
    sign_card,
    write_card,
)
from traco.node.founding.documents import FoundingInvalid

MAX_KEY_BYTES: Final = 65_536
SEED_BYTES: Final = 32


class Draft(NamedTuple):
    """What people say of a node; its keys are made."""

    organisation: Organisation
    address: str
    gateway: str
    placement: Placement


class Owner(NamedTuple):
    """An organisation that has keys: its id on the ledger in hex ("" for a founder), its keys, and their signers."""

    member: str
    keys: tuple[MemberKey, ...]
    signers: tuple[Signer, ...]


class KeySource(Protocol):
    """An opened key store or file of signers."""

    def keys(self) -> Sequence[KeyEntry]:
        """What may be known of its keys."""

    def signer(self, name: str) -> Signer:
        """The signer of a key."""


def owner_of(store: KeySource, member: str = "") -> Owner:
    """The organisation whose keys are in an opened key store or file of signers. Raises ``FoundingInvalid``."""
    held = store.keys()
    entries = [entry for entry in held if _member_roles(entry)]
    if not entries:
        raise FoundingInvalid(
            "founding.key_needed",
            "the key store has no key with the role sign, administer or read of an organisation",
        )
    keys = tuple(MemberKey(key=entry.public_key.hex(), roles=_member_roles(entry)) for entry in entries)
    return Owner(member, keys, tuple(store.signer(entry.name) for entry in entries))


def _member_roles(entry: KeyEntry) -> tuple[Any, ...]:
    return tuple(role for role in KEY_ROLES if role in entry.roles)


def prepare(
    directory: Path, passphrase: str, draft: Draft, config: NodeConfig, *, owner: Owner | None = None,
    cost: Cost = PRODUCTION_COST,
) -> Card:  # fmt: skip
    """Make a node's directory, to which only a network is missing; its card. Where it cannot be, nothing is left behind.

    Raises ``FoundingInvalid``, ``NodeDirectoryError``, ``KeyStoreError``.
    """
    with new_directory(directory):
        node, made = _make_node_keys(directory, passphrase, cost, owner)
        with KeyStore.create(directory / FINGERPRINT_KEYS_FILE, passphrase, cost) as keys:
            keys.generate(FINGERPRINT_KEY, Scheme.ED25519, (FINGERPRINT_KEY,))
            fingerprint = keys.signer(FINGERPRINT_KEY)
        create_keys(directory / ENGINE_FOLDER)
        consensus, peer = (
            engine_signer(directory / CONSENSUS_KEY_FILE),
            engine_signer(directory / PEER_KEY_FILE),
        )
        statement = Statement(
            member=made.member or founding_member_id(bytes.fromhex(made.keys[0].key)).hex(),
            organisation=draft.organisation, member_keys=made.keys, node=node.public_key.hex(),
            consensus=consensus.public_key.hex(), peer=peer_id(peer.public_key), peer_key=peer.public_key.hex(),
            fingerprint=fingerprint.public_key.hex(), address=draft.address, gateway=draft.gateway,
            placement=draft.placement,
        )  # fmt: skip
        card = sign_card(checked(statement), (*made.signers, node, consensus, peer, fingerprint))
        replace_private(directory / CONFIG_FILE, encode_config(config), None)
        replace_private(directory / CARD_FILE, write_card(card), None)
    return card


def checked(statement: Statement) -> Statement:
    """The statement, if it is within the bounds that readers hold it to. Raises ``FoundingInvalid``."""
    try:
        return msgspec.convert(msgspec.to_builtins(statement), Statement)
    except msgspec.ValidationError as error:
        raise FoundingInvalid("founding.card_invalid", f"no card can say that: {error}") from None


def _make_node_keys(
    directory: Path, passphrase: str, cost: Cost, owner: Owner | None
) -> tuple[Signer, Owner]:  # fmt: skip
    """The signer of the node's key, and the organisation: a new one with one key, where there is none yet."""
    with KeyStore.create(directory / KEYS_FILE, passphrase, cost) as keys:
        if owner is None:
            entry = keys.generate(MEMBER_KEY, Scheme.ED25519, MEMBER_ROLES)
            member = MemberKey(key=entry.public_key.hex(), roles=_member_roles(entry))
            owner = Owner("", (member,), (keys.signer(MEMBER_KEY),))
        keys.generate(NODE_KEY, Scheme.ED25519, (NODE_KEY,))
        return keys.signer(NODE_KEY), owner


class _SecretKey(msgspec.Struct):
    value: str


class _KeyFile(msgspec.Struct):
    priv_key: _SecretKey


def engine_signer(path: Path) -> Ed25519Signer:
    """The signer of a key that the engine keeps in a file of its own. Raises ``FoundingInvalid``."""
    try:
        secret = msgspec.json.decode(read_private(path, MAX_KEY_BYTES), type=_KeyFile).priv_key.value
        return Ed25519Signer(base64.b64decode(secret, validate=True)[:SEED_BYTES])
    except (OSError, ValueError):  # without the cause, which may hold what the file holds
        raise FoundingInvalid("founding.key_needed", f"{path} is not a key file of the engine") from None
