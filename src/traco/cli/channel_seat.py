"""``traco channel seat``: where a member does its channel business."""

from pathlib import Path
from typing import Annotated, Final

import typer

from traco.cli.command import command
from traco.cli.problems import unusable
from traco.cli.session import Acting
from traco.client.keystore import KeyStore
from traco.modules.channel.messages import SetSeat
from traco.modules.party.messages import RegisterNode
from traco.node.channels.hosting import hosted_members
from traco.node.channels.keyring import SEATS_FILE, SeatSecrets, make_seat
from traco.node.configuration import NodeConfig, read_config
from traco.node.directory import KEYS_FILE, require_complete

ENABLE: Final = "set channels.enabled and channels.members in its configuration, and start it again"


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(
        app, "seat",
        examples=["traco channel seat node --as @bank", "traco channel seat node --renew-box --as @bank"],
    )(seat)  # fmt: skip


def seat(
    session: Acting,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The directory of the node.", show_default=False)
    ],
    renew_box: Annotated[
        bool, typer.Option("--renew-box", help="With another X25519 key, for epochs that begin from now on.")
    ] = False,
) -> None:
    """Have a node do the acting member's channel business: make the keys, and say so on the ledger.

    The keys are in DIR/seats.keys, under the node's passphrase. The node begins by itself once they are there. The member's own key
    that may administer signs.
    """
    require_complete(directory)
    config = read_config(directory)
    member = session.actor("administer")
    if member.id not in hosted_members(directory, config):
        raise unusable(
            "channel.not_hosted",
            f"The node in {directory} does no channel business of this member: {ENABLE}.",
        )
    passphrase = session.passphrases.existing(directory / KEYS_FILE)
    with KeyStore.open(directory / KEYS_FILE, passphrase):
        pass  # one passphrase opens all that a node has
    path = directory / SEATS_FILE
    with KeyStore.open(path, passphrase) if path.exists() else KeyStore.create(path, passphrase) as store:
        secrets = make_seat(store, member.id, renew_box=renew_box)
    key = secrets.keys.node.public_key
    owner = session.client.query("party.of_node", key=key)
    registering = () if owner is not None else (RegisterNode(member.id, key),)
    setting = _set_seat(directory, config, member.id, secrets)
    session.show_result(
        member.transact(*registering, setting), seat=member.id, node_key=key.hex(), address=setting.address
    )


def _set_seat(directory: Path, config: NodeConfig, member: bytes, secrets: SeatSecrets) -> SetSeat:
    addresses = config.channels.addresses()
    address = f"https://{addresses[hosted_members(directory, config).index(member)]}" if addresses else ""
    return SetSeat(
        member, secrets.keys.node.public_key, secrets.keys.boxes[-1].public_key,
        secrets.certificate.der if address else b"", address,
    )  # fmt: skip
