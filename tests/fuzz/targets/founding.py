"""What founders send each other is refused with ``FoundingInvalid``, or says what its keys signed and reads back the same.

If broken: a node enters a network that a founder did not sign, or with the keys or the address of somebody else.
"""

from functools import cache
from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import of_json
from traco.client.signer import Ed25519Signer
from traco.kernel.genesis import Genesis, parse_genesis, write_genesis
from traco.modules.party.genesis import founding_member_id
from traco.node.founding.assembly import Terms, assemble
from traco.node.founding.card import (
    Card,
    MemberKey,
    Organisation,
    Placement,
    Statement,
    peer_id,
    read_card,
    sign_card,
    write_card,
)
from traco.node.founding.documents import FoundingInvalid
from traco.node.founding.signatures import (
    FounderSignature,
    Founding,
    conclude,
    read_founding,
    read_signatures,
    require_founders,
    sign_founding,
    write_signature,
)

MEMBER, NODE, CONSENSUS, PEER, SERVICE = (
    Ed25519Signer.from_seed(bytes([number]) * 32) for number in range(1, 6)
)
TIME_MS: Final = 1_790_000_000_000
mutate = of_json


@cache
def card() -> Card:
    """The card of the one founder."""
    member = MemberKey(key=MEMBER.public_key.hex(), roles=("sign", "administer", "read"))
    statement = Statement(
        member=founding_member_id(MEMBER.public_key).hex(), organisation=Organisation(name="Example Bank", country="DE"),
        member_keys=(member,), node=NODE.public_key.hex(), consensus=CONSENSUS.public_key.hex(),
        peer=peer_id(PEER.public_key), peer_key=PEER.public_key.hex(), fingerprint=SERVICE.public_key.hex(),
        address="ledger.example:26656", gateway="https://ledger.example", placement=Placement(provider="own"),
    )  # fmt: skip
    return sign_card(statement, (MEMBER, NODE, CONSENSUS, PEER, SERVICE))


@cache
def genesis() -> Genesis:
    """The network that he founds."""
    made = assemble([card()], [], Terms(name="Fuzz", purpose="test", threshold=1, time_ms=TIME_MS))
    return parse_genesis(write_genesis(made))


@cache
def signature() -> FounderSignature:
    """His signature."""
    return sign_founding(genesis(), card().statement.member, MEMBER)


def founding() -> Founding:
    """What his node keeps."""
    return conclude(genesis(), [signature()], card(), None)


def check(raw: bytes, _folder: Path) -> None:
    """Read it as each of the documents."""
    _check_card(raw)
    _check_signatures(raw)
    try:
        kept = read_founding(raw, "fuzz")
    except FoundingInvalid:
        return
    require(read_founding(write_signature(kept), "fuzz") == kept, "it reads back as something else")


def _check_card(raw: bytes) -> None:
    try:
        found = read_card(raw)
    except FoundingInvalid:
        return
    require(read_card(write_card(found)) == found, "a card reads back as another")
    if found.statement.all_keys() == card().statement.all_keys():
        require(found.statement == card().statement, "a card says what its keys did not sign")


def _check_signatures(raw: bytes) -> None:
    try:
        found = read_signatures(raw, "fuzz")
        ordered = require_founders(genesis(), found)
    except FoundingInvalid:
        return
    require(ordered == (signature(),), "a founder's signature was taken that he did not make")
