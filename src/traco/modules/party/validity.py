"""What a party, its identifiers, keys and policy must be like in themselves. Not what depends on other parties."""

from collections.abc import Callable, Sequence
from typing import Final

from traco.kernel.crypto import KeyInvalid, check_public_key
from traco.kernel.identifiers import IdentifierInvalid, check_gln, check_lei
from traco.modules.party.errors import (
    IdentifierRepeated,
    IdentifierWrong,
    KeyRepeated,
    KeyWrong,
    KindMismatch,
    LimitExceeded,
    PolicyUnreachable,
    RuleUnreachable,
)
from traco.modules.party.messages import RegisterParty
from traco.modules.party.parameters import PartyParameters
from traco.modules.party.state import (
    ADMINISTER,
    ANY_CLASS,
    APPROVE,
    GLN_SCHEME,
    KEY_ROLES,
    LEI_SCHEME,
    Identifier,
    KeyRole,
    PartyKey,
    Policy,
    PolicyRule,
    keys_with,
)

_CHECKS: Final[dict[str, Callable[[str], None]]] = {LEI_SCHEME: check_lei, GLN_SCHEME: check_gln}

# which fields a party of a kind must have; all that are not named must be absent
_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "organisation": ("name",),
    "branch": ("name", "parent"),
    "person": ("commitment",),
}
_OPTIONAL: Final[dict[str, tuple[str, ...]]] = {
    "organisation": ("country", "identifiers"),
    "branch": ("country", "identifiers"),
    "person": (),
}


def check_kind(message: RegisterParty) -> None:
    """A party has the fields of its kind and no others. Raises ``KindMismatch``."""
    values: tuple[tuple[str, object], ...] = (
        ("name", message.name),
        ("country", message.country),
        ("commitment", message.commitment),
        ("parent", message.parent),
        ("identifiers", message.identifiers or None),
    )
    for field, value in values:
        if value is None and field in _REQUIRED[message.kind]:
            raise KindMismatch(message.kind, field, "be given")
        if value is not None and field not in _REQUIRED[message.kind] + _OPTIONAL[message.kind]:
            raise KindMismatch(message.kind, field, "be absent")


def check_identifiers(identifiers: Sequence[Identifier], limits: PartyParameters) -> None:
    """Each once, one LEI at most, check digits right. Raises ``LimitExceeded``, ``Identifier...``."""
    _check_limit("identifiers", len(identifiers), limits.max_identifiers)
    seen: list[Identifier] = []
    for identifier in identifiers:
        scheme, value = identifier.scheme, identifier.value
        second_lei = scheme == LEI_SCHEME and any(other.scheme == LEI_SCHEME for other in seen)
        if identifier in seen or second_lei:
            raise IdentifierRepeated(scheme, value)
        seen.append(identifier)
        check = _CHECKS.get(scheme)
        if check is not None:
            try:
                check(value)
            except IdentifierInvalid as invalid:
                raise IdentifierWrong(scheme, value, invalid.code) from None


def check_distinct(keys: Sequence[bytes]) -> None:
    """No key is named twice. Raises ``KeyRepeated``."""
    seen: dict[bytes, None] = {}
    for key in keys:
        if key in seen:
            raise KeyRepeated(key)
        seen[key] = None


def check_key(key: bytes) -> None:
    """The bytes are a public key. Raises ``KeyWrong``."""
    try:
        check_public_key(key)
    except KeyInvalid as invalid:
        raise KeyWrong(key, invalid.code) from None


def ordered(keys: Sequence[PartyKey]) -> tuple[PartyKey, ...]:
    """The keys in the one form they are stored in: ascending, roles in the order of their declaration, each once."""
    normal = [PartyKey(entry.key, _normal_roles(entry.roles)) for entry in keys]
    return tuple(sorted(normal, key=lambda entry: entry.key))


def _normal_roles(roles: tuple[KeyRole, ...]) -> tuple[KeyRole, ...]:
    return tuple(role for role in KEY_ROLES if role in roles)


def check_authority(keys: tuple[PartyKey, ...], policy: Policy, limits: PartyParameters) -> None:
    """Keys and policy fit each other: limits, every rule and every threshold reachable.

    Raises ``LimitExceeded``, ``RuleUnreachable``, ``PolicyUnreachable``.
    """
    _check_limit("keys", len(keys), limits.max_keys)
    _check_limit("rules", len(policy.rules), limits.max_rules)
    for index, rule in enumerate(policy.rules):
        if rule.policy_class in (ADMINISTER, APPROVE):
            raise RuleUnreachable(index)
        if any(_covers(earlier, rule) for earlier in policy.rules[:index]):
            raise RuleUnreachable(index)
    check_thresholds(keys, policy)


def check_thresholds(keys: tuple[PartyKey, ...], policy: Policy) -> None:
    """There are keys enough for every threshold. Raises ``PolicyUnreachable``."""
    signing, administering = len(keys_with(keys, "sign")), len(keys_with(keys, "administer"))
    needed = max([1, *(rule.threshold for rule in policy.rules)])
    if signing < needed:
        raise PolicyUnreachable("sign", needed, signing)
    if administering < policy.administer_threshold:
        raise PolicyUnreachable("administer", policy.administer_threshold, administering)


def _covers(earlier: PolicyRule, later: PolicyRule) -> bool:
    """Whether ``earlier`` takes every instruction that ``later`` would."""
    if earlier.policy_class not in (ANY_CLASS, later.policy_class):
        return False
    if earlier.band is None:
        return True
    return (
        later.band is not None
        and earlier.band.instrument == later.band.instrument
        and earlier.band.up_to >= later.band.up_to
    )


def _check_limit(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(what, count, limit)


def check_nodes(node_keys: Sequence[bytes], limits: PartyParameters) -> None:
    """A member's nodes are within the limit. Raises ``LimitExceeded``."""
    _check_limit("nodes", len(node_keys), limits.max_nodes)
