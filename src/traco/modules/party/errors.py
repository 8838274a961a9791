"""Why an instruction about parties, or of a party, is rejected.

Rejected
├── PartyNotFound, PartyExists, PartySuspended, PartyClosed      what the party is
├── NotMember, NotSponsor, NotParent                who may act for it
├── KindMismatch, IdentifierWrong, IdentifierRepeated, LeiTaken
├── KeyWrong, KeyTaken, KeyUnknown, KeyRepeated     keys
├── LimitExceeded, PolicyUnreachable, RuleUnreachable
├── RecoveryOpen, RecoveryNone
├── StatusUnchanged, CouncilUnreachable
├── RoleHeld, RoleNotHeld
└── NodeTaken, NodeNotOwn, LastNode
"""

from dataclasses import dataclass
from typing import ClassVar

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class PartyNotFound(Rejected):
    """No such party."""

    code: ClassVar[str] = "party.not_found"
    says: ClassVar[str] = "No party {party} is registered."
    advice: ClassVar[str] = "Check the id, or have a member register the party."
    party: bytes


@dataclass(eq=False)
class PartyExists(Rejected):
    """The sponsor used this salt for a party before."""

    code: ClassVar[str] = "party.exists"
    says: ClassVar[str] = "Party {party} is registered already."
    advice: ClassVar[str] = "Use a fresh salt for a new party."
    party: bytes


@dataclass(eq=False)
class PartySuspended(Rejected):
    """A suspended party cannot act, nor be given new business."""

    code: ClassVar[str] = "party.suspended"
    says: ClassVar[str] = "Party {party} is suspended ({reason})."
    advice: ClassVar[str] = "Ask the member that vouches for it."
    party: bytes
    reason: str


@dataclass(eq=False)
class PartyClosed(Rejected):
    """A closed party stays closed."""

    code: ClassVar[str] = "party.closed"
    says: ClassVar[str] = "Party {party} is closed ({reason})."
    advice: ClassVar[str] = "Register a new party."
    party: bytes
    reason: str


@dataclass(eq=False)
class NotMember(Rejected):
    """Only members vouch for parties and have nodes."""

    code: ClassVar[str] = "party.not_member"
    says: ClassVar[str] = "Party {party} is not a member."
    advice: ClassVar[str] = "Ask a member of the network to act."
    party: bytes


@dataclass(eq=False)
class NotSponsor(Rejected):
    """Only the member that vouches for a party acts on it; a member's status is the council's to set."""

    code: ClassVar[str] = "party.not_sponsor"
    says: ClassVar[str] = "Party {party} does not vouch for {subject}."
    advice: ClassVar[str] = "The vouching member must act; for a member, the council."
    party: bytes
    subject: bytes


@dataclass(eq=False)
class NotParent(Rejected):
    """A branch belongs to an organisation that the same member vouches for."""

    code: ClassVar[str] = "party.not_parent"
    says: ClassVar[str] = "Party {parent} is not an organisation that this member vouches for."
    advice: ClassVar[str] = "Register the branch by the member that vouches for its organisation."
    parent: bytes


@dataclass(eq=False)
class KindMismatch(Rejected):
    """A field is missing, or does not belong to parties of this kind."""

    code: ClassVar[str] = "party.kind_mismatch"
    says: ClassVar[str] = "The field {field} of a party of kind {kind} must {must}."
    advice: ClassVar[str] = (
        "Organisations and branches have names, branches a parent, persons only a commitment."
    )
    kind: str
    field: str
    must: str


@dataclass(eq=False)
class IdentifierWrong(Rejected):
    """An identifier whose check digits or form cannot be right."""

    code: ClassVar[str] = "party.identifier_wrong"
    says: ClassVar[str] = "{value} cannot be an identifier of scheme {scheme} ({reason})."
    advice: ClassVar[str] = "Compare it with the register that issued it."
    scheme: str
    value: str
    reason: str


@dataclass(eq=False)
class IdentifierRepeated(Rejected):
    """The same identifier twice, or two LEIs."""

    code: ClassVar[str] = "party.identifier_repeated"
    says: ClassVar[str] = "The identifier {value} of scheme {scheme} is one too many."
    advice: ClassVar[str] = "Name each identifier once, and one LEI at most."
    scheme: str
    value: str


@dataclass(eq=False)
class LeiTaken(Rejected):
    """At most one party that is not closed has an LEI."""

    code: ClassVar[str] = "party.lei_taken"
    says: ClassVar[str] = "Party {party} has the LEI {lei}."
    advice: ClassVar[str] = "Use that party, or have it closed first."
    lei: str
    party: bytes


@dataclass(eq=False)
class KeyWrong(Rejected):
    """Bytes that are no public key of a known scheme."""

    code: ClassVar[str] = "party.key_wrong"
    says: ClassVar[str] = "{key} is not a public key ({reason})."
    advice: ClassVar[str] = "Scheme byte first: 01 and 32 bytes for ed25519, 02 and 33 bytes for P-256."
    key: bytes
    reason: str


