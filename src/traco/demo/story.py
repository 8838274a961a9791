"""The ten steps of the demonstration, in order. Each checks what it claims."""

from pathlib import Path
from typing import Final

import msgspec

from traco.client.results import TransactionFailed
from traco.client.sdk import LedgerClient
from traco.demo import trade
from traco.demo.cast import START, Cast, Organisation
from traco.demo.network import DemoNetwork, run
from traco.demo.papers import MAX_FILES, Importer, Paper, invoice_files
from traco.demo.stage import DemoFailed, NothingToFinance, Stage, expect
from traco.kernel.codec import encode
from traco.kernel.finality import FinalityReceipt
from traco.modules.document.messages import ConfirmDocument
from traco.modules.financing.messages import Pay
from traco.modules.holding.messages import Issue, Redeem, Transfer
from traco.services.doc.amounts import EXPONENTS
from traco.services.doc.normalise import fields_of

RECEIPT: Final = "settlement.receipt"
SELLER = ("Example Seller Ltd", "TRACOTESTSELLER00122")
BUYER = ("Example Buyer plc", "TRACOTESTBUYER000198")
JPX_START: Final = 10_000


class Story:
    """One run of the demonstration over an empty directory and a folder of invoices."""

    def __init__(self, directory: Path, invoices: Path, stage: Stage) -> None:
        self._directory, self._invoices, self._stage = directory, invoices, stage
        self.network = DemoNetwork(directory)
        self.cast: Cast | None = None
        self.deal: trade.Deal | None = None
        self._second_bank: Organisation | None = None

    def tell(self) -> None:
        """Run all steps; the node is stopped whatever happens.

        Raises ``DemoFailed``, ``NothingToFinance`` and what the SDK raises.
        """
        self._stage.step("A network is founded and its node started")
        try:
            with self.network.start() as client:
                self._stage.say(
                    f"network {client.network.hex()[:16]}..., embedded engine, REST on {client.url}"
                )
                settlement = self._business(client)
                self._proof(client, settlement)
        finally:
            self.network.stop()
        self._audit()

    def roles(self) -> list[tuple[str, Organisation]]:
        """Who played which part; the seller and the buyer are those of the invoice that was financed."""
        cast, deal = self.cast, self.deal
        if cast is None or deal is None:
            return []
        played = [
            ("seller", deal.paper.seller),
            ("buyer", deal.paper.buyer),
            ("cash-operator", cast.cash_operator),
        ]
        banks = [("bank-one", deal.bank), ("bank-two", self._second_bank)]
        return [(name, one) for name, one in (*played, *banks) if one is not None]

    def _business(self, client: LedgerClient) -> bytes:
        cast = Cast(client, self.network.operator(client), self._directory / "keys", self.network.passphrase)
        self.cast = cast
        banks = self._organisations(cast)
        self._second_bank = banks[1]
        self._cash(cast, banks)
        papers, credited = self._import(cast)
        deal, settlement = self._finance(cast, banks[0], papers, credited)
        self.deal = deal
        self._refuse(cast, banks[1], deal, papers)
        self._pay(cast, deal)
        self._collide(cast, banks[0])
        return settlement

    def _organisations(self, cast: Cast) -> tuple[Organisation, Organisation]:
        self._stage.step("Six organisations register, each with its own encrypted key store")
        cast.cash_operator = cast.register("Example Cash Operator", "TRACOTESTCASHOPERA79", "cash_operator")
        registry = cast.register("Example Registry", None, "registry_operator")
        banks = (cast.register("Example Bank One"), cast.register("Example Bank Two"))
        traders = [cast.register(*trader) for trader in (SELLER, BUYER)]
        everybody = [*traders, *banks, cast.cash_operator, registry]
        self._stage.table(
            ("organisation", "party id", "LEI"),
            [(one.name, one.id.hex(), one.lei or "-") for one in everybody],
        )
        return banks

    def _cash(self, cast: Cast, banks: tuple[Organisation, Organisation]) -> None:
        self._stage.step("Cash is issued to the banks (to a buyer when its invoice is known)")
        for bank in banks:
            cast.fund(bank, "EUR", START * 100)
        shown = cast.shown("EUR", cast.balance("EUR", banks[0].account))
        self._stage.say(f"each bank has {shown}")

    def _import(self, cast: Cast) -> tuple[list[Paper], dict[bytes, int]]:
        self._stage.step(f"Electronic invoices are imported from {self._invoices}")
        importer = Importer(cast)
        with self._stage.counting("importing") as progress:
            papers = importer.files(invoice_files(self._invoices), progress)
        if len(papers) == MAX_FILES:
            self._stage.say(f"of this folder, only the first {MAX_FILES} files are taken")
        self._stage.table(
            ("file", "number", "payable", "result"), [self._row(cast, paper) for paper in papers]
        )
        if importer.registered:
            self._stage.say(f"registered because invoices name them: {', '.join(importer.registered)}")
        on_ledger = [paper.path for paper in papers if paper.registered]
        with self._stage.counting("importing a second time") as progress:
            again = [paper.outcome for paper in importer.files(on_ledger, progress)]
        self._stage.say(f"imported a second time: {again.count('duplicate')} of {len(again)} are duplicates")
        expect(
            again.count("duplicate") == len(again), "everything imported twice is a duplicate the second time"
        )
        return papers, importer.credited

    def _row(self, cast: Cast, paper: Paper) -> tuple[str, str, str, str]:
        result = ": ".join((paper.outcome, "; ".join(paper.notes))).removesuffix(": ")
        if paper.invoice is None:
            return paper.path.name, "-", "-", result
        return (
            paper.path.name,
            paper.invoice.number,
            cast.shown(paper.invoice.currency, paper.invoice.payable_amount),
            result,
        )

    def _finance(
        self, cast: Cast, bank: Organisation, papers: list[Paper], credited: dict[bytes, int]
    ) -> tuple[trade.Deal, bytes]:
        self._stage.step("The first suitable invoice is financed, delivery versus payment")
        paper = next((one for one in papers if one.financeable), None)
        if paper is None or paper.invoice is None or paper.buyer is None or paper.seller is None:
            raise NothingToFinance(
                f"No file in {self._invoices} is an invoice that can be financed; step 4 says what each one is. "
                "Needed is a unique invoice with an amount to pay, and with no payee but its seller."
            )
        currency, seller, buyer = paper.invoice.currency, paper.seller, paper.buyer
        need = max(START * 10 ** EXPONENTS[currency], 2 * paper.invoice.payable_amount)
        for organisation in (bank, buyer):
            cast.fund(organisation, currency, need)
        document = trade.registered(paper).document
        buyer.party.transact(ConfirmDocument(buyer.id, document))
        self._stage.say(
            f"{buyer.name} confirms invoice {paper.invoice.number}; {seller.name} asks for financing"
        )
        reduction = credited.get(document, 0)
        face = paper.invoice.payable_amount - reduction
        if face <= 0:
            raise NothingToFinance(f"Credit notes leave nothing to pay of invoice {paper.invoice.number}.")
        if reduction:
            self._stage.say(
                f"credit notes take off {cast.shown(currency, reduction)}, which leaves {cast.shown(currency, face)}"
            )
        financing = trade.request(cast, paper, face)
        agreed = trade.bank_checks(cast, bank, paper)
        self._stage.say(
            f"{bank.name} checks the file it was given: it is the registered one, and all {agreed} fingerprints agree"
        )
        before = cast.balance(currency, seller.account), cast.balance(currency, bank.account)
        deal = trade.offer(cast, bank, paper, financing, face)
        settled = trade.accept(cast, deal)
        after = cast.balance(currency, seller.account), cast.balance(currency, bank.account)
        expect(after[0] - before[0] == deal.price, "the seller has the price")
        expect(before[1] - after[1] == deal.price, "the bank has paid the price")
        expect(self._receivable(cast, deal, bank.account) == deal.face, "the bank has the receivable")
        self._stage.say(
            f"settled in block {settled.height}, both or neither: the receivable of {cast.shown(currency, deal.face)} "
            f"to {bank.name}, {cast.shown(currency, deal.price)} (a discount of {trade.DISCOUNT_PPM / 10_000:g} %) to {seller.name}"
        )
        return deal, settled.identity

    def _receivable(self, cast: Cast, deal: trade.Deal, account: bytes) -> int:
        document = trade.registered(deal.paper).document
        found = cast.client.query("financing.receivable", document=document)
        holding = cast.client.query("holding.get", instrument=found["record"]["instrument"], account=account)
        return int(holding["available"])

    def _refuse(self, cast: Cast, bank: Organisation, deal: trade.Deal, papers: list[Paper]) -> None:
        self._stage.step("A second bank is offered the same invoice, as it is and retyped")
        rows = [("as it is", self._attempt(cast, deal))]
        variants = trade.retyped_variants(deal.paper)
        twin = trade.other_syntax(deal.paper, papers)
        if twin is not None and twin.invoice is not None:
            variants.insert(0, ("in the other syntax", fields_of(twin.invoice)))
        for name, fields in variants:
            answer, matched, document = trade.register_again(cast, deal.paper, fields)
            if document:
                answer += f" ({'; '.join(matched)}); {self._offer_unacknowledged(cast, bank, deal, document)}"
            rows.append((name, answer))
        self._stage.table(("attempt", "answer of the ledger"), rows)
        expect(
            all("already_financed" in answer or "unacknowledged" in answer for _, answer in rows),
            "all are refused",
        )

    def _attempt(self, cast: Cast, deal: trade.Deal) -> str:
        try:
            trade.request(cast, deal.paper, deal.face)
        except TransactionFailed as failed:
            return f"refused: {trade.refused(failed)}"
        raise DemoFailed("an invoice was financed twice")

    def _offer_unacknowledged(self, cast: Cast, bank: Organisation, deal: trade.Deal, document: bytes) -> str:
        """A partial match may be financed only by a lender that acknowledges it: this one does not."""
        original = deal.paper.registration
        if original is None:
            raise DemoFailed("the financed invoice is registered")
        message = msgspec.structs.replace(
            original.message,
            content_commitment=bytes.fromhex(
                cast.client.query("document.get", document=document)["record"]["content_commitment"]
            ),
        )
        paper = deal.paper._replace(registration=original._replace(message=message, document=document))
        try:
            trade.offer(cast, bank, paper, trade.request(cast, paper, deal.face), deal.face, unconfirmed=True)
        except TransactionFailed as failed:
            return f"an offer that does not acknowledge it is refused: {trade.refused(failed)}"
        raise DemoFailed("a partial match was financed without being acknowledged")

    def _pay(self, cast: Cast, deal: trade.Deal) -> None:
        self._stage.step("The buyer pays; the receivable is redeemed; its holder is paid")
        buyer = deal.paper.buyer
        if buyer is None:
            raise DemoFailed("the buyer of the financed invoice is known")
        before = cast.balance(deal.currency, deal.bank.account)
        document = trade.registered(deal.paper).document
        buyer.party.transact(
            Pay(buyer.id, document, cast.cash(deal.currency), deal.face, buyer.account, b"invoice paid")
        )
        paid = cast.balance(deal.currency, deal.bank.account) - before
        expect(paid == deal.face, "the bank is paid the face")
        expect(self._receivable(cast, deal, deal.bank.account) == 0, "the receivable is redeemed")
        self._stage.say(
            f"{deal.bank.name}, who holds it, receives {cast.shown(deal.currency, paid)}; nothing of the receivable is left"
        )

    def _collide(self, cast: Cast, owner: Organisation) -> None:
        self._stage.step("Three colliding transactions all succeed (JPX report, Figure 8)")
        issuer = cast.cash_operator
        if issuer is None:
            raise DemoFailed("the cash operator is registered")
        accounts = {name: cast.open_account(owner.party) for name in "ABC"}
        for account in accounts.values():
            cast.fund(owner, "JPY", JPX_START, account)
        cash, client = cast.cash("JPY"), cast.client
        a, b, c = accounts.values()
        transactions = [
            client.build([Issue(issuer.id, cash, a, 5_000, b"deposit")], issuer.party.signers),
            client.build(
                [Redeem(issuer.id, owner.id, cash, b, 2_000, b"withdrawal")],
                [*issuer.party.signers, *owner.party.signers],
            ),
            client.build([Transfer(owner.id, cash, a, c, 3_000, b"payment")], owner.party.signers),
        ]
        results = client.submit_many(transactions)
        balances = [cast.balance("JPY", account) for account in accounts.values()]
        names = ("deposit 5,000 to A", "withdraw 2,000 from B", "pay 3,000 from A to C")
        self._stage.table(
            ("transaction", "result", "block"),
            [(name, result.status, result.height) for name, result in zip(names, results, strict=True)],
        )
        self._stage.say(
            "sent together; A, B and C had 10,000 each and now have "
            + ", ".join(f"{amount:,}" for amount in balances)
        )
        expect([result.status for result in results] == ["final"] * 3, "all three are final")
        expect(len({result.height for result in results}) == 1, "they are in one block")
        expect(balances == [12_000, 8_000, 13_000], "A, B, C end at 12,000, 8,000, 13,000")

    def _proof(self, client: LedgerClient, settlement: bytes) -> None:
        self._stage.step("A finality receipt is exported, verified elsewhere, forged in vain")
        path, genesis = self._directory / RECEIPT, self._directory / "genesis.json"
        raw = client.receipt(settlement)
        path.write_bytes(raw)
        verified = run("verify", str(path), "--genesis", str(genesis))
        expect(verified.returncode == 0, f"the receipt verifies in another process: {verified.stderr}")
        self._stage.say(
            f"the receipt of the settlement, {len(raw):,} bytes; a process that sees only the receipt and the genesis accepts it"
        )
        forged = self._directory / "forged.receipt"
        forged.write_bytes(forge(raw))
        answer = run("verify", str(forged), "--genesis", str(genesis))
        forged.unlink()
        expect(answer.returncode != 0, "a forged receipt is refused")
        reason = answer.stderr.strip().splitlines()[0].removeprefix("error: ")
        self._stage.say(f"with one bit of its outcome changed it is refused: {reason.rstrip('.')}")

    def _audit(self) -> None:
        self._stage.step("The node stops; the ledger is re-executed, every root compared")
        audited = run("node", "audit", str(self.network.node_directory), "--json")
        expect(
            audited.returncode == 0, f"re-execution gives the same ledger: {audited.stderr or audited.stdout}"
        )
        found = msgspec.json.decode(audited.stdout)
        self._stage.say(
            f"{found['transactions']} transactions in {found['height']} blocks, executed again from genesis: every root, and every column of every table, equal"
        )


def forge(raw: bytes) -> bytes:
    """The receipt with the last byte of its outcome's bytes changed, canonical in everything else."""
    file: FinalityReceipt = msgspec.msgpack.decode(raw, type=FinalityReceipt)
    outcome = bytearray(file.receipt)
    outcome[-1] ^= 1
    return encode(msgspec.structs.replace(file, receipt=bytes(outcome)))
