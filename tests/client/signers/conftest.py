from collections.abc import Iterator

import pytest

from support.keyrings import Fake, fake_keyring


@pytest.fixture
def kept() -> Iterator[Fake]:
    """A keyring of this test."""
    with fake_keyring() as backend:
        yield backend
