"""Compares what the ledger did with what it ought to have done: with the model, and with an undisturbed ledger in memory."""

from typing import Any

from support.memory_store import MemoryStore
from torture.checker_financing import compare_financing
from torture.model import EnvelopeIntent, Expected, Intent
from torture.model_holding import encumbered
from torture.report import Counts, Difference
from torture.requests import Desk
from torture.world import World
from traco.kernel.application import Application
from traco.kernel.codec import Codec
from traco.kernel.kernel_module import ProposalQuery
from traco.kernel.receipt import Receipt
from traco.kernel.store import CommittedBlock
from traco.kernel.transaction import Envelope, envelope_id
from traco.modules.composition import compose
from traco.modules.document.queries import DocumentQuery
from traco.modules.holding.queries import (
    AccountHoldingsQuery,
    AccountQuery,
    EncumbranceQuery,
    InstrumentQuery,
)
from traco.modules.party.queries import GetMemberOfNode, GetParty, GetRecovery
from traco.modules.settlement.queries import GetBatch
from traco.node.gateway import Result, Status
from traco.storage.rows import StoredBlock

Block = CommittedBlock | StoredBlock
Place = tuple[int, int, str]  # height, leaf, code of the rejection or empty

_ENVELOPE: Codec[Envelope] = Codec(Envelope)
_RECEIPT: Codec[Receipt] = Codec(Receipt)
INVARIANTS_EVERY = 8


def transactions_of(envelope: bytes) -> EnvelopeIntent:
    """An envelope as the model takes it."""
    decoded = _ENVELOPE.trusted(envelope)
    body = decoded.body
    return EnvelopeIntent(
        envelope_id(body), body.member, decoded.signature.key, body.valid_until, body.transactions
    )


