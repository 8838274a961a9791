"""``traco network``: found a network with other organisations, enter one, decide who takes part; try it on one machine."""

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from traco.cli import local_network, network_decisions
from traco.cli.command import Local, command, group
from traco.cli.files import read_bounded, write_file
from traco.cli.names import Entry
from traco.cli.output import Output
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import WithKeys, open_keys
from traco.cli.times import moment_ms
from traco.client.signer import Signer
from traco.kernel.genesis import MAX_GENESIS_BYTES, Genesis, network_id, write_genesis
from traco.node.configuration import read_config
from traco.node.directory import KEYS_FILE, trial_founding
from traco.node.founding.acceptance import accept as accept_network
from traco.node.founding.acceptance import own_card
from traco.node.founding.assembly import Purpose, Terms
from traco.node.founding.assembly import assemble as assemble_genesis
from traco.node.founding.card import Card, read_card
from traco.node.founding.documents import MAX_DOCUMENT_BYTES
from traco.node.founding.review import percent, review
from traco.node.founding.signatures import (
    ADMINISTER,
    founders,
    read_cluster_genesis,
    read_signatures,
    require_own_cards,
    sign_founding,
    write_signature,
)

app = group("Found a network with others, enter one, decide who takes part.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)]
GenesisFile = Annotated[
    Path, typer.Argument(metavar="GENESIS", help="The genesis document.", show_default=False)
]
CardFiles = Annotated[list[Path], typer.Option("--card", metavar="FILE", show_default=False)]
MemberKeys = Annotated[
    Path | None,
    typer.Option(
        "--member-keys", metavar="FILE",
        help="Key store or file of signers with the organisation's keys, where they are not in the node's directory.",
    ),
]  # fmt: skip
SHORT = 16


@command(
    app, "assemble",
    examples=[
        ("traco network assemble --name 'Example Network' --threshold 3 --card a.json --card b.json --card c.json --card d.json "
        "--observer e.json --fingerprints 'Example Bank A' --output genesis.json"),
        ("traco network assemble --name Pilot --purpose test --threshold 2 --card a.json --card b.json --card c.json "
        "--card d.json --parameter network.max_provider_ppm=500000 --output genesis.json"),
    ],
)  # fmt: skip
def assemble(
    session: Local,
    name: Annotated[str, typer.Option(help="Name of the network.")],
    threshold: Annotated[int, typer.Option(min=1, max=64, help="How many members of the council decide together.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the genesis.")],
    card: Annotated[list[Path], typer.Option("--card", metavar="FILE", help="Card of a validator. Repeatable.")],
    observer: Annotated[
        list[Path], typer.Option("--observer", metavar="FILE", help="Card of an observer. Repeatable.")
    ] = [],  # noqa: B006
    purpose: Annotated[Purpose, typer.Option(help="What the network is for.")] = "production",
    fingerprints: Annotated[
        str, typer.Option(metavar="NAME", help="The organisation that runs the fingerprint service.")
    ] = "",
    parameter: Annotated[
        list[str],
        typer.Option(metavar="OWNER.FIELD=VALUE", help="A parameter other than its default. Repeatable."),
    ] = [],  # noqa: B006
    founding_time: Annotated[
        str, typer.Option("--time", metavar="TIME", help="Founding time, such as 2026-11-02T09:00:00Z; now by default.")
    ] = "",
) -> None:  # fmt: skip
    """Make the genesis of a network from its founders' cards.

    Organisations with a validator form the council. Every card's signatures are checked, and the genesis is founded once to
    try it. The same cards, terms and time give the same bytes. Every founder then checks and signs: traco network sign
    """
    terms = Terms(
        name=name, purpose=purpose, threshold=threshold, time_ms=_moment(founding_time), fingerprints=fingerprints,
        parameters=_parameters(parameter),
    )  # fmt: skip
    genesis = assemble_genesis([_card(path) for path in card], [_card(path) for path in observer], terms)
    app_hash = trial_founding(genesis)
    write_file(output, write_genesis(genesis))
    show_review(session.output, genesis, {"genesis": str(output), "app_hash": app_hash.hex()})
    session.output.note(f"Send {output} to every founder, to be signed with: traco network sign DIR {output}")


@command(app, "show", examples=["traco network show genesis.json"])
def show(session: Local, genesis: GenesisFile) -> None:
    """Show what a genesis founds: members, nodes, who orders and decides, and what hangs on whom."""
    show_review(session.output, _genesis(genesis), {"genesis": str(genesis)})


@command(
    app, "sign",
    examples=["traco network sign node genesis.json --output bank-a.signature.json"],
)  # fmt: skip
def sign(
    session: WithKeys,
    directory: Directory,
    genesis: GenesisFile,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the signature.")],
    network: Annotated[
        str,
        typer.Option(metavar="ID", help="Sign only the network with this id, as the founders agreed on it."),
    ] = "",
    card: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Card of another node of your organisation. Repeatable."),
    ] = [],  # noqa: B006
    member_keys: MemberKeys = None,
) -> None:
    """Check a genesis against this node's own card, show what it founds, and sign it for the organisation.

    Nothing is signed if the genesis says anything else of the organisation or its nodes than their cards do. Whether the other
    members, the threshold and the parameters are what was agreed, only you can tell: read the summary first (traco network
    show), and compare the network id with the other founders.
    """
    founding = _genesis(genesis)
    own = own_card(directory)
    require_own_cards(founding, [own, *(_card(path) for path in card)])
    if network and network.lower() != network_id(founding).hex():
        raise CommandProblem(
            ExitCode.REFUSED, "founding.other_network",
            f"{genesis} founds the network {network_id(founding).hex()}, not {network}; nothing was signed.",
        )  # fmt: skip
    trial_founding(founding)
    key = _member_key(session, directory, own, member_keys)
    signer = _required(key, member_keys or directory / KEYS_FILE).signer
    signature = sign_founding(founding, own.statement.member, signer)
    write_file(output, write_signature(signature))
    show_review(session.output, founding, {"signed_for": own.name, "signature": str(output)})
    session.output.note(f"Send {output} to every founder, to be used with: traco network accept")


