"""The ``traco`` command. Nothing here is imported by any other layer."""
