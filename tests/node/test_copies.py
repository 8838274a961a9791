from hashlib import sha256
from pathlib import Path

import pytest

from traco.node.copies import (
    CopyRefused,
    Digest,
    appearing_directory,
    appearing_file,
    copy_file,
    digest_of,
    require_space,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_directory_appears_when_it_is_complete(tmp_path: Path) -> None:
    with appearing_directory(tmp_path / "sub" / "made", "taken") as making:
        (making / "file").write_bytes(b"content")
        assert names(tmp_path / "sub") == [making.name]
        assert making.name.startswith(".made.")
    assert names(tmp_path / "sub") == ["made"]
    assert (tmp_path / "sub" / "made" / "file").read_bytes() == b"content"
    assert (tmp_path / "sub" / "made").stat().st_mode & 0o777 == 0o700


def test_a_directory_takes_the_place_of_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with appearing_directory(tmp_path / "made", "taken") as making:
        (making / "file").touch()
    assert names(tmp_path / "made") == ["file"]


def interrupted(target: Path) -> None:
    with appearing_directory(target, "taken") as making:
        (making / "file").touch()
        raise KeyboardInterrupt


def test_after_an_interrupt_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "made")
    with pytest.raises(KeyboardInterrupt), appearing_file(tmp_path / "file", "taken"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "link", "full"])
def test_nothing_that_is_there_is_replaced_by_a_directory(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "made"
    if kind == "file":
        target.touch()
    elif kind == "link":
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
        (target / "file").touch()
    with pytest.raises(CopyRefused) as caught, appearing_directory(target, "taken"):
        pass
    assert (caught.value.code, names(tmp_path)) == ("taken", ["made"])


def overtaken(target: Path) -> None:
    with appearing_directory(target, "taken"):
        target.mkdir()
        (target / "other").touch()


def test_what_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(CopyRefused):
        overtaken(tmp_path / "made")
    assert names(tmp_path / "made") == ["other"]
    with pytest.raises(CopyRefused), appearing_file(tmp_path / "file", "taken"):
        (tmp_path / "file").write_bytes(b"other")
    assert (tmp_path / "file").read_bytes() == b"other"
    assert names(tmp_path) == ["file", "made"]


def test_a_file_appears_when_it_is_complete_and_for_its_owner(tmp_path: Path) -> None:
    with appearing_file(tmp_path / "file", "taken") as making:
        making.write_bytes(b"content")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert (names(tmp_path), (tmp_path / "file").stat().st_nlink) == (["file"], 1)


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CopyRefused), appearing_file(tmp_path / "file", "taken"):
        pass
    assert names(tmp_path) == ["file"]


def test_a_copy_is_hashed_as_it_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traco.node.copies.CHUNK_BYTES", 4)
    (tmp_path / "one").write_bytes(b"ten bytes.")
    seen: list[int] = []
    found = copy_file(tmp_path / "one", tmp_path / "two", seen.append)
    assert found == Digest(10, sha256(b"ten bytes.").hexdigest()) == digest_of(tmp_path / "two")
    assert seen == [4, 8, 10]
    assert (tmp_path / "two").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        copy_file(tmp_path / "one", tmp_path / "two")


def test_space_is_asked_for_before_it_is_used(tmp_path: Path) -> None:
    require_space(tmp_path, 1, "full")
    with pytest.raises(CopyRefused, match="full: it needs"):
        require_space(tmp_path, 2**62, "full")
