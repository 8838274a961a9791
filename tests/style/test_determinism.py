"""Planted violations of the determinism lint: each is found, and its neighbour that is allowed is not."""

import pytest

from style import determinism, imports

FILE = "modules/holding/keeper.py"


def rules(text: str, path: str = FILE) -> list[str]:
    return [finding.rule for finding in determinism.check(path, text)]


FORBIDDEN = sorted(imports.ADVICE.keys() - {"math"})


@pytest.mark.parametrize(
    "module", [*FORBIDDEN, "math", "os.path", "requests", "apsw", "nacl", "cryptography.x509"]
)
def test_import_is_refused(module: str) -> None:
    assert rules(f"import {module}") == ["import"]
    assert rules(f"from {module} import something") == ["import"]
    assert rules(f"def late() -> None:\n    import {module}") == ["import"]


@pytest.mark.parametrize("module", sorted(imports.ALLOWED))
def test_import_is_allowed(module: str) -> None:
    assert rules(f"import {module}") == []


def test_each_module_of_an_import_line_is_judged() -> None:
    assert rules("import hashlib, time, random") == ["import", "import"]


def test_integer_functions_of_math_are_allowed() -> None:
    assert rules("from math import gcd, isqrt") == []


def test_other_functions_of_math_are_refused() -> None:
    assert rules("from math import gcd, sqrt") == ["import"]


def test_cryptography_is_allowed_where_signatures_are_checked() -> None:
    assert rules("from nacl import bindings", "kernel/crypto.py") == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kernel/state.py", "import traco.storage"),
        ("kernel/state.py", "from traco.modules.party import messages"),
        ("kernel/state.py", "from traco import modules"),
        (FILE, "from traco.storage import store"),
        (FILE, "from traco.node.gateway import Gateway"),
        (FILE, "from traco import client"),
    ],
)
def test_import_from_a_layer_above_is_refused(path: str, line: str) -> None:
    assert rules(line, path) == ["layer"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kernel/state.py", "from traco.kernel.codec import Codec"),
        ("kernel/state.py", "from traco import kernel"),
        (FILE, "from traco.kernel.codec import Codec"),
        (FILE, "from traco.modules.party.messages import Register"),
    ],
)
def test_import_from_the_same_layer_or_below_is_allowed(path: str, line: str) -> None:
    assert rules(line, path) == []


def test_relative_import_is_refused() -> None:
    assert rules("from . import state") == ["relative-import"]


@pytest.mark.parametrize("name", sorted(imports.PRIVATE_TO_A_MODULE))
def test_inside_of_another_module_is_refused(name: str) -> None:
    assert rules(f"from traco.modules.party.{name} import something") == ["module-private"]
    assert rules(f"from traco.modules.party import {name}") == ["module-private"]


@pytest.mark.parametrize("name", sorted(imports.PRIVATE_TO_A_MODULE))
def test_inside_of_the_own_module_is_allowed(name: str) -> None:
    assert rules(f"from traco.modules.holding.{name} import something") == []


def test_a_file_that_puts_the_modules_together_may_name_their_insides() -> None:
    assert rules("from traco.modules.party import handlers", "modules/every.py") == []


@pytest.mark.parametrize("name", sorted(determinism.NAMES))
def test_builtin_is_refused(name: str) -> None:
    assert rules(f"def f(x):\n    return {name}(x)") == [name]
    assert rules(f"def f(xs):\n    return min(xs, key={name})") == [name]


@pytest.mark.parametrize("expression", ["re.compile(x)", "x.id", "x.hash()", "store.open(x)"])
def test_attribute_of_the_same_name_is_allowed(expression: str) -> None:
    assert rules(f"def f(x):\n    return {expression}") == []


def test_annotation_float_is_refused() -> None:
    assert rules("def f(rate: float) -> None: ...") == ["float"]


@pytest.mark.parametrize("literal", ["0.5", "1.0", "1e3", "2j"])
def test_float_literal_is_refused(literal: str) -> None:
    assert rules(f"RATE = {literal}") == ["float-literal"]


def test_true_division_is_refused() -> None:
    assert rules("def f(a, b):\n    return a / b") == ["true-division"]
    assert rules("def f(a, b):\n    a /= b\n    return a") == ["true-division"]


def test_floor_division_is_allowed() -> None:
    assert rules("def f(a, b):\n    a //= b\n    return a // b % 7 * 10**3") == []


HANDLER = "def f():\n    try:\n        g()\n    except{kind}:\n        pass\n"


@pytest.mark.parametrize(
    "kind", ["", " Exception", " BaseException", " Exception as error", " (KeyError, Exception)"]
)
def test_blind_except_is_refused(kind: str) -> None:
    assert rules(HANDLER.format(kind=kind)) == ["blind-except"]


@pytest.mark.parametrize("kind", [" KeyError", " (KeyError, ValueError)", " ExceptionGroup"])
def test_except_that_names_its_errors_is_allowed(kind: str) -> None:
    assert rules(HANDLER.format(kind=kind)) == []


def test_the_transaction_boundary_may_catch_all_once() -> None:
    once = HANDLER.format(kind=" Exception")
    assert rules(once, "kernel/execution.py") == []
    assert rules(once + once, "kernel/execution.py") == ["blind-except"]


@pytest.mark.parametrize(
    "value", ["{}", "[]", "{1}", "dict()", "collections.defaultdict(int)", "[n for n in ()]", "SortedSet()"]
)
@pytest.mark.parametrize("target", ["cache", "_cache", "cache: object", "a = cache"])
def test_mutable_state_of_a_module_is_refused(target: str, value: str) -> None:
    assert rules(f"{target} = {value}")[:1] == ["module-state"]


@pytest.mark.parametrize(
    "line",
    ["TABLE = {}", "_TABLE: Final = [1]", "__all__ = ['f']", "name = ()", "size: int", "kind = tuple[int]"],
)
def test_constants_of_a_module_are_allowed(line: str) -> None:
    assert rules(line) == []


def test_mutable_variable_of_a_function_is_allowed() -> None:
    assert rules("def f():\n    cache = {}\n    return cache") == []


def test_global_statement_is_refused() -> None:
    assert rules("def f():\n    global count\n    count = 1") == ["global"]


def test_finding_names_file_line_and_what_to_use() -> None:
    (finding,) = determinism.check(FILE, "\nimport time\n")
    assert str(finding) == f"{FILE}:2: import: time: {imports.CLOCK}"


def test_findings_come_in_line_order() -> None:
    findings = determinism.check(FILE, "def f(a, b):\n    return a / b\nRATE = 0.5\nimport time\n")
    assert [finding.line for finding in findings] == [2, 3, 4]
