"""Decimals of the smallest unit of currencies, by ISO 4217: two but for these."""

from typing import Final

_TWO: Final = 2
_OTHERS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS: Final = {code: decimals for decimals, codes in _OTHERS.items() for code in codes.split()}


def decimals_of(currency: str) -> int:
    """How many decimals the smallest unit of a currency has."""
    return _DECIMALS.get(currency, _TWO)
