"""Cuts a stream of bytes into frames: an unsigned varint with the length, then so many bytes."""

from typing import Final

from traco.engine.cometbft.abci.wire import WireError, read_varint

MAX_FRAME_BYTES: Final = 134_217_728
"""More than the engine sends: its blocks have at most 100 MiB, chunks of a snapshot 16 MB."""


class FrameTooLarge(WireError):
    """A frame is announced that is longer than anything the engine sends."""

    code = "abci.frame_too_large"


class FrameReader:
    """Takes bytes as they come and gives frames back as they are complete."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._wanted = 1  # bytes that the buffer must have before another look at it is of use

    @property
    def missing(self) -> int:
        """So many bytes at least before another frame is complete."""
        return max(0, self._wanted - len(self._buffer))

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of all frames that are complete now, in order. Raises ``WireError``."""
        self._buffer += data
        if len(self._buffer) < self._wanted:
            return []
        frames, start = list[bytes](), 0
        with memoryview(self._buffer) as view:
            while (bounds := self._next(start)) is not None:
                begin, start = bounds
                frames.append(bytes(view[begin:start]))
        del self._buffer[:start]
        self._wanted -= start
        return frames

    def _next(self, start: int) -> tuple[int, int] | None:
        """Begin and end of the payload of the frame at ``start``, if it is complete."""
        have = len(self._buffer)
        try:
            size, begin = read_varint(self._buffer, start)
        except IndexError:
            self._wanted = have + 1
            return None
        if size > self._max_bytes:
            raise FrameTooLarge(f"a frame of {size} bytes is announced, {self._max_bytes} are allowed")
        if begin + size > have:
            self._wanted = begin + size
            return None
        return begin, begin + size
