"""Exact amounts: ISO 4217 minor units, and decimal text to integers. Not for arithmetic on money.

Exponents are those of ISO 4217 "list one", which SIX publishes as maintenance agency (state of January 2026), with
codes withdrawn since 2015 kept because invoices outlive currencies. Metals, funds and test codes are left out:
nothing can be payable in them.
"""

import re
from decimal import Context, Decimal
from typing import Final

from traco.services.doc.invoice import InvoiceUnreadable

MAXIMUM_AMOUNT: Final = 2**63 - 1
"""No amount, in smallest units and without its sign, is larger: the bound of every instrument on the ledger."""

_TWO_DECIMALS: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
    "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
    "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER "
    "ZAR ZMW ZWG"
)
_TWO_DECIMALS_WITHDRAWN: Final = "ANG BGN CUC HRK MRO SLL STD VEF ZWL"
_OTHER_EXPONENTS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF BYR",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_TWO_DECIMALS_WITHDRAWN.split(), 2),
    **{code: exponent for exponent, codes in _OTHER_EXPONENTS.items() for code in codes.split()},
}
"""Alphabetic currency code to the number of decimals of its smallest unit."""

_XML_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_LONGEST: Final = 40
_EXACT: Final = Context(prec=_LONGEST)  # the default rounds to 28 digits, and would hide further decimals


def check_currency(currency: str) -> None:
    """Refuse what is not a currency of ISO 4217 in capitals (`invoice.currency_unknown`)."""
    if currency not in EXPONENTS:
        raise InvoiceUnreadable(
            "invoice.currency_unknown",
            f"{currency[:10]!r} is not a currency code of ISO 4217; give three capital letters such as EUR.",
        )


def minor_units(text: str, currency: str) -> int:
    """The amount of an XML decimal such as `-250.330` in the currency's smallest unit, exactly.

    Exponents, infinities and more decimals than the currency has are refused; further decimals may be zeros.
    """
    if len(text) > _LONGEST or not _XML_DECIMAL.fullmatch(text):
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"{text[:_LONGEST]!r} is not an amount; write digits with a point before the decimals, as in 1234.50.",
        )
    check_currency(currency)
    scaled = Decimal(text).scaleb(EXPONENTS[currency], _EXACT)
    amount = int(scaled)
    if scaled != amount:
        raise InvoiceUnreadable(
            "invoice.amount_precision",
            f"{text} has more decimals than {currency} has ({EXPONENTS[currency]}); correct the amount.",
        )
    if abs(amount) > MAXIMUM_AMOUNT:
        raise InvoiceUnreadable(
            "invoice.amount_too_large", f"{text} {currency} is more than the ledger can hold."
        )
    return amount


_GROUPED_BY: Final = {
    ",": re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"),
    ".": re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?"),
    "'": re.compile(r"[0-9]{1,3}(?:'[0-9]{3})+(?:[.,][0-9]+)?"),
    " ": re.compile(r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?"),
}
_PLAIN: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_ONE_MARK_THREE_DIGITS: Final = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


def retyped_minor_units(text: str, currency: str) -> int:
    """The amount a person typed (`1,234.50`, `1.234,50`, `1 234,50`, `1'234.50`), in the smallest unit.

    One mark followed by three digits, as in `1.234`, could be thousands or decimals, which differ by a factor of a
    thousand: it is refused as `invoice.amount_ambiguous`, not guessed.
    """
    typed = text.strip().replace("\u2019", "'")
    sign, digits = ("-", typed[1:].lstrip()) if typed[:1] in ("-", "\u2212") else ("", typed)
    digits = " ".join(digits.split())
    if _ONE_MARK_THREE_DIGITS.fullmatch(digits):
        raise InvoiceUnreadable(
            "invoice.amount_ambiguous",
            f"{text.strip()[:_LONGEST]!r} could mean thousands or decimals; write the decimals out, as in 1234.00.",
        )
    if _PLAIN.fullmatch(digits):
        return minor_units(sign + digits.replace(",", "."), currency)
    for mark, pattern in _GROUPED_BY.items():
        if pattern.fullmatch(digits):
            return minor_units(sign + digits.replace(mark, "").replace(",", "."), currency)
    raise InvoiceUnreadable(
        "invoice.field_invalid",
        f"{text.strip()[:_LONGEST]!r} is not an amount; write digits with a point before the decimals, as in 1234.50.",
    )
