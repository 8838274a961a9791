"""What of channels is set in a node's configuration."""

import os
from typing import Annotated, Any, Final

import msgspec

MOST_BY_CORES: Final = 4

_Party = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)")]


def _said(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class ChannelsConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Whose channel business this node does, and how other members' nodes reach it for that."""

    enabled: Annotated[bool, _said("whether this node does the channel business of members")] = False
    members: Annotated[
        tuple[_Party, ...], _said("ids of these members; none: the member that the node belongs to")
    ] = ()
    listen: Annotated[
        tuple[str, ...],
        _said("host:port on which other members' nodes reach each of them, in that order; none: all members are here"),
    ] = ()  # fmt: skip
    address: Annotated[
        tuple[str, ...], _said("host:port as others dial each of them, where it is not the one listened on")
    ] = ()

    processes: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=64)] | None,
        _said("processes that execute channels; 0: none, it is done where their business is; null: by the number of cores"),
    ] = None  # fmt: skip

    def addresses(self) -> tuple[str, ...]:
        """What others dial, in the order of members."""
        return self.address or self.listen


def executor_count(processes: int | None) -> int:
    """How many processes execute channels, by what is set."""
    if processes is not None:
        return processes
    cores = len(os.sched_getaffinity(0))
    return min(cores // 4, MOST_BY_CORES)


def channel_problems(document: dict[str, Any]) -> list[str]:
    """What is wrong between the settings of channels, a sentence for each mistake."""
    problems = []
    members, listen, address = (document[name] for name in ("members", "listen", "address"))
    if len(set(members)) < len(members):
        problems.append("channels.members has a member twice")
    if listen and len(listen) != max(1, len(members)):
        problems.append("channels.listen needs one host:port for each of channels.members")
    if len(set(listen)) < len(listen):
        problems.append("channels.listen has an address twice; each member needs one of its own")
    if address and len(address) != len(listen):
        problems.append("channels.address needs one host:port for each of channels.listen")
    return problems
