"""What the fields of events name: who is concerned by an event follows from that. Not who sees what: see ``visibility``."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What a field of an event or of a request names."""

    NOTHING = auto()  # that concerns anybody by itself: amounts, words, instruments
    PARTY = auto()
    ACCOUNT = auto()
    DOCUMENT = auto()
    FINANCING = auto()
    OFFER = auto()
    BATCH = auto()
    LEGS = auto()
    HOLD = auto()
    PLEDGE = auto()
    ATTACHMENT = auto()
    PROPOSAL = auto()
    OTHER_DOCUMENT = auto()  # whose registrant may know of this event, not of the whole transaction
    MATCH = auto()  # the same, within a record
    CHANNEL = auto()


_BY_KIND: Final[Mapping[Kind, str]] = {
    Kind.PARTY: "party sponsor member issuer owner servicer executor pledgee authority requestor registrant seller lender debtor"
    " proposer",
    Kind.CHANNEL: "channel",
    Kind.ACCOUNT: "account sender receiver payout parent",
    Kind.DOCUMENT: "document successor note",
    Kind.FINANCING: "financing",
    Kind.OFFER: "offer",
    Kind.BATCH: "batch",
    Kind.LEGS: "legs",
    Kind.HOLD: "hold",
    Kind.PLEDGE: "pledge",
    Kind.ATTACHMENT: "attachment",
    Kind.PROPOSAL: "proposal",
    Kind.OTHER_DOCUMENT: "duplicate_of amends",
    Kind.MATCH: "match",
    Kind.NOTHING: "active address allocated amount approved attempt cash cause code commitment committed complete"
    " completed consensus content content_commitment context copy deadline_ms digest due_ms end entry"
    " epoch executed expires_ms face financed firm found from_version gateway height held instrument key"
    " keys kind lapsed left made_good matched node number order ordinal outcome peer placement policy"
    " power price protocol reason record recourse reference replaced returned role scheme signers silent"
    " status subject terms total truncated unpaid until_ms valid_until_ms votes",
}
FIELDS: Final[Mapping[str, Kind]] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""What each field of events names, by its name. An event with another field than these is seen by nobody."""

# In these an otherwise telling name means something else: the party is not concerned by it, or everybody may see it.
PUBLIC_EVENTS: Final = frozenset(
    (
        "kernel.parameters_set/1", "kernel.upgrade_scheduled/1", "document.fingerprint_key_set/1",
        "network.node_admitted/1", "network.node_promoted/1", "network.node_demoted/1", "network.node_removed/1",
        "network.node_ready/1", "network.node_updated/1", "network.node_rotated/1",
    )
)  # fmt: skip  # of the network's rules, and of who orders
