"""Screening answers any bytes: well-formed with an id, or refused by one code, however deep the caller's stack is.

If broken: a hostile transaction stops a node, or nodes give different reasons for the same bytes.
"""

from pathlib import Path
from typing import Final

from fuzz.mutation import of_messagepack
from fuzz.strict import is_canonical
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener, Screened
from traco.modules.composition import compose

DEEPER: Final = 150
_SCREENER: Final = DirectScreener(compose().body, KernelParameters())
mutate = of_messagepack


def check(raw: bytes, _folder: Path) -> None:
    """Screen at two depths of the stack."""
    (screened,) = _SCREENER.screen((raw,))
    assert screened == _below(DEEPER, raw), "the reason depends on the caller's stack"
    assert encode(screened)
    if screened.refusal is None:
        assert (len(screened.identity), len(screened.signatures)) == (32, 32)
        assert is_canonical(raw)
    else:
        assert screened == Screened(b"", b"", (), screened.refusal)


def _below(depth: int, raw: bytes) -> Screened:
    return _below(depth - 1, raw) if depth else _SCREENER.screen((raw,))[0]
