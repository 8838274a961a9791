"""A root with parties, and a channel of some of them whose stream tests write entry by entry.

Everybody is known by a name and has the one key ``Key(name)``. The root runs one block for each point, and goes on.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from support.founding import Founding, founding
from support.ledger import Key
from support.market import keys_of
from support.memory_store import MemoryStore
from traco.channels.executing import ChannelReplica, Compositions, ExecutedPoint, Nothing, Point
from traco.channels.executing.points import START, Content, Contents, Cursor, point_of
from traco.channels.executing.registry_view import RegistryView
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import encode
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
from traco.kernel.screening import encode_transaction
from traco.kernel.state import State
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.modules.channel.entries import Batch, Entry, EpochBegun, Leg, PointContext
from traco.modules.channel.events import Entered
from traco.modules.channel.parts import EdgeMovement, Payload, Terms
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.state import HOLDINGS, NOTHING, Holding
from traco.modules.leg.messages import HoldLeg, LegContent, leg_commitment
from traco.modules.party.module import PartyModule
from traco.modules.settlement.module import SettlementModule

CHANNEL = sha256(b"test channel").digest()
MEMBERS = ("depository", "seller", "buyer", "court")
ROLES = {"depository": ("cash_operator",), "court": ("authority",)}
MODULES = ("document", "financing", "holding", "settlement")
TERMS_HASH = b"\x07" * 32
PROTOCOL = 3


class Root(NamedTuple):
    """The root's state as executors read it."""

    height: int
    state: State


class Ordered(NamedTuple):
    """A point as it stands in the stream, and the content of its payloads."""

    point: Point
    contents: Contents


class Held(NamedTuple):
    """A leg that parties signed, and what the root knows of it."""

    transaction: bytes
    terms: bytes
    commitment: bytes


class Town:
    """The root, the channel's stream, and ways to act in the channel for its parties, by name."""

    def __init__(
        self,
        modules: Sequence[str] = MODULES,
        parameters: Any = None,
        protocol: int = PROTOCOL,
        store: Any = None,
    ) -> None:
        party = PartyModule()
        holding = HoldingModule(party.keeper)
        settlement = SettlementModule(party.keeper, holding.keeper)
        self.founding: Founding = founding(
            MEMBERS, (holding, settlement), party=party, roles=ROLES, parameters=parameters, store=store
        )
        self.ids = self.founding.ids
        self.modules = tuple(modules)
        self.protocol = protocol
        self.points: list[Ordered] = []
        self.cursor: Cursor = START
        self._salt = 0
        self._opened: dict[bytes, Content] = {}

    # the root

    @property
    def root(self) -> Root:
        """The root as it is now."""
        application = self.founding.ledger.application
        return Root(application.info().height, application.state)

    @property
    def time_ms(self) -> int:
        """Of the root's last block."""
        return self.founding.ledger.time_ms

    @property
    def terms(self) -> Terms:
        """The channel's terms."""
        members = tuple(sorted(self.ids[name] for name in ("depository", "seller", "buyer")))
        return Terms(members, (), 0, 2, 1, None, self.modules)

    # the stream

    def order(self, *entries: Entry, after_ms: int = 1_000, on_root: Sequence[bytes] = ()) -> Ordered:
        """The next block of the root, with these entries; ``on_root`` are transactions of the root in that block."""
        for answer in self.founding.ledger.run_block(on_root, after_ms):
            assert answer.failure is None, answer.failure
        return self.place(*entries)

    def place(self, *entries: Entry) -> Ordered:
        """A point of the root's last block. Entries' contents are those registered by ``payload``."""
        height = self.root.height
        context = PointContext(height, self.time_ms, self.protocol, self.cursor.ordinal + 1)
        events = [
            Entered(CHANNEL, self.cursor.number + 1 + index, None if index else context, entry)
            for index, entry in enumerate(entries)
        ]
        point = point_of(CHANNEL, height, events, self.cursor)
        assert point is not None
        contents = {number: self._opened[payload.hash] for number, payload in point.payloads().items()}
        self.cursor = point.end
        ordered = Ordered(point, contents)
        self.points.append(ordered)
        return ordered

    def open(self) -> Ordered:
        """The first point: the first epoch begins."""
        return self.order(EpochBegun(1, self.terms))

    def payload(self, content: Content) -> Payload:
        """A payload that opens to this."""
        name = sha256(len(self._opened).to_bytes(4, "big")).digest()
        self._opened[name] = content
        return Payload(name, 256, self.ids["seller"], None)

    def batch(self, *transactions: bytes) -> Batch:
        """A batch of these."""
        return Batch(1, self.payload(tuple(transactions)))

    def unopened(self, code: str) -> Batch:
        """A batch that nobody can open."""
        return Batch(1, self.payload(Nothing(code)))

    # acting in the channel

    def salt(self) -> bytes:
        """A fresh salt of 16 bytes."""
        self._salt += 1
        return self._salt.to_bytes(16, "big")

    def sign(
        self, names: str, *messages: Instruction, ledger: bytes = CHANNEL, keys: Sequence[Key] = ()
    ) -> bytes:
        """A channel transaction signed by the named parties (or these keys)."""
        network, until = self.founding.ledger.application.network, self.time_ms + 60_000
        body = encode(Body(network, ledger, until, self.salt(), tuple(messages)))
        message = signing_message(transaction_id(body))
        return encode_transaction(body, tuple(key.signature(message) for key in keys or keys_of(names)))

    def instrument(self, code: str = "EUR", issuer: str = "depository", **fields: Any) -> tuple[bytes, bytes]:
        """A transaction that creates a security of ``issuer``; and its id."""
        party = self.ids[issuer]
        message = CreateInstrument(
            party, code, InstrumentKind.SECURITY, None, 2, TERMS_HASH, (party,), **fields
        )
        return self.sign(issuer, message), instrument_id(party, code)

    def account(self, owner: str) -> tuple[bytes, bytes]:
        """A transaction that opens an account; and its id."""
        party, salt = self.ids[owner], self.salt()
        message = OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
        )
        return self.sign(owner, message), account_id(party, salt)

    def issue(self, instrument: bytes, account: bytes, amount: int) -> bytes:
        """The depository issues."""
        return self.sign("depository", Issue(self.ids["depository"], instrument, account, amount, b""))

    def pay(self, payer: str, instrument: bytes, sender: bytes, receiver: bytes, amount: int) -> bytes:
        """A transfer."""
        return self.sign(payer, Transfer(self.ids[payer], instrument, sender, receiver, amount, b""))

    def leg(self, names: str, content: LegContent, terms: bytes = b"t" * 32) -> Held:
        """A leg that the named parties sign."""
        salt = sha256(self.salt()).digest()
        parties = tuple(sorted(self.ids[name] for name in names.split()))
        transaction = self.sign(names, HoldLeg(parties, terms, salt, content))
        return Held(transaction, terms, leg_commitment(salt, content))

    def enter(self, attempt: bytes, held: Held, edges: Mapping[bytes, int] | None = None) -> Leg:
        """The entry of a leg."""
        named = tuple(EdgeMovement(instrument, amount) for instrument, amount in (edges or {}).items())
        return Leg(attempt, held.terms, held.commitment, 1, self.payload((held.transaction,)), named)


