"""A stand-in for the go program: it builds nothing, but says and leaves what the installation of the engine looks at."""

import sys
from pathlib import Path

from traco.engine.cometbft.install import MODULE, MODULE_HASH, VERSION

SUM = "h1:VlbKKnNfV8bJzeqoa4cOKqO6bYr3WgKZxO8Z16+hsOM="
# stands in for the go program: knows a version, a module cache, and what is in what it built
GO = """#!{python} -IS
import os, pathlib, sys
here = pathlib.Path(sys.argv[0]).parent
if sys.argv[1:] == ["env", "GOVERSION"]:
    print({version!r})
elif sys.argv[1:] == ["env", "GOMODCACHE"]:
    print(here / "cache")
elif sys.argv[1] == "install":
    with (here / "builds").open("a") as file:
        file.write(" ".join(sys.argv[1:]) + " CGO_ENABLED=" + os.environ["CGO_ENABLED"] + "\\n")
    print("go: downloading a module", file=sys.stderr)
    {build}
    target = pathlib.Path(os.environ["GOBIN"])
    target.mkdir(parents=True)
    (target / "cometbft").write_bytes(b"the program")
elif sys.argv[1:3] == ["version", "-m"]:
    print(sys.argv[3] + ": go1.26.1")
    for row in {modules!r}:
        print("\\t" + "\\t".join(row))
"""
MODULES = (
    ("path", f"{MODULE}/cmd/cometbft"), ("mod", MODULE, f"v{VERSION}", MODULE_HASH), ("dep", "example.org/needed", "v1.0.1", SUM)
)  # fmt: skip


def make_go(
    folder: Path, version: str = "go1.26.1", build: str = "", modules: tuple[tuple[str, ...], ...] = MODULES
) -> Path:
    """A go program in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = folder / "cache" / f"{MODULE}@v{VERSION}" / "go.sum"
    sums.parent.mkdir(parents=True, exist_ok=True)
    sums.write_text(f"example.org/needed v1.0.1 {SUM}\nexample.org/needed v1.0.1/go.mod h1:x=\n")
    path = folder / "go"
    path.write_text(GO.format(python=sys.executable, version=version, build=build or "pass", modules=modules))
    path.chmod(0o700)
    return path
