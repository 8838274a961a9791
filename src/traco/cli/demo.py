"""``traco demo``: an invoice financed and settled, end to end, on one machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.names import AddressBook, Entry, Kind
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.demo.papers import invoice_files
from traco.demo.stage import DemoFailed, NothingToFinance, Stage
from traco.demo.story import RECEIPT, Story
from traco.storage import DirectoryLock, StoreLocked
from traco.storage.lock import LOCK_FILE

app = single("Show an invoice being financed and settled, end to end.")
SAMPLES = Path("examples/invoices")
MARK = "traco-demo"
HOME = "home"


@command(app, "demo", examples=["traco demo", "traco demo --invoices my-invoices"])
def demo(
    session: Local,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the data goes; an earlier demonstration is replaced.")
    ] = Path("build/demo"),
    invoices: Annotated[Path, typer.Option(help="Folder of electronic invoices (UBL or CII).")] = SAMPLES,
) -> None:
    """Run the ten steps of the demonstration against a real node on the loopback address."""
    _check(invoices)
    make_room(directory)
    stage = Stage()
    story = Story(directory, invoices, stage)
    with telling():
        story.tell()
    write_names(directory, story)
    stage.end([
        f"The data is in {directory}/: genesis.json, {RECEIPT}, the node's directory, everybody's keys and names.",
        "Try next, after  . .venv/bin/activate",
        f"  traco verify {directory}/{RECEIPT} --genesis {directory}/genesis.json",
        f"  traco node start {directory}/node --passphrase-file {directory}/passphrase",
        "and while that node runs, in a second terminal",
        f"  traco doc status @invoice --home {directory}/{HOME}",
        f"  traco holding show @seller-account --home {directory}/{HOME}",
        f"  traco name list --home {directory}/{HOME}",
        "With electronic invoices of your own:  make demo INVOICES=folder",
        "A network of your own, by hand:        docs/first-transaction.md",
    ])  # fmt: skip


@contextmanager
def telling() -> Iterator[None]:
    """What a demonstration ends with where it cannot go on. Raises ``CommandProblem``."""
    try:
        yield
    except NothingToFinance as nothing:
        raise CommandProblem(ExitCode.NEGATIVE, "demo.nothing_to_finance", str(nothing)) from None
    except DemoFailed as failed:
        raise CommandProblem(ExitCode.NEGATIVE, "demo.failed", str(failed)) from None


def _check(invoices: Path) -> None:
    """Refuse, before anything is made or deleted, a folder without a single file that could be an invoice."""
    if not invoices.is_dir():
        raise CommandProblem(
            ExitCode.USAGE, "demo.no_invoices", f"{invoices} is not a folder; give one with --invoices."
        )
    if not invoice_files(invoices):
        raise unusable(
            "demo.no_invoices",
            f"There is no file with a name ending in .xml in {invoices}; electronic invoices (UBL or CII) are XML files.",
        )


def make_room(directory: Path) -> None:
    """Make the directory empty: only one that an earlier demonstration made is deleted."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARK).exists():
        raise CommandProblem(
            ExitCode.USAGE,
            "demo.not_empty",
            f"{directory} is not empty and not of a demonstration; choose another --dir.",
        )
    for lock in sorted(directory.glob(f"*/{LOCK_FILE}")):
        _require_stopped(lock.parent)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / MARK).touch()


def _require_stopped(directory: Path) -> None:
    """Refuse to delete the directory of a node that runs."""
    try:
        DirectoryLock(directory).release()
    except StoreLocked:
        raise CommandProblem(
            ExitCode.NODE,
            "demo.running",
            f"A node of an earlier demonstration runs in {directory}; stop it: traco node stop {directory}",
        ) from None


def write_names(directory: Path, story: Story) -> None:
    """An address book, so that one can go on where the demonstration ended, as any of its organisations."""
    cast, deal = story.cast, story.deal
    if cast is None or deal is None:
        return
    book = AddressBook.open(directory / HOME)

    def add(name: str, kind: Kind, identity: bytes, keystore: str = "") -> None:
        book.add(name, Entry(kind, identity.hex(), keystore), cast.client.network, cast.client.url)

    for name, one in story.roles():
        add(name, "party", one.id, f"../{cast.key_store(one).relative_to(directory)}")
        add(f"{name}-account", "account", one.account)
    for currency, instrument in cast.currencies():
        add(currency.lower(), "instrument", instrument)
    add("invoice", "document", deal.document)