class Node:
    """One member's replica of the channel."""

    def __init__(self, town: Town, store: Any = None, compositions: Compositions | None = None) -> None:
        self.town = town
        self.store = MemoryStore() if store is None else store
        genesis = town.founding.genesis
        self.compositions = compositions or Compositions(RegistryView(), genesis.kernel_parameters())
        self.alarms: list[tuple[str, BaseException]] = []
        self.replica = ChannelReplica(
            genesis, CHANNEL, self.compositions, self.store, lambda kind, _, error: self.alarms.append((kind, error))
        )  # fmt: skip
        self.executed: list[ExecutedPoint] = []

    def take(self, ordered: Ordered, root: Root | None = None) -> ExecutedPoint:
        """Execute a point and commit it."""
        found = self.replica.execute(ordered.point, ordered.contents, root or self.town.root)
        self.replica.commit()
        self.executed.append(found)
        return found

    def take_all(self) -> list[ExecutedPoint]:
        """Execute every point that is not yet."""
        return [self.take(ordered) for ordered in self.town.points[len(self.executed) :]]

    def run(self, *entries: Entry, **block: Any) -> ExecutedPoint:
        """Order a point and take it (after those before it)."""
        self.town.order(*entries, **block)
        return self.take_all()[-1]

    def receipts(self, executed: ExecutedPoint) -> list[Receipt]:
        """The receipts of a point's leaves."""
        return [self.replica.registry.receipt.decode(leaf.receipt) for leaf in executed.leaves]

    def codes(self, executed: ExecutedPoint) -> list[str]:
        """What became of each leaf: "" for success."""
        return [receipt.failure.code if receipt.failure else "" for receipt in self.receipts(executed)]

    def do(self, *transactions: bytes) -> ExecutedPoint:
        """A batch of transactions that must all succeed."""
        executed = self.run(self.town.batch(*transactions))
        assert self.codes(executed) == [""] * len(transactions), (self.codes(executed), executed.refusals)
        return executed

    def held(self, instrument: bytes, account: bytes) -> Holding:
        """The committed holding."""
        return HOLDINGS.get(self.replica.state, instrument, account) or NOTHING

    def broken(self) -> list[str]:
        """Every violated invariant."""
        checks = self.replica.registry.ledger_invariants
        return [found for _, check in checks for found in check(self.replica.state)]


class Trade:
    """A channel with an instrument of which the seller has 1,000, and an account of the buyer."""

    def __init__(self, town: Town | None = None, store: Any = None) -> None:
        self.town = town or Town()
        self.node = Node(self.town, store)
        self.town.open()
        create, self.bond = self.town.instrument("BOND")
        opening, self.seller = self.town.account("seller")
        other, self.buyer = self.town.account("buyer")
        self.node.take_all()
        self.node.do(create, opening, other)
        self.node.do(self.town.issue(self.bond, self.seller, 1_000))

    def move(self, amount: int) -> LegContent:
        """A leg from the seller to the buyer."""
        return LegContent((Movement(self.bond, self.seller, self.buyer, amount, b"leg"),))

    def balances(self) -> list[tuple[int, int, int]]:
        """(available, in the bucket, incoming) of seller and buyer."""
        rows = [self.node.held(self.bond, account) for account in (self.seller, self.buyer)]
        return [(row.available, row.bucket, row.incoming) for row in rows]
