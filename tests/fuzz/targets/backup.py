"""The manifest of a backup is read or ``CopyRefused``; it names known files alone, the needed ones among them.

If broken: restoring writes outside of its folder, or takes half a backup for a whole one.
"""

from pathlib import Path

from fuzz.claims import require
from fuzz.mutation import of_json
from traco.node.backup import KNOWN_FILES, MANIFEST_FILE, NEEDED_FILES, moment, read_manifest
from traco.node.copies import CopyRefused

mutate = of_json


def check(raw: bytes, folder: Path) -> None:
    """Read it as restoring does."""
    (folder / MANIFEST_FILE).write_bytes(raw)
    try:
        manifest = read_manifest(folder)
    except CopyRefused as error:
        require(error.code.startswith("backup."), error.code)
        return
    assert set(NEEDED_FILES) <= set(manifest.files) <= set(KNOWN_FILES)
    assert moment(manifest.time_ms)
    assert moment(manifest.made_ms)
