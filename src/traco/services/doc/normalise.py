"""The normal form of the fields that fingerprints are made of, from a read invoice or from retyped values.

Two people who copy the same paper must reach the same normal form; two invoices should not. So what copying changes
is removed (case, width, spaces, punctuation, leading zeros, the spelling of dates and amounts) and nothing else:

- Legal forms in names stay. "Example Ltd" and "Example GmbH" are often two companies of one group, no list of forms
  is complete, and short ones (SA, AS, CO) are parts of names too. A name with another legal form is still found, by
  the partial fingerprints.
- Accents stay, because in many languages they make another letter.
- An ambiguous date or amount is refused; a guess would hide a duplicate or make one up.

Parties are compared by their registered name in the exact fingerprint, because EN 16931 requires a name of seller and
buyer and nothing else: an identifier may stand in one copy and be left out of the other. The seller's public
identifiers serve the partial fingerprints; they are compared by value without scheme, because one number appears as
company number in one syntax and with its ISO 6523 scheme in the other. Numbers that seller and buyer gave each other
(`ASSIGNED`), tax references that are free text (`TAX`) and the buyer's identifiers are not used, so not sent either.
"""

import datetime
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from traco.services.doc.amounts import MAXIMUM_AMOUNT, check_currency, retyped_minor_units
from traco.services.doc.dates import EARLIEST_YEAR, LATEST_YEAR, retyped_date
from traco.services.doc.invoice import Invoice, InvoiceKind, InvoiceUnreadable, TradeParty

MAXIMUM_SELLER_IDENTIFIERS: Final = 8
MAXIMUM_LENGTH: Final = 1000

_SHORTEST_IDENTIFIER: Final = 5
_LONGEST_RETYPED: Final = 500
_KEPT_CATEGORIES: Final = ("L", "N", "M")
# Characters that Unicode calls ignorable although their category is letter or mark: invisible in print, so a copy
# with them and one without look the same.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")
_ROUNDS: Final = 8

# Where a seller has more identifiers than are keyed, the most widely used go first.
_SCHEME_ORDER: Final = {"0199": 0, "VAT": 1, "0088": 2, "COMPANY": 3}
_NOT_PUBLIC: Final = ("ASSIGNED", "TAX")


class InvoiceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fingerprint service is told of an invoice: normal forms only.

    `direction` is `debit` for what the buyer owes and `credit` for a credit note, so that a note in full over an
    invoice with the same number is not taken for it. `amount` is the payable amount in the smallest unit of
    `currency`. `seller_identifiers` are sorted, each once.
    """

    direction: Literal["debit", "credit"]
    number: str
    issue_date: str
    amount: int
    currency: str
    seller: str
    buyer: str
    seller_identifiers: tuple[str, ...] = ()


def normal_text(text: str) -> str:
    """Letters, digits and marks of a text, in Unicode form NFKC and without case; all else is dropped.

    Applying it twice changes nothing. Decimal digits of every script become 0 to 9.
    """
    for _ in range(_ROUNDS):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        kept = "".join(_plain(character) for character in _INVISIBLE.sub("", folded))
        if kept == text:
            return kept
        text = kept
    raise InvoiceUnreadable(
        "invoice.field_invalid", "a text has no stable normal form; retype it in plain letters."
    )


def _plain(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    return character if unicodedata.category(character)[0] in _KEPT_CATEGORIES else ""


def normal_number(number: str) -> str:
    """A document number without case, spaces, punctuation and leading zeros: `INV-00-4711` becomes `inv4711`.

    Zeros are dropped where a run of digits begins once the punctuation is gone, so that leaving out a hyphen never
    changes the result.
    """
    return _LEADING_ZEROS.sub("", normal_text(number))


def fields_of(invoice: Invoice) -> InvoiceFields:
    """The normal form of a read invoice. Raises InvoiceUnreadable where a name or number has no letter or digit."""
    return InvoiceFields(
        direction="credit" if invoice.kind is InvoiceKind.CREDIT_NOTE else "debit",
        number=_present("number", normal_number(invoice.number)),
        issue_date=invoice.issue_date,
        amount=invoice.payable_amount,
        currency=invoice.currency,
        seller=_present("seller", normal_text(invoice.seller.name)),
        buyer=_present("buyer", normal_text(invoice.buyer.name)),
        seller_identifiers=_public_identifiers(invoice.seller),
    )


def _public_identifiers(party: TradeParty) -> tuple[str, ...]:
    pairs = [pair for pair in party.identifiers if pair[0] not in _NOT_PUBLIC]
    # ISO 6523 gives the endpoint's scheme four digits; EAS codes such as EM (e-mail) say nothing about who it is.
    if party.endpoint is not None and party.endpoint[0].isdigit():
        pairs.append(party.endpoint)
    pairs.sort(key=lambda pair: (_SCHEME_ORDER.get(pair[0], len(_SCHEME_ORDER)), pair))
    return _normal_identifiers(value for _, value in pairs)


def _normal_identifiers(values: Iterable[str]) -> tuple[str, ...]:
    normal = (normal_text(value) for value in values)
    usable = [
        value
        for value in normal
        if _SHORTEST_IDENTIFIER <= len(value) <= MAXIMUM_LENGTH and any(map(str.isdigit, value))
    ]
    return tuple(sorted(list(dict.fromkeys(usable))[:MAXIMUM_SELLER_IDENTIFIERS]))


def _present(name: str, normal: str) -> str:
    if not normal:
        raise InvoiceUnreadable("invoice.field_invalid", f"the {name} has no letter or digit; correct it.")
    if len(normal) > MAXIMUM_LENGTH:
        raise InvoiceUnreadable("invoice.field_invalid", f"the {name} is too long; shorten it.")
    return normal


_REQUIRED: Final = ("number", "issue_date", "amount", "currency", "seller", "buyer")
_OPTIONAL: Final = ("seller_identifiers", "credit_note")


def normalise_fields(raw: Mapping[str, object]) -> InvoiceFields:
    """The normal form of retyped values.

    Keys: `number`, `issue_date`, `amount`, `currency`, `seller`, `buyer` (texts), and if wanted
    `seller_identifiers` (a list of texts) and `credit_note` (true or false). Formats of dates and amounts: see
    `retyped_date` and `retyped_minor_units`. Raises InvoiceUnreadable.
    """
    unknown = sorted(str(key)[:40] for key in raw if key not in _REQUIRED + _OPTIONAL)
    if unknown:
        raise InvoiceUnreadable(
            "invoice.field_unknown",
            f"{unknown[0]!r} is not a field; give {', '.join(_REQUIRED + _OPTIONAL)}.",
        )
    texts = {name: _text(raw, name) for name in _REQUIRED}
    currency = normal_text(texts["currency"]).upper()
    check_currency(currency)
    return InvoiceFields(
        direction="credit" if _is_credit_note(raw) else "debit",
        number=_present("number", normal_number(texts["number"])),
        issue_date=retyped_date(texts["issue_date"]),
        amount=retyped_minor_units(texts["amount"], currency),
        currency=currency,
        seller=_present("seller", normal_text(texts["seller"])),
        buyer=_present("buyer", normal_text(texts["buyer"])),
        seller_identifiers=_normal_identifiers(_texts(raw.get("seller_identifiers", ()))),
    )


def _text(raw: Mapping[str, object], name: str) -> str:
    if name not in raw:
        raise InvoiceUnreadable(
            "invoice.field_missing", f"{name} is missing; give it as the invoice states it."
        )
    return _bounded(name, raw[name])


def _texts(value: object) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) > 32:
        raise InvoiceUnreadable(
            "invoice.field_invalid", "seller_identifiers must be a list of up to 32 texts."
        )
    return [_bounded("seller_identifiers", item) for item in value]


def _bounded(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvoiceUnreadable(
            "invoice.field_invalid", f"{name} must be a text, in quotes, as the invoice states it."
        )
    if len(value) > _LONGEST_RETYPED:
        raise InvoiceUnreadable(
            "invoice.field_invalid", f"{name} is longer than {_LONGEST_RETYPED} characters."
        )
    return unicodedata.normalize("NFKC", value) if name in ("issue_date", "amount") else value


def _is_credit_note(raw: Mapping[str, object]) -> bool:
    value = raw.get("credit_note", False)
    if not isinstance(value, bool):
        raise InvoiceUnreadable("invoice.field_invalid", "credit_note must be true or false.")
    return value


def check_normal(fields: InvoiceFields) -> None:
    """Refuse fields that are not in normal form (`invoice.not_normal`): keyed, they would match nothing."""
    if not _is_normal(fields):
        raise InvoiceUnreadable(
            "invoice.not_normal",
            "the fields are not in normal form; pass them through normalise_fields first.",
        )


def _is_normal(fields: InvoiceFields) -> bool:
    return (
        fields.direction in ("debit", "credit")
        and 0 < len(fields.number) <= MAXIMUM_LENGTH
        and normal_number(fields.number) == fields.number
        and all(
            0 < len(name) <= MAXIMUM_LENGTH and normal_text(name) == name
            for name in (fields.seller, fields.buyer)
        )
        and _is_iso_date(fields.issue_date)
        and abs(fields.amount) <= MAXIMUM_AMOUNT
        and _is_currency(fields.currency)
        and len(fields.seller_identifiers) <= MAXIMUM_SELLER_IDENTIFIERS
        and all(len(identifier) <= MAXIMUM_LENGTH for identifier in fields.seller_identifiers)
        and _normal_identifiers(fields.seller_identifiers) == fields.seller_identifiers
    )


def _is_iso_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return EARLIEST_YEAR <= date.year <= LATEST_YEAR


def _is_currency(code: str) -> bool:
    try:
        check_currency(code)
    except InvoiceUnreadable:
        return False
    return True