@dataclass(eq=False)
class KeyTaken(Rejected):
    """A key belongs to at most one party, and stands there once."""

    code: ClassVar[str] = "party.key_taken"
    says: ClassVar[str] = "The key {key} belongs to a party, or is reserved for one."
    advice: ClassVar[str] = "Make a new key."
    key: bytes


@dataclass(eq=False)
class KeyUnknown(Rejected):
    """The party does not have this key."""

    code: ClassVar[str] = "party.key_unknown"
    says: ClassVar[str] = "The party does not have the key {key}."
    advice: ClassVar[str] = "Ask for the party's keys first."
    key: bytes


@dataclass(eq=False)
class KeyRepeated(Rejected):
    """One instruction names a key twice."""

    code: ClassVar[str] = "party.key_repeated"
    says: ClassVar[str] = "The key {key} is named twice."
    advice: ClassVar[str] = "Name each key once."
    key: bytes


@dataclass(eq=False)
class LimitExceeded(Rejected):
    """More keys, identifiers, rules or nodes than a party may have."""

    code: ClassVar[str] = "party.limit_exceeded"
    says: ClassVar[str] = "{count} {what}, the limit is {limit}."
    advice: ClassVar[str] = "Use fewer."
    what: str
    count: int
    limit: int


@dataclass(eq=False)
class PolicyUnreachable(Rejected):
    """A threshold above the number of keys that could meet it."""

    code: ClassVar[str] = "party.policy_unreachable"
    says: ClassVar[str] = "{threshold} keys that may {role} are asked for, there are {available}."
    advice: ClassVar[str] = (
        "Add keys or lower the threshold; one key to sign and one to administer must stay."
    )
    role: str
    threshold: int
    available: int


@dataclass(eq=False)
class RuleUnreachable(Rejected):
    """A rule that no instruction can reach, because an earlier rule takes all that it would."""

    code: ClassVar[str] = "party.rule_unreachable"
    says: ClassVar[str] = "Rule {index} of the policy is never reached."
    advice: ClassVar[str] = (
        "Put narrow rules before wide ones and bands in ascending order; changes of keys have their own threshold."
    )
    index: int


@dataclass(eq=False)
class RecoveryOpen(Rejected):
    """A recovery of this party waits already."""

    code: ClassVar[str] = "party.recovery_open"
    says: ClassVar[str] = "A recovery of party {party} waits until {due_ms} ms."
    advice: ClassVar[str] = "Cancel it first."
    party: bytes
    due_ms: int


@dataclass(eq=False)
class RecoveryNone(Rejected):
    """No recovery of this party waits."""

    code: ClassVar[str] = "party.recovery_none"
    says: ClassVar[str] = "No recovery of party {party} waits."
    advice: ClassVar[str] = "It was cancelled or is in force."
    party: bytes


@dataclass(eq=False)
class StatusUnchanged(Rejected):
    """The party has this status."""

    code: ClassVar[str] = "party.status_unchanged"
    says: ClassVar[str] = "Party {party} is {status} already."
    advice: ClassVar[str] = "Nothing is to be done."
    party: bytes
    status: str


@dataclass(eq=False)
class CouncilUnreachable(Rejected):
    """The council could no longer decide anything."""

    code: ClassVar[str] = "party.council_unreachable"
    says: ClassVar[str] = "The council needs {threshold} active members; {active} would be left."
    advice: ClassVar[str] = "Reactivate another member first."
    threshold: int
    active: int


@dataclass(eq=False)
class RoleHeld(Rejected):
    """The party has this capability."""

    code: ClassVar[str] = "party.role_held"
    says: ClassVar[str] = "Party {party} has the role {role} already."
    advice: ClassVar[str] = "Nothing is to be done."
    party: bytes
    role: str


@dataclass(eq=False)
class RoleNotHeld(Rejected):
    """The party does not have this capability."""

    code: ClassVar[str] = "party.role_not_held"
    says: ClassVar[str] = "Party {party} does not have the role {role}."
    advice: ClassVar[str] = "Ask for the party's roles first."
    party: bytes
    role: str


@dataclass(eq=False)
class NodeTaken(Rejected):
    """A node key belongs to one member."""

    code: ClassVar[str] = "party.node_taken"
    says: ClassVar[str] = "The node key {key} is registered."
    advice: ClassVar[str] = "Make a new key for the node."
    key: bytes


@dataclass(eq=False)
class NodeNotOwn(Rejected):
    """The member has no node with this key."""

    code: ClassVar[str] = "party.node_unknown"
    says: ClassVar[str] = "Member {party} has no node with key {key}."
    advice: ClassVar[str] = "Ask for the member's nodes first."
    party: bytes
    key: bytes


@dataclass(eq=False)
class LastNode(Rejected):
    """Without a node of an active member nothing could be submitted any more, not even a new node."""

    code: ClassVar[str] = "party.last_node"
    says: ClassVar[str] = "No other node of an active member would be left."
    advice: ClassVar[str] = "Register another node first, or reactivate a member that has one."
