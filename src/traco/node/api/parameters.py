"""Parameters of routes, each with its bounds. They stand in annotations as they are.

Litestar looks at the bounds of its own parameters only: a ``msgspec.Meta`` inside of ``FromQuery`` would not be checked.
"""

from typing import Annotated, Final

from litestar.params import HeaderParameter, PathParameter, QueryParameter

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1_000
MAX_NUMBER: Final = 2**53 - 1  # exact in JSON for every client language
# `$` alone would let a newline follow in Python, and `\Z` is unknown to the JSON schemas made from this
_ID: Final = "^[0-9a-f]{32}$(?!\n)"
_TRANSACTION: Final = "^[0-9a-f]{64}$(?!\n)"
_HEX: Final = "^[0-9a-f]*$(?!\n)"
_POSITION: Final = "^([0-9]+\\.[0-9]+\\.[0-9]+)?$(?!\n)"

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="how many items at most")]
Cursor = Annotated[
    str, QueryParameter(max_length=80, pattern=_HEX, description="`next` of the page before; empty: the first page")
]  # fmt: skip
Number = Annotated[int, QueryParameter(ge=0, le=MAX_NUMBER)]
OptionalNumber = Annotated[int | None, QueryParameter(ge=0, le=MAX_NUMBER)]
QueryId = Annotated[str, QueryParameter(pattern=_ID, description="an id in hex")]
OptionalId = Annotated[str | None, QueryParameter(pattern=_ID, description="an id in hex")]
Word = Annotated[str, QueryParameter(max_length=16, pattern="^[a-z]*$(?!\n)")]
Until = Annotated[
    str, QueryParameter(pattern="^(final|received)$(?!\n)", description="final, or received: durable in the node's outbox")
]  # fmt: skip
TypePrefix = Annotated[
    str, QueryParameter(name="type", max_length=64, description="types that begin so, such as holding.")
]
AfterPosition = Annotated[
    str, QueryParameter(max_length=64, pattern=_POSITION, description="behind this position, such as 12.3.0; 0.0.0: all")
]  # fmt: skip
LastEventId = Annotated[
    str, HeaderParameter(name="Last-Event-ID", max_length=64, pattern=_POSITION, description="goes before `after`")
]  # fmt: skip
PathId = Annotated[str, PathParameter(pattern=_ID, description="an id in hex")]
TransactionId = Annotated[str, PathParameter(pattern=_TRANSACTION, description="a transaction id in hex")]
Height = Annotated[int, PathParameter(description="a height: 0 is the founding")]
PathChannel = Annotated[str, PathParameter(pattern=_TRANSACTION, description="a channel's id in hex")]
