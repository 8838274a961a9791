"""Whatever decodes is in the one form that its meaning has, as a second judge says, and no error but ``ValueError`` comes out.

If broken: two encodings of one transaction have two ids, or hostile bytes stop a node.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from fuzz.mutation import of_messagepack
from fuzz.strict import is_canonical
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import FinalityReceipt
from traco.kernel.receipt import BlockRecord, Receipt
from traco.kernel.transaction import Envelope, Transaction

# not `RawTransaction`: its body is bytes, which are decoded by the types of the modules afterwards
_KINDS: Final[tuple[Codec[Any], ...]] = tuple(
    map(Codec, (Transaction, Envelope, Receipt, BlockRecord, FinalityReceipt))
)
_ANYTHING: Final[Codec[Any]] = Codec(Any)
mutate = of_messagepack


def check(raw: bytes, _folder: Path) -> None:
    """Decode as every kind of record."""
    decoded = [value for codec in _KINDS for value in _decoded(codec, raw)]
    for value in decoded:
        assert encode(value) == raw
    if decoded or _decoded(_ANYTHING, raw):
        assert is_canonical(raw), "accepted, but not in the shortest form"


def _decoded(codec: Codec[Any], raw: bytes) -> list[Any]:
    try:
        return [codec.decode(raw)]
    except (msgspec.DecodeError, ValueError):
        return []
