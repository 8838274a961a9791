"""``traco verify``: check a finality receipt with nothing but the genesis document. No node, no keys, no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from traco.cli.command import Local, command, single
from traco.cli.files import read_bounded
from traco.cli.problems import CommandProblem, ExitCode
from traco.client.verify import as_text, verify
from traco.kernel.finality import MAX_RECEIPT_BYTES, ReceiptInvalid
from traco.kernel.genesis import MAX_GENESIS_BYTES

WHERE: Final = "genesis.json in the node's directory, or what the node answers to GET /v1/genesis"
_WHY: Final[Mapping[str, str]] = {
    "receipt.malformed": "this file is no receipt, or a damaged one",
    "receipt.too_large": "this file is no receipt",
}
_PROVES_NOTHING: Final = "this file does not prove anything on the network of this genesis document"

app = single("Check a finality receipt with nothing but the genesis document.")


@command(app, "verify", examples=["traco verify settlement.receipt --genesis genesis.json"])
def verify_file(
    session: Local,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The finality receipt.", show_default=False)],
    genesis: Annotated[
        Path | None, typer.Option(help=f"The genesis document of the network (required): {WHERE}.")
    ] = None,
) -> None:
    """Check a finality receipt, and say what it proves and what it assumes.

    Exits 0 if the receipt is valid under this genesis, 1 if it proves nothing. A valid receipt may prove that a
    transaction was rejected: read the outcome.
    """
    if genesis is None:
        raise CommandProblem(
            ExitCode.USAGE, "usage.no_genesis", f"Name the network's genesis document: --genesis FILE. It is {WHERE}."
        )  # fmt: skip
    # one byte more than allowed, so that what is too long is judged by the same code as everything else
    receipt, founding = (
        read_bounded(file, MAX_RECEIPT_BYTES + 1),
        read_bounded(genesis, MAX_GENESIS_BYTES + 1),
    )
    try:
        proof = verify(receipt, founding)
    except ReceiptInvalid as error:
        raise CommandProblem(ExitCode.NEGATIVE, error.code, _verdict(error, genesis)) from None
    session.output.document(proof, as_text(proof))


def _verdict(error: ReceiptInvalid, genesis: Path) -> str:
    reason = str(error).removeprefix(f"{error.code}: ")
    if error.code == "receipt.genesis_invalid":
        return f"NOT VALID: {genesis} is no genesis document ({reason}). Name {WHERE}."
    return f"NOT VALID: {_WHY.get(error.code, _PROVES_NOTHING)}. The reason: {reason}."
