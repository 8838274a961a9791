"""The daily life of a node, in eight steps over the trade of the first demonstration. Each checks what it claims."""

import os
import shutil
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from traco.client.sdk import LedgerClient
from traco.demo.browser import find_browser, take_picture
from traco.demo.cast import Cast, Organisation
from traco.demo.network import run
from traco.demo.stage import DemoFailed, Stage, expect
from traco.demo.story import RECEIPT, Story
from traco.demo.trade import Deal
from traco.modules.holding.messages import Transfer

STEPS: Final = 8
BACKUP: Final = "backup"
RESTORED: Final = "restored"
CSV_FILE: Final = "statement.csv"
PAYMENTS: Final = 200  # while the backup is made
REPORTS_SECONDS: Final = 30.0


class NodeStory:
    """One run over an empty directory. ``remember`` is called once the trade is done, to write the names of its parts."""

    def __init__(
        self, directory: Path, invoices: Path, stage: Stage, remember: Callable[[Story], None]
    ) -> None:
        self._directory, self._stage, self._remember = directory, stage, remember
        self._story = Story(directory, invoices, Stage(quiet=True))
        self._home = directory / "home"
        self._height = self._reached = 0  # of the backup, and of the node when it was destroyed

    def tell(self) -> None:
        """Run all steps; the node is stopped whatever happens.

        Raises ``DemoFailed``, ``NothingToFinance`` and what the SDK raises.
        """
        self._stage.step("A node gets data: the trade of the first demonstration")
        self._story.tell()
        self._remember(self._story)
        self._stage.say(
            "parties, cash, invoices, a financing settled delivery versus payment and paid; then stopped and audited"
        )
        network = self._story.network
        try:
            with network.start() as client:
                self._health(client)
                self._explorer(client.url)
                self._reports(client.url)
                self._backup(client)
            self._destroy()
            self._restore()
            with network.start() as client:
                self._verify(client)
        finally:
            network.stop()

    def _health(self, client: LedgerClient) -> None:
        self._stage.step("The node starts again and says how it is")
        ready = client.get("/v1/health/ready")
        expect(ready["ready"], f"the node is ready: {ready}")
        checked = run("doctor", str(self._story.network.node_directory), "--json")
        found = msgspec.json.decode(checked.stdout)
        expect(checked.returncode == 0, f"the doctor finds nothing wrong: {checked.stdout or checked.stderr}")
        states = [each["verdict"] for each in found["findings"]]
        self._stage.say(
            f"ready at height {client.status().height}; traco doctor: {states.count('ok')} checks fine, "
            f"{states.count('warn')} worth a look, {states.count('fail')} failed"
        )

    def _explorer(self, url: str) -> None:
        self._stage.step("The explorer, a page that the node serves")
        browser, deal = find_browser(), self._story.deal
        if browser is None or deal is None:
            self._stage.say(
                f"no Chromium here (Debian package: chromium); any browser shows it while the node runs: {url}/"
            )
            return
        rows = []
        for name, page in (
            ("overview", ""),
            ("invoice", f"document/{deal.document.hex()}"),
            ("bank", f"account/{deal.bank.account.hex()}"),
        ):
            path = self._directory / f"explorer-{name}.png"
            expect(
                take_picture(browser, f"{url}/#/{page}", path), f"the browser shows the page of the {name}"
            )
            rows.append((name, f"{url}/#/{page}", path))
        self._stage.table(("page", "address", "picture"), rows)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(f"{url}/")

    def _reports(self, url: str) -> None:
        self._stage.step("A statement of account, and the reconciliation of ledger and reports")
        self._stage.quote(self._report(url, "statement", "@seller-account", "@eur"))
        (self._directory / CSV_FILE).write_text(
            self._report(url, "statement", "@seller-account", "@eur", "--format", "csv")
        )
        self._reconcile(url)

    def _reconcile(self, url: str) -> None:
        found = msgspec.json.decode(self._report(url, "reconcile", "--entries", "--json"))
        expect(found["sound"] and found["compared"] > 0, f"ledger and reports agree: {found}")
        self._stage.say(
            f"reconciled at height {found['to_height']}: {found['compared']} figures compared, no break"
        )

    def _report(self, url: str, *arguments: str) -> str:
        done = run("report", *arguments, "--home", str(self._home), "--url", url)
        expect(done.returncode == 0, f"traco report {arguments[0]}: {done.stderr}")
        return done.stdout

    def _backup(self, client: LedgerClient) -> None:
        self._stage.step("A backup is made while the node takes payments")
        paying = threading.Thread(target=self._pay, args=(client,))
        paying.start()
        found = self._done("backup", str(self._story.network.node_directory), str(self._directory / BACKUP))
        paying.join()
        self._height, self._reached = int(found["height"]), client.status().height
        self._stage.say(
            f"as of height {self._height}, {found['bytes']:,} bytes; meanwhile the ledger went on to {self._reached}"
        )

    def _pay(self, client: LedgerClient) -> None:
        cast, deal = self._played()
        payer, payee, cash = deal.bank, self._seller(), cast.cash(deal.currency)
        for number in range(PAYMENTS):
            payment = Transfer(payer.id, cash, payer.account, payee.account, 1, f"payment {number}".encode())
            client.transact([payment], payer.party.signers)

    def _seller(self) -> Organisation:
        seller = self._played()[1].paper.seller
        if seller is None:
            raise DemoFailed("the seller of the financed invoice is known")
        return seller

    def _played(self) -> tuple[Cast, Deal]:
        cast, deal = self._story.cast, self._story.deal
        if cast is None or deal is None:
            raise DemoFailed("the trade was done")
        return cast, deal

    def _destroy(self) -> None:
        self._stage.step("The node is killed and its directory destroyed")
        self._story.network.kill()
        shutil.rmtree(self._story.network.node_directory)
        self._stage.say("nothing of it is left but the backup, and a receipt that its bank kept")

    def _verify(self, client: LedgerClient) -> None:
        cast, deal = self._played()
        lost = self._reached - self._height
        self._stage.say(
            f"the {lost} blocks after the backup are gone with their node: one machine alone is as safe as its last backup, "
            "which is why consortia run several nodes"
        )
        expect(client.status().height >= self._height, "the restored ledger has every block of the backup")
        verified = run(
            "verify", str(self._directory / RECEIPT), "--genesis", str(self._directory / "genesis.json")
        )
        expect(verified.returncode == 0, f"the receipt from before still holds: {verified.stderr}")
        payment = Transfer(
            deal.bank.id, cast.cash(deal.currency), deal.bank.account, self._seller().account, 1, b"again"
        )
        result = client.transact([payment], deal.bank.party.signers)
        self._stage.say(
            f"it goes on: a new payment is final in block {result.height}; the receipt from before still verifies"
        )
        self._await_reports(client, result.height)
        self._reconcile(client.url)

    def _await_reports(self, client: LedgerClient, height: int) -> None:
        """Reports are no part of a backup: the projector makes them anew from the ledger."""
        deadline = time.monotonic() + REPORTS_SECONDS
        while (client.get("/v1/health/progress")["projected_height"] or 0) < height:
            expect(time.monotonic() < deadline, "the reports are made anew in time")
            time.sleep(0.1)
        self._stage.say("reports were made anew from the ledger")

    def _restore(self) -> None:
        self._stage.step("The backup is restored, verified, and takes the node's place")
        target, receipt = self._directory / RESTORED, str(self._directory / RECEIPT)
        found = self._done("restore", str(self._directory / BACKUP), str(target), "--expect-receipt", receipt)
        self._stage.say(
            f"{found['transactions']} transactions executed again, every signature and root checked, as of height {found['height']}; "
            "it has what the bank's receipt proves"
        )
        self._done("takeover", str(target), "--at-height", str(found["height"]), "--expect-receipt", receipt)
        self._story.network.node_directory = target
        self._stage.step("The restored node works, and everything agrees")

    def _done(self, *arguments: str) -> dict[str, Any]:
        done = run("node", *arguments, "--json")
        expect(done.returncode == 0, f"traco node {arguments[0]}: {done.stderr}")
        found: dict[str, Any] = msgspec.json.decode(done.stdout)
        return found
