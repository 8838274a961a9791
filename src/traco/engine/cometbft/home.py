"""The home folder of CometBFT: keys, configuration and genesis, written from the network's own documents.

    engine/config/   config.toml   genesis.json   node_key.json   priv_validator_key.json
    engine/data/     priv_validator_state.json, and what the engine writes itself

Nobody tunes consensus by hand: what must be equal on all nodes is derived from the genesis and the parameters on the
ledger, and what is local comes from the node's configuration. The forms of the files are CometBFT v0.39's.
"""

import base64
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from nacl.bindings import crypto_sign_seed_keypair

from traco.engine.cometbft.errors import EngineFailed, EngineKeysInvalid
from traco.kernel.crypto import Scheme
from traco.kernel.genesis import Genesis, network_id
from traco.kernel.light import Validator, address, chain_id, founding_validators

LOG_LEVELS: Final = {
    "debug": "info",
    "info": "consensus:error,state:error,mempool:error,events:error,pubsub:error,rpc-server:error,*:info",
    "warning": "error",
    "error": "error",
}
"""The engine's level for each of the node's: at its own ``info``, the engine writes thirty lines for each block."""

FIXED_ROOM_BYTES: Final = 262_144
"""Room in a block for its header, its commit (at most 144 bytes for each validator) and evidence."""
MAX_EVIDENCE_BYTES: Final = 131_072
EVIDENCE_BLOCKS: Final = 100_000
EVIDENCE_AGE_NS: Final = 48 * 3_600 * 10**9
"""Evidence counts until both are over. A live client's trust period must be shorter."""

MIN_TRANSACTION_LIMIT: Final = 4_194_304
"""The pool's limit for one envelope unless the ledger allows longer ones; a neighbour with a lower one would cut the connection."""

_CONFIG: Final = "config/config.toml"
_GENESIS: Final = "config/genesis.json"
_NODE_KEY: Final = "config/node_key.json"
_VALIDATOR_KEY: Final = "config/priv_validator_key.json"
_VALIDATOR_STATE: Final = "data/priv_validator_state.json"
_PUBLIC_TYPE: Final = "tendermint/PubKeyEd25519"
_SECRET_TYPE: Final = "tendermint/PrivKeyEd25519"  # noqa: S105 - the name of a type
_MAX_KEY_FILE_BYTES: Final = 4_096
_SEED_BYTES: Final = 32
_ED25519: Final = bytes([Scheme.ED25519])


class EngineKeys(NamedTuple):
    """The public half of an engine's keys: the consensus key (33 bytes, scheme first) and the peer id (20 bytes)."""

    consensus: bytes
    peer: bytes


class EngineTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says about the engine, equal on all nodes. Times in milliseconds."""

    empty_block_ms: int = 3_000
    propose_ms: int = 500
    propose_step_ms: int = 100
    vote_ms: int = 200
    vote_step_ms: int = 50
    max_envelope_bytes: int = 1_048_576


class StateSync(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node without state begins: a header that it trusts, and at least two addresses that answer for light blocks."""

    rpc_servers: tuple[str, ...]
    trust_height: int
    trust_hash: bytes
    trust_period_s: int = 7 * 24 * 3_600


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is local to one engine. ``peers`` are ``<id in hex>@host:port`` and always kept connected.

    ``twin_blocks``: in how many of the last blocks the engine looks for signatures of its own key, before it signs itself;
    where it finds one, it ends.
    """

    moniker: str
    abci_socket: Path
    rpc_socket: Path
    p2p_host: str = "127.0.0.1"
    p2p_port: int = 26_656
    external_address: str = ""
    peers: tuple[str, ...] = ()
    metrics_port: int | None = None
    log_level: str = LOG_LEVELS["info"]
    state_sync: StateSync | None = None
    twin_blocks: int = 0


# Names


def peer_address(peer: bytes, address: str) -> str:
    """A peer as the engine names it: ``<id in hex>@host:port``."""
    return f"{peer.hex()}@{address}"


# Keys


def create_keys(home: Path) -> EngineKeys:
    """Make a consensus key and a peer key, and the record of what was signed, which is empty.

    Raises ``EngineKeysInvalid`` (``engine.keys_exist``): keys are never replaced.
    """
    for folder in (home, home / "config", home / "data"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (_VALIDATOR_KEY, _NODE_KEY, _VALIDATOR_STATE):
        if (home / name).exists():
            raise EngineKeysInvalid("engine.keys_exist", f"{home / name} exists; keys are never replaced")
    key, secret = _new_key()
    peer, peer_secret = _new_key()
    document = {
        "address": address(key).hex().upper(),
        "pub_key": {"type": _PUBLIC_TYPE, "value": _base64(key[1:])},
        "priv_key": {"type": _SECRET_TYPE, "value": _base64(secret)},
    }
    _write_new(home / _VALIDATOR_STATE, _json({"height": "0", "round": 0, "step": 0}))
    _write_new(home / _NODE_KEY, _json({"priv_key": {"type": _SECRET_TYPE, "value": _base64(peer_secret)}}))
    _write_new(home / _VALIDATOR_KEY, _json(document))
    return EngineKeys(key, address(peer))


def read_keys(home: Path) -> EngineKeys:
    """The public half of the keys.

    Raises ``EngineKeysInvalid``: ``engine.keys_missing``, ``engine.keys_open`` (a mode other than 0600, another owner),
    ``engine.keys_damaged``.
    """
    return EngineKeys(_public_key(home / _VALIDATOR_KEY), address(_public_key(home / _NODE_KEY)))


def require_signing_state(home: Path) -> None:
    """Refuse a home that has lost the record of what its validator signed: it might sign another block for the same height.

    Raises ``EngineKeysInvalid`` (``engine.signing_state_missing``).
    """
    if not (home / _VALIDATOR_STATE).exists():
        raise EngineKeysInvalid(
            "engine.signing_state_missing",
            f"{home / _VALIDATOR_STATE} is missing. It says what this validator signed last; without it the validator might "
            "sign two blocks of one height. Restore the folder from where it is; if it is gone for good: traco node takeover",
        )


def _new_key() -> tuple[bytes, bytes]:
    """A public key with its scheme, and the secret in the engine's form: seed and public key (64 bytes)."""
    public, secret = crypto_sign_seed_keypair(os.urandom(_SEED_BYTES))
    return _ED25519 + public, secret


