"""The instruments a network is founded with. Whoever agrees to the genesis agrees to their kinds: no role is asked.

    {"instruments": [{"issuer": "<party id, hex>", "code": "EUR", "kind": "cash", "currency": "EUR", "decimals": 2,
                      "terms": "<sha-256, hex>", "operators": ["<party id, hex>"], "transfer_check": "", "cap": 1000}]}

``currency``, ``transfer_check`` and ``cap`` may be left out.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from traco.kernel.codec import Code, CurrencyCode, PositiveAmount
from traco.kernel.genesis import hex_bytes
from traco.kernel.module import Context
from traco.modules.holding.keeper import Keeper
from traco.modules.holding.messages import UNCAPPED, CheckName, Decimals, InstrumentKind

HexId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
HexHash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class FoundingInstrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instrument as people write it."""

    issuer: HexId
    code: Code
    kind: InstrumentKind
    currency: CurrencyCode | None = None
    decimals: Decimals
    terms: HexHash
    operators: Annotated[tuple[HexId, ...], msgspec.Meta(min_length=1, max_length=16)]
    transfer_check: CheckName = ""
    cap: PositiveAmount = UNCAPPED


class FoundingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The module's object in the genesis document."""

    instruments: tuple[FoundingInstrument, ...] = ()


def found(keeper: Keeper, context: Context, section: Mapping[str, Any]) -> None:
    """Create the founding instruments. Raises ``ValueError`` or ``Rejected`` on a section that makes no sense."""
    for item in msgspec.convert(dict(section), FoundingSection).instruments:
        keeper.create_instrument(
            context, hex_bytes(item.issuer), item.code, item.kind, decimals=item.decimals,
            terms=hex_bytes(item.terms), currency=item.currency,
            operators=[hex_bytes(operator) for operator in item.operators],
            transfer_check=item.transfer_check, cap=item.cap,
        )  # fmt: skip
