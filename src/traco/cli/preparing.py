"""``traco node init --engine cometbft``: a node that is to found or join a network with others, and its card."""

from pathlib import Path
from typing import NamedTuple

from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import WithKeys, open_keys
from traco.kernel.identifiers import check_lei
from traco.modules.party.state import LEI_SCHEME
from traco.node.configuration import EngineConfig, NodeConfig
from traco.node.directory import CARD_FILE, KEYS_FILE
from traco.node.founding.card import Organisation, Placement, listens_on
from traco.node.founding.preparation import Draft, Owner, owner_of, prepare


class ClusterOptions(NamedTuple):
    """What is said on the command line of a node in a cluster."""

    organisation: str
    country: str
    lei: str
    address: str
    gateway: str
    run_by: str
    provider: str
    region: str
    zone: str
    member_keys: Path | None
    member: str


def prepare_node(
    session: WithKeys, directory: Path, options: ClusterOptions, port: int, verifiers: int
) -> None:  # fmt: skip
    """Make the directory, and say where the card is."""
    if not options.address:
        raise CommandProblem(
            ExitCode.USAGE, "usage.no_address",
            "Say where other nodes reach this one: --address HOST:PORT (CometBFT's port, 26656 by habit).",
        )  # fmt: skip
    if options.lei:
        check_lei(options.lei)
    draft = Draft(
        Organisation(
            name=options.organisation, country=options.country or None,
            identifiers=((LEI_SCHEME, options.lei),) if options.lei else (),
        ),
        options.address, options.gateway,
        Placement(
            operator=options.run_by or options.organisation, provider=options.provider, region=options.region,
            zone=options.zone,
        ),
    )  # fmt: skip
    host, p2p_port = listens_on(options.address)
    config = NodeConfig(
        port=port, verifiers=verifiers, engine=EngineConfig(p2p_host=host, p2p_port=p2p_port)
    )  # fmt: skip
    owner = _owner(session, options)
    passphrase = session.passphrases.new(directory / KEYS_FILE)
    card = prepare(directory, passphrase, draft, config, owner=owner)
    said = card.statement
    session.output.record({
        "directory": str(directory), "card": str(directory / CARD_FILE), "organisation": card.name, "member": said.member,
        "node": said.node, "peer": said.peer, "address": said.address,
    })  # fmt: skip
    session.output.note(
        f"Give {directory / CARD_FILE} to who assembles the network, or to a member who proposes this node. It holds nothing "
        f"secret. Then: traco network sign {directory} GENESIS, or traco network accept {directory} GENESIS FOUNDING"
    )


def _owner(session: WithKeys, options: ClusterOptions) -> Owner | None:
    if options.member_keys is None:
        if options.member:
            raise CommandProblem(
                ExitCode.USAGE, "usage.no_keys", "--member needs the organisation's keys: --member-keys FILE"
            )
        return None
    with open_keys(options.member_keys, session.passphrases) as store:
        return owner_of(store, options.member)
