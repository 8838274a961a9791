"""The records of parties and their indexes, and the keys under which they stand.

parties      by height   party id -> ``Party``
keys                     public key -> the one party that has it now, or for which a recovery reserves it
leis                     LEI -> the one party that has it and is not closed
identifiers              (scheme, value), party id -> presence; not unique but for LEIs
nodes                    node key -> the one member that runs the node
council      by height   () -> ``Council``
recoveries               party id -> the recovery that waits for its delay
"""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.by_height import HeightTable
from traco.kernel.codec import Amount, Code, Hash, Id, Label, PublicKey, Record, TimeMs, digest
from traco.kernel.state import Table

PREFIX: Final = 0x01
PARTIES: Final = 0x01
REPLACED_PARTIES: Final = 0x02
KEYS: Final = 0x03
LEIS: Final = 0x04
IDENTIFIERS: Final = 0x05
NODES: Final = 0x06
COUNCIL: Final = 0x07
REPLACED_COUNCILS: Final = 0x08
RECOVERIES: Final = 0x09

LEI_SCHEME: Final = "0199"  # ISO 6523 code of ISO 17442, as EN 16931 invoices use it
GLN_SCHEME: Final = "0088"  # ISO 6523 code of the GS1 location number
ANY_CLASS: Final = "*"
ADMINISTER: Final = "administer"  # the policy class of changes to keys and policy
APPROVE: Final = "approve"  # the policy class of proposing and approving: one key is enough to speak up
NODE: Final = "node"  # the policy class of what a member's node does by itself

PartyKind = Literal["organisation", "branch", "person"]
Status = Literal["active", "suspended", "closed"]
KeyRole = Literal["sign", "administer", "read"]
KEY_ROLES: Final[tuple[KeyRole, ...]] = ("sign", "administer", "read")

CountryCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]  # ISO 3166-1 alpha-2
PolicyClass = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._/:-]*)\Z")
]
IdentifierValue = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?\Z")
]  # printable ASCII without a space at either end
Threshold = Annotated[int, msgspec.Meta(ge=1, le=64)]


class Identifier(Record, frozen=True):
    """A public identifier of an organisation: ``scheme`` is a code of ISO 6523, such as 0199 for LEIs."""

    scheme: Code
    value: IdentifierValue


class PartyKey(Record, frozen=True):
    """A public key and what it may do: sign business, administer (keys and policy), read."""

    key: PublicKey
    roles: Annotated[tuple[KeyRole, ...], msgspec.Meta(min_length=1, max_length=3)]


class Band(Record, frozen=True):
    """Amounts of one instrument up to and including ``up_to``, in its smallest unit."""

    instrument: Id
    up_to: Amount


class PolicyRule(Record, frozen=True):
    """How many signing keys an instruction of a class needs; ``*`` is every class. Without a band: any amount."""

    policy_class: PolicyClass
    threshold: Threshold
    band: Band | None = None


class Policy(Record, frozen=True):
    """How many keys must sign. Rules are tried in order and the first that fits holds; where none fits, one key.

    Changes of keys and policy need ``administer_threshold`` keys that may administer, whatever the rules say.
    """

    administer_threshold: Threshold = 1
    rules: Annotated[tuple[PolicyRule, ...], msgspec.Meta(max_length=64)] = ()


class Membership(Record, frozen=True):
    """What makes a party a member: it vouches for others, and its nodes submit envelopes."""

    nodes: tuple[PublicKey, ...]


class Party(Record, frozen=True, tag=1):
    """A party. A person has a commitment and neither name, country nor identifiers.

    ``sponsor`` is the member that vouches; a founding member, vouched for by the genesis, names itself. ``keys`` are
    in ascending order. ``roles`` are capabilities granted by the genesis or the council, in ascending order.
    ``reason`` is the code given with the last change of status, empty before the first.
    """

    kind: PartyKind
    sponsor: Id
    status: Status
    reason: str
    name: Label | None
    country: CountryCode | None
    commitment: Hash | None
    parent: Id | None
    identifiers: tuple[Identifier, ...]
    keys: tuple[PartyKey, ...]
    policy: Policy
    roles: tuple[Code, ...]
    membership: Membership | None


class KeyOwner(Record, frozen=True, tag=1):
    """Whose key it is. ``reserved``: not yet, a recovery of that party waits to put it in force."""

    party: Id
    reserved: bool


class Owner(Record, frozen=True, tag=1):
    """The party that an LEI, another identifier or a node key belongs to."""

    party: Id


class Council(Record, frozen=True, tag=1):
    """Who governs: any ``threshold`` of ``members`` (party ids) acting together."""

    members: tuple[Id, ...]
    threshold: Threshold


class Recovery(Record, frozen=True, tag=1):
    """New keys and policy of a party that lost all its keys, in force from ``due_ms`` unless cancelled before."""

    sponsor: Id
    keys: tuple[PartyKey, ...]
    policy: Policy
    due_ms: TimeMs


parties: Final[HeightTable[Party]] = HeightTable(PREFIX, PARTIES, REPLACED_PARTIES, Party)
keys: Final[Table[KeyOwner]] = Table(PREFIX, KEYS, KeyOwner)
leis: Final[Table[Owner]] = Table(PREFIX, LEIS, Owner)
identifiers: Final[Table[Owner]] = Table(PREFIX, IDENTIFIERS, Owner)
nodes: Final[Table[Owner]] = Table(PREFIX, NODES, Owner)
councils: Final[HeightTable[Council]] = HeightTable(PREFIX, COUNCIL, REPLACED_COUNCILS, Council)
recoveries: Final[Table[Recovery]] = Table(PREFIX, RECOVERIES, Recovery)


def identifier_part(identifier: Identifier) -> bytes:
    """The 16 bytes under which an identifier is indexed, before the party's id."""
    scheme = identifier.scheme.encode()
    return digest(
        b"traco/identifier/1", len(scheme).to_bytes(1, "big"), scheme, identifier.value.encode()
    )[:16]  # fmt: skip


def lei_of(party: Party) -> bytes | None:
    """The party's LEI as it stands in the index, or None."""
    for identifier in party.identifiers:
        if identifier.scheme == LEI_SCHEME:
            return identifier.value.encode()
    return None


def keys_with(party_keys: tuple[PartyKey, ...], role: KeyRole) -> tuple[bytes, ...]:
    """The public keys that have a role, in ascending order."""
    return tuple(entry.key for entry in party_keys if role in entry.roles)
