"""``traco state``: prove from a node's directory what is in the state, and what is not. No running node is needed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from traco.cli.command import HOME, JSON, Shared, command, group
from traco.cli.files import read_bounded, write_file
from traco.cli.names import Kind, as_id
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import ID_BYTES, WithNames
from traco.client.forms import to_form
from traco.kernel.codec import Codec
from traco.kernel.merkle import ProofInvalid
from traco.modules.document.state import documents
from traco.modules.holding.state import ACCOUNTS, HOLDINGS, INSTRUMENTS
from traco.modules.settlement.state import BATCHES
from traco.node.proof import MAX_PROOF_BYTES, Proven, as_form, check_proof, prove, write_proof

app = group("Prove what is in a node's state, and what is not.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)]
OUTPUT = Shared(
    "output",
    Annotated[Path | None, typer.Option("--output", "-o", help="Write the proof to this file.")],
    None,
)


class Proving(WithNames):
    """Proves from a directory, with names."""

    OPTIONS = (OUTPUT, HOME, JSON)

    def __init__(self, *, output: Path | None, home: Path, json: bool) -> None:
        super().__init__(home=home, json=json)
        self._file = output

    def identity(self, text: str, kind: Kind) -> bytes:
        """The id that a name or hex means."""
        found = as_id(text, ID_BYTES)
        return bytes.fromhex(self.names.require(text, kind).id) if found is None else found

    def prove(self, directory: Path, key: bytes, codec: Codec[Any] | None) -> None:
        """Make the proof, check it, write it, and show what it proves."""
        content = write_proof(prove(directory, key))
        proven = check_proof(content)
        if self._file is not None:
            write_file(self._file, content)
        self.output.record(
            {**as_form(proven), **_record(proven, codec), "file": str(self._file or "") or None}
        )


def _record(proven: Proven, codec: Codec[Any] | None) -> dict[str, Any]:
    if codec is None or proven.value is None:
        return {}
    return {"record": to_form(codec.decode(proven.value))}


prove_app = group("Prove that something is in the state, or that it is not.")
app.add_typer(prove_app, name="prove")


@command(prove_app, "key", examples=["traco state prove key node 0204aabb... -o holding.proof"])
def prove_key(
    session: Proving,
    directory: Directory,
    key: Annotated[str, typer.Argument(help="The state key in hex.", show_default=False)],
) -> None:
    """Prove the value of a state key, or that it has none."""
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raise unusable("state.key", f"{key!r} is not a key in hex.") from None
    session.prove(directory, raw, None)


@command(prove_app, "holding", examples=["traco state prove holding node @eur @seller-cash -o holding.proof"])
def prove_holding(
    session: Proving,
    directory: Directory,
    instrument: Annotated[str, typer.Argument(help="A name or an id.", show_default=False)],
    account: Annotated[str, typer.Argument(help="A name or an id.", show_default=False)],
) -> None:
    """Prove how much of an instrument an account holds, or that it holds none."""
    parts = (session.identity(instrument, "instrument"), session.identity(account, "account"))
    session.prove(directory, HOLDINGS.key(*parts), HOLDINGS.codec)


@command(prove_app, "account", examples=["traco state prove account node @seller-cash"])
def prove_account(
    session: Proving, directory: Directory, account: Annotated[str, typer.Argument(help="A name or an id.")]
) -> None:
    """Prove an account, or that there is none."""
    session.prove(directory, ACCOUNTS.key(session.identity(account, "account")), ACCOUNTS.codec)


@command(prove_app, "instrument", examples=["traco state prove instrument node @eur"])
def prove_instrument(
    session: Proving,
    directory: Directory,
    instrument: Annotated[str, typer.Argument(help="A name or an id.")],
) -> None:
    """Prove an instrument, or that there is none."""
    session.prove(directory, INSTRUMENTS.key(session.identity(instrument, "instrument")), INSTRUMENTS.codec)


@command(prove_app, "document", examples=["traco state prove document node @invoice"])
def prove_document(
    session: Proving, directory: Directory, document: Annotated[str, typer.Argument(help="A name or an id.")]
) -> None:
    """Prove a registered document and its status, or that there is none."""
    session.prove(directory, documents.key(session.identity(document, "document")), documents.codec)


@command(prove_app, "batch", examples=["traco state prove batch node @deal"])
def prove_batch(
    session: Proving, directory: Directory, batch: Annotated[str, typer.Argument(help="A name or an id.")]
) -> None:
    """Prove a settlement batch and its status, or that there is none."""
    session.prove(directory, BATCHES.key(session.identity(batch, "batch")), BATCHES.codec)


@command(app, "verify", examples=["traco state verify holding.proof --app-hash 3c9e8b..."])
def verify(
    session: WithNames,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    app_hash: Annotated[str, typer.Option(help="Refuse a proof against any other app hash (hex).")] = "",
) -> None:
    """Check a proof file. It holds for the app hash that it names: compare that with a seal or with --app-hash."""
    try:
        proven = check_proof(read_bounded(file, MAX_PROOF_BYTES))
    except ProofInvalid as error:
        raise CommandProblem(ExitCode.NEGATIVE, "proof.invalid", f"{file} proves nothing: {error}.") from None
    if app_hash and proven.app_hash.hex() != app_hash.lower():
        raise CommandProblem(
            ExitCode.NEGATIVE,
            "proof.other_state",
            f"{file} is about app hash {proven.app_hash.hex()}, another state.",
        )
    session.output.record(as_form(proven))
