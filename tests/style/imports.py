"""What kernel and modules may import: a list of what is known to be deterministic, everything else is refused.

import-linter checks the order of all layers; this checks the two deterministic ones file by file, with advice.
"""

import ast
from collections.abc import Iterator

from style.finding import Finding

ALLOWED = frozenset({
    "__future__", "abc", "binascii", "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq",
    "itertools", "msgspec", "operator", "re", "sortedcontainers", "struct", "types", "typing",
})  # fmt: skip
CRYPTOGRAPHY = frozenset({"cryptography", "nacl"})
CRYPTOGRAPHY_FILE = "kernel/crypto"
INTEGER_MATH = frozenset({"comb", "factorial", "gcd", "isqrt", "lcm", "perm", "prod"})
PRIVATE_TO_A_MODULE = frozenset({"genesis", "handlers", "keeper", "state"})

CLOCK = "time comes in with the block: `context.block.time_ms`; business dates are ISO dates"
CHANCE = "nothing random: derive it from the transaction id with a hash"
OUTSIDE = "no I/O: what is needed comes in through the block or the store"
THREADS = "one thread, one order: work in parallel belongs to the node"
ADVICE = {
    "asyncio": THREADS, "calendar": CLOCK, "concurrent": THREADS, "datetime": CLOCK, "decimal": "integers in the smallest unit",
    "fractions": "integers, with the rounding rule named", "io": OUTSIDE, "json": "the canonical codec: `kernel.codec`",
    "locale": "no locale: compare bytes or code points", "math": "only " + ", ".join(sorted(INTEGER_MATH)) + " from math",
    "multiprocessing": THREADS, "os": OUTSIDE, "pathlib": OUTSIDE, "pickle": "the canonical codec: `kernel.codec`",
    "random": CHANCE, "secrets": CHANCE, "socket": OUTSIDE, "subprocess": OUTSIDE, "sys": OUTSIDE, "threading": THREADS,
    "time": CLOCK, "uuid": CHANCE, "zoneinfo": CLOCK,
}  # fmt: skip


def check(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Findings in one file, `path` being relative to src/traco."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _judge(path, node.lineno, alias.name, ())
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            if node.level:
                yield Finding(
                    path, node.lineno, "relative-import", "write the full name, so that the layer is seen"
                )
            else:
                yield from _judge(path, node.lineno, node.module or "", names)


def _judge(path: str, line: int, module: str, names: tuple[str, ...]) -> Iterator[Finding]:
    top = module.split(".", maxsplit=1)[0]
    if top == "traco":
        yield from _layer(path, line, module, names)
    elif top == "math" and names and INTEGER_MATH.issuperset(names):
        return
    elif top in CRYPTOGRAPHY:
        if not path.startswith(CRYPTOGRAPHY_FILE):
            yield Finding(
                path, line, "import", f"{top} only in {CRYPTOGRAPHY_FILE}; use `traco.kernel.crypto`"
            )
    elif top not in ALLOWED:
        advice = ADVICE.get(
            top, "not known to be deterministic; if it is, add it to tests/style/imports.py with a reason"
        )
        yield Finding(path, line, "import", f"{module}: {advice}")


def _layer(path: str, line: int, module: str, names: tuple[str, ...]) -> Iterator[Finding]:
    own, *inner = path.split("/")
    parts = module.split(".")[1:]
    targets = [parts] if parts else [[name] for name in names]
    for target in targets:
        if target[0] not in ("kernel", "modules") or (own == "kernel" and target[0] != "kernel"):
            advice = f"{own} stands below {target[0]}: declare the narrow interface it needs (Protocol) and have it passed in"
            yield Finding(path, line, "layer", advice)
    if (
        own == "modules"
        and parts[:1] == ["modules"]
        and len(inner) > 1
        and len(parts) > 1
        and parts[1] != inner[0]
    ):
        touched = [parts[2]] if len(parts) > 2 else list(names)
        for name in PRIVATE_TO_A_MODULE.intersection(touched):
            advice = f"{name} belongs to the module {parts[1]}: declare the narrow interface needed (Protocol) instead"
            yield Finding(path, line, "module-private", advice)
