"""Organisations that are about to found a network: a prepared node and a card for each, with keys that open quickly."""

from pathlib import Path
from typing import Any, NamedTuple

from support.ledger import START_MS
from support.live_node import CHEAP
from traco.client.keystore import KeyStore
from traco.client.signer import Signer
from traco.kernel.genesis import Genesis, parse_genesis, write_genesis
from traco.node.configuration import NodeConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY
from traco.node.founding.assembly import Terms, assemble
from traco.node.founding.card import Card, Organisation, Placement
from traco.node.founding.preparation import Draft, Owner, owner_of, prepare
from traco.node.founding.signatures import FounderSignature, sign_founding

PASSPHRASE = "words for a test"


class Prepared(NamedTuple):
    """An organisation with a node that is in no network yet."""

    directory: Path
    card: Card

    @property
    def member(self) -> str:
        """Its id on the ledger, in hex."""
        return self.card.statement.member

    def signer(self) -> Signer:
        """The organisation's key."""
        with KeyStore.open(self.directory / KEYS_FILE, PASSPHRASE) as keys:
            return keys.signer(MEMBER_KEY)

    def owner(self) -> Owner:
        """The organisation, for another node of its."""
        with KeyStore.open(self.directory / KEYS_FILE, PASSPHRASE) as keys:
            return owner_of(keys)

    def sign(self, genesis: Genesis) -> FounderSignature:
        """Its signature as a founder."""
        return sign_founding(genesis, self.member, self.signer())


def prepared(
    folder: Path,
    name: str,
    port: int = 26_656,
    *,
    owner: Owner | None = None,
    organisation: str = "",
    **placement: str,
) -> Prepared:
    """A node in ``folder``/``name`` of an organisation of that name."""
    draft = Draft(
        Organisation(name=organisation or name, country="DE"), f"127.0.0.1:{port}", "",
        Placement(**{"operator": name, "provider": "own", "region": "de", "zone": "", **placement}),
    )  # fmt: skip
    directory = folder / name.replace(" ", "-").lower()
    return Prepared(directory, prepare(directory, PASSPHRASE, draft, NodeConfig(), owner=owner, cost=CHEAP))


def terms(**changes: Any) -> Terms:
    """What the founders agreed on."""
    return Terms(**{"name": "Test", "purpose": "test", "threshold": 2, "time_ms": START_MS, **changes})


def founded(validators: list[Prepared], observers: list[Prepared] = [], **changes: Any) -> Genesis:  # noqa: B006
    """Their genesis, as it is read by whoever gets it."""
    made = assemble([each.card for each in validators], [each.card for each in observers], terms(**changes))
    return parse_genesis(write_genesis(made))
