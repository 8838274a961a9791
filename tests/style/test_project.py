"""The project follows its own rules. What each rule finds is tested next to it, on planted violations."""

import ast

import pytest

from style import determinism, layout
from style.finding import DETERMINISTIC, ROOT, SOURCE, Finding, report, source_files


def test_kernel_and_modules_are_deterministic() -> None:
    findings: list[Finding] = []
    for path, text in source_files(*DETERMINISTIC):
        findings += determinism.check(path, text)
    assert report(findings) == ""


def test_files_and_functions_fit_in_one_reading() -> None:
    findings: list[Finding] = []
    for path, text in source_files():
        findings += layout.check_sizes(path, text)
    assert report(findings) == ""


def test_names_say_something() -> None:
    findings: list[Finding] = []
    for path, text in source_files():
        findings += layout.check_names(path, text)
    assert report(findings) == ""


def test_no_text_names_a_machine_or_a_registry() -> None:
    findings: list[Finding] = []
    for path, text in layout.repository_texts():
        findings += layout.check_text(path, text)
    assert report(findings) == ""


def test_every_package_of_the_source_has_an_init_file() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert (
        sorted(
            folder.relative_to(ROOT).as_posix() for folder in folders if not (folder / "__init__.py").exists()
        )
        == []
    )


@pytest.mark.parametrize("layer", DETERMINISTIC)
def test_the_lint_sees_the_layer(layer: str) -> None:
    if not (SOURCE / layer).exists():
        pytest.fail(f"src/traco/{layer} does not exist")
    assert [path for path, text in source_files(layer) if ast.parse(text).body] != []
