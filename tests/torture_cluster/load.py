"""Signed transfers through several gateways of a network, as clients send them that go on when a node does not answer.

Each organisation pays from its own accounts into anybody's. Some payments are too large and must be rejected; some are sent
to two gateways at once, some again after a lost answer: all must happen once.
"""

import asyncio
import gc
import os
import random
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from torture.report import Counts, Difference
from torture_cluster.journal import Journal, Made, Payment
from torture_cluster.network import INSTRUMENT, Network
from torture_cluster.sites import Site
from traco.client.building import identity_of, sign_body
from traco.client.results import ClientError, NodeProblem, NodeUnreachable, OutcomesUnknown
from traco.client.sdk import AsyncLedgerClient, LedgerClient, Patience, Until
from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import network_id
from traco.kernel.instruction import Instruction
from traco.kernel.transaction import Body
from traco.modules.holding.messages import Issue, OpenAccount, Transfer
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl, account_id, instrument_id

ACCOUNTS_EACH: Final = 8
START_AMOUNT: Final = 1_000_000
LARGEST_PAYMENT: Final = 100
TOO_LARGE: Final = 10**12
LARGEST_BATCH: Final = 16
VALID_MS: Final = 280_000
ANSWER_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.3
IMPATIENT: Final = Patience(pauses=(), answer_seconds=ANSWER_SECONDS)
TWICE: Final = 0.15  # the share of batches that two gateways get
TOO_LARGE_SHARE: Final = 0.05
UNTIL_FINAL: Final = 0.6


