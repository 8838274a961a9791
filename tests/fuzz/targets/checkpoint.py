"""``verify_checkpoint`` raises ``SealInvalid`` and nothing else, and accepts no bytes but those that were sealed.

If broken: outsiders believe in a ledger that its validators never had.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from independent.examples import NETWORK, SEAL, examples
from traco.kernel.seal import SealInvalid, verify_checkpoint

_SEAL: Final = examples()["seal"]


def check(raw: bytes, _folder: Path) -> None:
    """Verify under the seal key of the worked examples."""
    try:
        verify_checkpoint(raw, NETWORK, SEAL.public_key)
    except SealInvalid as error:
        require(raw != _SEAL, error.code)
        return
    assert raw == _SEAL, "a forged checkpoint was accepted"
