"""Sizes, names and texts: what keeps a file readable in one sitting and free of the machine it was written on."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from style.finding import ROOT, Finding

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
EMPTY_WORDS = frozenset({
    "common", "data", "helper", "helpers", "info", "manager", "managers", "misc", "util", "utils",
})  # fmt: skip
EMPTY_CLASS = re.compile(r"(Helpers?|Managers?|Utils?)$")
EMPTY_FUNCTION = re.compile(r"^_?process_(?!proposal$)")  # process_proposal is ABCI's own word
NAME_ADVICE = "says nothing: name it after what it is for"

MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|farm|root|tmp)/[A-Za-z]|(?<![\w.$}])/home/[a-z]+/")
REGISTRY = re.compile(
    r"pythonhosted\.|pypi\.org|proxy\.golang|registry\.npmjs|crates\.io|repo1?\.maven", re.IGNORECASE
)
SKIPPED = frozenset({"build", "dist", "mutants", "node_modules"})
TEXTS = frozenset(
    {"", ".cfg", ".in", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".typed", ".xml", ".yaml", ".yml"}
)


def check_sizes(path: str, text: str) -> Iterator[Finding]:
    """Files and functions too long for one reading."""
    lines = len(text.splitlines())
    if lines > MAX_FILE_LINES:
        yield Finding(
            path, 1, "file-length", f"{lines} lines, {MAX_FILE_LINES} allowed: is it really one subject?"
        )
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                advice = (
                    f"{node.name} has {lines} lines, {MAX_FUNCTION_LINES} allowed: one thing per function"
                )
                yield Finding(path, node.lineno, "function-length", advice)


def check_names(path: str, text: str) -> Iterator[Finding]:
    """Files, folders, classes and functions whose name says nothing."""
    for part in Path(path).with_suffix("").parts:
        for word in EMPTY_WORDS.intersection({part, part.rsplit("_", 1)[-1]}):
            yield Finding(path, 1, "name", f"{word} {NAME_ADVICE}")
    for node in ast.walk(ast.parse(text, path)):
        if (isinstance(node, ast.ClassDef) and EMPTY_CLASS.search(node.name)) or (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and EMPTY_FUNCTION.search(node.name)
        ):
            yield Finding(path, node.lineno, "name", f"{node.name} {NAME_ADVICE}")


def check_text(path: str, text: str) -> Iterator[Finding]:
    """Paths of one machine, and hosts that packages are fetched from."""
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield Finding(path, number, "machine-path", "write it relative to the repository, or pass it in")
        if REGISTRY.search(line):
            yield Finding(
                path, number, "registry-host", "where packages come from is the installation's own choice"
            )


def repository_texts() -> Iterator[tuple[str, str]]:
    """(path below the root, text) of every text file of the project; hidden folders only where they are ours."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            hidden = path.name.startswith(".") and path.name not in (".ci", ".github", ".gitignore")
            if hidden or path.name in SKIPPED or path.name.endswith((".egg-info", "__pycache__")):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix in TEXTS:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
