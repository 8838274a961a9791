from pathlib import Path

import pytest

from support.command_line import CommandLine
from support.live_node import CHEAP
from traco.client import keystore
from traco.node import directory
from traco.node.founding import local, preparation


@pytest.fixture
def traco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", monkeypatch, capfd)


@pytest.fixture
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key stores that open quickly: what one guess costs is a matter of other tests."""
    for function in (directory.create, preparation.prepare, local.make_local, keystore.KeyStore.create):
        target = getattr(function, "__func__", function)
        defaults = target.__defaults__ and tuple(
            CHEAP if value == keystore.PRODUCTION_COST else value for value in target.__defaults__
        )
        monkeypatch.setattr(target, "__defaults__", defaults)
        if target.__kwdefaults__:
            kinds = {
                name: CHEAP if value == keystore.PRODUCTION_COST else value
                for name, value in target.__kwdefaults__.items()
            }
            monkeypatch.setattr(target, "__kwdefaults__", kinds)
