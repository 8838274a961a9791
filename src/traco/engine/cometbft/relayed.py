"""What gateways hand on between engines: the three questions that a light client of CometBFT asks, and nothing else."""

from collections.abc import Mapping
from typing import Any, Final

from traco.engine.cometbft.errors import EngineRefused

MAX_PARAMETER: Final = 2**63 - 1

METHODS: Final[Mapping[str, frozenset[str]]] = {
    "commit": frozenset({"height"}),
    "validators": frozenset({"height", "page", "per_page"}),
    "consensus_params": frozenset({"height"}),
}
"""What is relayed, with the parameters that each takes. All of it is public among members."""


def read_parameters(method: str, given: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a relayed method, in the engine's form. Raises ``EngineRefused`` for anything else."""
    if method not in METHODS:
        raise EngineRefused("relay.unknown", f"{method[:40]!r} is not relayed")
    found = {name: str(value) for name, value in given.items() if value is not None}
    for name, value in found.items():
        is_number = value.isascii() and value.isdecimal() and len(value) < 20 and int(value) <= MAX_PARAMETER
        if name not in METHODS[method] or not is_number:
            raise EngineRefused("relay.unknown", f"{method} takes no such parameter as {name[:40]!r}")
    return found