@command(
    app, "accept",
    examples=[
        "traco network accept node genesis.json a.signature.json b.signature.json c.signature.json d.signature.json",
        "traco network accept observer genesis.json founding.json",
    ],
)  # fmt: skip
def accept(
    session: WithKeys,
    directory: Directory,
    genesis: GenesisFile,
    signatures: Annotated[
        list[Path],
        typer.Argument(metavar="SIGNATURE...", help="The founders' signatures, or founding.json of another node.", show_default=False),
    ],
    name: Annotated[str, typer.Option("--name", help="Your name for your organisation.")] = "operator",
    member_keys: MemberKeys = None,
) -> None:  # fmt: skip
    """Enter a network that all its founders signed: make the ledger, and keep genesis and signatures.

    A node refuses a network that its own organisation did not sign. An organisation that is no founder accepts the network with
    its own key here; a node that joins later needs the genesis and founding.json of any member's node.
    """
    founding, own = _genesis(genesis), own_card(directory)
    key = _member_key(session, directory, own, member_keys)
    entry = session.names.find(name)
    if entry is None or entry.id != own.statement.member or key is not None:
        entry = _entry(own, member_keys or directory / KEYS_FILE, key)
    session.names.require_room(name, entry, network_id(founding))
    found = [each for path in signatures for each in read_signatures(_read(path), str(path))]
    signer = None
    if own.statement.member not in founders(founding):
        signer = _required(key, member_keys or directory / KEYS_FILE).signer
    accept_network(directory, founding, found, signer)
    config = read_config(directory)
    session.names.add(name, entry, network_id(founding), session.names.url or config.url)
    session.output.record({
        "network": network_id(founding).hex(), "directory": str(directory), "member": own.statement.member,
        "operator_name": f"@{name.removeprefix('@')}", "url": config.url, "signatures": len(found),
    })  # fmt: skip
    session.output.note(f"Start it with: traco node start {directory}")


