"""The SDK: signs transactions with keys that stay here, submits them to a node, and asks it what is on the ledger.

This is what programs import; the parts are described where they are made. ``LedgerClient`` blocks, ``AsyncLedgerClient``
is for programs with an event loop; they have the same methods.
"""

from traco.client.asynchronous import (
    DEFAULT_URL,
    VALIDITY_MS,
    AsyncLedgerClient,
    AsyncParty,
    Until,
    require_final,
)
from traco.client.building import MAX_BATCH, MAX_BATCH_BYTES, sign_body
from traco.client.credentials import Access
from traco.client.ledger import Events, LedgerClient, Party
from traco.client.results import NodeStatus
from traco.client.streams import EventStream, LedgerEvent
from traco.client.transport import Patience
from traco.client.trust import Trust

__all__ = [
    "DEFAULT_URL",
    "MAX_BATCH",
    "MAX_BATCH_BYTES",
    "VALIDITY_MS",
    "Access",
    "AsyncLedgerClient",
    "AsyncParty",
    "EventStream",
    "Events",
    "LedgerClient",
    "LedgerEvent",
    "NodeStatus",
    "Party",
    "Patience",
    "Trust",
    "Until",
    "require_final",
    "sign_body",
]
