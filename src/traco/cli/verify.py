"""``traco verify``: check a finality receipt with nothing but the genesis document. No node, no keys, no network."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.files import read_bounded
from traco.client.verify import as_text, verify
from traco.kernel.finality import MAX_RECEIPT_BYTES
from traco.kernel.genesis import MAX_GENESIS_BYTES

app = single("Check a finality receipt with nothing but the genesis document.")


@command(app, "verify", examples=["traco verify settlement.receipt --genesis genesis.json"])
def verify_file(
    session: Local,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The finality receipt.", show_default=False)],
    genesis: Annotated[Path, typer.Option(help="The genesis document of the network.", show_default=False)],
) -> None:
    """Check a finality receipt, and say what it proves and what it assumes.

    Exits 0 if the receipt is valid under this genesis, 1 if it proves nothing. A valid receipt may prove that a
    transaction was rejected: read the outcome.
    """
    # one byte more than allowed, so that what is too long is judged by the same code as everything else
    proof = verify(read_bounded(file, MAX_RECEIPT_BYTES + 1), read_bounded(genesis, MAX_GENESIS_BYTES + 1))
    session.output.document(proof, as_text(proof))
