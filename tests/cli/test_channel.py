"""What ``traco channel`` refuses before it asks anybody; with a node it is run by tests/live and tests/cluster."""

from pathlib import Path

import pytest

from support.channel_town import make_members, member_of
from support.command_line import PASSPHRASE, CommandLine
from support.ledger import Key
from support.live_node import CHEAP
from traco.cli.problems import ExitCode
from traco.client.keystore import KeyStore
from traco.kernel.crypto import Scheme
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import NodeConfig


@pytest.mark.parametrize(
    "arguments", [("show", "77"), ("rebuild", "77"), ("missing", "zz" * 32), ("status", "77", "88" * 32)]
)
def test_what_is_no_id_of_a_channel_is_said(traco: CommandLine, arguments: tuple[str, ...]) -> None:
    printed = traco("channel", *arguments, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "channel.id")


@pytest.mark.parametrize("hosted", [ChannelsConfig(), ChannelsConfig(enabled=True)])
def test_a_seat_is_taken_only_where_the_node_is_to_do_business_for_the_member(
    traco: CommandLine, tmp_path: Path, hosted: ChannelsConfig
) -> None:
    make_members(tmp_path / "node", config=NodeConfig(channels=hosted), passphrase=PASSPHRASE)
    with KeyStore.create(tmp_path / "broker.keys", PASSPHRASE, CHEAP) as store:
        store.add("main", Scheme.ED25519, Key("broker").seed, ("sign", "administer"))
    printed = traco(
        "channel", "seat", tmp_path / "node", "--as", member_of("broker").hex(), "--keystore", tmp_path / "broker.keys", "--json",
    )  # fmt: skip
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "channel.not_hosted")
    assert not (tmp_path / "node" / "seats.keys").exists()
