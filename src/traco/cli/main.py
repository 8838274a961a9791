"""The ``traco`` command: finds the group of commands that is asked for, and turns errors into exit codes.

Groups are imported when they are used, so that ``traco verify`` starts without a client, a key store or a node.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from traco import __version__
from traco.cli.output import write_problem
from traco.cli.problems import MEANINGS, CommandProblem, ExitCode, Problem

GROUPS: Final[Mapping[str, tuple[str, str]]] = {
    "node": ("traco.cli.node", "Make, run and check a node."),
    "network": ("traco.cli.network", "Found a network with others, enter one, decide who takes part."),
    "engine": ("traco.cli.engine", "Install CometBFT, the engine of a network of several nodes."),
    "doctor": ("traco.cli.doctor", "Check a node's installation, and say what to do."),
    "key": ("traco.cli.key", "Keep signing keys in encrypted key stores."),
    "gateway": ("traco.cli.gateway", "Hold what gateways say against what validators signed."),
    "name": ("traco.cli.name", "Your own names for parties, accounts, instruments and documents."),
    "party": ("traco.cli.party", "Register parties and look them up."),
    "instrument": ("traco.cli.instrument", "What can be held: cash, securities, receivables."),
    "holding": ("traco.cli.holding", "Accounts, and what is in them."),
    "settle": ("traco.cli.settle", "Batches of transfers that settle all or none."),
    "doc": ("traco.cli.doc", "Register invoices and follow them."),
    "finance": ("traco.cli.finance", "Finance registered invoices."),
    "report": ("traco.cli.report", "Reports: statements, positions, financings, reconciliation."),
    "channel": ("traco.cli.channel", "Confidential channels: business that only their members can read."),
    "tx": ("traco.cli.tx", "Transactions: send, submit, look up."),
    "receipt": ("traco.cli.receipt", "Finality receipts: proofs that outlive the network."),
    "verify": ("traco.cli.verify", "Check a finality receipt with nothing but the genesis document."),
    "state": ("traco.cli.state", "Prove what is in a node's state, and what is not."),
    "demo": ("traco.cli.demo", "Show an invoice being financed and settled, end to end."),
    "demo-cluster": ("traco.cli.demo_cluster", "Show four organisations running one network."),
    "demo-channels": ("traco.cli.demo_channels", "Show confidential channels of five organisations."),
    "demo-node": ("traco.cli.demo_node", "Show a node's daily life: explorer, reports, backup, restore."),
}

# Typer has no public name for the base of what a wrong command line raises.
_UsageError: Final[Any] = typer.BadParameter.__mro__[2]


class LazyGroup(TyperGroup):
    """The top of the command tree; its parts are imported on first use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the groups."""
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The group or command of that name, or None."""
        if cmd_name not in GROUPS:
            return None
        return load(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of groups for the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in GROUPS.items()])


def load(name: str) -> Any:
    """The group of commands with this name; a module with one command is that command."""
    module, help_text = GROUPS[name]
    app: typer.Typer = importlib.import_module(module).app
    loaded: Any = get_command(app)
    loaded.name = name
    loaded.short_help = help_text
    return loaded


def _epilog() -> str:
    codes = "\n\n".join(f"  {int(code):3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"Exit codes:\n\n{codes}"


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, epilog=_epilog(),
    help="A ledger for trade finance and capital markets: run a node, use it, and check what it says.",
)  # fmt: skip


@app.callback(invoke_without_command=True)
def _top(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        sys.stdout.write(f"traco {__version__}\n")
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); the exit code."""
    as_json = "--json" in arguments
    try:
        result = get_command(app).main(list(arguments), prog_name="traco", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    except _UsageError as error:
        return _report_usage(error, as_json)
    except BrokenPipeError:
        return ExitCode.OK  # whoever read the output has seen enough
    except CommandProblem as error:
        write_problem(error.problem, as_json)
        return error.problem.exit_code
    return result if isinstance(result, int) else ExitCode.OK


def _report_usage(error: Any, as_json: bool) -> int:
    if as_json:
        write_problem(Problem("usage.invalid", error.format_message(), ExitCode.USAGE), as_json)
    else:
        error.show()
    return ExitCode.USAGE


def main() -> None:
    """The entry point of the ``traco`` script."""
    sys.exit(run(sys.argv[1:]))
