"""``traco receipt``: finality receipts."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import command, group
from traco.cli.files import write_file
from traco.cli.session import Reading
from traco.cli.tx import TransactionArgument, transaction_identity
from traco.client.verify import verify

app = group("Finality receipts: proofs that outlive the network.")


@command(app, "export", examples=["traco receipt export 4a92...109f --output settlement.receipt"])
def export(
    session: Reading,
    transaction: TransactionArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)],
) -> None:
    """Write the finality receipt of a transaction to a file, after checking it against the node's genesis."""
    content = session.client.receipt(transaction_identity(transaction))
    proof = verify(content, session.client.genesis())
    write_file(output, content)
    session.output.record({
        "file": str(output), "bytes": len(content), "transaction": proof["transaction"], "outcome": proof["outcome"],
        "sealed_height": proof["sealed_height"], "network": proof["network"],
    })  # fmt: skip
