"""The types of a record's fields in words: ``16 bytes``, ``integer, 1 to 9``, ``list of Band, up to 64``."""

from collections.abc import Iterable
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from traco.kernel.codec import MAX_AMOUNT, MAX_TIME_MS


def record_fields(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """Each field with its type and bounds, and its default where it has one."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        (field.name, _type_text(hints[field.name]) + _default(field))
        for field in msgspec.structs.fields(kind)
    ]


def records_in(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """The records that appear in the fields of these kinds, and in theirs, each once, in order of appearance."""
    found: dict[type[msgspec.Struct], None] = {}
    for kind in kinds:
        for hint in get_type_hints(kind, include_extras=True).values():
            for record in _records(hint):
                if record not in found:
                    found[record] = None
                    found.update(dict.fromkeys(records_in([record])))
    return list(found)


def _records(hint: Any) -> list[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [
        record for part in get_args(hint) if not isinstance(part, msgspec.Meta) for record in _records(part)
    ]


def _default(field: Any) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ((), b"", ""):
        return "; may be left out"
    if isinstance(value, msgspec.Struct):
        return "; may be left out"
    return f"; {value.value if isinstance(value, Enum) else value} if left out"


def _type_text(hint: Any) -> str:
    metas: list[msgspec.Meta] = []
    while get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        metas += [meta for meta in more if isinstance(meta, msgspec.Meta)]
    origin = get_origin(hint)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(hint))
    if origin in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not NoneType]
        nothing = " or none" if len(members) < len(get_args(hint)) else ""
        return " or ".join(map(_type_text, members)) + nothing
    if origin is tuple:
        return _tuple_text(get_args(hint), metas)
    return _plain_text(hint, metas)


def _tuple_text(items: tuple[Any, ...], metas: list[msgspec.Meta]) -> str:
    if len(items) == 2 and items[1] is Ellipsis:
        return f"list of {_type_text(items[0])}" + _bounds(
            _limit(metas, "min_length"), _limit(metas, "max_length")
        )
    return "(" + ", ".join(map(_type_text, items)) + ")"


def _plain_text(hint: Any, metas: list[msgspec.Meta]) -> str:
    if hint is bytes:
        low, high = _limit(metas, "min_length"), _limit(metas, "max_length")
        return f"{low} bytes" if low is not None and low == high else "bytes" + _bounds(low, high)
    if hint is int:
        return "integer" + _bounds(_limit(metas, "ge"), _least(_limit(metas, "le"), _limit(metas, "lt")))
    if hint is str:
        pattern = next((f", like `{meta.pattern}`" for meta in metas if meta.pattern), "")
        return "text" + _bounds(_limit(metas, "min_length"), _limit(metas, "max_length")) + pattern
    if hint is bool:
        return "true or false"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in hint)
    return str(getattr(hint, "__name__", hint))


def _limit(metas: list[msgspec.Meta], name: str) -> Any:
    return next((getattr(meta, name) for meta in metas if getattr(meta, name) is not None), None)


def _least(highest: int | None, above: int | None) -> int | None:
    return highest if above is None else above - 1


def _bounds(low: int | None, high: int | None) -> str:
    shown = {MAX_AMOUNT: "2^63 - 1", MAX_TIME_MS: "2^53 - 1", 2**32 - 1: "2^32 - 1"}
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low}"
    top = shown.get(high, f"{high:,}")
    return f", up to {top}" if not low else f", {low} to {top}"
