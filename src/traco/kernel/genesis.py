"""The founding document of a network. Its hash is the network's id and part of everything signed."""

import re
from typing import Any, Final, Literal

import msgspec

from traco.kernel.codec import MAX_AMOUNT, Label, TimeMs, digest
from traco.kernel.instruction import KernelParameters
from traco.kernel.light import founding_validators

GENESIS_TAG: Final = b"traco/genesis/1"
FORMAT: Final = "traco-genesis/1"
MAX_GENESIS_BYTES: Final = 64 * 1024 * 1024
SIGNED_BY_VALIDATORS: Final = "cometbft"
"""The kind of seal that a network of several nodes has: a cluster."""

_HEX_KEY: Final = re.compile(r"[0-9a-f]{66}|[0-9a-f]{68}")


class GenesisInvalid(ValueError):
    """The document is not a genesis; the text says what is wrong and where."""


class SealTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes outsiders believe an app hash: who seals, and how.

    ``checkpoint``: the embedded engine signs checkpoints with the one key that ``key`` names (hex, scheme byte first).
    ``cometbft``: the validators under ``modules.network.nodes``, and whom they hand over to, sign headers; ``key`` is empty.
    """

    kind: Literal["checkpoint", "cometbft"]
    key: str


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The founding document. ``modules`` holds one object per module, read by that module alone."""

    format: Literal["traco-genesis/1"] = "traco-genesis/1"
    name: Label
    purpose: Literal["development", "test", "production"]
    time_ms: TimeMs
    protocol: int = 1
    seal: SealTerms
    parameters: dict[str, dict[str, Any]] = {}
    modules: dict[str, dict[str, Any]] = {}

    def kernel_parameters(self) -> KernelParameters:
        """The kernel's parameters as founded."""
        return msgspec.convert(named(self.parameters.get("kernel", {}), KernelParameters), KernelParameters)


def parse_genesis(raw: bytes) -> Genesis:
    """The genesis in ``raw`` (JSON in any layout). Raises ``GenesisInvalid``."""
    if len(raw) > MAX_GENESIS_BYTES:
        raise GenesisInvalid(f"the document has {len(raw)} bytes, the limit is {MAX_GENESIS_BYTES}")
    try:
        genesis = msgspec.json.decode(raw, type=Genesis)
        _check_numbers(genesis.modules)
        _check_numbers(genesis.parameters)
        genesis.kernel_parameters()
        network_id(genesis)
    except RecursionError:
        raise GenesisInvalid("nested too deeply") from None
    except ValueError as error:
        raise GenesisInvalid(str(error)) from None
    _check_seal(genesis)
    return genesis


def write_genesis(genesis: Genesis) -> bytes:
    """The document in its readable canonical form: sorted keys, two spaces, a final newline."""
    return msgspec.json.format(msgspec.json.encode(genesis, order="sorted"), indent=2) + b"\n"


def network_id(genesis: Genesis) -> bytes:
    """The network's id (32 bytes): independent of layout and order of the document it was read from."""
    return digest(GENESIS_TAG, msgspec.json.encode(genesis, order="sorted"))


def named(section: dict[str, Any], kind: type[msgspec.Struct]) -> list[Any]:
    """An object of a genesis section as the array form of a record, defaults filled in. Raises ``GenesisInvalid``.

    Records are arrays on the wire; people write names.
    """
    fields = msgspec.structs.fields(kind)
    unknown = sorted(section.keys() - {field.name for field in fields})
    if unknown:
        raise GenesisInvalid(f"{kind.__name__} has no field {unknown[0]}")
    missing = [field.name for field in fields if field.required and field.name not in section]
    if missing:
        raise GenesisInvalid(f"{kind.__name__} needs {missing[0]}")
    values = [section.get(field.name, field.default) for field in fields]
    tag = kind.__struct_config__.tag
    return values if tag is None else [tag, *values]


def hex_bytes(text: str) -> bytes:
    """The bytes that a section gives in lower-case hex, the one spelling that they have. Raises ``ValueError``."""
    raw = bytes.fromhex(text)
    if raw.hex() != text:
        raise ValueError(f"{text!r} is not plain lower-case hex")
    return raw


def _check_seal(genesis: Genesis) -> None:
    if genesis.seal.kind == "checkpoint":
        if not _HEX_KEY.fullmatch(genesis.seal.key):
            raise GenesisInvalid("seal.key is not a public key in lower-case hex")
        return
    if genesis.seal.key:
        raise GenesisInvalid("seal.key is empty where the kind is cometbft: the validators seal")
    try:
        founding_validators(genesis)
    except ValueError as error:
        raise GenesisInvalid(str(error)) from None


def _check_numbers(value: Any) -> None:
    """Numbers in sections are integers of 64 bits with sign: floats round, larger ones not every reader has."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_numbers(item)
    elif isinstance(value, int):
        if not -MAX_AMOUNT <= value <= MAX_AMOUNT:
            raise GenesisInvalid("numbers are integers of at most 64 bits here")
    elif not (value is None or isinstance(value, str)):
        raise GenesisInvalid("numbers are integers here")