def _card(path: Path) -> Card:
    return read_card(_read(path), str(path))


def _read(path: Path) -> bytes:
    return read_bounded(path, MAX_DOCUMENT_BYTES)


def _genesis(path: Path) -> Genesis:
    return read_cluster_genesis(read_bounded(path, MAX_GENESIS_BYTES), str(path))


class HeldKey(NamedTuple):
    """A key of the organisation, under its name in a key store."""

    name: str
    signer: Signer


def _member_key(session: WithKeys, directory: Path, card: Card, member_keys: Path | None) -> HeldKey | None:
    """A key on the card that may administer, of the organisation's key store or the node's; None where that has none."""
    wanted = [entry.key for entry in card.statement.member_keys if ADMINISTER in entry.roles]
    with open_keys(member_keys or directory / KEYS_FILE, session.passphrases) as store:
        held = store.keys()
        names = [entry.name for entry in held if entry.public_key.hex() in wanted]
        return HeldKey(names[0], store.signer(names[0])) if names else None


def _required(key: HeldKey | None, path: Path) -> HeldKey:
    if key is None:
        raise CommandProblem(
            ExitCode.KEYS, "keystore.no_key",
            f"{path} has none of the keys on the card that may administer; say where they are: --member-keys FILE",
        )  # fmt: skip
    return key


def _entry(card: Card, path: Path, key: HeldKey | None) -> Entry:
    """What a name for the organisation stands for; without its key, the address book looks where keys of that name are."""
    if key is None:
        return Entry("party", card.statement.member)
    return Entry("party", card.statement.member, str(path.resolve()), (key.name,))


def _moment(text: str) -> int:
    """The founding time in ms; now where none is given."""
    return moment_ms(text) if text else time.time_ns() // 1_000_000_000 * 1_000


def _parameters(given: list[str]) -> dict[str, dict[str, Any]]:
    """Parameters by owner. Raises ``CommandProblem``."""
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        owner, point, field = name.partition(".")
        if not (equals and point and owner and field):
            raise CommandProblem(
                ExitCode.USAGE, "usage.invalid", f"--parameter wants OWNER.FIELD=VALUE, not {text[:96]}"
            )
        found.setdefault(owner, {})[field] = _value(value)
    return found


def _value(text: str) -> Any:
    """A number, or whatever else JSON can say; any other text stands for itself."""
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return text


def show_review(output: Output, genesis: Genesis, more: dict[str, Any]) -> None:
    """Print what a founder must check."""
    found = review(genesis)
    if output.as_json:
        output.record({**more, **found})
        return
    lists = {name: found.pop(name) for name in ("members", "nodes", "placement")}
    parameters = {f"parameters.{owner}": section for owner, section in found.pop("parameters").items()}
    output.record({**more, **found, **parameters})
    members = [{**row, "first_key": row["keys"][0][:SHORT]} for row in lists["members"]]
    output.titled(
        "Members", members, ("name", "country", "identifiers", "council", "first_key", "nodes", "roles")
    )
    nodes = [
        {**row, "share": percent(row["power_ppm"]), "key": row["key"][:SHORT], "consensus": row["consensus"][:SHORT]}
        for row in lists["nodes"]
    ]  # fmt: skip
    output.titled(
        "Nodes", nodes,
        ("member", "role", "power", "share", "address", "key", "consensus", "operator", "provider", "region", "zone"),
    )  # fmt: skip
    show_shares(output, lists["placement"])


def show_shares(output: Output, shares: list[dict[str, Any]]) -> None:
    """Print voting power by provider, region and operator, and what is lost with each."""
    rows = [{**row, "share": percent(row["power_ppm"]), "if_lost": row["lost"]} for row in shares]
    output.titled(
        "Placement", rows, ("kind", "name", "nodes", "validators", "power", "share", "if_lost")
    )  # fmt: skip


local_network.register(app)
network_decisions.register(app)
