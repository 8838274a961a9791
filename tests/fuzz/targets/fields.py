"""Retyped fields of an invoice are brought into normal form or ``InvoiceUnreadable``; the amount is exactly what was typed.

If broken: a request to the fingerprint service stops it, or the same invoice has two fingerprints.
"""

import re
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from fuzz.claims import require
from fuzz.mutation import of_json
from traco.services.doc.amounts import EXPONENTS
from traco.services.doc.invoice import InvoiceUnreadable
from traco.services.doc.normalise import check_normal, normalise_fields

_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
mutate = of_json


def check(raw: bytes, _folder: Path) -> None:
    """Normalise what the file says; what is normal stays as it is."""
    try:
        retyped = msgspec.json.decode(raw, type=dict[str, object])
    except (ValueError, RecursionError):
        return
    try:
        fields = normalise_fields(retyped)
    except InvoiceUnreadable as error:
        require(error.code.startswith("invoice."), error.code)
        return
    check_normal(fields)
    typed = str(retyped["amount"])
    if _PLAIN.fullmatch(typed):
        stated = Fraction(typed)
        assert Fraction(fields.amount, 10 ** EXPONENTS[fields.currency]) == stated, (
            "another amount than typed"
        )
    again = {
        "number": fields.number,
        "seller": fields.seller,
        "buyer": fields.buyer,
        "issue_date": fields.issue_date,
    }
    kept = normalise_fields({**retyped, **again})
    assert kept == fields, "normal form is not stable"
