"""The module's part of the genesis: founding members and the council. Format of ``modules.party``:

    {"members": [{"name": "Example Bank", "country": "DE", "identifiers": [["0199", "<LEI>"]],
                  "keys": [{"key": "<hex>", "roles": ["sign", "administer", "read"]}],
                  "policy": {"administer_threshold": 1,
                             "rules": [{"policy_class": "*", "threshold": 2,
                                        "band": {"instrument": "<hex>", "up_to": 1000}}]},
                  "nodes": ["<hex>"], "roles": ["cash_operator"]}],
     "council": {"threshold": 1, "members": ["Example Bank"]}}

``country``, ``identifiers``, ``policy``, ``nodes``, ``roles`` and ``band`` may be missing. Members of the council are
named, or given by their index in ``members``. A founding member's id follows from its first key.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from traco.kernel.codec import Code, Label, derive_id
from traco.kernel.genesis import hex_bytes
from traco.kernel.module import Context
from traco.modules.party import validity
from traco.modules.party.keeper import Keeper
from traco.modules.party.parameters import PartyParameters
from traco.modules.party.state import (
    Band,
    Council,
    CountryCode,
    Identifier,
    KeyRole,
    Membership,
    Party,
    PartyKey,
    Policy,
    PolicyRule,
    Threshold,
)


class GenesisKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key in hex, and its roles."""

    key: str
    roles: tuple[KeyRole, ...]


class GenesisBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts of one instrument (hex id) up to and including ``up_to``."""

    instrument: str
    up_to: int


class GenesisRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of a policy, as ``PolicyRule``."""

    policy_class: str
    threshold: int
    band: GenesisBand | None = None


class GenesisPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy, as ``Policy``."""

    administer_threshold: int = 1
    rules: tuple[GenesisRule, ...] = ()


class GenesisMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A founding member."""

    name: Label
    keys: tuple[GenesisKey, ...]
    country: CountryCode | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    policy: GenesisPolicy = GenesisPolicy()
    nodes: tuple[str, ...] = ()
    roles: tuple[Code, ...] = ()


class GenesisCouncil(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The founding council."""

    threshold: Threshold
    members: tuple[int | str, ...]


class PartySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The object ``modules.party`` of the genesis document."""

    members: tuple[GenesisMember, ...] = ()
    council: GenesisCouncil | None = None


def founding_member_id(first_key: bytes) -> bytes:
    """The id of the founding member whose first key in the genesis is ``first_key``."""
    return derive_id("party", b"", first_key)


def founding_members(section: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """The founding members in the order of the section: name and id. Raises ``ValueError``."""
    members = msgspec.convert(section, PartySection).members
    return [(member.name, founding_member_id(hex_bytes(member.keys[0].key))) for member in members]


def found(keeper: Keeper, context: Context, section: Mapping[str, Any]) -> None:
    """Write members and council. Raises ``ValueError`` or ``Rejected``, which the kernel reports with the place."""
    parsed = msgspec.convert(section, PartySection)
    limits = context.parameters(PartyParameters)
    ids = [_found_member(keeper, context, member, limits) for member in parsed.members]
    if parsed.council is not None:
        keeper.set_council(context, _council(parsed.council, parsed.members, ids))


def _found_member(keeper: Keeper, context: Context, member: GenesisMember, limits: PartyParameters) -> bytes:
    if not member.keys:
        raise ValueError(f"member {member.name} has no key")
    identity = founding_member_id(hex_bytes(member.keys[0].key))
    given = tuple(PartyKey(hex_bytes(entry.key), entry.roles) for entry in member.keys)
    given = msgspec.convert(msgspec.to_builtins(given, builtin_types=(bytes,)), tuple[PartyKey, ...])
    identifiers = msgspec.convert(member.identifiers, tuple[Identifier, ...])
    policy = _policy(member.policy)
    validity.check_identifiers(identifiers, limits)
    validity.check_distinct([entry.key for entry in given])
    for entry in given:
        validity.check_key(entry.key)
    validity.check_authority(given, policy, limits)
    roles = tuple(sorted(dict.fromkeys(member.roles)))
    record = Party(
        "organisation", identity, "active", "", member.name, member.country, None, None, identifiers,
        validity.ordered(given), policy, roles, Membership(()),
    )  # fmt: skip
    keeper.add(context, identity, record)
    nodes = [hex_bytes(key) for key in member.nodes]
    for key in nodes:
        validity.check_key(key)
    validity.check_nodes(nodes, limits)
    keeper.set_nodes(context, identity, nodes)
    return identity


def _policy(given: GenesisPolicy) -> Policy:
    rules = []
    for rule in given.rules:
        band = None
        if rule.band is not None:
            band = Band(hex_bytes(rule.band.instrument), rule.band.up_to)
        rules.append(PolicyRule(rule.policy_class, rule.threshold, band))
    policy = Policy(given.administer_threshold, tuple(rules))
    # the constructors do not check bounds; the conversion does
    return msgspec.convert(msgspec.to_builtins(policy, builtin_types=(bytes,)), Policy)


def _council(given: GenesisCouncil, members: tuple[GenesisMember, ...], ids: list[bytes]) -> Council:
    names = [member.name for member in members]
    if len(dict.fromkeys(names)) != len(names):
        raise ValueError("two founding members have one name")
    chosen = []
    for entry in given.members:
        index = entry if isinstance(entry, int) else names.index(entry) if entry in names else -1
        if not 0 <= index < len(ids):
            raise ValueError(f"the council names {entry}, which is no founding member")
        chosen.append(ids[index])
    if len(dict.fromkeys(chosen)) != len(chosen) or given.threshold > len(chosen):
        raise ValueError("the council needs different members, and no more of them to act than there are")
    return Council(tuple(sorted(chosen)), given.threshold)
