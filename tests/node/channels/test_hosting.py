from pathlib import Path

from support.channel_town import make_members, member_of
from traco.node.channels.hosting import hosted_members
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import NodeConfig


def test_a_node_does_business_for_those_that_are_named_or_for_its_own_member(tmp_path: Path) -> None:
    make_members(tmp_path / "node")
    assert hosted_members(tmp_path / "node", NodeConfig()) == ()
    enabled = NodeConfig(channels=ChannelsConfig(enabled=True))
    assert hosted_members(tmp_path / "node", enabled) == (member_of("bank"),)
    named = ChannelsConfig(enabled=True, members=("bb" * 16, "aa" * 16))
    assert hosted_members(tmp_path / "node", NodeConfig(channels=named)) == (b"\xbb" * 16, b"\xaa" * 16)
