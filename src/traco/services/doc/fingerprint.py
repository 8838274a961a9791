"""Keyed fingerprints of an invoice at three strengths. The statement that a service signs over them is the ledger's
(`modules.document.statement`).

Plain hashes of invoice fields are guessed in minutes, so every fingerprint is an HMAC under a key that only the
service has. Five facts identify an invoice: number (N), issue date (D), payable amount with currency (A), seller (S)
and buyer (B); seller and buyer by name, and the seller by each public identifier (I) as well.

| strength | made of | found by it |
| --- | --- | --- |
| exact | N D A S B | the same invoice, in another file, syntax or spelling |
| strong | four of the five, each of the five left out once | any one fact changed: a slip in the number, an altered amount, another date, a renamed or swapped party |
| strong | N D A I | both names written differently, the seller's identifier kept |
| weak | N S | the same seller and number, all else changed |
| weak | N D A; N A B; N D B | two facts wrong, one of them the seller |
| weak | N I | as N S, with the seller's name changed |

So one wrong fact is always found, and two are where the number is right. Not keyed, although they would find more: pairs without
the number such as S B A or S D A. Rent, subscriptions and standard prices agree in them every month, and a lender who must
acknowledge ten false reports a day stops reading them. A change of number together with another fact is left to the
buyer, who must confirm the document on the ledger. The direction (debit or credit) is in every fingerprint.

What the service learns: see `README.md`.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from traco.modules.document.statement import Fingerprints
from traco.services.doc.normalise import MAXIMUM_SELLER_IDENTIFIERS, InvoiceFields, check_normal

SCHEME: Final = 1
"""Names the normal form and the rules below; another number is never compared with this one."""

KEY_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 32

_FIELD_DOMAIN: Final = b"traco/fingerprint-fields/1\0"

EXACT: Final = "exact"
STRONG: Final = "strong"
WEAK: Final = "weak"

_EXACT_RULE: Final = "number+date+amount+seller+buyer"
STRONG_RULES: Final = (
    "date+amount+seller+buyer",
    "number+amount+seller+buyer",
    "number+date+seller+buyer",
    "number+date+amount+buyer",
    "number+date+amount+seller",
)
STRONG_RULE_PER_IDENTIFIER: Final = "number+date+amount+identifier"
WEAK_RULES: Final = (
    "number+seller",
    "number+date+amount",
    "number+amount+buyer",
    "number+date+buyer",
)
WEAK_RULE_PER_IDENTIFIER: Final = "number+identifier"

MAXIMUM_STRONG: Final = len(STRONG_RULES) + MAXIMUM_SELLER_IDENTIFIERS
MAXIMUM_WEAK: Final = len(WEAK_RULES) + MAXIMUM_SELLER_IDENTIFIERS


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """A key of the service. `version` is at least 1 and never used again; `secret` has 32 bytes and is never shown."""

    version: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.version < 1:
            raise ValueError("the version of a fingerprint key is at least 1")
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"a fingerprint key has {KEY_BYTES} bytes, not {len(self.secret)}")


def fingerprints_of(key: FingerprintKey, fields: InvoiceFields) -> Fingerprints:
    """All fingerprints of normalised fields under one key. Deterministic.

    Raises InvoiceUnreadable (`invoice.not_normal`) for fields that are not in normal form.
    """
    check_normal(fields)
    keyed = _keyed_with(key, fields)
    return Fingerprints(
        scheme=SCHEME,
        key_version=key.version,
        exact=keyed(EXACT, _EXACT_RULE, ""),
        strong=_at_strength(
            keyed, STRONG, STRONG_RULES, STRONG_RULE_PER_IDENTIFIER, fields.seller_identifiers
        ),
        weak=_at_strength(keyed, WEAK, WEAK_RULES, WEAK_RULE_PER_IDENTIFIER, fields.seller_identifiers),
    )


_Keyed = Callable[[str, str, str], bytes]


def _at_strength(
    keyed: _Keyed,
    strength: str,
    rules: tuple[str, ...],
    rule_per_identifier: str,
    identifiers: tuple[str, ...],
) -> tuple[bytes, ...]:
    fixed = [keyed(strength, rule, "") for rule in rules]
    return (*fixed, *(keyed(strength, rule_per_identifier, identifier) for identifier in identifiers))


def _keyed_with(key: FingerprintKey, fields: InvoiceFields) -> _Keyed:
    facts: dict[str, list[str | int]] = {
        "number": [fields.number],
        "date": [fields.issue_date],
        "amount": [fields.amount, fields.currency],
        "seller": [fields.seller],
        "buyer": [fields.buyer],
    }

    def keyed(strength: str, rule: str, identifier: str) -> bytes:
        values = [[identifier] if name == "identifier" else facts[name] for name in rule.split("+")]
        # MessagePack carries the length of every part, so no two field lists give the same bytes.
        canonical = msgspec.msgpack.encode([SCHEME, strength, rule, fields.direction, values])
        return hmac.new(key.secret, _FIELD_DOMAIN + canonical, hashlib.sha256).digest()

    return keyed


def rule_of(strength: str, position: int) -> str:
    """What agrees where the fingerprint at `position` (from 0) of a strength matches, e.g. `number+seller`."""
    if strength == EXACT:
        return _EXACT_RULE
    rules, per_identifier = {
        STRONG: (STRONG_RULES, STRONG_RULE_PER_IDENTIFIER),
        WEAK: (WEAK_RULES, WEAK_RULE_PER_IDENTIFIER),
    }[strength]
    return rules[position] if position < len(rules) else per_identifier
