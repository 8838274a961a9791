"""Hostile XML: refused with a code, within bounds, and never with another error."""

import codecs
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.services.doc import markup
from traco.services.doc.invoice import InvoiceUnreadable
from traco.services.doc.markup import Element, optional, parse, required, required_value, value
from traco.services.doc.reader import read_invoice

NOTHING: frozenset[str] = frozenset()


def code_of(content: bytes) -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        parse(content, NOTHING)
    return caught.value.code


def code_of_call(call: Callable[[], object]) -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        call()
    return caught.value.code


BILLION_LAUGHS = (
    "<!DOCTYPE r [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><r>&a9;</r>"
)


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE r><r/>",
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>",
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'http://127.0.0.1:1/'>]><r>&x;</r>",
        "<!DOCTYPE r SYSTEM 'http://127.0.0.1:1/r.dtd'><r/>",
        "<!DOCTYPE r [<!ENTITY % p SYSTEM 'file:///etc/passwd'>%p;]><r/>",
        "<?xml version='1.0'?><!DOCTYPE r><r/>",
        "<!-- one --> <!-- two --><?pi x?><!DOCTYPE r><r/>",
        "\n\n<!DOCTYPE r><r/>",
        "<!doctype r><r/>",
        BILLION_LAUGHS,
    ],
)
def test_a_document_type_is_refused(document: str) -> None:
    assert code_of(document.encode()) == "invoice.doctype_refused"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str) -> None:
    assert code_of("<!DOCTYPE r><r/>".encode(encoding)) == "invoice.doctype_refused"


def test_the_parser_refuses_a_document_type_that_the_first_look_would_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(markup, "_refuse_doctype", lambda _text: None)
    assert code_of(BILLION_LAUGHS.encode()) == "invoice.doctype_refused"


def test_an_undeclared_entity_is_refused() -> None:
    assert code_of(b"<r>&x;</r>") == "invoice.not_xml"


def test_the_entities_of_xml_itself_are_read() -> None:
    assert parse(b"<r>&amp;&lt;&#65;</r>", NOTHING).text == "&<A"


def test_a_document_type_in_a_comment_is_text() -> None:
    assert parse(b"<r><!-- <!DOCTYPE r> -->x</r>", NOTHING).text == "x"


def test_an_include_is_not_followed() -> None:
    document = (
        b"<r xmlns:i='http://www.w3.org/2001/XInclude'><i:include href='/etc/passwd' parse='text'/></r>"
    )
    assert parse(document, NOTHING).children[0].text == ""


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def test_the_deepest_document_allowed_is_read() -> None:
    assert parse(nested(markup.MAXIMUM_DEPTH), NOTHING).name == "a"


@pytest.mark.parametrize("depth", [markup.MAXIMUM_DEPTH + 1, 100_000])
def test_a_deeper_document_is_refused(depth: int) -> None:
    assert code_of(nested(depth)) == "invoice.too_complex"


def test_the_most_elements_allowed_are_read() -> None:
    document = b"<r>" + b"<a/>" * (markup.MAXIMUM_ELEMENTS - 1) + b"</r>"
    assert parse(document, frozenset({"a"})).children == []


def test_one_more_element_is_refused_even_among_the_skipped() -> None:
    document = b"<r>" + b"<a/>" * markup.MAXIMUM_ELEMENTS + b"</r>"
    assert code_of_call(lambda: parse(document, frozenset({"a"}))) == "invoice.too_complex"


def with_attributes(count: int) -> bytes:
    return b"<r " + b" ".join(b'a%d=""' % number for number in range(count)) + b"/>"


def test_the_most_attributes_allowed_are_read() -> None:
    assert (
        len(parse(with_attributes(markup.MAXIMUM_ATTRIBUTES), NOTHING).attributes)
        == markup.MAXIMUM_ATTRIBUTES
    )


@pytest.mark.parametrize("count", [markup.MAXIMUM_ATTRIBUTES + 1, 500_000])
def test_more_attributes_are_refused(count: int) -> None:
    assert code_of(with_attributes(count)) == "invoice.too_complex"


def test_a_file_of_the_greatest_size_is_read() -> None:
    padding = b" " * (markup.MAXIMUM_BYTES - len(b"<r/>"))
    assert parse(b"<r/>" + padding, NOTHING).name == "r"


def test_a_greater_file_is_refused() -> None:
    padding = b" " * (markup.MAXIMUM_BYTES - len(b"<r/>") + 1)
    assert code_of(b"<r/>" + padding) == "invoice.too_large"


@pytest.mark.parametrize(
    "document",
    [
        b"<r><s>" + b"x" * 10_000_000 + b"</s></r>",
        b"<r a='" + b"x" * 9_000_000 + b"'/>",
        b"<" + b"x" * 10_000_000 + b"/>",
        b"<!--" + b"-" * 10_000_000,
        b"<r>" + b"<![CDATA[x]]>" * 700_000 + b"</r>",
        b"<r " + b" ".join(b'xmlns:n%d="u"' % number for number in range(290_000)) + b"/>",
    ],
    ids=["text", "attribute", "name", "comment", "cdata", "namespaces"],
)
def test_python_memory_stays_bounded_whatever_is_long(document: bytes) -> None:
    tracemalloc.start()
    try:
        parse(document, NOTHING)
    except InvoiceUnreadable:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 200 * 1024 * 1024