class Checker:
    """Follows one ledger, block by block, through all its restarts. Everything raises ``Difference``."""

    def __init__(self, world: World, desk: Desk, counts: Counts) -> None:
        self.world, self.desk, self.books, self.counts = world, desk, desk.books, counts
        self.alarms: list[str] = []
        self.height = 0
        self.time_ms = world.genesis.time_ms
        self.places: dict[bytes, Place] = {}
        self.refusals: dict[bytes, set[str]] = {}
        self.promised: dict[bytes, Intent] = {}
        self.memory = MemoryStore()
        self.replica = Application(world.genesis, compose(), self.memory, self.alarm)
        self.app_hash = self.replica.init_chain()

    def alarm(self, kind: str, identity: bytes, error: BaseException) -> None:
        """What the kernel reports as a bug."""
        self.alarms.append(f"{kind} in {identity.hex()}: {error!r}")

    # blocks

    def absorb(self, block: Block) -> None:
        """Compare the next committed block."""
        if block.height != self.height + 1:
            raise Difference("blocks", f"block {block.height} follows block {self.height}")
        if block.time_ms < self.time_ms:
            raise Difference("time", f"block {block.height} at {block.time_ms} ms, before {self.time_ms} ms")
        envelopes = [transactions_of(raw) for raw in block.envelopes]
        expected = self.books.run_block(block.time_ms, envelopes, self.desk.intents)
        self._compare_leaves(block, expected)
        self._compare_refusals(block, expected)
        self._compare_replica(block)
        if self.alarms:
            raise Difference("alarms", "; ".join(self.alarms))
        self.height, self.time_ms, self.app_hash = block.height, block.time_ms, block.app_hash
        self._count(envelopes, expected)

    def _compare_leaves(self, block: Block, expected: Expected) -> None:
        found = []
        for index, leaf in enumerate(block.leaves):
            receipt = _RECEIPT.trusted(leaf.receipt)
            code = "" if receipt.failure is None else receipt.failure.code
            if receipt.identity != leaf.identity:
                raise Difference("receipts", f"leaf {index} of block {block.height} has another's receipt")
            found.append((leaf.identity, code))
        due, lines = found[: expected.due], found[expected.due :]
        if len(found) < expected.due or any(code for _, code in due):
            raise Difference(
                "due items", f"block {block.height}: {due} where {expected.due} items ought to run"
            )
        if lines != [tuple(line) for line in expected.lines]:
            raise Difference(
                "outcomes", f"block {block.height}: {self._first_difference(lines, list(expected.lines))}"
            )
        for index, (identity, code) in enumerate(lines, start=expected.due):
            self.places[identity] = (block.height, index, code)

    def _first_difference(self, found: list[Any], wanted: list[Any]) -> str:
        for index in range(max(len(found), len(wanted))):
            pair = [tuple(side[index]) if index < len(side) else None for side in (found, wanted)]
            if pair[0] != pair[1]:
                kinds = [self._kind(each[-2]) for each in pair if each is not None]
                shown = [None if each is None else (each[-2].hex()[:16], each[-1]) for each in pair]
                return f"at {index} the ledger has {shown[0]}, the model {shown[1]} ({', '.join(kinds)})"
        return "the same"

    def _kind(self, identity: bytes) -> str:
        kinds = [intent.kind for intent in self.desk.intents.values() if intent.identity == identity]
        return kinds[0] if kinds else "no transaction"

    def _compare_refusals(self, block: Block, expected: Expected) -> None:
        found = [
            (each.envelope, each.transaction, each.identity, each.failure.code) for each in block.refusals
        ]
        if found != [tuple(refusal) for refusal in expected.refusals]:
            text = self._first_difference(found, list(expected.refusals))
            raise Difference("refusals", f"block {block.height}: {text}")
        for _, _, identity, code in found:
            self.refusals.setdefault(identity, set()).add(code)

    def _compare_replica(self, block: Block) -> None:
        twin = self.replica.finalize_block(block.height, block.time_ms, block.envelopes).block
        self.replica.commit()
        if twin.leaves != block.leaves or twin.used != block.used:
            raise Difference("replica", f"block {block.height} has other leaves or used ids than undisturbed")
        if twin.app_hash != block.app_hash:
            raise Difference(
                "roots",
                f"block {block.height} has the app hash {block.app_hash.hex()}, undisturbed {twin.app_hash.hex()}",
            )

    def _count(self, envelopes: list[EnvelopeIntent], expected: Expected) -> None:
        self.counts["work: blocks"] += 1
        self.counts["work: envelopes"] += len(envelopes)
        self.counts["work: due items"] += expected.due
        for envelope in envelopes:
            self.counts["work: transactions compared"] += len(envelope.transactions)
            for raw in envelope.transactions:
                self.counts[f"kind: {self.desk.intents[raw].kind}"] += 1
        ordered = {envelope.identity for envelope in envelopes}
        done = {line.identity for line in expected.lines if not line.code}
        for intent in (self.desk.intents[raw] for envelope in envelopes for raw in envelope.transactions):
            if intent.identity in done:
                done.discard(intent.identity)
                self.counts[f"kind: {intent.kind}, done"] += 1
        for line in expected.lines:
            if line.identity not in ordered:
                self.counts[f"outcome: {line.code or 'success'}"] += 1
        for refusal in expected.refusals:
            self.counts[f"outcome: refused, {refusal.code}"] += 1

    # state

    def compare_state(self, application: Application) -> None:
        """Every balance, supply, claim, batch and party; and now and then every invariant of the ledger."""
        if application.info()[:] != (self.height, self.time_ms, self.app_hash):
            raise Difference(
                "state", f"the ledger stands at {application.info()}, not at block {self.height}"
            )
        self._compare_holdings(application)
        self._compare_claims(application)
        compare_financing(self.books, application, self._same)
        for identity, party in self.books.parties.items():
            stored = application.query("party.get", GetParty(identity))
            keys = tuple((entry.key, entry.roles) for entry in stored.party.keys)
            self._same(
                "party",
                identity,
                (stored.party.status, stored.party.roles, keys, stored.party.policy),
                (party["status"], party["roles"], party["keys"], party["policy"]),
            )
        self._compare_waiting(application)
        if self.height % INVARIANTS_EVERY == 0:
            self.check_invariants(application)

    def check_invariants(self, application: Application) -> None:
        """Every invariant of the whole ledger."""
        for name, check in application.registry.ledger_invariants:
            broken = check(application.state)
            if broken:
                raise Difference("invariants", f"{name} after block {self.height}: {broken}")
        self.counts["work: ledger invariants checked"] += len(application.registry.ledger_invariants)

    def _compare_holdings(self, application: Application) -> None:
        books, rows = self.books, 0
        for account, record in books.accounts.items():
            stored = application.query("holding.account", AccountQuery(account))
            found = (stored.owner, stored.servicer, stored.kind.value, stored.closed)
            wanted = (record["owner"], record["servicer"], record["kind"], record["closed"])
            self._same("account", account, found, wanted)
            held = application.query("holding.by_account", AccountHoldingsQuery(account, 1_000))
            shown = {row.instrument: row.holding for row in held}
            for instrument in books.instruments:
                parts = encumbered(books, instrument, account)
                available = books.available.get((instrument, account), 0)
                expected = (available, *(parts[part] for part in PARTS))
                row = shown.pop(instrument, None)
                actual = (
                    NO_PARTS
                    if row is None
                    else (row.available, row.held, row.pledged, row.attached, row.awaited)
                )
                self._same("balance", account, actual, expected)
                rows += row is not None
            self._same("instruments of account", account, list(shown), [])
        for instrument, record in books.instruments.items():
            supply = application.query("holding.supply", InstrumentQuery(instrument))
            expected = (record["issued"], record["redeemed"])
            self._same("supply", instrument, (supply.issued, supply.redeemed), expected)
        self.counts["work: balances compared"] += rows

    def _compare_waiting(self, application: Application) -> None:
        """Recoveries and proposals."""
        for subject in self.books.parties:
            recovery, row = (
                application.query("party.recovery", GetRecovery(subject)),
                self.books.recoveries.get(subject),
            )
            found = None if recovery is None else (recovery.sponsor, recovery.due_ms)
            wanted = None if row is None else (row["sponsor"], row["due"])
            self._same("recovery of", subject, found, wanted)
        for key in self.books.nodes:
            member = application.query("party.of_node", GetMemberOfNode(key))
            self._same("node", key, None if member is None else member, self.books.member_of_node(key))
        for proposal, row in self.books.proposals.items():
            stored = application.query("kernel.proposal", ProposalQuery(proposal))
            shown = None if stored is None else (stored.party, stored.expires_ms, stored.approvals)
            self._same("proposal", proposal, shown, (row["party"], row["expires"], row["approvals"]))

    def _compare_claims(self, application: Application) -> None:
        books = self.books
        for name, table in (
            ("hold", books.holds),
            ("pledge", books.pledges),
            ("attachment", books.attachments),
        ):
            for key, record in table.items():
                stored = application.query(f"holding.{name}", EncumbranceQuery(key))
                if stored is None:
                    raise Difference("state", f"the {name} {key.hex()} is gone after block {self.height}")
                found = (stored.account, stored.instrument, stored.amount)
                self._same(name, key, found, (record["account"], record["instrument"], record["amount"]))
        for key, record in books.documents.items():
            view = application.query("document.get", DocumentQuery(key)).record
            stood_by = tuple((each.party, each.amount) for each in view.confirmations)
            disputed = tuple(each.party for each in view.disputes)
            self._same(
                "document", key, (view.status, view.duplicate_of), (record["status"], record["duplicate_of"])
            )
            self._same("confirmations of", key, stood_by, record["confirmations"])
            self._same("disputes of", key, disputed, record["disputes"])
        for key, record in books.batches.items():
            stored = application.query("settlement.batch", GetBatch(key))
            self._same("batch", key, stored.batch.status, record["status"])

    def _same(self, what: str, key: bytes, found: object, wanted: object) -> None:
        if found != wanted:
            text = f"{what} {key.hex()} after block {self.height}: the ledger has {found}, the model {wanted}"
            raise Difference("state", text)

    # answers

    def answered(self, intent: Intent, result: Result) -> None:
        """Compare an answer that a client got with what is committed."""
        code = "" if result.failure is None else result.failure.code
        if result.status is Status.RECEIVED:
            self.promised[intent.identity] = intent
        elif result.status is Status.REFUSED:
            allowed = {intent.flaw} if intent.flaw else self.refusals.get(intent.identity, set())
            if code not in allowed or intent.identity in self.places:
                place = self.places.get(intent.identity)
                raise Difference(
                    "answers", f"{intent.kind} was refused with {code}; committed: {place}, {allowed}"
                )
        elif self.places.get(intent.identity) != (result.height, result.leaf, code):
            raise Difference(
                "answers",
                f"{intent.kind} was answered {result}; committed: {self.places.get(intent.identity)}",
            )
        self.counts["work: answers compared"] += 1

    def check_promises(self) -> None:
        """The ledger is idle after a restart: whatever was acknowledged has been ordered, or refused on the ledger."""
        for identity, intent in self.promised.items():
            known = identity in self.places or identity in self.refusals
            if not known:
                raise Difference("acknowledged", f"{intent.kind} {identity.hex()} was received and is lost")
            self.counts["work: promises kept"] += known
        self.promised.clear()


PARTS = ("held", "pledged", "attached", "awaited")
NO_PARTS = (0,) * (1 + len(PARTS))
