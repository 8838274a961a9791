import base64
import gzip
import zlib
from pathlib import Path

import pytest

from traco.demo.scanning import forms, found_in, scan
from traco.kernel.codec import encode

NAME, AMOUNT = b"BOND-2031", 18_785_316_200
WANTED = forms({"the code": NAME}, {"issued": AMOUNT})


@pytest.mark.parametrize(
    "written",
    [
        NAME, NAME[::-1], NAME.hex().encode(), base64.b64encode(b"before " + NAME + b" behind"),
        base64.b64encode(b"before" + NAME + b"behind"), base64.b64encode(b"befor" + NAME), encode(("x", AMOUNT)),
        str(AMOUNT).encode(), gzip.compress(b"some of it " + NAME), zlib.compress(encode(AMOUNT) + bytes(100)),
    ],
)  # fmt: skip
def test_what_is_looked_for_is_found_however_it_is_written(written: bytes) -> None:
    assert found_in(b"anything, " + written + b", and more", WANTED)


def test_other_content_is_not_taken_for_it() -> None:
    assert found_in(b"BOND-2032" + encode(AMOUNT + 1) + zlib.compress(b"BOND-2030"), WANTED) == []


@pytest.mark.parametrize(
    ("names", "amounts"), [({"a code": b"BOND"}, {}), ({}, {"a small amount": 4_000_000_000})]
)
def test_what_could_stand_anywhere_by_chance_is_refused(
    names: dict[str, bytes], amounts: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="too short to be looked for"):
        forms(names, amounts)


def test_all_files_below_a_folder_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "ledger.db").write_bytes(b"...." + NAME)
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_bytes(b"nothing")
    assert scan(tmp_path, {"the code": NAME}) == (2, 20, ("the code in ledger.db",))
