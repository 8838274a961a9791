"""``python -m traco.cli``: the ``traco`` command where its script is not installed."""

if __name__ == "__main__":
    # only here: the processes of a node import this file anew, and need none of the command line's libraries
    from traco.cli.main import main

    main()
