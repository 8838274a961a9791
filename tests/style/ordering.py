"""Finds places where the order of a set could reach a result: iterate over `sorted(...)` or a dict instead.

A set is recognised by how it is written (display, comprehension, `set()`, set operators, `.keys()` operators), by an
annotation, or by an assignment in the same function. What only counts or asks (`in`, `len`, `sum`, `any`) is free.
"""

import ast
from collections.abc import Iterator

from style.finding import Finding

ADVICE = (
    "the order of a set differs between processes: iterate over `sorted(...)`, or keep a dict or a SortedSet"
)
TIES = "a sort key keeps ties in the order of the set: sort the members themselves first"
RULE = "set-order"
SET_TYPES = frozenset({"AbstractSet", "FrozenSet", "MutableSet", "Set", "frozenset", "set"})
SET_METHODS = frozenset({"copy", "difference", "intersection", "symmetric_difference", "union"})
SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
FREE = frozenset(
    {"SortedList", "SortedSet", "all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"}
)
KEYED = frozenset({"max", "min", "sorted"})
ORDERED = frozenset({
    "accumulate", "chain", "deque", "dict", "enumerate", "extend", "filter", "from_iterable", "fromkeys", "islice", "iter", "join",
    "list", "map", "pairwise", "reduce", "repr", "reversed", "str", "tuple", "zip",
})  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


def check(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Findings in one file; `path` only labels them."""
    shared = _Names()
    for node in ast.walk(tree):
        shared.learn_everywhere(node)
    yield from _scope(path, tree, shared)


def _scope(path: str, scope: ast.AST, outer: "_Names") -> Iterator[Finding]:
    names = outer.inner()
    nodes = list(_own_nodes(scope))
    for _ in range(2):  # twice, so that `a = b` is understood whichever stands first
        for node in nodes:
            names.learn(node)
    freed = {part for node in nodes for part in _freed(node)}
    for node in nodes:
        if node not in freed:
            yield from _judge(path, node, names)
        if isinstance(node, Function | ast.Lambda) and node is not scope:
            yield from _scope(path, node, names)


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Every node of a scope without those of functions inside it, which are themselves included."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, Function | ast.Lambda):
            yield from _own_nodes(child)


class _Names:
    """What in a scope is known to be a set: variables, attributes, and functions that return one."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.attributes: set[str] = set()
        self.functions: set[str] = set()

    def inner(self) -> "_Names":
        """The names as a scope inside this one sees them."""
        names = _Names()
        names.variables = set(self.variables)
        names.attributes = self.attributes
        names.functions = self.functions
        return names

    def learn_everywhere(self, node: ast.AST) -> None:
        """Note what holds in the whole file."""
        if isinstance(node, Function) and _is_set_type(node.returns):
            self.functions.add(node.name)
        elif isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            self.attributes.update(_attribute(node.target))
        elif isinstance(node, ast.Assign) and self.is_set(node.value):
            for target in node.targets:
                self.attributes.update(_attribute(target))
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if (
                    isinstance(line, ast.AnnAssign)
                    and isinstance(line.target, ast.Name)
                    and _is_set_type(line.annotation)
                ):
                    self.attributes.add(line.target.id)

    def learn(self, node: ast.AST) -> None:
        """Note what holds in this scope."""
        match node:
            case ast.arg(arg=name, annotation=annotation) if _is_set_type(annotation):
                self.variables.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if _is_set_type(annotation):
                self.variables.add(name)
            case ast.Assign(targets=targets, value=value) if self.is_set(value):
                self.variables.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.NamedExpr(target=ast.Name(id=name), value=value) if self.is_set(value):
                self.variables.add(name)

    def is_set(self, node: ast.expr) -> bool:
        """Whether an expression is known to be a set."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                return name in self.variables
            case ast.Attribute(attr=name):
                return name in self.attributes
            case ast.Call(func=ast.Name(id=name)):
                return name in ("set", "frozenset") or name in self.functions
            case ast.Call(func=ast.Attribute(value=receiver, attr=name)):
                return name in self.functions or (name in SET_METHODS and self.is_set(receiver))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, SET_OPERATORS):
                return self.is_set(left) or self.is_set(right) or _is_view(left) or _is_view(right)
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_set(body) or self.is_set(orelse)
            case ast.BoolOp(values=values):
                return any(self.is_set(value) for value in values)
            case ast.NamedExpr(value=value):
                return self.is_set(value)
        return False


def _attribute(target: ast.expr) -> tuple[str, ...]:
    return (target.attr,) if isinstance(target, ast.Attribute) else ()


def _is_set_type(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SET_TYPES
        case ast.Subscript(value=ast.Name(id="Final" | "ClassVar" | "Annotated" | "Optional"), slice=inner):
            return _is_set_type(inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner)
        case ast.Subscript(value=generic):
            return _is_set_type(generic)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_set_type(left) or _is_set_type(right)
        case ast.Constant(value=str() as text):
            return _is_set_type(ast.parse(text, mode="eval").body)
    return False


def _is_view(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _has_key(node: ast.Call) -> bool:
    return any(word.arg == "key" for word in node.keywords)


def _freed(node: ast.AST) -> Iterator[ast.AST]:
    """Generators whose order cannot show, because a call around them forgets or makes the order."""
    if isinstance(node, ast.Call) and _called(node) in FREE and not _has_key(node):
        for argument in node.args:
            lazy_call = isinstance(argument, ast.Call) and _called(argument) in ("map", "filter")
            if lazy_call or isinstance(argument, ast.GeneratorExp | ast.ListComp):
                yield argument


def _judge(path: str, node: ast.AST, names: _Names) -> Iterator[Finding]:
    for expression in _ordered_uses(node):
        if names.is_set(expression):
            yield Finding(path, expression.lineno, RULE, ADVICE)
    if isinstance(node, ast.Call) and _called(node) in KEYED and _has_key(node):
        for argument in node.args:
            if names.is_set(argument):
                yield Finding(path, node.lineno, RULE, TIES)


def _ordered_uses(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose order the node lets through."""
    match node:
        case ast.For(iter=iterable) | ast.AsyncFor(iter=iterable) | ast.YieldFrom(value=iterable):
            yield iterable
        case ast.ListComp(generators=generators) | ast.GeneratorExp(generators=generators):
            yield from (generator.iter for generator in generators)
        case ast.DictComp(generators=generators):
            yield from (generator.iter for generator in generators)
        case ast.Starred(value=value) | ast.FormattedValue(value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value):
            yield value
        case ast.Call(func=ast.Attribute(value=receiver, attr="pop"), args=[]):
            yield receiver
        case ast.Call() if _called(node) in ORDERED:
            yield from node.args
