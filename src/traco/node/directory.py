"""A node's directory: what is in it, and how it is made.

genesis.json   the founding document            node.keys    the node's keys, encrypted
node.json      the configuration                ledger.db    the ledger       outbox.db    what is on its way
fingerprint.keys   the keys of the fingerprint service, in a file of their own: another process opens it
fingerprints.log   what the fingerprint service was asked (never the fields)
seats.keys     the keys of the seats that it has in channels, likewise (``channels.keyring``)
channels/      what it keeps of channels: custody.db payloads, channels.db keys of epochs and what waits, <id>.db replicas
channels.sock  where the channels' process answers the API
concerns.db    whom objects concerned that have ended (``api.concerns``); made from the ledger again where it is missing
node.log       what the node has to say
restored.json  only in a restored copy: it does not start before ``traco node takeover``

A node of a cluster (``founding``) also has:

card.json      what the founders were told of it, signed by all its keys
founding.json  the founders' signatures over the network
engine/        the home of CometBFT, with its keys
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from traco.client.keystore import PRODUCTION_COST, Cost, KeyStore
from traco.client.private_file import replace_private
from traco.kernel.application import Application
from traco.kernel.crypto import Scheme
from traco.kernel.errors import LedgerError
from traco.kernel.genesis import Genesis, GenesisInvalid, SealTerms, network_id, parse_genesis, write_genesis
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.modules.composition import compose
from traco.modules.party.genesis import founding_member_id
from traco.node.configuration import CONFIG_FILE, NodeConfig, encode_config
from traco.storage import LedgerStore

LEDGER_FILE: Final = "ledger.db"
OUTBOX_FILE: Final = "outbox.db"
GENESIS_FILE: Final = "genesis.json"
KEYS_FILE: Final = "node.keys"
FINGERPRINT_KEYS_FILE: Final = "fingerprint.keys"
FINGERPRINT_LOG: Final = "fingerprints.log"
NODE_LOG: Final = "node.log"
TAKEN_OVER_FILE: Final = (
    "taken-over"  # of a cluster: the engine first looks for signatures of a twin, then this goes
)
RESTORED_FILE: Final = "restored.json"  # holds back a restored copy, so that there are not two of one node
CARD_FILE: Final = "card.json"
FOUNDING_FILE: Final = "founding.json"
ENGINE_FOLDER: Final = "engine"
SNAPSHOTS_FOLDER: Final = "snapshots"  # for nodes that join
CONSENSUS_KEY_FILE: Final = "engine/config/priv_validator_key.json"
PEER_KEY_FILE: Final = "engine/config/node_key.json"
SIGNING_STATE_FILE: Final = "engine/data/priv_validator_state.json"
EVIDENCE_FILE: Final = "evidence.db"

FOUNDED_FILES: Final = (GENESIS_FILE, CONFIG_FILE, KEYS_FILE, FINGERPRINT_KEYS_FILE, LEDGER_FILE)
"""What only a backup has."""

CLUSTER_FILES: Final = (CARD_FILE, FOUNDING_FILE, CONSENSUS_KEY_FILE, PEER_KEY_FILE)
"""What a node of a cluster has besides, and only a backup has."""

PRIVATE_UMASK: Final = 0o077  # whatever a node writes is for its own user

MEMBER_KEY: Final = "member"  # acts for the founding member: registers parties, grants roles
NODE_KEY: Final = "node"  # signs envelopes
SEAL_KEY: Final = "seal"  # signs checkpoints
FINGERPRINT_KEY: Final = "fingerprint"  # signs what the fingerprint service states
MEMBER_ROLES: Final = ("sign", "administer", "read")


class NodeDirectoryError(LedgerError):
    """A node's directory is missing, incomplete, or in use for something else; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def create(
    directory: Path, passphrase: str, *, name: str, operator: str, purpose: Literal["development", "test", "production"],
    time_ms: int, config: NodeConfig, lei: str | None = None, cost: Cost = PRODUCTION_COST,
) -> Genesis:  # fmt: skip
    """Make a node that founds a network of its own, with one founding member. Raises ``NodeDirectoryError``.

    ``operator`` is the founding member's name; ``time_ms`` the founding time. Where the ledger would not be founded
    like that, nothing is left behind.
    """
    with new_directory(directory):
        genesis = _genesis(name, operator, purpose, time_ms, lei, _make_keys(directory, passphrase, cost))
        found_ledger(directory, genesis)
        replace_private(directory / CONFIG_FILE, encode_config(config), None)
        replace_private(directory / GENESIS_FILE, write_genesis(genesis), None)
    return genesis