@pytest.mark.parametrize("content", [b"", b" \r\n\t"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    assert code_of(content) == "invoice.empty"


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7",
        b"not xml",
        b"{}",
        b"<r>",
        b"<r></s>",
        b"<r/><r/>",
        b"<r a=1/>",
        b"<r a='1' a='2'/>",
        b"<r>\x00</r>",
        b"<n:r/>",
        b"<r n:a=''/>",
        b"<r><s><n:t/></s></r>",
        b"<!-- only a comment -->",
        b"<!-- never closed",
        b"<?pi never closed",
        b"<?xml version='1.0' encoding='utf-8'?>",
        b"PK\x03\x04",
    ],
)
def test_what_is_not_well_formed_is_refused(content: bytes) -> None:
    assert code_of(content) == "invoice.not_xml"


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "UTF-8"])
def test_a_declared_encoding_is_used(encoding: str) -> None:
    document = f"<?xml version='1.0' encoding='{encoding}'?><r>\u00e4</r>".encode(encoding)
    assert parse(document, NOTHING).text == "\u00e4"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf_16_with_its_mark_is_read(mark: bytes) -> None:
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    document = mark + "<?xml version='1.0' encoding='utf-16'?><r>\u00e4</r>".encode(encoding)
    assert parse(document, NOTHING).text == "\u00e4"


def test_a_byte_order_mark_of_utf_8_is_read() -> None:
    assert parse(codecs.BOM_UTF8 + b"<r>x</r>", NOTHING).text == "x"


@pytest.mark.parametrize("encoding", ["utf-7", "utf-32", "ebcdic-cp-us", "idna", "rot13", "hex"])
def test_another_encoding_is_refused(encoding: str) -> None:
    assert (
        code_of(f"<?xml version='1.0' encoding='{encoding}'?><r/>".encode()) == "invoice.encoding_unsupported"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"<r>\xe4</r>",
        b"<r>\xed\xa0\x80</r>",
        b"<?xml version='1.0' encoding='us-ascii'?><r>\xc3\xa4</r>",
        b"\xff\xfe<",
    ],
)
def test_bytes_that_do_not_fit_the_encoding_are_refused(content: bytes) -> None:
    assert code_of(content) == "invoice.encoding_invalid"


def test_a_comment_or_section_inside_a_value_does_not_cut_it() -> None:
    assert parse(b"<r>12<!-- x -->34<?p x?><![CDATA[56]]></r>", NOTHING).text == "123456"


def test_the_parts_that_are_skipped_leave_nothing() -> None:
    root = parse(b"<r>a<s>b<t>c</t></s>d<t/></r>", frozenset({"s"}))
    assert (root.text, [child.name for child in root.children]) == ("ad", ["t"])


def tree(document: bytes) -> Element:
    return parse(document, NOTHING)


def test_a_child_that_occurs_twice_is_refused() -> None:
    assert code_of_call(lambda: optional(tree(b"<r><a/><a/></r>"), "a")) == "invoice.field_repeated"


@pytest.mark.parametrize("document", [b"<r><a xmlns='u'/></r>", b"<r><a/><a xmlns='u'/></r>"])
def test_a_child_of_a_foreign_namespace_is_refused(document: bytes) -> None:
    assert code_of_call(lambda: optional(tree(document), "a")) == "invoice.field_invalid"


def test_a_child_that_is_not_there_is_none() -> None:
    assert optional(tree(b"<r><b/></r>"), "a") is None


@pytest.mark.parametrize("document", [b"<r/>", b"<r><a/></r>", b"<r><b/></r>"])
def test_a_step_that_is_missing_is_named(document: bytes) -> None:
    assert code_of_call(lambda: required(tree(document), "a", "b")) == "invoice.field_missing"


def test_an_empty_required_value_is_missing() -> None:
    assert code_of_call(lambda: required_value(tree(b"<r><a> </a></r>"), "a")) == "invoice.field_missing"


def test_a_value_with_elements_in_it_is_refused() -> None:
    assert code_of_call(lambda: value(tree(b"<r>1<a/>2</r>"))) == "invoice.field_invalid"


def test_white_space_in_a_value_becomes_one_space() -> None:
    assert value(tree(b"<r>\n 1\t \r\n2 </r>")) == "1 2"


def test_a_value_of_the_greatest_length_is_read() -> None:
    assert value(tree(b"<r>" + b"x" * markup.MAXIMUM_TEXT + b"</r>")) == "x" * markup.MAXIMUM_TEXT


def test_a_longer_value_is_refused() -> None:
    document = b"<r>" + b"x" * (markup.MAXIMUM_TEXT + 1) + b"</r>"
    assert code_of_call(lambda: value(tree(document))) == "invoice.field_invalid"


def test_the_error_does_not_quote_what_the_parser_saw() -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        parse(b"<r><secret></r>", NOTHING)
    assert "secret" not in str(caught.value)


def code_or_empty(content: bytes) -> str:
    try:
        read_invoice(content)
    except InvoiceUnreadable as error:
        return error.code
    return ""


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_no_bytes_give_another_error(content: bytes) -> None:
    assert code_or_empty(content).startswith("invoice.")


@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "/",
                "<!--",
                "-->",
                "<?",
                "?>",
                "<![CDATA[",
                "]]>",
                "&",
                ";",
                "a",
                "'",
                "=",
                "\n",
                "<!DOCTYPE",
                "xmlns",
                ":",
                "\x00",
                "\ufffe",
            ]
        ),
        max_size=40,
    )
)
@settings(max_examples=300)
def test_no_pieces_of_markup_give_another_error(pieces: list[str]) -> None:
    assert code_or_empty("".join(pieces).encode("utf-8")).startswith("invoice.")
