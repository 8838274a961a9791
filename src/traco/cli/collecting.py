"""Signing a transaction by several parties, one after another: ``traco tx inspect``, ``traco tx sign``, and how others write one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from traco.cli.command import command
from traco.cli.files import read_bounded, write_file
from traco.cli.people import People
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting, WithNames
from traco.cli.times import moment_ms, readable_time
from traco.client.collecting import Draft, DraftInvalid, add_signatures, read_draft, unsigned
from traco.client.forms import to_form
from traco.kernel.instruction import Instruction
from traco.modules.composition import compose

MAX_FILE_BYTES = 1_048_576
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A transaction that was written.", show_default=False)
]
Also = Annotated[
    list[str],
    typer.Option(
        "--also",
        metavar="PARTY",
        help="Another member who signs here and now, with its key store. Repeatable.",
    ),
]
Later = Annotated[
    list[str],
    typer.Option(
        "--with", metavar="PARTY", help="A member who signs the file later: traco tx sign. Repeatable."
    ),
]
Write = Annotated[
    Path | None,
    typer.Option("--write", metavar="FILE", help="Write the transaction here, for others to sign."),
]
At = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="TIME",
        help="When it will be submitted, such as 2026-11-02T15:00Z: signatures are collected until then.",
    ),
]


class Signing(NamedTuple):
    """Who signs beside the acting party, and how: here and now, or later in a file."""

    also: Sequence[str]
    later: Sequence[str]
    write: Path | None
    at: str


def register(app: typer.Typer) -> None:
    """Add these commands to ``traco tx``."""
    command(app, "inspect", examples=["traco tx inspect admit.tx"])(inspect)
    command(app, "sign", examples=["traco tx sign admit.tx --as @bank-b"])(sign)


def inspect(session: WithNames, file: File) -> None:
    """Show what a written transaction does, who acts, and how many keys have signed. No node is asked."""
    _show(session, file, _read(file))


def sign(session: Acting, file: File) -> None:
    """Add the signature of the acting party to a written transaction, and show what was signed. No node is asked.

    Look at it before: traco tx inspect. The last to sign submits it: traco tx submit
    """
    draft = _read(file)
    if session.names.network not in (None, draft.network):
        raise CommandProblem(
            ExitCode.REFUSED, "transaction.other_network",
            f"{file} is for the network {draft.network.hex()}; your names are of another one. Nothing was signed.",
        )  # fmt: skip
    needed = {instruction.policy_class for instruction in draft.instructions}
    party = session.actor("administer" if needed == {"administer"} else "sign")
    if party.id not in _actors(draft):
        raise CommandProblem(
            ExitCode.REFUSED, "transaction.not_actor",
            f"{file} does nothing in the name of {session.named(party.id.hex())}; a superfluous signature spoils it.",
        )  # fmt: skip
    signed = add_signatures(read_bounded(file, MAX_FILE_BYTES), party.signers)
    write_file(file, signed)
    _show(session, file, read_draft(signed, compose().body))


def decide(
    session: Acting, make: Callable[[tuple[bytes, ...]], Sequence[Instruction]], signing: Signing, **made: Any
) -> None:
    """Have council members act together: at once where all their keys are here, else by a file that goes round."""
    member = session.actor()
    others = [session.party_with_keys(text) for text in signing.also]
    absent = [session.party(text) for text in signing.later]
    parties = tuple(sorted({member.id, *(party.id for party in others), *absent}))
    instructions = make(parties)
    if signing.write is None:
        if absent or signing.at:
            raise CommandProblem(
                ExitCode.USAGE, "usage.no_file", "Who signs later needs a file to sign: --write FILE"
            )
        session.show_result(member.transact(*instructions, others=others), **made)
        return
    signers = [signer for party in (member, *others) for signer in party.signers]
    status = session.client.status()
    planned_ms = moment_ms(signing.at) if signing.at else status.time_ms
    raw = add_signatures(unsigned(status.network, planned_ms + status.window_ms // 2, instructions), signers)
    write_file(signing.write, raw)
    _show(session, signing.write, read_draft(raw, compose().body))
    first, last = (readable_time(planned_ms + turn * (status.window_ms // 2)) for turn in (-1, 1))
    session.output.note(
        f"Others sign it with: traco tx sign {signing.write.name} --as PARTY\n"
        f"With all signatures it can be submitted from {first} to {last}: traco tx submit {signing.write.name}"
    )


def _show(session: WithNames, file: Path, draft: Draft) -> None:
    document = {"file": str(file), **shown(draft)}
    people = People(session.names.name_of, session.known_unit)
    session.output.record(document if session.output.as_json else people.read(document))


def shown(draft: Draft) -> dict[str, Any]:
    """A transaction on its way, as plain values."""
    return {
        "transaction": draft.identity.hex(), "network": draft.network.hex(),
        **({"channel": draft.ledger.hex()} if draft.ledger else {}), "valid_until": readable_time(draft.valid_until_ms),
        "acting": [party.hex() for party in _actors(draft)], "signatures": len(draft.signers),
        "signed_by": [key.hex() for key in draft.signers],
        "instructions": [to_form(instruction) for instruction in draft.instructions],
    }  # fmt: skip


def _actors(draft: Draft) -> list[bytes]:
    return list(dict.fromkeys(party for instruction in draft.instructions for party in instruction.actors()))


def _read(file: Path) -> Draft:
    try:
        return read_draft(read_bounded(file, MAX_FILE_BYTES), compose().body)
    except DraftInvalid as error:
        raise unusable("transaction.unreadable", f"{file}: {error}") from None
