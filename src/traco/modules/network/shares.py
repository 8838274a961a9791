"""How voting power is spread: what the network can lose, and what stands in one place. Pure functions of powers.

The engine goes on while more than two thirds of the voting power takes part, so it stops with a third of it gone.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from traco.modules.network.errors import ShareExceeded
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.state import NodeRecord

WHOLE_PPM: Final = 1_000_000

Validators = Sequence[tuple[bytes, int]]


def total_of(validators: Validators) -> int:
    """The voting power of all."""
    return sum(power for _, power in validators)


def greatest_of(validators: Validators) -> int:
    """The voting power of the greatest; 0 without any."""
    return max((power for _, power in validators), default=0)


def goes_on_without(lost: int, total: int) -> bool:
    """Whether the network goes on when so much of the voting power is gone; what has no power is not missed."""
    return lost == 0 or 3 * lost < total


def tolerates_one(validators: Validators) -> bool:
    """Whether the network goes on without any one validator."""
    return 3 * greatest_of(validators) < total_of(validators)


def share_ppm(power: int, total: int) -> int:
    """A share in parts per million, rounded down; 0 of nothing."""
    return power * WHOLE_PPM // total if total else 0


def provider_of(record: NodeRecord) -> str:
    """Whose machines they are; empty where its member does not say."""
    return record.placement.provider


def region_of(record: NodeRecord) -> str:
    """In which region it stands; empty where its member does not say."""
    return record.placement.region


def check_provider(records: Iterable[NodeRecord], provider: str, limits: NetworkParameters) -> None:
    """One provider has no more of the voting power than is allowed. Raises ``ShareExceeded``."""
    _check("provider", records, provider_of, provider, limits.max_provider_ppm)


def check_region(records: Iterable[NodeRecord], region: str, limits: NetworkParameters) -> None:
    """One region has no more of the voting power than is allowed. Raises ``ShareExceeded``."""
    _check("region", records, region_of, region, limits.max_region_ppm)


def _check(
    what: str, records: Iterable[NodeRecord], place_of: Callable[[NodeRecord], str], place: str, limit: int
) -> None:
    total, here = 0, 0
    for record in records:
        total += record.power
        here += record.power if place_of(record) == place else 0
    if here * WHOLE_PPM > limit * total:
        raise ShareExceeded(what, place, share_ppm(here, total), limit)
