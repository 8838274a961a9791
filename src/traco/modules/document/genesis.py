"""The module's part of the genesis: the signing keys of the fingerprint service. Format of ``modules.document``:

    {"fingerprint_keys": [{"key": "<hex, with scheme byte>", "scheme": 1, "from_version": 1}]}

``scheme`` and ``from_version`` say under which secret key every statement must carry fingerprints; see
``document.set_fingerprint_key/1``. Without a key no document can be registered until a registry operator sets one.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from traco.kernel.crypto import KeyInvalid, check_public_key
from traco.kernel.genesis import hex_bytes
from traco.kernel.module import Context
from traco.modules.document.keeper import Keeper
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.state import ServiceKey
from traco.modules.document.statement import KeyVersion, SchemeVersion


class GenesisServiceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signing key in hex, and the version that statements must carry."""

    key: str
    scheme: SchemeVersion = 1
    from_version: KeyVersion = 1


class DocumentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The object ``modules.document`` of the genesis document."""

    fingerprint_keys: tuple[GenesisServiceKey, ...] = ()


def found(keeper: Keeper, context: Context, section: Mapping[str, Any]) -> None:
    """Write the keys. Raises ``ValueError``, which the kernel reports with the place."""
    parsed = msgspec.convert(section, DocumentSection)
    keys = {}
    for entry in parsed.fingerprint_keys:
        key = hex_bytes(entry.key)
        try:
            check_public_key(key)
        except KeyInvalid as invalid:
            raise ValueError(f"fingerprint key {entry.key}: {invalid.code}") from None
        if key in keys:
            raise ValueError(f"fingerprint key {entry.key} is given twice")
        keys[key] = ServiceKey(key, entry.scheme, entry.from_version)
    limit = context.parameters(DocumentParameters).max_service_keys
    if len(keys) > limit:
        raise ValueError(f"{len(keys)} fingerprint keys, the limit is {limit}")
    keeper.set_service_keys(context, list(keys.values()))
