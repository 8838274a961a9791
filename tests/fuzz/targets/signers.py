"""A file of signers is read or ``SignerError``; what is read can be listed, exported and read again.

If broken: what a mistyped file names is run, or a command ends in a trace instead of an answer.
"""

from contextlib import suppress
from pathlib import Path

from fuzz.claims import require
from fuzz.mutation import of_json
from traco.client.signers.errors import SignerError
from traco.client.signers.signer_file import SignerFile

mutate = of_json


def check(raw: bytes, folder: Path) -> None:
    """Open it, and ask everything that runs nothing."""
    path = folder / "it.signers"
    path.touch(mode=0o600)
    path.write_bytes(raw)
    try:
        opened = SignerFile.open(path)
    except SignerError as error:
        require(error.code.startswith("signer."), error.code)
        return
    names = [entry.name for entry in opened.keys()]  # noqa: SIM118 -- no dict
    assert names == sorted(names)
    opened.export_public()
    if b"keyring" not in raw:  # a keyring would be asked
        for name in names:
            with suppress(SignerError):
                assert opened.signer(name).public_key
