"""``python -m traco.cli``: the ``traco`` command."""

from traco.cli.main import main

main()
