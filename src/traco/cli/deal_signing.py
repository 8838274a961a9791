"""Signatures of legs, collected in a file that goes round."""

from collections.abc import Sequence
from pathlib import Path

from traco.cli.collecting import MAX_FILE_BYTES
from traco.cli.deal_files import read_file, write_secret
from traco.cli.files import read_bounded, write_file
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import Acting
from traco.client.channel_deals import (
    AgreedTerms,
    DraftLeg,
    ReadyLeg,
    leg_transaction,
    require_transaction,
    sign_root_leg,
    to_file,
)
from traco.client.collecting import add_signatures, read_draft
from traco.client.sdk import Party
from traco.kernel.codec import ROOT
from traco.modules.composition import compose


def require_actors(session: Acting, leg: DraftLeg, parties: Sequence[Party]) -> None:
    """Return where all of these act in a leg. Raises ``CommandProblem`` (``transaction.not_actor``)."""
    for party in parties:
        if party.id not in leg.parties:
            raise CommandProblem(
                ExitCode.REFUSED, "transaction.not_actor",
                f"{session.named(party.id.hex())} does not act in this leg; a superfluous signature spoils it.",
            )  # fmt: skip


def sign_file(
    path: Path, leg: DraftLeg, agreed: AgreedTerms, parties: Sequence[Party], *, anew: bool = False
) -> int:
    """Add signatures to those in a leg's file, or begin one; how many it has. Raises ``CommandProblem``, ``DealInvalid``."""
    if leg.ledger == ROOT:
        return _sign_root(path, leg, agreed, parties)
    if path.exists() and not anew:
        before = read_bounded(path, MAX_FILE_BYTES)
        if require_transaction(before, agreed, compose().body) != leg.hold(agreed.id):
            raise unusable(
                "deal.leg_differs", f"{path} signs another leg than that of the file. Nothing was signed."
            )
    else:
        before = leg_transaction(agreed, leg)
    signed = add_signatures(before, [signer for party in parties for signer in party.signers])
    write_secret(path, signed)
    return len(read_draft(signed, compose().body).signers)


def _sign_root(path: Path, leg: DraftLeg, agreed: AgreedTerms, parties: Sequence[Party]) -> int:
    before = read_file(path, ReadyLeg) if path.exists() else None
    ready = sign_root_leg(agreed, leg, [signer for party in parties for signer in party.signers], before)
    write_file(path, to_file(ready))
    return len(getattr(ready.leg, "signatures", ()))
