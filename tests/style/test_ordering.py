"""Planted violations of the set order lint."""

import ast

import pytest

from style import ordering

HEAD = "def f(members: set[bytes], names: list[str], table: dict[str, int]):\n"


def lines(body: str, head: str = HEAD) -> list[int]:
    """Line numbers of the findings, the first line of `body` being 1."""
    text = head + "\n".join("    " + line for line in body.splitlines())
    return [finding.line - head.count("\n") for finding in ordering.check("f.py", ast.parse(text))]


@pytest.mark.parametrize(
    "body",
    [
        "for member in members: g(member)",
        "for member in {1, 2}: g(member)",
        "for member in set(names): g(member)",
        "for member in frozenset(names): g(member)",
        "for member in {n for n in names}: g(member)",
        "for member in members | {b''}: g(member)",
        "for member in members.union(names): g(member)",
        "for member in members.copy(): g(member)",
        "for name in table.keys() & names: g(name)",
        "for name in table.keys() - names: g(name)",
        "for name in (members if names else table): g(name)",
        "for name in (members or names): g(name)",
        "for index, name in enumerate(members): g(name)",
        "return [g(m) for m in members]",
        "return {m: 1 for m in members}",
        "return (m for m in members)",
        "return [n for n in names for m in members]",
        "return list(members)",
        "return tuple(members)",
        "return b''.join(members)",
        "return ','.join(str(m) for m in members)",
        "return next(iter(members))",
        "return dict.fromkeys(members)",
        "return [*names, *members]",
        "return g(*members)",
        "return members.pop()",
        "return sorted(members, key=len)",
        "return sorted((m for m in members), key=len)",
        "return min(members, key=len)",
        "return str(members)",
        "return f'{members}'",
        "return zip(members, names)",
        "a, b = members",
        "yield from members",
        "names.extend(members)",
        "return [m for m in map(g, members)]",
        "return lambda: list(members)",
        "return lambda xs=list(members): xs",
    ],
)
def test_order_of_a_set_is_found(body: str) -> None:
    assert lines(body) == [1]


@pytest.mark.parametrize(
    "body",
    [
        "for member in sorted(members): g(member)",
        "for name in names: g(name)",
        "for name in table: g(name)",
        "for name, size in table.items(): g(name, size)",
        "for name in table.keys(): g(name)",
        "return sorted(m for m in members)",
        "return sorted(members, reverse=True)",
        "return sorted(sorted(members), key=len)",
        "return sum(len(m) for m in members)",
        "return any(m == b'' for m in members)",
        "return all([m == b'' for m in members])",
        "return max(map(len, members))",
        "return {len(m) for m in members}",
        "return set(members), frozenset(members), len(members)",
        "return b'' in members",
        "return members <= {b''}",
        "return table.pop('a')",
        "members.add(b'')",
        "first, second = names",
    ],
)
def test_what_does_not_show_the_order_is_free(body: str) -> None:
    assert lines(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "seen = set()\nfor s in seen: g(s)",
        "seen: set[int] = g()\nfor s in seen: g(s)",
        "seen = other = set()\nfor s in other: g(s)",
        "first = set()\nsecond = first\nfor s in second: g(s)",
        "if (seen := set(names)):\n    return list(seen)\nreturn []",
    ],
)
def test_variable_that_holds_a_set_is_known(body: str) -> None:
    assert len(lines(body)) == 1


def test_variable_of_another_function_is_not_confused() -> None:
    assert lines("seen = set()\n", "def e(seen: list[int]):\n    return list(seen)\ndef f():\n") == []


def test_variable_of_the_enclosing_function_is_known() -> None:
    assert lines("def inner():\n    return list(members)\nreturn inner") == [2]


@pytest.mark.parametrize(
    "annotation",
    [
        "set[int]",
        "frozenset",
        "Set[int]",
        "AbstractSet[int]",
        "typing.FrozenSet[int]",
        "'set[int]'",
        "set[int] | None",
        "Final[set[int]]",
    ],
)
def test_annotation_of_a_set_is_known(annotation: str) -> None:
    assert lines("return list(x)", f"def f(x: {annotation}):\n") == [1]


@pytest.mark.parametrize(
    "annotation", ["list[set[int]]", "dict[int, set[int]]", "SortedSet", "tuple[set[int], ...]"]
)
def test_container_of_sets_is_not_a_set(annotation: str) -> None:
    assert lines("return list(x)", f"def f(x: {annotation}):\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def __init__(self):\n        self.x = set()\n    def f(self):\n        return list(self.x)",
        "class A:\n    def __init__(self):\n        self.x: set[int] = g()\n    def f(self):\n        return list(self.x)",
        "class A:\n    x: frozenset[int]\n\n\n    def f(self): return list(self.x)",
        "def g() -> set[int]:\n    return h()\n\n\nX = list(g())",
        "class A:\n    def g(self) -> set[int]:\n        return h()\n    def f(self):\n        return list(self.g())",
    ],
)
def test_attribute_and_function_that_give_a_set_are_known(text: str) -> None:
    assert [finding.line for finding in ordering.check("f.py", ast.parse(text))] == [5]
