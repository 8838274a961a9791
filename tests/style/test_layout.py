"""Planted violations of the rules for sizes, names and texts."""

import pytest

from style import layout


def function_of(lines: int) -> str:
    return "def f():\n" + "    g()\n" * (lines - 1)


def test_function_of_the_longest_length_is_allowed() -> None:
    assert list(layout.check_sizes("f.py", function_of(layout.MAX_FUNCTION_LINES))) == []


@pytest.mark.parametrize("start", ["", "async "])
def test_function_one_line_longer_is_found(start: str) -> None:
    (finding,) = layout.check_sizes("f.py", start + function_of(layout.MAX_FUNCTION_LINES + 1))
    assert (finding.rule, finding.line) == ("function-length", 1)


def test_file_of_the_longest_length_is_allowed() -> None:
    assert list(layout.check_sizes("f.py", "X = 1\n" * layout.MAX_FILE_LINES)) == []


def test_file_one_line_longer_is_found() -> None:
    (finding,) = layout.check_sizes("f.py", "X = 1\n" * (layout.MAX_FILE_LINES + 1))
    assert finding.rule == "file-length"


@pytest.mark.parametrize("word", sorted(layout.EMPTY_WORDS))
def test_empty_word_is_found_as_file_folder_and_ending(word: str) -> None:
    for path in (f"kernel/{word}.py", f"kernel/{word}/state.py", f"kernel/state_{word}.py"):
        assert [finding.rule for finding in layout.check_names(path, "")] == ["name"]


@pytest.mark.parametrize("path", ["kernel/state.py", "node/database.py", "modules/party/information.py"])
def test_other_names_of_files_are_allowed(path: str) -> None:
    assert list(layout.check_names(path, "")) == []


@pytest.mark.parametrize(
    "text", ["class KeyManager: ...", "class CodecUtils: ...", "class Helper: ...", "def process_item(): ..."]
)
def test_empty_name_of_a_class_or_function_is_found(text: str) -> None:
    assert [finding.rule for finding in layout.check_names("kernel/state.py", text)] == ["name"]


@pytest.mark.parametrize(
    "text", ["class Keys: ...", "class ManagerOfKeys: ...", "def process_proposal(): ...", "def info(): ..."]
)
def test_other_names_of_classes_and_functions_are_allowed(text: str) -> None:
    assert list(layout.check_names("kernel/state.py", text)) == []


@pytest.mark.parametrize("folder", ["work", "farm", "root", "tmp", "home/someone"])
def test_machine_path_is_found(folder: str) -> None:
    text = f"first line\nopen('/{folder}/file')"
    assert [(finding.rule, finding.line) for finding in layout.check_text("f.md", text)] == [
        ("machine-path", 2)
    ]


@pytest.mark.parametrize("before", ["build", "$ROOT", "${ROOT}", "a.b"])
def test_path_relative_to_something_is_allowed(before: str) -> None:
    for folder in ("work", "tmp", "home/someone"):
        assert list(layout.check_text("f.md", f"{before}/{folder}/file")) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("files", "pythonhosted", "org"),
        ("pypi", "org"),
        ("proxy", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("crates", "io"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "org"),
    ],
)
def test_registry_host_is_found(labels: tuple[str, ...]) -> None:
    host = ".".join(labels)
    assert [finding.rule for finding in layout.check_text("f.txt", f"--index-url {host}/simple")] == [
        "registry-host"
    ]


def test_other_addresses_are_allowed() -> None:
    assert list(layout.check_text("f.md", "http://127.0.0.1:8000/ and urn:oasis:names")) == []


def test_repository_texts_hold_the_sources_and_the_pins() -> None:
    paths = {path for path, _ in layout.repository_texts()}
    assert {
        "pyproject.toml",
        "requirements.txt",
        "tests/style/layout.py",
        "src/traco/__init__.py",
    } - paths == set()
    assert [path for path in paths if path.startswith((".venv", ".git/", "build/"))] == []
