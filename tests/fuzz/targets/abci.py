"""Any bytes are an ABCI message, read and written again as the same, or a ``WireError``; frames come out the same however they arrive.

If broken: an engine that is newer, damaged or not ours stops the ledger by other ways than a clear refusal.
"""

from pathlib import Path

from traco.engine.cometbft.abci.frames import FrameReader
from traco.engine.cometbft.abci.messages import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from traco.engine.cometbft.abci.wire import WireError

_MAX_FRAME_BYTES = 4_096


def check(raw: bytes, _folder: Path) -> None:
    """Read it as a request, as an answer and as a stream."""
    for decode, encode in ((decode_request, encode_request), (decode_response, encode_response)):
        try:
            message = decode(raw)
        except WireError:
            continue
        (payload,) = FrameReader().feed(encode(message))
        assert decode(payload) == message
    assert _frames(raw, 1) == _frames(raw, max(1, len(raw)))


def _frames(raw: bytes, step: int) -> list[bytes] | None:
    """The frames of a stream that arrives in steps; None where it is none."""
    reader, found = FrameReader(_MAX_FRAME_BYTES), list[bytes]()
    try:
        for start in range(0, len(raw), step):
            found += reader.feed(raw[start : start + step])
    except WireError:
        return None
    return found
