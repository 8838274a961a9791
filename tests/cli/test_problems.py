import pytest

from traco.cli import problems
from traco.cli.problems import MEANINGS, ExitCode, problem_of
from traco.client.channel_deals import DealInvalid
from traco.client.forms import FormInvalid
from traco.client.gateways import GatewayFault
from traco.client.keystore import KeyStoreError
from traco.client.results import (
    AddressRefused,
    Failure,
    NodeProblem,
    NodeUnreachable,
    NotFinalYet,
    NotFound,
    OtherNetwork,
    OutcomesUnknown,
    OutcomeUnknown,
    TimedOut,
    TransactionRefused,
    TransactionRejected,
    TransactionResult,
)
from traco.client.signers.errors import SignerError
from traco.engine.cometbft.errors import EngineError
from traco.kernel.errors import Halt, TooLarge
from traco.kernel.finality import ReceiptInvalid
from traco.kernel.identifiers import IdentifierInvalid
from traco.node.configuration import ConfigurationInvalid
from traco.node.directory import NodeDirectoryError
from traco.projections.errors import AddressInvalid
from traco.services.doc import ContentMismatch, InvoiceUnreadable
from traco.storage import DiskFull

RESULT = TransactionResult(bytes(32), "rejected", 5, 1, Failure("a.b", {"limit": 3}, "No."))
ERRORS: list[tuple[Exception, ExitCode, str]] = [
    (TransactionRejected(RESULT), ExitCode.REJECTED, "a.b"),
    (TransactionRefused(RESULT), ExitCode.REFUSED, "a.b"),
    (NodeUnreachable("url", "why"), ExitCode.NODE, "node.unreachable"),
    (OutcomeUnknown("url", "why", bytes(32), b""), ExitCode.NODE, "transaction.outcome_unknown"),
    (OutcomesUnknown("url", "why", (), (b"",)), ExitCode.NODE, "transaction.outcomes_unknown"),
    (NotFinalYet(bytes(32), 1.0, None), ExitCode.NODE, "transaction.not_final_yet"),
    (AddressRefused("client.insecure_address", "No."), ExitCode.INPUT, "client.insecure_address"),
    (SignerError("signer.key_unknown", "No."), ExitCode.KEYS, "signer.key_unknown"),
    (OtherNetwork(b"a", b"b"), ExitCode.NODE, "node.other_network"),
    (GatewayFault("url", "gateway.alters", "No."), ExitCode.NODE, "gateway.alters"),
    (KeyStoreError("keystore.closed"), ExitCode.KEYS, "keystore.closed"),
    (NodeDirectoryError("node.incomplete", "No."), ExitCode.HALTED, "node.incomplete"),
    (ConfigurationInvalid("node.config_invalid", ["No."]), ExitCode.HALTED, "node.config_invalid"),
    (EngineError("engine.missing", "No."), ExitCode.HALTED, "engine.missing"),
    (AddressInvalid("No."), ExitCode.HALTED, "projections.address_invalid"),
    (ReceiptInvalid("receipt.seal", "No."), ExitCode.NEGATIVE, "receipt.seal"),
    (ContentMismatch(), ExitCode.NEGATIVE, "content.mismatch"),
    (InvoiceUnreadable("invoice.empty", "No."), ExitCode.INPUT, "invoice.empty"),
    (IdentifierInvalid("identifier.lei_length"), ExitCode.INPUT, "identifier.lei_length"),
    (FormInvalid("No."), ExitCode.INPUT, "input.invalid"),
    (DealInvalid("leg.commitment_differs", "No."), ExitCode.INPUT, "leg.commitment_differs"),
]


@pytest.mark.parametrize(("error", "exit_code", "code"), ERRORS, ids=lambda each: type(each).__name__)
def test_an_error_of_another_layer_has_its_exit_code(
    error: Exception, exit_code: ExitCode, code: str
) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.exit_code, problem.code) == (exit_code, code)
    assert problem.detail
    assert not problem.detail.startswith(f"{code}: ")


def test_every_class_that_is_known_by_name_is_one_of_these() -> None:
    assert set(problems._BY_NAME) == {type(error).__name__ for error, _, _ in ERRORS}


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(400, ExitCode.REFUSED), (404, ExitCode.NEGATIVE), (429, ExitCode.REFUSED), (499, ExitCode.REFUSED), (500, ExitCode.NODE)],
)  # fmt: skip
def test_a_problem_of_a_node_is_judged_by_its_status(status: int, exit_code: ExitCode) -> None:
    problem = problem_of(NodeProblem(status, "x.y", "No.", {"last": 7}))
    assert problem is not None
    assert (problem.exit_code, problem.document()["last"]) == (exit_code, 7)


def test_a_kind_of_an_error_is_judged_like_the_error() -> None:
    timed_out, not_found = problem_of(TimedOut("url", 1.0, "why")), problem_of(NotFound(404, "x.y", "No."))
    assert timed_out is not None
    assert not_found is not None
    assert (timed_out.exit_code, not_found.exit_code) == (ExitCode.NODE, ExitCode.NEGATIVE)


@pytest.mark.parametrize(
    ("error", "code"), [(DiskFull("path"), "storage.disk_full"), (Halt("No."), "node.halted")]
)
def test_whatever_stops_a_node_has_one_exit_code(error: Halt, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.exit_code, problem.code) == (ExitCode.HALTED, code)


def test_a_failed_transaction_is_named() -> None:
    problem = problem_of(TransactionRejected(RESULT))
    assert problem is not None
    assert problem.document() == {
        "limit": 3, "transaction": "00" * 32, "height": 5, "code": "a.b", "detail": "No.", "exit_code": 3,
    }  # fmt: skip


def test_any_other_error_of_the_ledger_is_a_refusal() -> None:
    problem = problem_of(TooLarge("it", 2, 1))
    assert problem is not None
    assert problem.exit_code == ExitCode.REFUSED


def test_a_file_that_cannot_be_read_is_named() -> None:
    problem = problem_of(FileNotFoundError(2, "No such file or directory", "name"))
    assert problem is not None
    assert (problem.exit_code, problem.detail) == (ExitCode.INPUT, "name: No such file or directory")


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), BrokenPipeError()])
def test_a_fault_of_this_software_is_no_problem_of_the_user(error: Exception) -> None:
    assert problem_of(error) is None


def test_every_exit_code_is_documented() -> None:
    assert set(MEANINGS) == set(ExitCode)
