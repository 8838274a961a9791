"""How the command fails: one problem with a stable code on standard error, and an exit code that scripts can rely on.

Exception
└── CommandProblem    code, detail and exit code of its own; other layers' errors get theirs in ``problem_of``
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from traco.kernel.errors import Halt, LedgerError


class ExitCode(IntEnum):
    """What ``traco`` exits with."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    REJECTED = 3
    REFUSED = 4
    NODE = 5
    KEYS = 6
    HALTED = 7
    INPUT = 8
    INTERRUPTED = 130


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done, or the answer is yes",
    ExitCode.NEGATIVE: "the answer is no: a proof does not hold, an audit found a difference, there is no such thing",
    ExitCode.USAGE: "the command line is not understood",
    ExitCode.REJECTED: "the ledger executed the transaction and its rules said no; there is a receipt",
    ExitCode.REFUSED: "the node refused the request or transaction; nothing happened and there is no receipt",
    ExitCode.NODE: "the node does not answer, or is not what it should be",
    ExitCode.KEYS: "key store or passphrase",
    ExitCode.HALTED: "the node halted, or its directory cannot be used",
    ExitCode.INPUT: "a file, name or value given is unusable",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}


class Problem(NamedTuple):
    """What is shown: stable code, sentences for people, fields for programs, and the exit code."""

    code: str
    detail: str
    exit_code: ExitCode
    fields: Mapping[str, Any] = {}

    def document(self) -> dict[str, Any]:
        """The problem as one JSON object."""
        return {**self.fields, "code": self.code, "detail": self.detail, "exit_code": int(self.exit_code)}


class CommandProblem(Exception):
    """A problem that the command itself finds."""

    def __init__(
        self, exit_code: ExitCode, code: str, detail: str, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.problem = Problem(code, detail, exit_code, fields or {})


def unusable(code: str, detail: str) -> CommandProblem:
    """A file, name or value that the user gave cannot be used."""
    return CommandProblem(ExitCode.INPUT, code, detail)


def absent(code: str, detail: str) -> CommandProblem:
    """What was asked for is not there."""
    return CommandProblem(ExitCode.NEGATIVE, code, detail)


# By the name of the class, because importing them all would make every start of the command slow.
_BY_NAME: Mapping[str, ExitCode] = {
    "TransactionRejected": ExitCode.REJECTED,
    "TransactionRefused": ExitCode.REFUSED,
    "NodeUnreachable": ExitCode.NODE,
    "OutcomeUnknown": ExitCode.NODE,
    "OutcomesUnknown": ExitCode.NODE,
    "NotFinalYet": ExitCode.NODE,
    "OtherNetwork": ExitCode.NODE,
    "GatewayFault": ExitCode.NODE,
    "AddressRefused": ExitCode.INPUT,
    "SignerError": ExitCode.KEYS,
    "KeyStoreError": ExitCode.KEYS,
    "NodeDirectoryError": ExitCode.HALTED,
    "ConfigurationInvalid": ExitCode.HALTED,
    "AddressInvalid": ExitCode.HALTED,
    "EngineError": ExitCode.HALTED,
    "ReceiptInvalid": ExitCode.NEGATIVE,
    "ContentMismatch": ExitCode.NEGATIVE,
    "InvoiceUnreadable": ExitCode.INPUT,
    "IdentifierInvalid": ExitCode.INPUT,
    "FormInvalid": ExitCode.INPUT,
    "DealInvalid": ExitCode.INPUT,
}


def problem_of(error: Exception) -> Problem | None:
    """The problem that an error of any layer stands for; None for what is a fault of this software."""
    if isinstance(error, CommandProblem):
        return error.problem
    if isinstance(error, BrokenPipeError):
        return None
    # of the class, or of the nearest one above that is known
    names = [kind.__name__ for kind in type(error).__mro__]
    name = next((name for name in names if name in _BY_NAME or name == "NodeProblem"), "")
    code = str(getattr(error, "code", "")) or _plain_code(error)
    detail = _detail(error, code)
    if name == "NodeProblem":
        status = int(getattr(error, "status", 500))
        exit_code = (
            ExitCode.NEGATIVE if status == 404 else ExitCode.REFUSED if status < 500 else ExitCode.NODE
        )
    elif isinstance(error, Halt):
        exit_code = ExitCode.HALTED
    elif name in _BY_NAME:
        exit_code = _BY_NAME[name]
    elif isinstance(error, OSError):
        exit_code = ExitCode.INPUT
    elif isinstance(error, LedgerError):
        exit_code = ExitCode.REFUSED
    else:
        return None
    fields = getattr(error, "fields", {})
    result = getattr(error, "result", None)
    more = {} if result is None else {"transaction": result.identity.hex(), "height": result.height}
    return Problem(code, detail, exit_code, {**(fields if isinstance(fields, dict) else {}), **more})


def _plain_code(error: Exception) -> str:
    if isinstance(error, Halt):
        return "node.halted"
    return "file.unusable" if isinstance(error, OSError) else "input.invalid"


def _detail(error: Exception, code: str) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(getattr(error, "detail", "")) or str(error).removeprefix(f"{code}: ") or code
