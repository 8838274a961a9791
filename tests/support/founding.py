"""Founds small test ledgers: members with one key and one node each, and the modules that a test is about."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from support.ledger import START_MS, Key, Ledger
from traco.kernel.genesis import Genesis, SealTerms
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Module
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.kernel.registry import Registry
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.module import PartyModule
from traco.modules.party.state import KeyRole, PartyKey, Policy

ALL_ROLES: tuple[KeyRole, ...] = ("sign", "administer", "read")


class Founding(NamedTuple):
    """A ledger ready for its first block. Members are known by the names they were founded with."""

    genesis: Genesis
    registry: Registry
    ledger: Ledger
    party: PartyModule
    ids: dict[str, bytes]  # member's name -> party id
    keys: dict[str, Key]  # member's name -> its one key

    def register(
        self, name: str, sponsor: str = "bank", policy: Policy | None = None, **fields: Any
    ) -> bytes:
        """Register an organisation called ``name`` with the one key ``Key(name)``; its id. Runs a block."""
        key = Key(name)
        message = RegisterParty(
            self.ids[sponsor], self.ledger.salt(), "organisation", (PartyKey(key.public, ALL_ROLES),), name,
            policy=Policy() if policy is None else policy, **fields,
        )  # fmt: skip
        self.ledger.succeed(message, keys=[self.keys[sponsor]])
        return party_id(message.party, message.salt)


def member_section(name: str, **fields: Any) -> dict[str, Any]:
    """A founding member with the key ``Key(name)`` for everything and the node key ``Key(name + " node")``."""
    keys = [{"key": Key(name).public.hex(), "roles": list(ALL_ROLES)}]
    return {"name": name, "keys": keys, "nodes": [Key(name + " node").public.hex()], **fields}


def founding(
    members: Sequence[str] = ("bank",),
    modules: Sequence[Module] = (),
    *,
    party: PartyModule | None = None,
    roles: Mapping[str, Sequence[str]] | None = None,
    threshold: int = 1,
    parameters: Mapping[str, dict[str, Any]] | None = None,
    sections: Mapping[str, dict[str, Any]] | None = None,
    member_fields: Mapping[str, dict[str, Any]] | None = None,
    store: Any = None,
    protocol: int = NEWEST_PROTOCOL,
) -> Founding:
    """A founded ledger of the kernel's module, the party module and ``modules``, in this order.

    All members form the council with ``threshold``. ``roles`` and ``member_fields`` add to a member's section by its
    name; ``sections`` are the genesis sections of the other modules. Pass ``party`` where ``modules`` were built over its
    keeper. The first member's node submits.
    """
    party = party or PartyModule()
    section: dict[str, Any] = {
        "members": [
            member_section(
                name, roles=list((roles or {}).get(name, ())), **(member_fields or {}).get(name, {})
            )
            for name in members
        ],
        "council": {"threshold": threshold, "members": list(members)},
    }
    genesis = Genesis(
        name="Test", purpose="test", time_ms=START_MS, protocol=protocol,
        seal=SealTerms("checkpoint", Key("seal").public.hex()),
        parameters=dict(parameters or {}), modules={"party": section, **(sections or {})},
    )  # fmt: skip
    registry = Registry([KernelModule(party.authority), party, *modules], party.authority)
    keys = {name: Key(name) for name in members}
    ids = {
        member["name"]: founding_member_id(bytes.fromhex(member["keys"][0]["key"]))
        for member in section["members"]
    }
    first = members[0]
    ledger = Ledger(genesis, registry, ids[first], Key(first + " node"), store)
    return Founding(genesis, registry, ledger, party, ids, keys)


def lei(number: int) -> str:
    """A well-formed LEI, another one for each number."""
    stem = f"5299{number:014d}"
    return f"{stem}{98 - int(stem + '00') % 97:02d}"