def _public_key(path: Path) -> bytes:
    """The public key, with its scheme, that belongs to the secret in a file."""
    raw = _read_key_file(path)
    try:
        document = msgspec.json.decode(raw, type=dict[str, Any])
        secret = document["priv_key"]
        if secret["type"] != _SECRET_TYPE:
            raise ValueError("type")
        value = base64.b64decode(secret["value"], validate=True)
        public, whole = crypto_sign_seed_keypair(value[:_SEED_BYTES])
        if whole != value:
            raise ValueError("secret")
    except (ValueError, LookupError, TypeError):
        raise EngineKeysInvalid(
            "engine.keys_damaged",
            f"{path} is not an ed25519 key of CometBFT; restore it from where you keep it",
        ) from None  # without the cause: it might show the secret
    return _ED25519 + public


def _read_key_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        raise EngineKeysInvalid(
            "engine.keys_missing",
            f"{path} cannot be read ({error.strerror}); restore it, or make a node: traco node init",
        ) from None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode) or mode != 0o600 or status.st_uid != os.geteuid():
            raise EngineKeysInvalid(
                "engine.keys_open",
                f"{path} must be a file of this user with mode 0600 (it has {mode:04o}); if nobody can have read it: chmod 600",
            )
        return file.read(_MAX_KEY_FILE_BYTES)


# Genesis


def engine_block_bytes(max_block_bytes: int) -> int:
    """The engine's limit for a block that holds ``max_block_bytes`` of envelopes.

    The engine counts header, commit and evidence too, and up to five bytes around each envelope, which has more than a
    hundred: a thirty-second part is more than that.
    """
    return max_block_bytes + max_block_bytes // 32 + FIXED_ROOM_BYTES


def engine_genesis(genesis: Genesis) -> bytes:
    """The engine's founding document, from the network's: the same bytes on every node.

    It has no app hash: the answer to ``InitChain`` gives that of block 0. Raises ``ValueError`` where no validators are named.
    """
    kernel = genesis.kernel_parameters()
    document = {
        "genesis_time": _moment(genesis.time_ms),
        "chain_id": chain_id(network_id(genesis)),
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(engine_block_bytes(kernel.max_block_bytes)), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": str(EVIDENCE_BLOCKS),
                "max_age_duration": str(EVIDENCE_AGE_NS),
                "max_bytes": str(MAX_EVIDENCE_BYTES),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": str(genesis.protocol)},
            "abci": {"vote_extensions_enable_height": "0"},
            "authority": {"authority": ""},
        },
        "validators": [_genesis_validator(each) for each in founding_validators(genesis)],
        "app_hash": "",
    }
    return _json(document)


def _moment(time_ms: int) -> str:
    """RFC 3339 with nanoseconds."""
    seconds, rest = divmod(time_ms, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}000000Z"


def _genesis_validator(validator: Validator) -> dict[str, Any]:
    return {
        "address": address(validator.key).hex().upper(),
        "pub_key": {"type": _PUBLIC_TYPE, "value": _base64(validator.key[1:])},
        "power": str(validator.power),
        "name": "",
    }


# Configuration


