"""Four organisations that do not trust each other found a network, trade across their gateways, and go on through faults."""

import time
from pathlib import Path
from typing import Any, Final

from traco.client.sdk import Party
from traco.demo import trade
from traco.demo.cast import START, Cast, Organisation
from traco.demo.consortium import GENESIS, NO_ANSWER, Consortium
from traco.demo.network import run
from traco.demo.papers import Importer, Paper, invoice_files
from traco.demo.stage import DemoFailed, NothingToFinance, Stage, expect
from traco.demo.story import BUYER, RECEIPT, SELLER, forge
from traco.modules.document.messages import ConfirmDocument
from traco.modules.financing.messages import Pay
from traco.modules.party.messages import GrantRole
from traco.services.doc.amounts import EXPONENTS

STEPS: Final = 10
BANK_ONE, BANK_TWO, CASH, REGISTRY, ANNEX = "bank-one", "bank-two", "cash-operator", "registry", "annex"
FOUNDERS: Final = (
    (BANK_ONE, "Example Bank One", "cloud-a", "north"),
    (BANK_TWO, "Example Bank Two", "cloud-b", "south"),
    (CASH, "Example Cash Operator", "cloud-c", "east"),
    (REGISTRY, "Example Registry", "own-data-centre", "west"),
)
NAMES: Final = tuple(name for name, *_ in FOUNDERS)
COUNCIL: Final = (BANK_ONE, BANK_TWO, REGISTRY)
"""Three of the four, as many as the founders agreed on."""

REFUSED_SECONDS: Final = 8.0  # in which a node that is not admitted tries to connect
CATCH_UP_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2


