"""A disclosure is audited or refused by a code, whatever a member puts on record, and agrees with no period but the disclosed one.

If broken: a regulator believes in a period that never was, or its audit ends in a fault.
"""

from pathlib import Path
from typing import Final

import msgspec

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from support.disclosed import Recording, scene
from traco.channels.disclosing.auditing import audit
from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.finding import AuditReport
from traco.channels.executing.errors import ExecutingError

_LENGTH: Final = 4


def sample() -> bytes:
    """A genuine file, of two points of six."""
    return scene().disclosure


def check(raw: bytes, folder: Path) -> None:
    """Audit it by a root that has it on record."""
    root, file = Recording(scene().root), folder / "period"
    file.write_bytes(root.record(raw))
    try:
        report = audit(file, root)
    except DisclosureRefused as refused:
        require(raw != sample(), refused.code)
        require(refused.code.startswith("disclosure."), refused.code)
        return
    except ExecutingError:
        require(raw != sample(), "the genuine file cannot be executed")
        return
    if report.difference is None:
        _require_true(report)


def _require_true(report: AuditReport) -> None:
    """What is agreed with is of the disclosed points, each with its one payment."""
    counts = report.counts
    assert counts.points == counts.transactions == report.last - report.first + 1
    assert (counts.refused, counts.rejected, counts.voided, counts.unreadable) == (0, 0, 0, 0)


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change one frame of the genuine file, or of one that was made of it, and frame it again: one of another run is of another network."""
    frames, place = list[bytes](), 0
    raw = raw if scene().root.network in raw else sample()
    while place + _LENGTH <= len(raw):
        size = int.from_bytes(raw[place : place + _LENGTH], "big")
        frames.append(raw[place + _LENGTH : place + _LENGTH + size])
        place += _LENGTH + size
    if not frames:
        return raw
    index = chance.draw.randrange(len(frames))
    if chance.one_in(8):
        del frames[index]
    else:
        try:
            frames[index] = of_messagepack(frames[index], chance)
        except msgspec.DecodeError:
            return raw
    return b"".join(len(frame).to_bytes(_LENGTH, "big") + frame for frame in frames)
