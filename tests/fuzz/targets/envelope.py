"""Screening answers any bytes as an envelope: the one that re-encodes to them, with its id, or one refusal.

If broken: whoever may offer envelopes to the engine can stop nodes, or have one envelope counted twice.
"""

from pathlib import Path
from typing import Final

from fuzz.mutation import of_messagepack
from fuzz.strict import is_canonical
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener, ScreenedEnvelope
from traco.kernel.transaction import envelope_id
from traco.modules.composition import compose

_SCREENER: Final = DirectScreener(compose().body, KernelParameters())
mutate = of_messagepack


def check(raw: bytes, _folder: Path) -> None:
    """Screen it, and what is in it."""
    screened = _SCREENER.screen_envelope(raw)
    if screened.envelope is None:
        assert screened.refusal is not None
        assert screened == ScreenedEnvelope(None, b"", b"", screened.refusal)
        return
    assert screened.refusal is None
    assert encode(screened.envelope) == raw
    assert is_canonical(raw)
    assert screened.identity == envelope_id(screened.envelope.body)
    transactions = screened.envelope.body.transactions
    assert len(_SCREENER.screen(transactions)) == len(transactions)
