"""Settings of hypothesis for all tests.

`ci`, the default, tries the same examples on every run, so that a failure is repeated by running again; `dev` draws new
ones and more of them, to look for what nobody thought of; `mutants` draws few and shrinks none, because every mutant runs
the tests again.
Choose with `pytest --hypothesis-profile=dev`.
"""

from hypothesis import HealthCheck, Phase, settings

SLOW_MACHINE = [HealthCheck.too_slow]  # a loaded machine is not a fault of the code

settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=SLOW_MACHINE
)
settings.register_profile(
    "dev", max_examples=500, deadline=None, print_blob=True, suppress_health_check=SLOW_MACHINE
)
settings.register_profile(
    "mutants",
    derandomize=True,
    deadline=None,
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),
    database=None,
    suppress_health_check=SLOW_MACHINE,
)
settings.load_profile("ci")
