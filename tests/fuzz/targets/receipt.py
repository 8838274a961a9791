"""``verify_receipt`` raises ``ReceiptInvalid`` and nothing else, and accepts no bytes but those of the genuine receipt.

If broken: somebody proves to a court what never happened.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import of_messagepack
from independent.examples import examples
from traco.kernel.finality import ReceiptInvalid, verify_receipt

_EXAMPLES: Final = examples()
mutate = of_messagepack


def check(raw: bytes, _folder: Path) -> None:
    """Verify under the genesis of the worked examples."""
    try:
        verify_receipt(raw, _EXAMPLES["genesis"])
    except ReceiptInvalid as error:
        require(raw != _EXAMPLES["receipt"], error.code)
        return
    assert raw == _EXAMPLES["receipt"], "a forged receipt was accepted"
