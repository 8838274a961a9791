"""What shows an instrument's total is checked or refused by a code, and no file but the genuine one shows one.

If broken: a regulator believes that there is less of an instrument, or more, than there is.
"""

from pathlib import Path

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from support.disclosed import scene
from traco.channels.disclosing.errors import DisclosureRefused
from traco.channels.disclosing.total import check_total


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change one place of the genuine file, or of one that was made of it: one of another run is of another network."""
    return of_messagepack(raw if scene().root.network in raw else sample(), chance)


def sample() -> bytes:
    """A genuine file, of one channel."""
    return scene().total


def check(raw: bytes, _folder: Path) -> None:
    """Check it by the root that it is of."""
    try:
        report = check_total(raw, scene().root)
    except DisclosureRefused as refused:
        require(raw != sample(), refused.code)
        require(refused.code.startswith("total."), refused.code)
        return
    genuine = check_total(sample(), scene().root)
    # another member is in other channels; and blocks in which nothing happened have one state
    is_same = (report.instrument, report.total, report.rows) == (
        genuine.instrument,
        genuine.total,
        genuine.rows,
    )
    assert is_same or report.member != genuine.member, "a forged total was accepted"
