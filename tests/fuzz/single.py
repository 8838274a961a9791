"""One target in a process of its own: ``python -m fuzz.single NAME FOLDER [--plant] [options and folders of libFuzzer]``."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from fuzz.mutation import Chance
from fuzz.plants import PLANTS
from fuzz.targets import TARGETS

TESTS: Final = Path(__file__).parents[1]
SOURCE: Final = TESTS.parent / "src"
atheris: Final[Any] = import_module("atheris")  # it ships no types


def main(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz until the options say that it is enough; a property that does not hold ends the process with a trace."""
    wanted = TARGETS[name]
    with atheris.instrument_imports(include=list(wanted), exclude=_others(wanted)):
        target = import_module(f"fuzz.targets.{name}")
    if "--plant" in options:
        options = [option for option in options if option != "--plant"]
        PLANTS[name]()

    def check(raw: bytes) -> None:
        target.check(raw, folder)

    atheris.Setup([sys.argv[0], *options], check, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _others(wanted: Sequence[str]) -> list[str]:
    """The modules that are not instrumented. atheris takes the whole of ``traco`` for included as soon as a part of it is."""
    files = (path.relative_to(folder) for folder in (SOURCE, TESTS) for path in folder.glob("[ft]*/**/*.py"))
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    return sorted(name for name in names if not any(f"{name}.".startswith(f"{each}.") for each in wanted))


def _mutator(target: ModuleType) -> object:
    change = getattr(target, "mutate", None)

    def mutate(raw: bytes, largest: int, seed: int) -> bytes:
        chance = Chance(seed, lambda part: bytes(atheris.Mutate(part, max(largest, len(part) + 1))))
        changed: bytes = chance.raw(raw) if change is None else change(bytes(raw), chance)
        return changed[:largest]

    return mutate


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
