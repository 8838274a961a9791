"""The explorer in a real browser (Chromium, driven by Playwright) over a real node with the demonstration's data."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from independent import channel_forging
from independent.forging import GENESIS
from support.running import Running

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian package: chromium)")
TIMEOUT = 600
WIDE = {"width": 1_280, "height": 900}
NARROW = {"width": 375, "height": 812}


class Shown(NamedTuple):
    """A running node, its address, and ids by the names of the demonstration."""

    url: str
    directory: Path
    names: dict[str, str]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    directory = tmp_path_factory.mktemp("explorer") / "demo"
    command = [sys.executable, "-m", "traco.cli", "demo", "--dir", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT, cwd=ROOT)
    book = msgspec.json.decode((directory / "home" / "addresses.json").read_bytes())
    names = {name: entry["id"] for name, entry in book["names"].items()}
    with Running(directory / "node", book["url"], (directory / "passphrase").read_text().strip()) as node:
        node.ready()
        yield Shown(node.url, directory, names)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test if a script on it fails."""
    context = browser.new_context(viewport=WIDE, locale="en-GB", color_scheme="light")  # type: ignore[arg-type]
    opened, failures = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    context.close()
    assert failures == []


def visit(page: Page, shown: Shown, path: str, title: str) -> None:
    page.goto(f"{shown.url}/#/{path}")
    expect(page.locator("h1")).to_have_text(title)


def settlement(shown: Shown) -> str:
    """The id of the transaction that the demonstration's receipt proves."""
    receipt, genesis = shown.directory / "settlement.receipt", shown.directory / "genesis.json"
    command = [sys.executable, "-m", "traco.cli", "verify", str(receipt), "--genesis", str(genesis), "--json"]
    found = subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)
    return str(msgspec.json.decode(found.stdout)["transaction"])


def test_the_overview_shows_the_height_and_the_latest_blocks(shown: Shown, page: Page) -> None:
    visit(page, shown, "", "Overview")
    height = page.locator("#height").inner_text()
    expect(page.locator("table tbody tr").first.locator("td").first).to_have_text(height)


def test_a_new_event_appears_without_reloading(shown: Shown, page: Page) -> None:
    visit(page, shown, "", "Overview")
    expect(page.locator(".pulse")).to_have_text("Live: new events appear as they are committed.")
    home = shown.directory / "home"
    arguments = [
        "holding",
        "transfer",
        "@eur",
        "@bank-one-account",
        "@seller-account",
        "12.34",
        "--as",
        "@bank-one",
    ]
    environment = {**os.environ, "TRACO_PASSPHRASE": (shown.directory / "passphrase").read_text().strip()}
    command = [sys.executable, "-m", "traco.cli", *arguments, "--home", str(home), "--url", shown.url]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT, env=environment)
    expect(page.locator(".feed li").first).to_contain_text("12.34 CASH-EUR moved from Example Bank One")


def test_a_document_shows_its_history_and_its_registry_status(shown: Shown, page: Page) -> None:
    visit(page, shown, f"document/{shown.names['invoice']}", "Invoice")
    expect(page.locator(".badge.DFIN")).to_be_visible()
    expect(page.locator(".feed li").last).to_contain_text("registered document")


def test_a_statement_adds_up(shown: Shown, page: Page) -> None:
    visit(page, shown, f"account/{shown.names['seller-account']}", "Account")
    statement = page.locator("section", has=page.locator("#statement-instrument"))
    closing = statement.locator("dd").nth(1)
    last = statement.locator("tbody tr").last.locator("td").last
    expect(closing).to_contain_text("CASH-EUR")
    assert closing.inner_text().removesuffix(" CASH-EUR") == last.inner_text()


def test_a_transaction_is_told_in_sentences(shown: Shown, page: Page) -> None:
    visit(page, shown, f"tx/{settlement(shown)}", "Transaction")
    expect(page.locator(".statements li").first).to_contain_text(
        "Example Seller Ltd accepts an offer on financing"
    )


def test_parties_and_instruments_lead_to_their_pages(shown: Shown, page: Page) -> None:
    visit(page, shown, "parties", "Parties")
    page.get_by_role("link", name="Example Seller Ltd").click()
    expect(page.locator("h1")).to_have_text("Example Seller Ltd")
    visit(page, shown, "instruments", "Instruments")
    page.get_by_role("link", name="CASH-EUR").click()
    expect(page.locator("h1")).to_have_text("CASH-EUR")


def test_a_party_has_its_accounts_and_batches_on_its_page(shown: Shown, page: Page) -> None:
    visit(page, shown, f"party/{shown.names['seller']}", "Example Seller Ltd")
    account = page.locator(f"a[href='#/account/{shown.names['seller-account']}']")
    expect(account.first).to_be_visible()
    batches = page.locator("section", has=page.get_by_role("heading", name="Settlement batches"))
    expect(batches.locator("tbody tr").first).to_be_visible()