def write_home(home: Path, genesis: bytes, terms: EngineTerms, settings: EngineSettings) -> None:
    """Write ``config.toml`` and, once, ``genesis.json``.

    Raises ``EngineFailed`` (``engine.other_genesis``) where the engine was founded with other bytes.
    """
    for folder in (home / "config", home / "data"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / _GENESIS
    if not path.exists():
        _replace(path, genesis)
    elif path.read_bytes() != genesis:
        raise EngineFailed(
            "engine.other_genesis",
            f"{path} is not what the network's genesis gives. Restore genesis.json of the node, or the engine's folder",
        )
    _replace(home / _CONFIG, engine_config(terms, settings).encode())


def engine_config(terms: EngineTerms, settings: EngineSettings) -> str:
    """The content of ``config.toml``."""
    document = _base_section(settings)
    sections = {
        "rpc": _rpc_section(terms, settings),
        "p2p": _p2p_section(settings),
        "mempool": _mempool_section(terms),
        "statesync": _state_sync_section(settings.state_sync),
        "blocksync": {"version": "v0"},
        "consensus": _consensus_section(terms, settings),
        "storage": {"discard_abci_responses": True},
        "tx_index": {"indexer": "null"},
        "instrumentation": {
            "prometheus": settings.metrics_port is not None,
            "prometheus_listen_addr": f"127.0.0.1:{settings.metrics_port or 0}",
        },
    }
    lines = [
        "# Written by traco at each start, from the ledger's parameters and node.json: changes here do not last.",
        *_lines(document),
    ]
    for name, section in sections.items():
        lines += ["", f"[{name}]", *_lines(section)]
    return "\n".join(lines) + "\n"


def _base_section(settings: EngineSettings) -> dict[str, Any]:
    return {
        "proxy_app": f"unix://{settings.abci_socket}",
        "moniker": settings.moniker,
        "abci": "socket",
        "filter_peers": True,
        "db_backend": "goleveldb",
        "log_level": settings.log_level,
        "log_format": "plain",
        "genesis_file": _GENESIS,
        "node_key_file": _NODE_KEY,
        "priv_validator_key_file": _VALIDATOR_KEY,
        "priv_validator_state_file": _VALIDATOR_STATE,
    }


def _rpc_section(terms: EngineTerms, settings: EngineSettings) -> dict[str, Any]:
    return {
        "laddr": f"unix://{settings.rpc_socket}",
        "unsafe": True,  # for dial_peers; nobody else reaches the socket
        "max_body_bytes": 65_536 + 2 * _transaction_limit(terms),  # base64 takes four bytes for three
        "max_open_connections": 64,
    }


def _p2p_section(settings: EngineSettings) -> dict[str, Any]:
    host = f"[{settings.p2p_host}]" if ":" in settings.p2p_host else settings.p2p_host
    return {
        "laddr": f"tcp://{host}:{settings.p2p_port}",
        "external_address": settings.external_address,
        "seeds": "",
        "persistent_peers": ",".join(settings.peers),
        "persistent_peers_max_dial_period": "10s",
        "addr_book_strict": False,
        "pex": False,
        "allow_duplicate_ip": True,
        # who may connect is decided by the ledger, not by who came first
        "max_num_inbound_peers": 200,
        "max_num_outbound_peers": 200,
        "flush_throttle_timeout": "1ms",
        "send_rate": 200_000_000,
        "recv_rate": 200_000_000,
        "max_packet_msg_payload_size": 32_768,
    }


def _mempool_section(terms: EngineTerms) -> dict[str, Any]:
    return {
        "type": "flood",
        "recheck": True,  # else what expired in the pool is proposed and dropped again and again, in empty blocks
        "size": 50_000,
        "max_txs_bytes": 268_435_456,
        "cache_size": 200_000,
        "max_tx_bytes": _transaction_limit(terms),
    }


def _transaction_limit(terms: EngineTerms) -> int:
    return max(MIN_TRANSACTION_LIMIT, terms.max_envelope_bytes)


def _state_sync_section(wanted: StateSync | None) -> dict[str, Any]:
    if wanted is None:
        return {"enable": False}
    return {
        "enable": True,
        "rpc_servers": ",".join(wanted.rpc_servers),
        "trust_height": wanted.trust_height,
        "trust_hash": wanted.trust_hash.hex().upper(),
        "trust_period": f"{wanted.trust_period_s}s",
        "discovery_time": "5s",
        "chunk_fetchers": "4",
        "chunk_request_timeout": "10s",
    }


def _consensus_section(terms: EngineTerms, settings: EngineSettings) -> dict[str, Any]:
    return {
        "timeout_propose": f"{terms.propose_ms}ms",
        "timeout_propose_delta": f"{terms.propose_step_ms}ms",
        "timeout_prevote": f"{terms.vote_ms}ms",
        "timeout_prevote_delta": f"{terms.vote_step_ms}ms",
        "timeout_precommit": f"{terms.vote_ms}ms",
        "timeout_precommit_delta": f"{terms.vote_step_ms}ms",
        "timeout_commit": "0s",
        "skip_timeout_commit": True,
        "create_empty_blocks": False,
        "create_empty_blocks_interval": f"{terms.empty_block_ms}ms",
        "peer_gossip_sleep_duration": "2ms",
        "peer_query_maj23_sleep_duration": "2s",
        "double_sign_check_height": settings.twin_blocks,
        "block_time_tolerance": "60s",
    }


def _lines(section: dict[str, Any]) -> list[str]:
    """Lines of TOML: a basic string, a number and a truth value are written as in JSON."""
    return [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in section.items()]


# Files


def _json(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _write_new(path: Path, content: bytes) -> None:
    """A file for its owner alone, durable; never over another."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    """All of the old content or all of the new."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    _write_new(temporary, content)
    temporary.replace(path)
