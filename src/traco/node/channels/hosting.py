"""Whose channel business a node does, by its configuration."""

from pathlib import Path

from traco.node.configuration import NodeConfig
from traco.node.founding.acceptance import own_member


def hosted_members(directory: Path, config: NodeConfig) -> tuple[bytes, ...]:
    """The members whose channel business a node does."""
    if not config.channels.enabled:
        return ()
    return tuple(map(bytes.fromhex, config.channels.members)) or (own_member(directory),)
