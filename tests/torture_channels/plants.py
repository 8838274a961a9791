"""Known faults, to be planted one at a time: in custody, outboxes, digests, decisions and policies."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from msgspec.structs import replace

from support.ledger import Key
from traco.channels.custody.store import LIMITS, CustodyLimits, CustodyStore
from traco.channels.executing import registry_view
from traco.channels.executing.entries_run import EntriesRun
from traco.channels.sealing.payloads import seal
from traco.channels.seat.book import Book
from traco.channels.seat.outbox import Outbox
from traco.kernel.codec import digest, encode
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.kernel.used_ids import UsedIds
from traco.modules.channel import decisions, edges, points
from traco.modules.channel.digests import BLINDED_TAG
from traco.modules.channel.signing import custody_message
from traco.modules.channel.state import Point
from traco.modules.holding.keeper import Keeper as Holdings
from traco.modules.leg.keeper import Keeper as Legs
from traco.modules.party.genesis import founding_member_id


class Plant(NamedTuple):
    """A fault, which ``checks`` may find. ``drills``: scenes that bring it to light; without them, what goes on anyway."""

    says: str
    planted: Any  # without arguments: a context in which the fault is there
    checks: tuple[str, ...]
    drills: tuple[str, ...] = ()


def receipt_before_sync() -> AbstractContextManager[object]:
    """Custodians sign for what their disk may not have yet."""
    original = CustodyStore.__init__

    def opened(
        self: CustodyStore, path: Path, limits: CustodyLimits = LIMITS, vfs: str | None = None
    ) -> None:
        original(self, path, limits, vfs)
        self._connection.execute("PRAGMA synchronous=NORMAL")

    return patch.object(CustodyStore, "__init__", opened)


def forgetful_outbox() -> AbstractContextManager[object]:
    """An outbox keeps only every fourth of what it acknowledges."""
    original, count = Outbox.post, Counter[str]()

    def post(
        self: Outbox, channel: bytes, member: bytes, transactions: Sequence[tuple[bytes, bytes]]
    ) -> None:
        count["all"] += 1
        original(self, channel, member, transactions if count["all"] % 4 else ())

    return patch.object(Outbox, "post", post)


@contextmanager
def decision_applied_twice() -> Iterator[None]:
    """Whoever receives something by a decision gets it again; what a transaction checks is off, or it would see it."""
    original = Legs.execute

    def execute(self: Legs, context: Context, attempt: bytes) -> None:
        held = self.held(context.state, attempt)
        original(self, context, attempt)
        for movement in () if held is None else held.movements:
            if movement.receiver != bytes(16):
                holdings: Any = self._holds._buckets
                holdings.credit(context, movement.instrument, movement.receiver, movement.amount)

    with (
        patch.object(Legs, "execute", execute),
        patch("traco.kernel.execution.Executor._check_invariants", lambda self, start: None),
    ):
        yield


def unblinded_root() -> AbstractContextManager[object]:
    """The state root in a digest is not hidden."""
    return patch(
        "traco.channels.sealing.blinding.blinded", lambda blind, root: digest(BLINDED_TAG, bytes(32), root)
    )


def unsalted_outcomes() -> AbstractContextManager[object]:
    """Outcomes in a digest are not salted."""
    return patch("traco.channels.sealing.blinding.Blinding._salt", lambda self, index: bytes(32))


def hold_honours_freeze() -> AbstractContextManager[object]:
    """What was held is not given to, or back to, whose holding was attached meanwhile."""
    original = Holdings.execute

    def execute(self: Holdings, context: Context, movement: Any) -> None:
        for account in (movement.sender, movement.receiver):
            if account != bytes(16):
                found = self.holding(context.state, movement.instrument, account)
                if found.attached or found.awaited:
                    raise ValueError("frozen")
        original(self, context, movement)

    return patch.object(Holdings, "execute", execute)


def policy_by_nodes() -> AbstractContextManager[object]:
    """A policy counts the nodes that ``a`` has, two of them, and not ``a``."""
    first = founding_member_id(Key("a").public)

    def tally(point: Point) -> Iterator[tuple[points.Word, int]]:
        counted = Counter[points.Word]()
        for vote in point.votes:
            counted[points.word_of(vote)] += 2 if vote.member == first else 1
        yield from counted.items()

    return patch.object(points, "_tally", tally)


@contextmanager
def unbound_receipt() -> Iterator[None]:
    """What a custodian signs does not name the channel."""

    def message(network: bytes, channel: bytes, *rest: Any) -> bytes:
        return custody_message(network, bytes(32), *rest)

    with ExitStack() as patches:
        for module in (
            "traco.channels.custody.receiving",
            "traco.channels.custody.collecting",
            "traco.modules.channel.ordering",
        ):
            patches.enter_context(patch(f"{module}.custody_message", message))
        yield


def attester_not_required() -> AbstractContextManager[object]:
    """A leg is held by the policy alone."""
    return patch.object(decisions, "_has_attesters", lambda leg: True)


def deadline_ignored() -> AbstractContextManager[object]:
    """The deadline does not count."""
    return patch.object(decisions, "_is_over", lambda context, record: False)


def edge_without_limit() -> AbstractContextManager[object]:
    """A channel may give out what it never took in."""

    class Boundless:
        def __init__(self, keeper: Any) -> None:
            self._keeper = keeper

        def edge(self, state: State, instrument: bytes, channel: bytes) -> Any:
            found = self._keeper.edge(state, instrument, channel)
            return replace(found, imported=found.imported + 10**9)

        def write_edge(self, context: Context, instrument: bytes, channel: bytes, edge: Any) -> None:
            self._keeper.write_edge(
                context, instrument, channel, replace(edge, imported=edge.imported - 10**9)
            )

    original = edges.reserve
    return patch.object(
        edges,
        "reserve",
        lambda keeper, *rest: original(Boundless(keeper), *rest),  # type: ignore[arg-type]
    )


def ids_not_used_up() -> AbstractContextManager[object]:
    """Nobody asks whether an id was used up."""
    return patch.object(UsedIds, "contains", lambda self, identity, valid_until: False)


def registry_of_today() -> AbstractContextManager[object]:
    """Channels read the registry as it is, not as it was at their points."""
    original = registry_view.RegistryView.stand

    def stand(self: registry_view.RegistryView, root: registry_view.RootState, height: int) -> None:
        original(self, root, root.height)

    return patch.object(registry_view.RegistryView, "stand", stand)


def void_not_seen() -> AbstractContextManager[object]:
    """A void entry is executed with its content by whoever has that."""
    return patch.object(Book, "is_voided", lambda self, channel, number: False)


def decisions_lost() -> AbstractContextManager[object]:
    """A decision about a leg does nothing where the leg is."""
    return patch.object(EntriesRun, "_decide", lambda self, entry: None)


def undurable_book() -> AbstractContextManager[object]:
    """The book does not sync what it acknowledges."""
    original = Outbox.__init__

    def opened(self: Outbox, path: Path, vfs: str | None = None) -> None:
        original(self, path, vfs)
        self._connection.execute("PRAGMA synchronous=NORMAL")

    return patch.object(Outbox, "__init__", opened)


def telling_payload_ids() -> AbstractContextManager[object]:
    """Ids of payloads, which everybody sees, have something of the content."""

    def sealed(
        transactions: Sequence[bytes], secret: Any, place: Any, limit: int, draw: Callable[[int], bytes]
    ) -> bytes:
        told = encode(tuple(transactions)).partition(b"PLANTED")
        mark = (told[1] + told[2])[:16]

        def telling(size: int) -> bytes:
            return (mark + draw(size))[:size] if size == 32 else draw(size)

        return seal(transactions, secret, place, limit, telling)

    return patch("torture_channels.town.seal", sealed)


_FROZEN: Final = "freeze, suspension and closing between hold and decision"
_SILENT: Final = "a required attester silent until the deadline"
_REPLAYED: Final = "receipts and transactions replayed from elsewhere"
_MINTING: Final = "a channel minting what it exports"
_LATE: Final = "a member away while keys are revoked and parties suspended"
_COLLUDING: Final = "custodians that collude: missing, named, void"

PLANTS: Final[dict[str, Plant]] = {
    "nothing": Plant("nothing: no false alarm", nullcontext, ("",), (_FROZEN, _SILENT, _REPLAYED, _MINTING, _COLLUDING)),
    "receipt_before_sync": Plant("a custody receipt before the payload is durable", receipt_before_sync, ("custody",)),
    "decision_applied_twice": Plant("a decision is applied twice", decision_applied_twice, ("units", "invariants")),
    "unblinded_root": Plant("a state root without its blind", unblinded_root, ("guess",)),
    "unsalted_outcomes": Plant("outcomes without salt", unsalted_outcomes, ("guess",)),
    "hold_honours_freeze": Plant("a hold that honours a freeze", hold_honours_freeze, ("holds", "alarm"), (_FROZEN,)),
    "policy_by_nodes": Plant("a policy counted by node", policy_by_nodes, ("policy",)),
    "forgetful_outbox": Plant("an outbox that forgets", forgetful_outbox, ("lost", "liveness")),
    "undurable_book": Plant("an outbox that does not sync", undurable_book, ("lost",)),
    "unbound_receipt": Plant("a custody receipt for any channel", unbound_receipt, ("replay",), (_REPLAYED,)),
    "attester_not_required": Plant("an attester who is not asked", attester_not_required, ("attester",), (_SILENT,)),
    "deadline_ignored": Plant("a deadline that does not count", deadline_ignored, ("liveness",), (_SILENT,)),
    "edge_without_limit": Plant("exports without limit", edge_without_limit, ("units", "fault"), (_MINTING,)),
    "ids_not_used_up": Plant("ids that are not used up", ids_not_used_up, ("twice",)),
    "registry_of_today": Plant("the registry as it is today", registry_of_today, ("digests",), (_LATE,)),
    "void_not_seen": Plant("a void entry that is executed", void_not_seen, ("digests", "liveness"), (_COLLUDING,)),
    "decisions_lost": Plant("decisions that do nothing", decisions_lost, ("holds", "units", "liveness")),
    "telling_payload_ids": Plant("ids that tell of the content", telling_payload_ids, ("secrecy",)),
}  # fmt: skip
