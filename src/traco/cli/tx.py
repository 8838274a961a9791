"""``traco tx``: transactions by themselves."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from traco.cli import collecting
from traco.cli.command import command, group
from traco.cli.files import read_bounded, write_file
from traco.cli.names import as_id
from traco.cli.problems import absent, unusable
from traco.cli.session import Acting, Reading
from traco.client.forms import from_form
from traco.client.sdk import require_final
from traco.kernel.instruction import Instruction
from traco.modules.composition import compose

app = group("Transactions: send, submit, look up.")

ID_BYTES = 32
MAX_FILE_BYTES = 1_048_576

TransactionArgument = Annotated[
    str, typer.Argument(metavar="TRANSACTION", help="The id of a transaction in hex.", show_default=False)
]
File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


def transaction_identity(text: str) -> bytes:
    """The id that a text spells. Raises ``CommandProblem``."""
    found = as_id(text, ID_BYTES)
    if found is None:
        raise unusable(
            "transaction.id", f"{text!r} is not a transaction id: {2 * ID_BYTES} hexadecimal digits."
        )
    return found


@command(app, "show", examples=["traco tx show 4a92...109f"])
def show(session: Reading, transaction: TransactionArgument) -> None:
    """Say what became of a transaction: status, outcome, events."""
    result = session.client.result(transaction_identity(transaction), verify=session.proves)
    if result is None:
        raise absent("transaction.unknown", f"The node knows no transaction {transaction}.")
    session.output.record(result.form())


@command(app, "submit", examples=["traco tx submit payment.tx"])
def submit(session: Reading, file: File) -> None:
    """Submit the bytes of a signed transaction; the same bytes again count once."""
    result = require_final(session.client.submit(read_bounded(file, MAX_FILE_BYTES)))
    session.output.record((session.client.result(result.identity) or result).form())


@command(
    app, "send",
    examples=["traco tx send hold.json --as @bank-a", "traco tx send hold.json --as @bank-a --write hold.tx"],
)  # fmt: skip
def send(
    session: Acting,
    file: File,
    also: Annotated[
        list[str], typer.Option(help="Another party that signs, with its key store. Repeatable.")
    ] = [],  # noqa: B006
    write: Annotated[
        Path | None, typer.Option(help="Write the signed transaction here instead of submitting it.")
    ] = None,
) -> None:
    """Sign and submit instructions written as JSON: an object, or a list that is executed all or none.

    Every instruction of the reference can be sent: its fields by name, bytes in hex, and its name as type. A field
    that names a party, an account or another thing may be @name.
    """
    instructions = read_instructions(session, file)
    party = session.actor("administer" if _all_administer(instructions) else "sign")
    others = [session.party_with_keys(text) for text in also]
    if write is None:
        session.show_result(party.transact(*instructions, others=others))
        return
    signers = [signer for each in (party, *others) for signer in each.signers]
    transaction = session.client.build(instructions, signers)
    write_file(write, transaction)
    session.output.record({"file": str(write), "bytes": len(transaction)})


def _all_administer(instructions: list[Instruction]) -> bool:
    return all(instruction.policy_class == "administer" for instruction in instructions)


def read_instructions(session: Reading, file: Path) -> list[Instruction]:
    """The instructions in a file of JSON, with ids for names. Raises ``CommandProblem``, ``FormInvalid``."""
    try:
        forms: Any = msgspec.json.decode(read_bounded(file, MAX_FILE_BYTES))
    except ValueError as error:
        raise unusable("instructions.not_json", f"{file}: {error}") from None
    registry = compose()
    found = []
    for form in forms if isinstance(forms, list) else [forms]:
        kind = registry.instruction_named(str(form.get("type", ""))) if isinstance(form, dict) else None
        if kind is None:
            raise unusable(
                "instructions.unknown",
                f"{file}: an instruction needs a type such as holding.transfer/1; see the reference.",
            )
        found.append(from_form(kind, _with_ids(session, form)))
    return found


def _with_ids(session: Reading, form: Any) -> Any:
    """The form with every ``@name`` replaced by the id that it stands for."""
    if isinstance(form, dict):
        return {name: _with_ids(session, value) for name, value in form.items()}
    if isinstance(form, list):
        return [_with_ids(session, value) for value in form]
    if isinstance(form, str) and form.startswith("@"):
        entry = session.names.find(form)
        return entry.id if entry is not None else form
    return form


collecting.register(app)