class Books:
    """Who owns which accounts, by number; nothing is looked up, all ids follow from the genesis."""

    def __init__(self, network: Network) -> None:
        self.network = network_id(network.genesis)
        self.sites = network.sites
        self.ahead_ms = 0  # of this machine's clock, where the network's is
        issuer = bytes.fromhex(network.genesis.modules["holding"]["instruments"][0]["issuer"])
        self.issuer = next(site for site in self.sites if site.member == issuer)
        self.instrument = instrument_id(issuer, INSTRUMENT)
        self.accounts = [
            account_id(site.member, number.to_bytes(16, "big")) for site in self.sites for number in range(ACCOUNTS_EACH)
        ]  # fmt: skip

    def owner(self, number: int) -> Site:
        """Whose account that is."""
        return self.sites[number // ACCOUNTS_EACH]

    def opening(self, site: Site) -> list[Instruction]:
        """An organisation opens its accounts."""
        member = site.member
        return [
            OpenAccount(
                member, member, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, number.to_bytes(16, "big")
            )
            for number in range(ACCOUNTS_EACH)
        ]  # fmt: skip

    def issuing(self) -> list[Instruction]:
        """The issuer puts money into all accounts."""
        member = self.issuer.member
        return [Issue(member, self.instrument, account, START_AMOUNT, b"") for account in self.accounts]

    def sign(self, site: Site, instructions: Sequence[Instruction]) -> bytes:
        """A transaction of an organisation."""
        until = time.time_ns() // 1_000_000 + self.ahead_ms + VALID_MS
        body = Body(self.network, ROOT, until, os.urandom(16), tuple(instructions))
        return sign_body(encode(body), [site.signer])

    def pay(self, payment: Payment) -> Made:
        """A payment, signed by who owns the sender's account."""
        site = self.owner(payment.sender)
        sender, receiver = self.accounts[payment.sender], self.accounts[payment.receiver]
        transfer = Transfer(site.member, self.instrument, sender, receiver, payment.amount, b"")
        return Made(self.sign(site, [transfer]), payment)


class Load:
    """Clients in a thread of their own, from ``start`` to ``stop``."""

    def __init__(
        self, network: Network, journal: Journal, counts: Counts, seed: str, clients_each: int = 1
    ) -> None:
        self.network, self.journal, self.counts = network, journal, counts
        self.books = Books(network)
        self.gateways = list(self.books.sites)
        self._random = random.Random(f"{seed} load")
        self._clients_each = clients_each
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def found(self) -> int:
        """Open the accounts and fill them; the height at which that was final."""
        for site in self.books.sites:
            self.submit(site, self.books.sign(site, self.books.opening(site)))
        return self.submit(self.books.issuer, self.books.sign(self.books.issuer, self.books.issuing()))

    def submit(self, site: Site, raw: bytes) -> int:
        """One transaction through one gateway, waited for; its height. Raises ``Difference`` where it has no effect."""
        try:
            with LedgerClient(site.url, self.books.network) as client:
                result = client.submit(raw, timeout=60)
        except ClientError as error:
            raise Difference("submission", f"{site.name}: {error}") from error
        if result.status != "final":
            raise Difference("submission", f"{site.name} says {result.status}: {result.failure}")
        return result.height

    def make(self, payment: Payment) -> bytes:
        """A signed payment that is in the journal, to be submitted."""
        made = self.books.pay(payment)
        self.journal.make([(identity_of(made.raw), made)])
        return made.raw

    def pay_through(self, site: Site) -> int:
        """One payment through a gateway, waited for; its height. Raises ``Difference``."""
        return self.submit(site, self.make(self._payment(site)._replace(amount=1)))

    def acknowledged_by(self, site: Site, count: int) -> None:
        """Payments that a gateway acknowledges as durable; nobody waits for more. Raises ``Difference``."""
        raws = [self.make(self._payment(site)._replace(amount=1)) for _ in range(count)]
        try:
            with LedgerClient(site.url, self.books.network) as client:
                self.journal.tell(
                    site.name, client.submit_many(raws, "received", timeout=ANSWER_SECONDS), "received"
                )
        except ClientError as error:
            raise Difference("submission", f"{site.name} acknowledges nothing: {error}") from error

    def start(self) -> None:
        """Begin to pay."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send nothing new, and wait for what is under way. Raises what a client ended with."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            # a call that is given up while it connects leaves its transport to the collector: httpx closes those alone that it has
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "unclosed (transport|.socket)", ResourceWarning)
                gc.collect()
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No payments but those that the caller makes; afterwards they go on."""
        was_paying = self._thread is not None
        self.stop()
        try:
            yield
        finally:
            if was_paying:
                self.start()

    def _work(self) -> None:
        try:
            asyncio.run(self._clients())
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops the load
            self._failure = error

    async def _clients(self) -> None:
        async with asyncio.TaskGroup() as group:
            for site in self.gateways:
                for _ in range(self._clients_each):
                    group.create_task(self._pay(site))

    async def _pay(self, site: Site) -> None:
        """One client of one organisation: pays until told to stop, each batch until its outcome is known or given up."""
        async with AsyncLedgerClient(site.url, self.books.network, patience=IMPATIENT) as client:
            while not self._stopping.is_set():
                made = [
                    self.books.pay(self._payment(site)) for _ in range(self._random.randint(1, LARGEST_BATCH))
                ]
                raws = [each.raw for each in made]
                self.journal.make(zip(map(identity_of, raws), made, strict=True))
                until: Until = "final" if self._random.random() < UNTIL_FINAL else "received"
                if self._random.random() < TWICE:
                    other = self._random.choice(self.gateways)
                    self.counts["work: batches sent to two gateways"] += 1
                    async with AsyncLedgerClient(other.url, self.books.network, patience=IMPATIENT) as second:
                        await asyncio.gather(
                            self._submit(client, site, raws, until), self._submit(second, other, raws, until)
                        )
                else:
                    await self._submit(client, site, raws, until)

    async def _submit(self, client: AsyncLedgerClient, site: Site, raws: list[bytes], until: Until) -> None:
        """One batch; again through the same gateway as long as the load goes on and there is no answer to some."""
        while raws:
            try:
                results = await client.submit_many(raws, until, timeout=ANSWER_SECONDS)
                raws = []
            except OutcomesUnknown as unknown:
                results, raws = list(unknown.results), list(unknown.transactions)
                self.counts["work: answers lost"] += 1
            except (NodeUnreachable, NodeProblem):
                results = []
                self.counts["work: submissions not taken"] += 1
            self.journal.tell(site.name, results, until)
            self.counts["work: answers"] += len(results)
            if raws:
                if self._stopping.is_set():
                    return
                await asyncio.sleep(PAUSE_SECONDS)
                self.counts["work: sent again"] += len(raws)

    def _payment(self, site: Site) -> Payment:
        """From one of the organisation's accounts into any other; sometimes more than there is."""
        first = self.books.sites.index(site) * ACCOUNTS_EACH
        sender = first + self._random.randrange(ACCOUNTS_EACH)
        receiver = self._random.choice([each for each in range(len(self.books.accounts)) if each != sender])
        is_too_large = self._random.random() < TOO_LARGE_SHARE
        return Payment(
            sender, receiver, TOO_LARGE if is_too_large else self._random.randint(1, LARGEST_PAYMENT)
        )
