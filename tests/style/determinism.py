"""The determinism lint of kernel and modules: every node must compute the same bytes from the same blocks.

It reads the syntax only, so it finds what is written, not what a value turns out to be; hash seeds are varied by tests.
"""

import ast
from collections.abc import Iterator

from style import imports, ordering
from style.finding import BOUNDARY, Finding

INTEGERS = "integers in the smallest unit; rates in parts per million"
OUTSIDE = "no I/O: what is needed comes in through the block or the store"
CODE = "no code made at run time"
NAMES = {
    "float": INTEGERS,
    "complex": INTEGERS,
    "hash": "differs between processes: use `hashlib.sha256` over encoded bytes",
    "id": "an address in memory: use a key of the record",
    "print": OUTSIDE,
    "open": OUTSIDE,
    "input": OUTSIDE,
    "breakpoint": OUTSIDE,
    "eval": CODE,
    "exec": CODE,
    "compile": CODE,
    "__import__": CODE,
}
BLIND = ("Exception", "BaseException")
MUTABLE_CALLS = frozenset({
    "bytearray", "Counter", "defaultdict", "deque", "dict", "list", "OrderedDict", "set", "SortedDict", "SortedList", "SortedSet",
})  # fmt: skip
MUTABLE_DISPLAYS = (ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Set, ast.SetComp)


def check(path: str, text: str) -> list[Finding]:
    """All findings in one file of kernel or modules, in line order; `path` is relative to src/traco."""
    tree = ast.parse(text, path)
    found = [*imports.check(path, tree), *ordering.check(path, tree), *_module_state(path, tree)]
    found += _blind_handlers(path, tree)
    for node in ast.walk(tree):
        found += _expression(path, node)
    return sorted(found)


def _expression(path: str, node: ast.AST) -> Iterator[Finding]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield Finding(path, node.lineno, name, NAMES[name])
        case ast.Constant(value=float() | complex()):
            yield Finding(path, node.lineno, "float-literal", INTEGERS)
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            yield Finding(path, node.lineno, "true-division", "`//`, with the rounding rule named")
        case ast.Global():
            yield Finding(path, node.lineno, "global", "state lives in the store; pass what is needed")


def _blind_handlers(path: str, tree: ast.Module) -> Iterator[Finding]:
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and _is_blind(node)]
    allowed = 1 if path == BOUNDARY else 0
    for node in handlers[allowed:]:
        advice = f"name the exceptions; only the transaction boundary in {BOUNDARY} catches all, once"
        yield Finding(path, node.lineno, "blind-except", advice)


def _is_blind(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in BLIND) for kind in kinds)


def _module_state(path: str, tree: ast.Module) -> Iterator[Finding]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and _is_variable(target.id) and _is_mutable(value):
                advice = f"{target.id} outlives a block: keep state in the store; name a constant table in capitals"
                yield Finding(path, node.lineno, "module-state", advice)


def _is_variable(name: str) -> bool:
    return name != name.upper() and not name.startswith("__")


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, MUTABLE_DISPLAYS):
        return True
    if not isinstance(value, ast.Call):
        return False
    called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return called in MUTABLE_CALLS
