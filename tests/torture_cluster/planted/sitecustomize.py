"""Python imports this at its start where this folder is on the path: plants in the process what the environment names."""

import os

if os.environ.get("TRACO_TORTURE_FAULT"):
    from torture_cluster.behaviour import plant

    plant(os.environ["TRACO_TORTURE_FAULT"])
