"""Writes the reference pages into the folder that is named: ``python tools/reference.py docs/reference``."""

import sys
from pathlib import Path

from traco.cli.reference import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
