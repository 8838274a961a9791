"""``python -m traco.cli``: the ``traco`` command where its script is not installed."""

from traco.cli.main import main

if __name__ == "__main__":
    main()