def test_a_block_lists_its_transactions(shown: Shown, page: Page) -> None:
    visit(page, shown, "blocks", "Blocks")
    page.locator("tbody a").first.click()
    expect(page.locator("h1")).to_have_text(re.compile(r"Block \d+"))
    expect(page.locator("tbody tr").first).to_be_visible()


@pytest.mark.parametrize(
    ("what", "title"), [("TRACOTESTSELLER00122", "Example Seller Ltd"), ("1", "Block 1")]
)
def test_search_finds(shown: Shown, page: Page, what: str, title: str) -> None:
    visit(page, shown, "", "Overview")
    page.locator("#search-text").fill(what)
    page.locator("#search-text").press("Enter")
    expect(page.locator("h1")).to_have_text(title)


def test_search_lists_the_parties_with_a_text_in_their_name(shown: Shown, page: Page) -> None:
    visit(page, shown, "", "Overview")
    page.locator("#search-text").fill("example SELLER")
    page.locator("#search-text").press("Enter")
    expect(page.locator("h1")).to_have_text("Search")
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("#search-text")).to_have_value("")
    page.get_by_role("link", name="Example Seller Ltd").click()
    expect(page.locator("h1")).to_have_text("Example Seller Ltd")


@pytest.mark.parametrize(("name", "code"), [("eur", "CASH-EUR"), ("seller", "Example Seller Ltd")])
def test_search_lists_what_has_an_id_that_begins_so(shown: Shown, page: Page, name: str, code: str) -> None:
    visit(page, shown, f"search/{shown.names[name][:12]}", "Search")
    expect(page.locator("main").get_by_role("link", name=code).first).to_be_visible()


@pytest.mark.parametrize("kind", ["party", "tx", "block", "account", "document"])
def test_a_malformed_id_in_the_address_is_not_found(shown: Shown, page: Page, kind: str) -> None:
    visit(page, shown, f"{kind}/no-id", "Not found")


def test_a_statement_of_a_reversed_period_says_so(shown: Shown, page: Page) -> None:
    visit(page, shown, f"account/{shown.names['seller-account']}", "Account")
    statement = page.locator("section", has=page.locator("#statement-instrument"))
    page.locator("#statement-from").fill("2026-11-22")
    page.locator("#statement-to").fill("2026-11-20")
    statement.get_by_role("button", name="Show").click()
    expect(statement.locator(".problem")).to_contain_text("The period ends before it begins.")


