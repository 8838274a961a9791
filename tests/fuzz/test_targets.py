"""Every fuzzer on all of its kept samples, then for some seconds on its own; and each known fault is found."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.campaign import CORPUS, SUFFIX, TESTS, Run, fuzz, samples
from fuzz.make_corpus import samples as genuine
from fuzz.plants import PLANTS
from fuzz.strict import is_canonical
from fuzz.targets import TARGETS

SECONDS = 1.0
PLANT_SECONDS = 100.0  # at most: it ends with the first finding
SEED = 1
LARGEST_CORPUS = 200 * 1_024
needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is not installed: it has no build for this platform"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """All runs, two at a time."""
    crashes = tmp_path_factory.mktemp("crashes")
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(fuzz, name, SECONDS, SEED, crashes) for name in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_the_property_holds_for_every_kept_sample(target: str, tmp_path: Path) -> None:
    module = import_module(f"fuzz.targets.{target}")
    for sample in samples(target):
        module.check(sample.read_bytes(), tmp_path)


@needs_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_for_some_seconds_finds_nothing(target: str, runs: dict[str, Future[Run]]) -> None:
    run = runs[target].result()
    assert run.code == 0, run.text
    assert run.executed > len(samples(target))


@needs_atheris
@pytest.mark.parametrize("target", PLANTS)
def test_a_planted_fault_is_found(target: str, tmp_path: Path) -> None:
    run = fuzz(target, PLANT_SECONDS, SEED, tmp_path, plant=True)
    assert run.code != 0, "the fuzzer did not find it"
    assert run.crasher is not None, run.said
    import_module(f"fuzz.targets.{target}").check(
        run.crasher.read_bytes(), tmp_path
    )  # without the fault it holds


def test_every_target_has_genuine_samples_and_says_its_property() -> None:
    files = {path.stem for path in (TESTS / "fuzz" / "targets").glob("*.py")} - {"__init__"}
    assert files == set(TARGETS) == {path.name for path in CORPUS.iterdir()}
    for target in TARGETS:
        assert samples(target)
        assert "If broken: " in (import_module(f"fuzz.targets.{target}").__doc__ or "")


def test_the_genuine_samples_are_those_of_the_present_formats() -> None:
    for target, name, content in genuine():
        assert (CORPUS / target / f"{name}{SUFFIX}").read_bytes() == content, f"{target}/{name}"


def test_the_kept_samples_are_few_and_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST_CORPUS


@pytest.mark.parametrize(
    "raw", ["cc7f", "cd00ff", "d0ff", "d1ff80", "c50001aa", "d901aa", "dc0001c0", "de0001c0c0", "c0c0", "92c0", "c1", ""]
)  # fmt: skip
def test_the_second_judge_refuses_longer_forms(raw: str) -> None:
    assert not is_canonical(bytes.fromhex(raw))
