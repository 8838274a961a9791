"""Records as JSON and back: for every instruction of the ledger, and nothing but ``FormInvalid`` for bad forms."""

from contextlib import suppress
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.client.forms import FormInvalid, form_type, from_form, to_form
from traco.kernel.codec import Codec, Id, Record, encode
from traco.kernel.registry import tag_of
from traco.modules.composition import compose

REGISTRY = compose()
KINDS = sorted(REGISTRY.handlers, key=tag_of)
QUERIES = sorted(REGISTRY.queries)
CODES = ("EUR", "A1", "2026-11-20", "0199", "DE", "x.y/1", "ab", "a")


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, inside its bounds."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        return annotated(inner, metas)
    if hint is bool:
        return st.booleans()
    if hint in (int, str, bytes):
        return annotated(hint, [])
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        return tuples(get_args(hint), 0, 3)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([strategy(member) for member in get_args(hint)])
    if hint is NoneType:
        return st.none()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if isinstance(hint, type) and issubclass(hint, Record):
        return records(hint)
    raise TypeError(f"no strategy for {hint}")


def annotated(inner: Any, metas: list[Any]) -> st.SearchStrategy[Any]:
    low = max(
        [
            -(2**63),
            *(meta.ge for meta in metas if meta.ge is not None),
            *(meta.gt + 1 for meta in metas if meta.gt is not None),
        ]
    )
    high = min(
        [
            2**63 - 1,
            *(meta.le for meta in metas if meta.le is not None),
            *(meta.lt - 1 for meta in metas if meta.lt is not None),
        ]
    )
    least = max((meta.min_length or 0 for meta in metas), default=0)
    most = min((meta.max_length for meta in metas if meta.max_length is not None), default=least + 20)
    patterns = [meta.pattern for meta in metas if meta.pattern]
    if inner is int:
        return st.integers(low, high)
    if inner is bytes:
        return st.binary(min_size=least, max_size=min(most, least + 40))
    if inner is str and patterns:
        return st.from_regex(patterns[0], fullmatch=False).filter(lambda text: least <= len(text) <= most)
    if inner is str:
        return st.text(
            st.characters(exclude_categories=["Cs"]), min_size=least, max_size=min(most, least + 20)
        )
    if get_origin(inner) is tuple:
        return tuples(get_args(inner), least, min(most, least + 2))
    return strategy(inner)


def tuples(items: tuple[Any, ...], least: int, most: int) -> st.SearchStrategy[Any]:
    if len(items) == 2 and items[1] is Ellipsis:
        return st.lists(strategy(items[0]), min_size=least, max_size=most).map(tuple)
    return st.tuples(*[strategy(item) for item in items])


@cache
def records(kind: type[Record]) -> st.SearchStrategy[Any]:
    """Records of a kind; where their fields must fit together, those that do."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.name: strategy(hints[field.name]) for field in msgspec.structs.fields(kind)}

    def build(values: dict[str, Any]) -> Any:
        try:
            return kind(**values)
        except ValueError:
            return None

    return st.fixed_dictionaries(fields).map(build).filter(lambda record: record is not None)


def through_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(to_form(value)))


@pytest.mark.parametrize("kind", KINDS, ids=tag_of)
@settings(max_examples=15)
@given(st.data())
def test_every_instruction_is_the_same_after_a_round_trip(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    form = through_json(record)
    assert form["type"] == tag_of(kind)
    again = from_form(kind, form)
    assert (again, encode(again)) == (record, encode(record))
    Codec[Any](kind).decode(encode(again))  # what a form may say, the ledger may say


@pytest.mark.parametrize("name", QUERIES)
@settings(max_examples=5)
@given(st.data())
def test_every_query_is_the_same_after_a_round_trip(name: str, data: st.DataObject) -> None:
    kind = REGISTRY.queries[name].request
    record = data.draw(records(kind))
    assert encode(from_form(kind, through_json(record))) == encode(record)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=16).map(bytes.hex),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from(KINDS), st.data())
def test_a_bad_form_gives_form_invalid_and_nothing_else(kind: type[Record], data: st.DataObject) -> None:
    form = through_json(data.draw(records(kind)))
    place = data.draw(st.sampled_from([*form, "nothing_of_this_name"]))
    form[place] = data.draw(JSON)
    with suppress(FormInvalid):
        Codec[Any](kind).decode(encode(from_form(kind, form)))


@given(st.sampled_from(KINDS), JSON)
def test_what_is_no_object_gives_form_invalid_and_nothing_else(kind: type[Record], form: Any) -> None:
    with pytest.raises(FormInvalid):
        from_form(kind, form)


class Part(Record, frozen=True):
    """A part."""

    number: int


class Left(Record, frozen=True, tag="test.left/1"):
    """One of two."""

    part: Part


class Right(Record, frozen=True, tag="test.right/1"):
    """The other."""

    key: Id | None = None


class Colour(Enum):
    """An enumeration without plain values."""

    RED = "red"
    BLUE = "blue"


class Whole(Record, frozen=True, tag="test.whole/1"):
    """Every construction that fields may have."""

    choice: Left | Right
    pair: tuple[int, bytes]
    parts: tuple[Part, ...] = ()
    colour: Colour = Colour.RED
    note: bytes = b"\xff"
    part: Part = Part(3)

    def __post_init__(self) -> None:
        """Raises ``ValueError`` where the pair is (13, ...)."""
        if self.pair[0] == 13:
            raise ValueError("thirteen")


def form(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": "test.whole/1", "choice": {"type": "test.right/1"}, "pair": [1, "00ff"]}
    return {**plain, **changes}


def test_names_hex_and_type_make_the_form() -> None:
    whole = Whole(Left(Part(1)), (2, b"\x01\xab"), (Part(7),), Colour.BLUE, b"", Part(9))
    assert to_form(whole) == {
        "type": "test.whole/1", "choice": {"type": "test.left/1", "part": {"number": 1}}, "pair": [2, "01ab"],
        "parts": [{"number": 7}], "colour": "blue", "note": "", "part": {"number": 9},
    }  # fmt: skip
    assert from_form(Whole, to_form(whole)) == whole


def test_what_is_left_out_has_its_default_with_its_own_type() -> None:
    whole = from_form(Whole, form())
    assert whole == Whole(Right(), (1, b"\x00\xff"))
    assert whole.colour is Colour.RED
    assert isinstance(whole.part, Part)


@pytest.mark.parametrize(
    "changes",
    [
        {"pair": [1, "00FF"]}, {"pair": [1, "0"]}, {"pair": [1, "00ff\n"]}, {"pair": [1, " 00"]}, {"pair": [1]}, {"pair": [1, "", 1]},
        {"choice": {"type": "test.other/1"}}, {"choice": {}}, {"choice": None}, {"choice": {"type": "test.right/1", "key": "00" * 15}},
        {"type": "test.left/1"}, {"colour": "green"}, {"more": 1}, {"parts": {}}, {"pair": [13, ""]}, {"pair": [True, ""]},
        {"pair": [1.5, ""]}, {"note": None},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_invalid(changes: dict[str, Any]) -> None:
    with pytest.raises(FormInvalid):
        from_form(Whole, form(**changes))


def test_a_form_type_is_made_once() -> None:
    assert form_type(Whole) is form_type(Whole)
