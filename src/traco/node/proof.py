"""Proofs that something is in a ledger's state, or is not: made from a node's directory, checked with the file alone.

A proof leads to a state root and from there to an app hash, which is what seals vouch for. Whether that app hash is the
ledger's is shown by a seal or a finality receipt, not by this file.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from traco.kernel.codec import Hash
from traco.kernel.merkle import ProofInvalid
from traco.kernel.receipt import app_hash
from traco.kernel.stateproof import StateProof, verify_absence, verify_presence
from traco.node.directory import LEDGER_FILE, NodeDirectoryError
from traco.storage import SnapshotReader

MAX_PROOF_BYTES: Final = 1_048_576

Size = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class StateProofFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file, as JSON with bytes in base64. ``value`` is None where absence is proven."""

    format: Literal["traco-state-proof/1"] = "traco-state-proof/1"
    network: Hash
    height: Size
    key: bytes
    value: bytes | None
    proof: StateProof
    state_root: Hash
    history_root: Hash
    history_size: Size
    app_hash: Hash


class Proven(NamedTuple):
    """What a checked proof shows: after block ``height`` the key has this value, or none."""

    network: bytes
    height: int
    key: bytes
    value: bytes | None
    state_root: bytes
    app_hash: bytes


def prove(directory: Path, key: bytes) -> StateProofFile:
    """The proof for a key as of the last committed block; works beside a running node.

    Raises ``NodeDirectoryError`` before the ledger was founded, ``StorageHalt``, and ``ValueError`` for what is no key.
    """
    path = directory / LEDGER_FILE
    snapshot = SnapshotReader(path).snapshot() if path.exists() else None
    if snapshot is None:
        raise NodeDirectoryError("node.not_founded", f"{directory} has no ledger yet; start the node once")
    with snapshot:
        block = snapshot.block(snapshot.height)
        if block is None:
            raise NodeDirectoryError("node.incomplete", f"{path} has no last block")
        tree = snapshot.tree()
        return StateProofFile(
            network=snapshot.network, height=block.height, key=key, value=tree.get(key), proof=tree.prove(key),
            state_root=block.state_root, history_root=block.history_root, history_size=block.history_size,
            app_hash=block.app_hash,
        )  # fmt: skip


def write_proof(proof: StateProofFile) -> bytes:
    """The file's bytes."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=2) + b"\n"


def check_proof(raw: bytes) -> Proven:
    """What a proof file shows. Raises ``ProofInvalid``; no other exception, whatever the bytes."""
    try:
        file = msgspec.json.decode(raw, type=StateProofFile)
    except (ValueError, RecursionError) as error:
        raise ProofInvalid(f"not a proof file ({error})") from None
    if file.value is None:
        verify_absence(file.proof, file.key, file.state_root)
    else:
        verify_presence(file.proof, file.key, file.value, file.state_root)
    if file.app_hash != app_hash(file.state_root, file.history_root, file.history_size):
        raise ProofInvalid("the state root does not belong to the app hash")
    return Proven(file.network, file.height, file.key, file.value, file.state_root, file.app_hash)


def as_form(proven: Proven) -> dict[str, Any]:
    """What was shown, as plain values."""
    return {
        "proves": "absence" if proven.value is None else "presence",
        "key": proven.key.hex(), "value": None if proven.value is None else proven.value.hex(),
        "height": proven.height, "state_root": proven.state_root.hex(), "app_hash": proven.app_hash.hex(),
        "network": proven.network.hex(),
    }  # fmt: skip
