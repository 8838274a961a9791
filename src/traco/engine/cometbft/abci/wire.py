"""Protobuf as CometBFT writes it, driven by the messages' own declarations. Not a protobuf library: only what ABCI uses.

A message is a frozen struct whose fields carry their number and kind:

    height: Annotated[int, Field(5, Kind.INT64)] = 0

Whether a field repeats or may be missing is read from its type: ``tuple[X, ...]``, ``X | None``. gogoproto's rules hold: fields
are written in the order of their numbers; scalars of value zero and empty bytes are left out, unless they repeat; a message that
cannot be null is written even if it is empty.

Decoding is strict: no field twice that does not repeat, no wrong wire type, no value outside of its kind. Unknown fields are
skipped, since newer engines may send some.
"""

import types
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from traco.kernel.errors import LedgerError
from traco.kernel.light.protobuf import varint

_VARINT: Final = 0
_EIGHT_BYTES: Final = 1
_LENGTH: Final = 2
_FOUR_BYTES: Final = 5
_WIDTHS: Final = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_TWO_63: Final = 1 << 63
_TWO_64: Final = 1 << 64
_MAX_SHIFT: Final = 63  # the tenth byte of a varint holds the last of 64 bits


class WireError(LedgerError):
    """These bytes are not what CometBFT writes. ``code`` is stable."""

    code: ClassVar[str] = "abci.malformed"


class Kind(Enum):
    """What a field holds. ``RAW`` is a message that is not looked into: its bytes."""

    INT64 = "int64"
    UINT64 = "uint64"
    UINT32 = "uint32"
    CHOICE = "enum"
    BOOL = "bool"
    BYTES = "bytes"
    STRING = "string"
    PACKED = "repeated uint32"
    MESSAGE = "message"
    RAW = "raw message"


class Field(NamedTuple):
    """Number and kind of a field, as in the ``.proto`` file."""

    number: int
    kind: Kind


class Message(msgspec.Struct, frozen=True):
    """Base of all messages. Every field has a default."""


M = TypeVar("M", bound=Message)
Writer = Callable[[Any, bytearray], None]
Convert = Callable[[Any], Any]


class _Reader(NamedTuple):
    """How a field with a certain tag is read. ``seen`` is its bit, 0 where it may come more than once."""

    place: int
    seen: int
    convert: Convert | None  # None: the bytes as they are


class _Table(NamedTuple):
    """What the declaration of a message says, ready for use."""

    kind: type[Message]
    writers: tuple[Writer, ...]
    readers: dict[int, _Reader]  # by tag: number and wire type
    numbers: frozenset[int]
    defaults: tuple[Any, ...]
    repeated: tuple[int, ...]


