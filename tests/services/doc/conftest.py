"""What the tests of invoices share: the project's samples, and the means to change one."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "examples" / "invoices"


@pytest.fixture
def ubl(samples: Path) -> str:
    return (samples / "01-invoice-ubl.xml").read_text("utf-8")


@pytest.fixture
def cii(samples: Path) -> str:
    return (samples / "02-same-invoice-cii.xml").read_text("utf-8")


@pytest.fixture
def credit_note(samples: Path) -> str:
    return (samples / "03-credit-note-ubl.xml").read_text("utf-8")


@pytest.fixture(scope="session")
def changed() -> Callable[[str, str, str], bytes]:
    """Replace one piece of a document that must be there, and encode it."""

    def change(document: str, old: str, new: str) -> bytes:
        assert old in document
        return document.replace(old, new, 1).encode("utf-8")

    return change
