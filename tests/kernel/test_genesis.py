"""The founding document: one id whatever its layout, and nothing in it that is not understood."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.counters import counter_genesis, counter_ledger
from support.ledger import START_MS, Key
from traco.kernel import genesis as genesis_file
from traco.kernel.codec import Count, Record
from traco.kernel.genesis import Genesis, GenesisInvalid, named, network_id, parse_genesis, write_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.protocol import NEWEST_PROTOCOL

SEAL = {"kind": "checkpoint", "key": Key("seal").public.hex()}
DOCUMENT: dict[str, Any] = {
    "format": "traco-genesis/1", "name": "counters", "purpose": "test", "time_ms": START_MS, "protocol": 1, "seal": SEAL,
    "parameters": {"kernel": {"max_depth": 3}}, "modules": {"counter": {"a": 1, "b": 2}},
}  # fmt: skip


def document(**changes: Any) -> bytes:
    return json.dumps({**DOCUMENT, **changes}).encode()


def reason(raw: bytes) -> str:
    with pytest.raises(GenesisInvalid) as caught:
        parse_genesis(raw)
    return str(caught.value)


def shuffled(value: Any, backwards: bool) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: shuffled(value[key], backwards) for key in sorted(value, reverse=backwards)}


def test_the_id_does_not_depend_on_layout_or_order() -> None:
    layouts = [
        json.dumps(shuffled(DOCUMENT, backwards), indent=indent, ensure_ascii=False).encode()
        for backwards in (False, True)
        for indent in (None, 0, 4)
    ]
    written = [write_genesis(parse_genesis(layout)) for layout in layouts]
    ids = [network_id(parse_genesis(raw)) for raw in layouts + written]
    assert len(dict.fromkeys(ids)) == 1
    assert len(dict.fromkeys(written)) == 1
    assert len(ids[0]) == 32


def test_what_is_left_out_has_its_default() -> None:
    short = {key: DOCUMENT[key] for key in ("name", "purpose", "time_ms", "seal")}
    assert network_id(parse_genesis(json.dumps(short).encode())) == network_id(counter_genesis())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"}, {"purpose": "production"}, {"time_ms": START_MS + 1}, {"protocol": 2},
        {"seal": {**SEAL, "key": Key("other").public.hex()}}, {"parameters": {}}, {"modules": {}},
        {"modules": {"counter": {"a": 1, "b": 3}}}, {"modules": {"counter": {"a": "1", "b": 2}}},
    ],
)  # fmt: skip
def test_the_id_depends_on_everything_said(changes: dict[str, Any]) -> None:
    assert network_id(parse_genesis(document(**changes))) != network_id(parse_genesis(document()))


def test_the_order_of_a_list_is_content() -> None:
    one, two = (document(modules={"counter": {"a": order}}) for order in ([1, 2], [2, 1]))
    assert network_id(parse_genesis(one)) != network_id(parse_genesis(two))


def test_the_written_form_is_readable_and_ends_with_a_line_feed() -> None:
    raw = write_genesis(parse_genesis(document()))
    assert raw.startswith(b'{\n  "format": "traco-genesis/1",\n  "modules"')
    assert raw.endswith(b"}\n")


@pytest.mark.parametrize("number", ["1.5", "1.0", "1e3", "-0.0", str(2**63), str(-(2**63)), "9" * 5_000])
@pytest.mark.parametrize("place", ['{"x": %s}', '{"x": [[%s]]}', '{"x": {"y": [1, {"z": %s}]}}'])
@pytest.mark.parametrize("section", ["modules", "parameters"])
def test_numbers_are_integers_of_a_size_that_every_reader_has(number: str, place: str, section: str) -> None:
    hidden = document(**{section: {"counter": "PLACE"}}).replace(b'"PLACE"', (place % number).encode())
    reason(hidden)


def test_the_largest_integers_are_read() -> None:
    numbers = [2**63 - 1, 1 - 2**63]
    assert parse_genesis(document(modules={"counter": {"x": numbers}})).modules == {"counter": {"x": numbers}}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": "traco-genesis/2"}, "Invalid enum value 'traco-genesis/2' - at `$.format`"),
        ({"purpose": "play"}, "Invalid enum value 'play' - at `$.purpose`"),
        ({"extra": 1}, "Object contains unknown field `extra`"),
        ({"seal": {**SEAL, "extra": 1}}, "Object contains unknown field `extra` - at `$.seal`"),
        ({"seal": {**SEAL, "kind": "other"}}, "Invalid enum value 'other' - at `$.seal.kind`"),
        ({"name": ""}, "Expected `str` of length >= 1 - at `$.name`"),
        ({"time_ms": -1}, "Expected `int` >= 0 - at `$.time_ms`"),
        ({"time_ms": 1.0}, "Expected `int`, got `float` - at `$.time_ms`"),
        ({"time_ms": True}, "Expected `int`, got `bool` - at `$.time_ms`"),
        ({"modules": {"counter": 1}}, "Expected `object`, got `int` - at `$.modules[...]`"),
        ({"parameters": {"kernel": {"speed": 1}}}, "KernelParameters has no field speed"),
        ({"parameters": {"kernel": {"max_depth": 0}}}, "Expected `int` >= 1 - at `$[9]`"),
        ({"parameters": {"kernel": {"max_depth": True}}}, "Expected `int`, got `bool` - at `$[9]`"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], text: str) -> None:
    assert reason(document(**changes)) == text


@pytest.mark.parametrize("missing", ["name", "purpose", "time_ms", "seal"])
def test_what_is_missing_is_named(missing: str) -> None:
    raw = json.dumps({key: value for key, value in DOCUMENT.items() if key != missing}).encode()
    assert reason(raw) == f"Object missing required field `{missing}`"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "01",
        "zz" * 33,
        Key("seal").public.hex().upper(),
        Key("seal").public.hex() + "0",
        "0" * 67,
        " " + "0" * 65,
        "0" * 66 + "\n",
    ],
)
def test_a_key_that_is_no_hex_of_a_key_is_refused(key: str) -> None:
    if key == key.lower() or not key:
        assert reason(document(seal={**SEAL, "key": key})) == "seal.key is not a public key in lower-case hex"
    else:
        reason(document(seal={**SEAL, "key": key}))


@pytest.mark.parametrize("length", [66, 68])
def test_keys_of_both_schemes_have_their_length(length: int) -> None:
    assert parse_genesis(document(seal={**SEAL, "key": "0" * length})).seal.key == "0" * length


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff", document() + b"x", document()[:-1]])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    reason(raw)


def nested(depth: int) -> bytes:
    return document(modules={"counter": {"x": "DEEP"}}).replace(b'"DEEP"', b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("depth", [1_100, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert reason(nested(depth)) == "nested too deeply"


@pytest.mark.parametrize("depth", range(850, 1_000, 9))
def test_nesting_at_the_edge_of_the_stack_has_an_id_or_is_refused(depth: int) -> None:
    with suppress(GenesisInvalid):
        assert len(network_id(parse_genesis(nested(depth)))) == 32


def test_the_size_of_a_document_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = document()
    monkeypatch.setattr(genesis_file, "MAX_GENESIS_BYTES", len(raw))
    parse_genesis(raw)
    assert reason(raw + b" ") == f"the document has {len(raw) + 1} bytes, the limit is {len(raw)}"


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_hostile_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(GenesisInvalid):
        parse_genesis(raw)


class Tagged(Record, frozen=True, tag=3):
    first: Count
    second: Count = 5


class Plain(Record, frozen=True):
    first: Count
    second: Count = 5


def test_a_section_is_written_by_name_and_read_as_a_record() -> None:
    assert named({"first": 1}, Tagged) == [3, 1, 5]
    assert named({"second": 2, "first": 1}, Plain) == [1, 2]


def test_a_field_without_default_is_needed() -> None:
    with pytest.raises(GenesisInvalid) as caught:
        named({"second": 1}, Tagged)
    assert str(caught.value) == "Tagged needs first"


def test_the_first_unknown_field_in_alphabetical_order_is_named() -> None:
    with pytest.raises(GenesisInvalid) as caught:
        named({"z": 1, "b": 1, "first": 1}, Tagged)
    assert str(caught.value) == "Tagged has no field b"


def test_kernel_parameters_are_those_of_the_document() -> None:
    assert parse_genesis(document()).kernel_parameters() == KernelParameters(max_depth=3)
    assert counter_genesis().kernel_parameters() == KernelParameters()


def test_booleans_text_and_nothing_are_allowed_in_sections() -> None:
    parsed = parse_genesis(document(modules={"counter": {"a": [True, None, "x", -1]}}))
    assert parsed.modules == {"counter": {"a": [True, None, "x", -1]}}


# Founding: what the modules and this software must make of the document.


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"protocol": NEWEST_PROTOCOL + 1}, f"this software has no protocol {NEWEST_PROTOCOL + 1}"),
        ({"protocol": 0}, "this software has no protocol 0"),
        ({"modules": {"zebra": {}, "nobody": {}}}, "no module nobody"),
        ({"parameters": {"zebra": {}, "nobody": {}}}, "nobody has no parameters"),
        ({"parameters": {"counter": {"limit": -1}}}, "parameters.counter: Expected `int` >= 0 - at `$[1]`"),
        (
            {"parameters": {"counter": {"speed": 1}}},
            "parameters.counter: CounterParameters has no field speed",
        ),
        ({"modules": {"kernel": {"a": 1}}}, "modules.kernel: module kernel takes no genesis section"),
        (
            {"modules": {"counter": {"a": 1_000_001}}},
            "modules.counter: counter.above_limit: a would be 1000001, above 1000000.",
        ),
    ],
)
def test_a_document_that_cannot_be_founded_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(GenesisInvalid) as caught:
        counter_ledger(**changes)
    assert str(caught.value) == text


def test_the_order_of_a_section_is_the_modules_business() -> None:
    one = counter_ledger(modules={"counter": {"a": 1, "b": 2}})
    two = counter_ledger(modules={"counter": {"b": 2, "a": 1}})
    assert one.application.info().app_hash == two.application.info().app_hash


def test_a_genesis_is_frozen() -> None:
    genesis: Any = counter_genesis()
    with pytest.raises(AttributeError):
        genesis.name = "other"
    assert isinstance(genesis, Genesis)
    assert msgspec.structs.replace(genesis, name="other").name == "other"