def read_varint(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """The integer at a position, and the position behind it. Raises ``IndexError`` at the end, ``WireError``."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > _MAX_SHIFT:
            raise WireError("an integer has more than ten bytes")
    if value >= _TWO_64:
        raise WireError("an integer has more than 64 bits")
    return value, position


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    out = bytearray()
    for write, value in zip(table_of(type(message)).writers, msgspec.structs.astuple(message), strict=True):
        write(value, out)
    return bytes(out)


def decode(kind: type[M], data: bytes) -> M:
    """The message in these bytes. Raises ``WireError``."""
    table = table_of(kind)
    try:
        return kind(*_read_fields(table, data))
    except IndexError:
        raise WireError(f"{kind.__name__} ends in the middle of a field") from None


def _read_fields(table: _Table, data: bytes) -> list[Any]:
    values = list(table.defaults)
    for index in table.repeated:
        values[index] = []
    readers, position, end, seen = table.readers, 0, len(data), 0
    while position < end:
        tag = data[position]
        position += 1
        if tag > 0x7F:
            tag, position = read_varint(data, position - 1)
        reader = readers.get(tag)
        if reader is None:
            position = _skip(table, tag, data, position)
            continue
        value: Any
        if tag & 7 == _LENGTH:
            size = data[position]
            position += 1
            if size > 0x7F:
                size, position = read_varint(data, position - 1)
            if size > end - position:
                raise IndexError
            value = data[position : position + size]
            position += size
        else:
            value, position = read_varint(data, position)
        if reader.convert is not None:
            value = reader.convert(value)
        if not reader.seen:
            values[reader.place].append(value)
            continue
        if seen & reader.seen:
            raise WireError(f"{table.kind.__name__} has a field twice")
        seen |= reader.seen
        values[reader.place] = value
    for index in table.repeated:
        values[index] = tuple(values[index])
    return values


def _skip(table: _Table, tag: int, data: bytes, position: int) -> int:
    """The position behind a field that is unknown. Raises ``WireError``, ``IndexError``."""
    number, wire_type = tag >> 3, tag & 7
    if number == 0 or number in table.numbers:
        raise WireError(f"field {number} of {table.kind.__name__} has wire type {wire_type}")
    if wire_type == _VARINT:
        return read_varint(data, position)[1]
    if wire_type == _LENGTH:
        size, position = read_varint(data, position)
    elif wire_type in _WIDTHS:
        size = _WIDTHS[wire_type]
    else:
        raise WireError(f"wire type {wire_type} is not in use")
    if size > len(data) - position:
        raise IndexError
    return position + size


# declarations to tables

_tables: Final[dict[type[Message], _Table]] = {}


def table_of(kind: type[Message]) -> _Table:
    """The table of a message, made once from its declaration."""
    table = _tables.get(kind)
    if table is None:
        table = _tables[kind] = _make_table(kind)
    return table


def _make_table(kind: type[Message]) -> _Table:
    writers, readers, repeated, numbers = list[Writer](), dict[int, _Reader](), list[int](), list[int]()
    for index, (inner, many, optional, field) in enumerate(_declarations(kind)):
        wire_type = _VARINT if field.kind in _INTEGERS else _LENGTH
        tag = field.number << 3 | wire_type
        writers.append(_writer(field.kind, varint(tag), many, optional))
        readers[tag] = _Reader(index, 0 if many else 1 << index, _converter(field.kind, inner))
        numbers.append(field.number)
        if many:
            repeated.append(index)
    if numbers != sorted(set(numbers)):
        raise TypeError(f"the fields of {kind.__name__} are not in the order of their numbers")
    defaults = msgspec.structs.astuple(kind())
    return _Table(kind, tuple(writers), readers, frozenset(numbers), defaults, tuple(repeated))


def _declarations(kind: type[Message]) -> list[tuple[Any, bool, bool, Field]]:
    hints = get_type_hints(kind, include_extras=True)
    return [_declaration(hints[name]) for name in kind.__struct_fields__]


def declarations(kind: type[Message]) -> list[tuple[str, bool, Field]]:
    """Name, whether it repeats as separate fields, number and kind of every field."""
    found = zip(kind.__struct_fields__, _declarations(kind), strict=True)
    return [(name, many, field) for name, (_, many, _, field) in found]


def _declaration(hint: Any) -> tuple[Any, bool, bool, Field]:
    """The type inside a declared field, whether it repeats, whether it may be missing, and its number and kind."""
    if get_origin(hint) is not Annotated:
        raise TypeError("a field of a message needs Annotated[..., Field(number, kind)]")
    inner, field = get_args(hint)[:2]
    if get_origin(inner) in (Union, types.UnionType):
        return get_args(inner)[0], False, True, field
    if get_origin(inner) is tuple and field.kind is not Kind.PACKED:
        return get_args(inner)[0], True, False, field
    return inner, False, False, field


def _writer(kind: Kind, tag: bytes, many: bool, optional: bool) -> Writer:
    if kind in _INTEGERS:
        return _integer_writer(tag)
    body = _BODIES[kind]

    def one(value: Any, out: bytearray) -> None:
        if value is None or not (value or always):
            return
        content = body(value)
        out += tag + varint(len(content)) + content

    def each(values: Any, out: bytearray) -> None:
        # blocks have hundreds of results that are one and the same object
        previous, written = None, b""
        for value in values:
            if value is not previous:
                content = body(value)
                previous, written = value, tag + varint(len(content)) + content
            out += written

    always = optional or kind in (Kind.MESSAGE, Kind.RAW)
    return each if many else one


def _integer_writer(tag: bytes) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if value:
            out += tag + varint(value % _TWO_64)

    return write


def _packed(values: tuple[int, ...]) -> bytes:
    return b"".join(map(varint, values))


def _unpacked(data: bytes) -> tuple[int, ...]:
    values, position = list[int](), 0
    while position < len(data):
        value, position = read_varint(data, position)
        values.append(_uint32(value))
    return tuple(values)


def _int64(value: int) -> int:
    return value if value < _TWO_63 else value - _TWO_64


def _uint32(value: int) -> int:
    if value >= 1 << 32:
        raise WireError(f"{value} has more than 32 bits")
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise WireError("a text is not UTF-8") from None


def _converter(kind: Kind, inner: Any) -> Convert | None:
    if kind is Kind.MESSAGE:
        return lambda value: decode(inner, value)
    if kind is Kind.CHOICE:
        return lambda value: _choice(inner, value)
    return _CONVERTERS.get(kind)


def _choice(kind: type[IntEnum], value: int) -> IntEnum:
    try:
        return kind(value)
    except ValueError:
        raise WireError(f"{value} is no {kind.__name__}") from None


_INTEGERS: Final = frozenset({Kind.INT64, Kind.UINT64, Kind.UINT32, Kind.CHOICE, Kind.BOOL})
_BODIES: Final[dict[Kind, Callable[[Any], bytes]]] = {
    Kind.BYTES: bytes,
    Kind.RAW: bytes,
    Kind.STRING: str.encode,
    Kind.PACKED: _packed,
    Kind.MESSAGE: encode,
}
_CONVERTERS: Final[dict[Kind, Convert]] = {
    Kind.INT64: _int64,
    Kind.UINT32: _uint32,
    Kind.BOOL: bool,
    Kind.STRING: _text,
    Kind.PACKED: _unpacked,
}