class ClusterStory:
    """One run over an empty directory and a folder of invoices."""

    def __init__(self, directory: Path, invoices: Path, stage: Stage) -> None:
        self._directory, self._invoices, self._stage = directory, invoices, stage
        self.consortium = Consortium(directory)
        self._members: dict[str, Party] = {}

    def tell(self) -> None:
        """Run all steps; the nodes are stopped whatever happens.

        Raises ``DemoFailed``, ``NothingToFinance`` and what the SDK raises.
        """
        self._cards()
        self._found()
        try:
            self._start()
            cast, banks = self._council()
            deal, settlement = self._trade(cast, banks)
            self._stranger()
            self._admit()
            self._kill(cast, deal)
            self._return()
            self._proof(settlement)
        finally:
            self.consortium.stop()

    def _cards(self) -> None:
        self._stage.step("Four organisations make a node each, and hand out its card")
        rows = []
        for name, organisation, provider, region in FOUNDERS:
            place = self.consortium.prepare(name, organisation, provider, region)
            rows.append((organisation, provider, region, place.url))
        self._stage.table(("organisation", "provider", "region", "gateway"), rows)
        self._stage.say(
            "a card has public keys, addresses and placement, signed by each of its keys; no private key left its node"
        )

    def _found(self) -> None:
        self._stage.step("They found a network: one genesis, signed by each founder")
        self.consortium.found("Example Registry")
        self._stage.say(
            "each checked that its own card is in it unchanged, signed the network's id, and refuses to start in a network "
            "that it did not sign; three of the four decide together"
        )

    def _start(self) -> None:
        self._stage.step("The four nodes start, and order together")
        self.consortium.start(*NAMES)
        self.consortium.wait_ready(*NAMES)
        self._show_agreement(NAMES)

    def _show_agreement(self, names: tuple[str, ...]) -> None:
        height, hashes = self.consortium.app_hashes(names)
        expect(len(hashes) == 1, f"all ledgers have one app hash at height {height}: {hashes}")
        self._stage.say(
            f"after block {height} all {len(names)} ledgers have the app hash {hashes.pop()[:16]}..."
        )

    def _council(self) -> tuple[Cast, tuple[Organisation, Organisation]]:
        self._stage.step("The council gives roles; customers register at their own bank's gateway")
        self._members = {name: self.consortium.member(name) for name in NAMES}
        council = [self._members[name] for name in COUNCIL]
        parties = tuple(sorted(member.id for member in council))
        first, *others = council
        roles = ((CASH, "cash_operator"), (REGISTRY, "registry_operator"))
        for name, role in roles:
            first.transact(GrantRole(parties, self._members[name].id, role), others=others)
        registry = self._members[REGISTRY]
        keys = self._directory / "keys"
        cast = Cast(registry.client, registry, keys, self.consortium.passphrase)
        banks = tuple(
            cast.welcome(organisation, self._members[name])
            for name, organisation, *_ in FOUNDERS
            if name in (BANK_ONE, BANK_TWO)
        )
        cast.cash_operator = cast.welcome("Example Cash Operator", self._members[CASH])
        cast.sponsors = (self._members[BANK_TWO], self._members[BANK_ONE])
        cast.register(*SELLER, member=self._members[BANK_TWO])
        cast.register(*BUYER, member=self._members[BANK_ONE])
        self._stage.say(
            f"three signatures of the council give the roles; {SELLER[0]} came with Example Bank Two, {BUYER[0]} with Example Bank One"
        )
        return cast, (banks[0], banks[1])

    def _trade(self, cast: Cast, banks: tuple[Organisation, Organisation]) -> tuple[trade.Deal, bytes]:
        self._stage.step("An invoice is financed and settled, each party at its own gateway")
        bank = banks[0]
        importer = Importer(cast)
        with self._stage.counting("importing") as progress:
            papers = importer.files(invoice_files(self._invoices), progress)
        paper = next((one for one in papers if self._suits(one, importer)), None)
        if paper is None or paper.invoice is None or paper.buyer is None or paper.seller is None:
            raise NothingToFinance(f"no file in {self._invoices} is an invoice that can be financed")
        currency, face = paper.invoice.currency, paper.invoice.payable_amount
        for organisation in (bank, paper.buyer):
            cast.fund(organisation, currency, max(START * 10 ** EXPONENTS[currency], 2 * face))
        paper.buyer.party.transact(ConfirmDocument(paper.buyer.id, trade.registered(paper).document))
        financing = trade.request(cast, paper, face)
        agreed = trade.bank_checks(cast, bank, paper)
        before = cast.balance(currency, paper.seller.account)
        deal = trade.offer(cast, bank, paper, financing, face)
        settled = trade.accept(cast, deal)
        self._stage.table(
            ("what", "who", "gateway"),
            [
                (
                    "registers invoice " + paper.invoice.number,
                    paper.seller.name,
                    paper.seller.party.client.url,
                ),
                ("confirms it", paper.buyer.name, paper.buyer.party.client.url),
                (f"compares {agreed} fingerprints, offers", bank.name, bank.party.client.url),
                (
                    f"accepts; settled in block {settled.height}",
                    paper.seller.name,
                    paper.seller.party.client.url,
                ),
            ],
        )
        cast.client.block(settled.height)
        expect(
            cast.balance(currency, paper.seller.account) - before == deal.price, "the seller has the price"
        )
        self._stage.say(
            f"receivable of {cast.shown(currency, face)} to {bank.name} and {cast.shown(currency, deal.price)} to "
            f"{paper.seller.name}: both or neither"
        )
        self._show_agreement(NAMES)
        return deal, settled.identity

    def _suits(self, paper: Paper, importer: Importer) -> bool:
        return paper.financeable and trade.registered(paper).document not in importer.credited

    def _stranger(self) -> None:
        self._stage.step("A node that the ledger does not know is refused")
        owner = str(self._directory / BANK_ONE / "node.keys")
        self.consortium.prepare(ANNEX, "Example Bank One", "cloud-d", "north", "--member-keys", owner)
        self.consortium.enter(ANNEX, str(self._directory / BANK_ONE / "founding.json"))
        self.consortium.start(ANNEX)
        deadline, latest = time.monotonic() + REFUSED_SECONDS, time.monotonic() + CATCH_UP_SECONDS
        state: dict[str, Any] = {}
        while time.monotonic() < deadline:
            state = self.consortium.health(ANNEX)
            expect(not state["ready"], "a node that is not admitted follows nothing")
            expect(time.monotonic() < latest, f"{ANNEX} answers: {state}")
            if state["reasons"][0]["code"] == NO_ANSWER:
                deadline = time.monotonic() + REFUSED_SECONDS  # it is still starting
            time.sleep(LOOK_SECONDS)
        expect(self.consortium.heights([ANNEX]) == [0], "it got no block")
        reasons = ", ".join(reason["code"] for reason in state["reasons"])
        self._stage.say(
            f"a second node of Example Bank One, with the right genesis and keys, but not admitted: no peer lets it in ({reasons}), "
            "it has no block"
        )

    def _admit(self) -> None:
        self._stage.step("The council admits it; it follows, catches up, and becomes a validator")
        card = str(self._directory / ANNEX / "card.json")
        url = ("--url", self.consortium.places[BANK_ONE].url)
        signing = (
            *url,
            "--as",
            f"@{BANK_ONE}",
            *(part for name in COUNCIL if name != BANK_ONE for part in ("--also", f"@{name}")),
        )
        self.consortium.command("network", "register", card, *url, "--as", f"@{BANK_ONE}")
        self.consortium.command("network", "admit", card, *signing)
        self.consortium.wait_ready(ANNEX)
        self._stage.say(
            f"admitted as an observer, it has caught up: height {self.consortium.heights([ANNEX])[0]}"
        )
        self.consortium.command(
            "network", "ready", str(self._directory / ANNEX), *url, "--as", f"@{BANK_ONE}"
        )
        promoted = self.consortium.command("network", "promote", card, *signing)
        expect(promoted["status"] == "final", "the promotion is final")
        self._stage.say(
            f"promoted in block {promoted['height']}: five validators from block {promoted['height'] + 2} on"
        )

    def _kill(self, cast: Cast, deal: trade.Deal) -> None:
        self._stage.step("A validator is killed, and the trade goes on")
        buyer = deal.paper.buyer
        if buyer is None:
            raise DemoFailed("the buyer of the financed invoice is known")
        self.consortium.kill(BANK_TWO)
        before, begun = cast.balance(deal.currency, deal.bank.account), time.monotonic()
        document = trade.registered(deal.paper).document
        paid = buyer.party.transact(
            Pay(buyer.id, document, cast.cash(deal.currency), deal.face, buyer.account, b"invoice paid")
        )
        taken = time.monotonic() - begun
        self._await_height(REGISTRY, paid.height)
        expect(
            cast.balance(deal.currency, deal.bank.account) - before == deal.face, "the bank is paid the face"
        )
        self._stage.say(
            f"all processes of Example Bank Two's node are gone, the buyer's own gateway; at another one its payment is final in "
            f"block {paid.height} after {taken:.1f} s"
        )

    def _return(self) -> None:
        self._stage.step("It returns and catches up")
        begun = time.monotonic()
        self.consortium.start(BANK_TWO)
        self.consortium.wait_ready(BANK_TWO)
        self._await_height(BANK_TWO, self.consortium.heights([REGISTRY])[0])
        self._stage.say(f"caught up {time.monotonic() - begun:.1f} s after its start")
        self._show_agreement((*NAMES, ANNEX))

    def _await_height(self, name: str, height: int) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while self.consortium.heights([name])[0] < height:
            expect(time.monotonic() < deadline, f"{name} reaches height {height}")
            time.sleep(LOOK_SECONDS)

    def _proof(self, settlement: bytes) -> None:
        self._stage.step("The settlement's receipt is verified offline, with the founding genesis alone")
        path, genesis = self._directory / RECEIPT, str(self._directory / GENESIS)
        with self.consortium.client(BANK_TWO) as client:
            raw = client.receipt(settlement)
        path.write_bytes(raw)
        verified = run("verify", str(path), "--genesis", genesis)
        expect(verified.returncode == 0, f"the receipt verifies: {verified.stderr}")
        sealed = [line for line in verified.stdout.splitlines() if line.startswith(("sealed", "handovers"))]
        self._stage.say(
            f"{len(raw):,} bytes, from the node that was away; a process with no node and no network accepts it:"
        )
        self._stage.quote("\n".join(sealed))
        forged = self._directory / "forged.receipt"
        forged.write_bytes(forge(raw))
        answer = run("verify", str(forged), "--genesis", genesis)
        forged.unlink()
        expect(answer.returncode != 0, "a forged receipt is refused")
        self._stage.say("with one bit of its outcome changed it is refused")