def test_rows_are_cards_with_their_amounts_on_a_telephone(shown: Shown, page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    visit(page, shown, f"account/{shown.names['seller-account']}", "Account")
    balance = page.locator("td[data-title=Balance]").last
    expect(balance).to_be_visible()
    place = balance.bounding_box()
    assert place is not None
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= NARROW["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_search_says_when_there_is_nothing(shown: Shown, page: Page) -> None:
    visit(page, shown, "search/" + "0" * 32, "Not found")


def test_a_receipt_that_is_chosen_holds(shown: Shown, page: Page) -> None:
    visit(page, shown, "verify", "Verify a receipt")
    page.set_input_files("#genesis-file", shown.directory / "genesis.json")
    page.set_input_files("#receipt-file", shown.directory / "settlement.receipt")
    expect(page.locator(".verdict.accepted")).to_contain_text(
        "It belongs to the network of your genesis document."
    )


def test_a_receipt_that_is_dropped_holds(shown: Shown, page: Page) -> None:
    visit(page, shown, "verify", "Verify a receipt")
    content = list((shown.directory / "settlement.receipt").read_bytes())
    transfer = page.evaluate_handle(
        "bytes => { const all = new DataTransfer(); all.items.add(new File([new Uint8Array(bytes)], 'a.receipt')); return all; }",
        content,
    )
    page.locator(".drop").first.dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.locator(".verdict.accepted")).to_be_visible()


@pytest.mark.parametrize("place", [100, 1_000, -100])
def test_a_changed_receipt_is_refused_with_a_code(
    shown: Shown, page: Page, tmp_path: Path, place: int
) -> None:
    raw = bytearray((shown.directory / "settlement.receipt").read_bytes())
    raw[place] ^= 1
    (tmp_path / "forged.receipt").write_bytes(raw)
    visit(page, shown, "verify", "Verify a receipt")
    page.set_input_files("#receipt-file", tmp_path / "forged.receipt")
    expect(page.locator(".verdict.refused code")).to_have_text(re.compile("^receipt[.]"))


def choose_channel_receipt(shown: Shown, page: Page, folder: Path, raw: bytes) -> None:
    """Have the page judge a channel's receipt by the genesis document of its own network."""
    (folder / "payment.receipt").write_bytes(raw)
    (folder / "founding.json").write_bytes(GENESIS)
    visit(page, shown, "verify", "Verify a receipt")
    page.set_input_files("#genesis-file", folder / "founding.json")
    page.set_input_files("#receipt-file", folder / "payment.receipt")


def test_the_receipt_of_a_channel_holds_and_says_what_it_means(
    shown: Shown, page: Page, tmp_path: Path
) -> None:
    choose_channel_receipt(shown, page, tmp_path, channel_forging.scene(later=2).file())
    expect(page.locator(".verdict.accepted")).to_contain_text("It happened in a confidential channel.")
    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text(channel_forging.CHANNEL.hex())
    expect(verdict).to_contain_text("Who its members are is not in the file")
    page.locator("#language").click()
    expect(page.locator("h1")).to_have_text("验证凭证")


def test_a_changed_receipt_of_a_channel_is_refused_with_a_code(
    shown: Shown, page: Page, tmp_path: Path
) -> None:
    made = channel_forging.scene()
    raw = made.file(points=channel_forging.points_over(bytes(32)))
    choose_channel_receipt(shown, page, tmp_path, raw)
    expect(page.locator(".verdict.refused code")).to_have_text("channel_receipt.path")


def test_the_receipt_of_a_transaction_can_be_saved_and_holds(
    shown: Shown, page: Page, tmp_path: Path
) -> None:
    visit(page, shown, f"tx/{settlement(shown)}", "Transaction")
    with page.expect_download() as saved:
        page.locator("#save-receipt").click()
    saved.value.save_as(tmp_path / "saved.receipt")
    visit(page, shown, "verify", "Verify a receipt")
    page.set_input_files("#receipt-file", tmp_path / "saved.receipt")
    expect(page.locator(".verdict.accepted")).to_be_visible()


LISTED = {
    "id": "7" * 64, "member": "a" * 32, "role": "member", "status": "suspended", "epoch": 2, "members": ["a" * 32, "b" * 32],
    "entries": 9, "ordinal": 8, "confirmed": 5, "problem": "channel.disputed",
}  # fmt: skip
OFFERED = {
    "channel": "7" * 64,
    "epoch": 3,
    "member": "a" * 32,
    "status": "wrong",
    "code": "copies.wrong",
    "offer": "c" * 64,
}


def test_a_channel_is_listed_with_how_far_it_is_and_what_holds_it_up(shown: Shown, page: Page) -> None:
    page.route("**/v1/channels", lambda route: route.fulfill(json={"items": [LISTED], "offers": [OFFERED]}))
    visit(page, shown, "channels", "Channels")
    rows = page.locator("main tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.locator("td[data-title='Not confirmed']")).to_have_text("3")
    expect(rows.first).to_contain_text("channel.disputed")
    expect(rows.first.locator(".badge.suspended")).to_be_visible()
    expect(rows.last).to_contain_text("copies.wrong")


def test_a_node_without_channels_says_so(shown: Shown, page: Page) -> None:
    visit(page, shown, "channels", "Channels")
    expect(page.locator("main .empty")).to_have_text("There are none for you on this node.")


def test_it_speaks_chinese(shown: Shown, page: Page) -> None:
    visit(page, shown, f"document/{shown.names['invoice']}", "Invoice")
    page.locator("#language").click()
    expect(page.locator("h1")).to_have_text("发票")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"


def test_the_theme_can_be_chosen(shown: Shown, page: Page) -> None:
    visit(page, shown, "", "Overview")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light


@pytest.mark.parametrize(
    "path", ["", "blocks", "parties", "instruments", "documents", "channels", "verify", "access"]
)
def test_no_page_is_wider_than_a_telephone(shown: Shown, page: Page, path: str) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{shown.url}/#/{path}")
    expect(page.locator("main h1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_it_can_be_used_with_the_keyboard_alone(shown: Shown, page: Page) -> None:
    visit(page, shown, "", "Overview")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    for _ in range(3):  # the mark, the first page, the second
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Blocks")
    assert page.evaluate("document.activeElement.id") == "content"


def test_what_is_named_like_markup_stays_text(shown: Shown, page: Page) -> None:
    visit(page, shown, "search/" + "%3Cimg src=x onerror=alert(1)%3E", "Not found")
    expect(page.locator("main")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("main img").count() == 0


def test_the_page_may_load_nothing_from_elsewhere(shown: Shown, page: Page) -> None:
    answer = page.goto(f"{shown.url}/")
    assert answer is not None
    assert "default-src 'none'" in answer.headers["content-security-policy"]
