"""The answer of a query with its proof: the records that the query reads, each proven to be in the state, or not in it.

    witness = decode_witness(raw)
    record = check_witness(witness)            # every record leads to one state root, and from there to an app hash
    answer = answer_from(witness, name, request)   # the query itself, run here on the proven records

A query is a function of the state, so whoever has the records that it reads can run it himself: nothing of the
node's answer has to be believed but that the app hash is the ledger's, which is what seals and headers prove.

Exceptions:

    LedgerError
    └── WitnessInvalid    it does not prove an answer; ``code`` says why
"""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from traco.kernel.codec import Codec, Count, Hash, Height, Record, encode
from traco.kernel.errors import LedgerError
from traco.kernel.merkle import ProofInvalid
from traco.kernel.module import Query
from traco.kernel.receipt import app_hash
from traco.kernel.state import State
from traco.kernel.stateproof import MAX_DEPTH, MAX_KEY_BYTES, StateProof, verify_absence, verify_presence

MAX_WITNESS_BYTES: Final = 1_048_576
MAX_RECORDS: Final = 32
"""No query with a proof reads more."""

PROVEN: Final[Mapping[str, bool]] = {
    "party.get": True,
    "party.by_lei": True,
    "party.council": True,
    "party.of_key": True,
    "party.of_node": True,
    "holding.instrument": True,
    "holding.supply": False,
    "holding.account": False,
    "holding.get": False,
    "holding.hold": False,
    "holding.pledge": False,
    "holding.attachment": False,
    "settlement.batch": False,
}
"""The queries that are answered with proofs: their answers show all of what they read. True: everybody may read it all."""

_COMPOSITION: Final = (
    "traco.modules.composition"  # imported when the first answer is checked: all modules take time
)
Key = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_KEY_BYTES)]
Slot = Annotated[int, msgspec.Meta(ge=0)]


class KeyProof(Record, frozen=True):
    """A key of the state with its value, None where it has none, and the proof: the fields of a ``StateProof``."""

    key: Key
    value: bytes | None
    slot: Slot
    leaf_key: bytes
    next_key: bytes
    value_hash: Hash
    siblings: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_DEPTH)]
    slot_count: Slot
    first_empty: Slot


class KeyProofs(Record, frozen=True):
    """Keys of one state, in the order in which they were asked for."""

    state_root: Hash
    keys: Annotated[tuple[KeyProof, ...], msgspec.Meta(max_length=MAX_RECORDS)]


class Witness(Record, frozen=True, tag="traco.witness/1"):
    """What a query read of the state after block ``height``, and what makes that state's root an app hash."""

    network: Hash
    height: Height
    proofs: KeyProofs
    history_root: Hash
    history_size: Count

    @property
    def app_hash(self) -> bytes:
        """The app hash that has to be the ledger's."""
        return app_hash(self.proofs.state_root, self.history_root, self.history_size)


class WitnessInvalid(LedgerError):
    """It proves nothing, by ``code``.

    ``witness.malformed``, ``witness.too_large``, ``witness.network`` (another network's), ``witness.proof`` (a record is
    not in the state as said), ``witness.incomplete`` (a record that the query reads is missing), ``witness.record`` (one
    is of a form that this release does not know).
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


_WITNESS: Final[Codec[Witness]] = Codec(Witness)


def key_proof(key: bytes, value: bytes | None, proof: StateProof) -> KeyProof:
    """A key with its proof, to be sent."""
    return KeyProof(
        key, value, proof.slot, proof.leaf_key, proof.next_key, proof.value_hash, proof.siblings, proof.slot_count,
        proof.first_empty,
    )  # fmt: skip


def encode_witness(witness: Witness) -> bytes:
    """The bytes that are sent."""
    return encode(witness)


def check_witness(raw: bytes, network: bytes) -> Witness:
    """The witness in these bytes, each of its records shown to be in one state. Raises ``WitnessInvalid``, nothing else."""
    if len(raw) > MAX_WITNESS_BYTES:
        raise WitnessInvalid(
            "witness.too_large", f"{len(raw)} bytes, where {MAX_WITNESS_BYTES} are the limit"
        )
    try:
        witness = _WITNESS.decode(raw)
    except ValueError as error:
        raise WitnessInvalid("witness.malformed", str(error)) from None
    if witness.network != network:
        raise WitnessInvalid("witness.network", f"it belongs to network {witness.network.hex()}")
    for each in witness.proofs.keys:
        _check(each, witness.proofs.state_root)
    return witness


def _check(each: KeyProof, root: bytes) -> None:
    proof = StateProof(
        each.slot, each.leaf_key, each.next_key, each.value_hash, each.siblings, each.slot_count, each.first_empty
    )  # fmt: skip
    try:
        if each.value is None:
            verify_absence(proof, each.key, root)
        else:
            verify_presence(proof, each.key, each.value, root)
    except ProofInvalid as error:
        raise WitnessInvalid("witness.proof", f"key {each.key.hex()}: {error}") from None


def answer_from(witness: Witness, name: str, request: Any) -> Any:
    """What a query answers on the proven records. Raises ``WitnessInvalid``, and what the query rejects."""
    try:
        return known_queries()[name].answer(State(_ProvenState(witness.proofs)), request)
    except msgspec.DecodeError as error:
        raise WitnessInvalid(
            "witness.record", f"a record is of a form that is not known here: {error}"
        ) from None


@cache
def known_queries() -> Mapping[str, Query]:
    """The queries of this release by name."""
    queries: Mapping[str, Query] = importlib.import_module(_COMPOSITION).compose().queries
    return queries


class _ProvenState:
    """The proven records as a state: whatever else is read of it is not known."""

    def __init__(self, proofs: KeyProofs) -> None:
        self._values = {each.key: each.value for each in proofs.keys}

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        if key not in self._values:
            raise WitnessInvalid(
                "witness.incomplete", f"the query reads key {key.hex()}, which is not among the proofs"
            )
        return self._values[key]

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Nothing is proven of ranges of keys."""
        raise WitnessInvalid(
            "witness.incomplete", f"the query reads all keys from {start.hex()} to {stop.hex()}"
        )


class ReadKeys:
    """A state that notes which of its keys are read: by that a node knows what to prove."""

    def __init__(self, committed: Any) -> None:
        self._committed = committed
        self.keys: dict[bytes, None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        self.keys[key] = None
        value: bytes | None = self._committed.get(key)
        return value

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Queries with proofs read single keys. Raises ``NotImplementedError``."""
        raise NotImplementedError(
            f"a query with a proof reads a range of keys: {start.hex()} to {stop.hex()}"
        )