@contextmanager
def new_directory(directory: Path) -> Iterator[None]:
    """A new or empty directory for its owner alone; when the caller fails, nothing is left in it.

    Raises ``NodeDirectoryError`` (``node.not_empty``).
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NodeDirectoryError("node.not_empty", f"{directory} is not an empty directory; choose a new one")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)  # it may have been there, open to others
    try:
        yield
    except BaseException:
        for path in directory.iterdir():
            rmtree(path) if path.is_dir() else path.unlink()
        raise


def _make_keys(directory: Path, passphrase: str, cost: Cost) -> dict[str, str]:
    """Both key stores; the public keys in hex."""
    public: dict[str, str] = {}
    with KeyStore.create(directory / KEYS_FILE, passphrase, cost) as keys:
        public[MEMBER_KEY] = keys.generate(MEMBER_KEY, Scheme.ED25519, MEMBER_ROLES).public_key.hex()
        for key in (NODE_KEY, SEAL_KEY):
            public[key] = keys.generate(key, Scheme.ED25519, (key,)).public_key.hex()
    with KeyStore.create(directory / FINGERPRINT_KEYS_FILE, passphrase, cost) as keys:
        public[FINGERPRINT_KEY] = keys.generate(
            FINGERPRINT_KEY, Scheme.ED25519, (FINGERPRINT_KEY,)
        ).public_key.hex()
    return public


def found_ledger(directory: Path, genesis: Genesis) -> bytes:
    """Make the ledger with its block 0, whose app hash is returned. From then on a directory without one is damaged, not new.

    Where that was done before and nothing came after, it is left as it is. Raises ``NodeDirectoryError``.
    """
    try:
        founding = parse_genesis(write_genesis(genesis))
        store = LedgerStore(directory / LEDGER_FILE, network_id(founding))
        try:
            application = Application(founding, compose(), store, _raise_alarm)
            if application.info().height > 0:
                raise _missing(directory, GENESIS_FILE)
            if not application.info().app_hash:
                application.init_chain()
        finally:
            store.close()
    except GenesisInvalid as error:
        raise NodeDirectoryError(
            "node.genesis_invalid", f"the ledger cannot be founded like that: {error}"
        ) from None
    (directory / LEDGER_FILE).chmod(0o600)  # SQLite gives its journals the same mode
    return application.info().app_hash


def trial_founding(genesis: Genesis) -> bytes:
    """The app hash of the block 0 that this genesis gives; nothing is kept. Raises ``NodeDirectoryError``."""
    with TemporaryDirectory(prefix="traco-founding-") as scratch:
        return found_ledger(Path(scratch), genesis)


def _raise_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise NodeDirectoryError("node.genesis_invalid", f"founding the ledger ended in {kind}") from error


def require_complete(directory: Path) -> None:
    """Refuse a directory that lacks something only a backup has, and a restored copy that is held back.

    Raises ``NodeDirectoryError`` (``node.incomplete``, ``node.restored``).
    """
    if (directory / RESTORED_FILE).exists():
        raise NodeDirectoryError(
            "node.restored",
            f"{directory} is a restored copy. If it started while its original runs, or after others saw later blocks, there "
            "would be two histories sealed with one key. If the original is gone for good: traco node takeover DIR",
        )
    is_cluster = (directory / CARD_FILE).exists()
    for name in (*FOUNDED_FILES, *(CLUSTER_FILES if is_cluster else ())):
        if not (directory / name).exists():
            raise _missing(directory, name)


def is_node_directory(directory: Path) -> bool:
    """Whether a directory is a node's, be it a damaged one's: it has any of the files that only a node has."""
    return any((directory / name).exists() for name in (*FOUNDED_FILES, CARD_FILE, RESTORED_FILE))


def require_node_directory(directory: Path) -> None:
    """Refuse what is not a node's directory, before anything is written there. Raises ``NodeDirectoryError``."""
    if not is_node_directory(directory):
        raise _missing(directory, GENESIS_FILE)


def _missing(directory: Path, name: str) -> NodeDirectoryError:
    if not is_node_directory(directory):
        return NodeDirectoryError(
            "node.incomplete", f"{directory} is not a node's directory; make one with: traco node init DIR"
        )
    if name == GENESIS_FILE and (directory / CARD_FILE).exists() and not (directory / FOUNDING_FILE).exists():
        return NodeDirectoryError(
            "node.not_founded",
            f"{directory} has keys and a card, and is in no network yet: traco network accept DIR GENESIS SIGNATURES",
        )
    return NodeDirectoryError(
        "node.incomplete",
        f"{directory / name} is missing. Restore it from a backup, or mount its disk: a node never starts anew in a "
        "directory that was founded, because it would seal a second history with the same key.",
    )


def _genesis(
    name: str, operator: str, purpose: Literal["development", "test", "production"], time_ms: int, lei: str | None,
    public: dict[str, str],
) -> Genesis:  # fmt: skip
    member: dict[str, Any] = {
        "name": operator,
        "identifiers": [["0199", lei]] if lei else [],
        "keys": [{"key": public[MEMBER_KEY], "roles": list(MEMBER_ROLES)}],
        "nodes": [public[NODE_KEY]],
        "roles": [],
    }
    return Genesis(
        name=name,
        purpose=purpose,
        time_ms=time_ms,
        protocol=NEWEST_PROTOCOL,
        seal=SealTerms("checkpoint", public[SEAL_KEY]),
        modules={
            "party": {"members": [member], "council": {"threshold": 1, "members": [operator]}},
            "document": {
                "fingerprint_keys": [{"key": public[FINGERPRINT_KEY], "scheme": 1, "from_version": 1}]
            },
        },
    )


def read_genesis(directory: Path) -> bytes:
    """The bytes of the genesis document, which is one. Raises ``NodeDirectoryError``."""
    raw = read_file(directory / GENESIS_FILE)
    try:
        parse_genesis(raw)
    except GenesisInvalid as error:
        raise NodeDirectoryError(
            "node.genesis_invalid", f"{GENESIS_FILE}: {error}; restore it from a backup"
        ) from None
    return raw


def founding_member(genesis: bytes) -> bytes:
    """The id of the first founding member. Raises ``NodeDirectoryError``."""
    try:
        first = parse_genesis(genesis).modules["party"]["members"][0]
        return founding_member_id(bytes.fromhex(first["keys"][0]["key"]))
    except (GenesisInvalid, LookupError, TypeError, ValueError):
        raise NodeDirectoryError("node.genesis_invalid", f"{GENESIS_FILE} names no founding member") from None


def read_file(path: Path) -> bytes:
    """The content of a file of a node's directory. Raises ``NodeDirectoryError`` (``node.incomplete``)."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _missing(path.parent, path.name) from None
    except OSError as error:
        raise NodeDirectoryError("node.incomplete", f"{path} cannot be read: {error.strerror}") from None
