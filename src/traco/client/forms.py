"""The JSON form of records: objects with named fields, bytes in lower-case hex, and a ``type`` where there is a tag.

On the ledger a record is an array; at the edges people and programs see names. The JSON types are made from the
records' own definitions, so that REST schema, CLI and documentation cannot drift from the codec.
"""

from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from traco.kernel.codec import Record

_HEX: Final = "([0-9a-f]{2})"


class FormInvalid(ValueError):
    """The JSON does not fit the form; the text says where."""


def to_form(value: Any) -> Any:
    """Plain JSON values of a record, an event, a failure or anything made of them."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, msgspec.Struct):
        form = {name: to_form(getattr(value, name)) for name in value.__struct_fields__}
        tag = value.__struct_config__.tag
        return {"type": tag, **form} if isinstance(tag, str) else form
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: to_form(item) for name, item in zip(value._fields, value, strict=True)}
    if isinstance(value, tuple | list):
        return [to_form(item) for item in value]
    if isinstance(value, dict):
        return {to_form(key): to_form(item) for key, item in value.items()}
    return value


def from_form(kind: type[Record], form: Any) -> Any:
    """The record of this kind that a JSON object stands for. Raises ``FormInvalid``."""
    try:
        return _build(kind, msgspec.convert(form, form_type(kind)))
    except RecursionError:
        raise FormInvalid("nested too deeply") from None
    except ValueError as error:  # of the conversion, or of a record that checks how its fields fit together
        raise FormInvalid(str(error)) from None


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    """The types of a record's fields; working them out takes longer than building the record."""
    return get_type_hints(kind, include_extras=True)


@cache
def form_type(kind: type[Record]) -> Any:
    """The JSON type of a record: a struct with the same fields, for validation and for schemas."""
    hints = _hints(kind)
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        translated = _translate(hints[field.name])
        if field.required:
            fields.append((field.name, translated))
        else:
            fields.append((field.name, translated, _default(field, translated)))
    tag = kind.__struct_config__.tag
    options: dict[str, Any] = {"tag_field": "type", "tag": tag} if isinstance(tag, str) else {}
    form: Any = msgspec.defstruct(
        kind.__name__, fields, frozen=True, forbid_unknown_fields=True, kw_only=True, module=kind.__module__,
        namespace={"__doc__": kind.__doc__}, **options,
    )  # fmt: skip
    return form


def _default(field: Any, translated: Any) -> Any:
    value = to_form(field.default if field.default is not msgspec.NODEFAULT else field.default_factory())
    if isinstance(field.default, Enum):
        return field.default
    if isinstance(value, dict | list):
        return msgspec.field(default_factory=partial(msgspec.convert, value, translated))
    return value


def _translate(hint: Any) -> Any:
    """The JSON type that stands for a field's type."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        if inner is bytes:
            return _hex_type(metas)
        return Annotated[(_translate(inner), *metas)]
    if hint is bytes:
        return _hex_type([])
    if get_origin(hint) is tuple:
        items = tuple(item if item is Ellipsis else _translate(item) for item in get_args(hint))
        return tuple.__class_getitem__(items)
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_translate(item) for item in get_args(hint))]  # noqa: UP007
    if isinstance(hint, type) and issubclass(hint, Record):
        return form_type(hint)
    return hint


def _hex_type(metas: list[Any]) -> Any:
    low = max((meta.min_length or 0 for meta in metas), default=0)
    high = min((meta.max_length for meta in metas if meta.max_length is not None), default=None)
    count = f"{{{low},{'' if high is None else high}}}"
    # `$` alone would let a newline follow in Python, and `\Z` is unknown to the JSON schemas made from this
    return Annotated[
        str, msgspec.Meta(pattern=f"^{_HEX}{count}$(?!\n)", description="bytes in lower-case hex")
    ]


def _build(hint: Any, value: Any) -> Any:
    """The value of a record's field from its checked JSON value."""
    if get_origin(hint) is Annotated:
        return _build(get_args(hint)[0], value)
    if hint is bytes:
        return bytes.fromhex(value)
    if get_origin(hint) is tuple:
        return _build_tuple(get_args(hint), value)
    if get_origin(hint) in (Union, UnionType):
        return _build_union(get_args(hint), value)
    if isinstance(hint, type) and issubclass(hint, Record):
        hints = _hints(hint)
        return hint(**{name: _build(hints[name], getattr(value, name)) for name in value.__struct_fields__})
    return value


def _build_tuple(items: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_build(items[0], item) for item in value)
    return tuple(_build(item, part) for item, part in zip(items, value, strict=True))


def _build_union(members: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    for member in members:
        if isinstance(member, type) and issubclass(member, Record) and isinstance(value, form_type(member)):
            return _build(member, value)
    plain = [member for member in members if member is not NoneType]
    return _build(plain[0], value)
