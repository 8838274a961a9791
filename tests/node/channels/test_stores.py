"""The files of replicas, and what goes with them."""

from pathlib import Path

from support.channel_town import make_members
from traco.kernel.genesis import network_id, parse_genesis
from traco.node.channels.stores import CHANNELS_FOLDER, ChannelStores, concerns_path, replica_path

CHANNEL, OTHER = b"\x07" * 32, b"\x08" * 32


def test_a_replica_that_is_discarded_leaves_nothing_and_others_stay(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    genesis = parse_genesis(make_members(directory))
    (directory / CHANNELS_FOLDER).mkdir()
    stores = ChannelStores(directory, network_id(genesis))
    for channel in (CHANNEL, OTHER):
        stores.open(channel).close()
        concerns_path(replica_path(directory, channel)).touch()
    stores.discard(CHANNEL)
    left = {path.name for path in (directory / CHANNELS_FOLDER).iterdir()}
    assert {name for name in left if name.startswith(CHANNEL.hex())} == set()
    assert {f"{OTHER.hex()}.db", f"{OTHER.hex()}.concerns.db"} <= left
