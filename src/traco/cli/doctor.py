"""``traco doctor``: check an installation, and say what to do."""

from pathlib import Path
from typing import Annotated

import typer

from traco.cli.command import Local, command, single
from traco.cli.problems import CommandProblem, ExitCode
from traco.node.doctor import Verdict, examine, worst

app = single("Check a node's installation, and say what to do.")


@command(app, "doctor", examples=["traco doctor node", "traco doctor node --json"])
def doctor(
    session: Local,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The node's directory.", show_default=False)
    ],
) -> None:
    """Check disk, clock, permissions, versions, limits, port, configuration, keys, ledger, projections and certificate.

    The node may run meanwhile. Each check is ok, warn or fail, with what to do. Exits 0 if nothing fails, 1 otherwise.
    """
    findings = list(examine(directory))
    rows = [finding._asdict() for finding in findings]
    session.output.rows("findings", rows, ("check", "verdict", "found", "advice"))
    if worst(findings) is Verdict.FAIL:
        failed = [finding.check for finding in findings if finding.verdict is Verdict.FAIL]
        raise CommandProblem(
            ExitCode.NEGATIVE, "doctor.failed", f"These checks fail: {', '.join(failed)}. Do what is advised, and check again.",
        )  # fmt: skip
