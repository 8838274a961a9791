"""Hostile XML to a small tree of what is needed, within fixed bounds. The only file that touches lxml.

Safety does not rest on one switch. The bytes are decoded here, by a short list of encodings, so that the parser
gets UTF-8 only; a document type declaration is refused before the parser sees it, and again if the parser reports
one; without one there are no entities but the five of XML. Depth, elements, attributes and size are counted while
parsing. Text is the concatenation of all character data of an element, so a comment inside a number does not make
two readers see two numbers.
"""

import re
from typing import Any, Final

from lxml import etree  # type: ignore[import-untyped, unused-ignore]

from traco.services.doc.invoice import InvoiceUnreadable

MAXIMUM_BYTES: Final = 10 * 1024 * 1024
MAXIMUM_DEPTH: Final = 64
MAXIMUM_ELEMENTS: Final = 250_000
MAXIMUM_ATTRIBUTES: Final = 64
MAXIMUM_TEXT: Final = 500

# The parser builds all attributes of an element before it hands them over; each needs an equals sign.
_MAXIMUM_EQUALS_SIGNS: Final = 300_000
_CHUNK: Final = 64 * 1024
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}
_DECLARATION: Final = re.compile(rb"\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_WHITE_SPACE_RUN: Final = re.compile(r"[ \t\r\n]+")
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class Element:
    """One element: qualified name in lxml's `{namespace}local` form, attributes, children, text without children's."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""


def parse(content: bytes, skipped: frozenset[str]) -> Element:
    """The tree of an XML document, without the elements named in `skipped` and what is in them.

    Raises InvoiceUnreadable, and nothing else, for any bytes: `invoice.empty`, `invoice.too_large`,
    `invoice.encoding_unsupported`, `invoice.encoding_invalid`, `invoice.doctype_refused`, `invoice.not_xml`,
    `invoice.too_complex`.
    """
    text = _decoded(content)
    _refuse_doctype(text)
    if text.count("=") > _MAXIMUM_EQUALS_SIGNS:
        raise _too_complex("attributes")
    return _parsed(text.encode("utf-8"), skipped)


def _decoded(content: bytes) -> str:
    if len(content) > MAXIMUM_BYTES:
        raise InvoiceUnreadable(
            "invoice.too_large",
            f"the file has {len(content)} bytes and {MAXIMUM_BYTES} are allowed; leave out embedded attachments.",
        )
    if not content.strip():
        raise InvoiceUnreadable("invoice.empty", "the file is empty; export the invoice again.")
    if content.startswith(b"%PDF"):
        raise InvoiceUnreadable(
            "invoice.not_xml", "this is a PDF; take the XML invoice out of it, or ask the sender for the XML."
        )
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError:
        raise InvoiceUnreadable(
            "invoice.encoding_invalid",
            "the bytes do not fit the encoding that the file declares; ask the sender to export it as UTF-8.",
        ) from None
    return text.removeprefix("\ufeff")


def _encoding(content: bytes) -> str:
    if content.startswith(_UTF16_MARKS):
        return "utf-16"
    declared = _DECLARATION.match(content.removeprefix(b"\xef\xbb\xbf"))
    if declared is None:
        return "utf-8"
    name = declared[1].decode("ascii").lower()
    if name not in _ENCODINGS:
        raise InvoiceUnreadable(
            "invoice.encoding_unsupported",
            f"the encoding {name!r} is not read; ask the sender to export as UTF-8.",
        )
    return _ENCODINGS[name]


def _refuse_doctype(text: str) -> None:
    """Walk the prolog (declarations, comments, instructions), where alone a document type may stand."""
    position = 0
    while True:
        if blank := _WHITE_SPACE_RUN.match(text, position):
            position = blank.end()
        if text.startswith("<!--", position):
            closing, end = "-->", text.find("-->", position + 4)
        elif text.startswith("<?", position):
            closing, end = "?>", text.find("?>", position + 2)
        else:
            break
        if end < 0:
            return
        position = end + len(closing)
    if text[position : position + 9].upper() == "<!DOCTYPE":
        raise _doctype_refused()


def _parsed(content: bytes, skipped: frozenset[str]) -> Element:
    # Any, because the published stubs of lxml ask for callbacks that are not wanted here.
    builder: Any = _Builder(skipped)
    parser = etree.XMLParser(
        target=builder,
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
    )
    try:
        for start in range(0, len(content), _CHUNK):
            parser.feed(content[start : start + _CHUNK])
        root = parser.close()
    except etree.LxmlError as error:
        # The message of the parser is left out: it may quote the file.
        line = getattr(error, "lineno", None)
        where = f" near line {line}" if line else ""
        raise InvoiceUnreadable(
            "invoice.not_xml",
            f"the file is not well-formed XML{where}; it may be damaged or cut off: get it again.",
        ) from None
    # A prefix without a declaration does not stop the parser, and would hide an element from one reader only.
    if len(parser.feed_error_log.filter_from_errors()):
        raise InvoiceUnreadable(
            "invoice.not_xml",
            "the file uses a namespace prefix that it does not declare; ask for a clean export.",
        )
    if not isinstance(root, Element):
        raise InvoiceUnreadable("invoice.not_xml", "the file has no XML element; export the invoice again.")
    return root


class _Builder:
    """What lxml calls while it parses. Raising here stops the parser."""

    def __init__(self, skipped: frozenset[str]) -> None:
        self._skipped = skipped
        self._root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._depth = 0
        self._skipping_from = 0
        self._elements = 0

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise _doctype_refused()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAXIMUM_DEPTH:
            raise _too_complex("nested elements")
        if self._elements > MAXIMUM_ELEMENTS:
            raise _too_complex("elements")
        if len(attributes) > MAXIMUM_ATTRIBUTES:
            raise _too_complex("attributes")
        if self._skipping_from:
            return
        if name in self._skipped and self._open:
            self._skipping_from = self._depth
            return
        element = Element(name, dict(attributes))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _name: str) -> None:
        depth = self._depth
        self._depth -= 1
        if self._skipping_from:
            if depth == self._skipping_from:
                self._skipping_from = 0
            return
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        if self._texts and not self._skipping_from:
            self._texts[-1].append(text)

    def close(self) -> Element | None:
        return self._root


def _doctype_refused() -> InvoiceUnreadable:
    return InvoiceUnreadable(
        "invoice.doctype_refused",
        "the file has a document type declaration, which an electronic invoice never needs; ask for one without.",
    )


def _too_complex(what: str) -> InvoiceUnreadable:
    return InvoiceUnreadable(
        "invoice.too_complex", f"the file has more {what} than any invoice needs; check where it comes from."
    )


def local_name(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition("}")[2]


def optional(parent: Element, name: str) -> Element | None:
    """The child of that qualified name, or None.

    Two of them are refused (`invoice.field_repeated`), and so is one of the same local name in another namespace
    (`invoice.field_invalid`): different readers could then read different invoices.
    """
    local = local_name(name)
    found = [child for child in parent.children if local_name(child.name) == local]
    if any(child.name != name for child in found):
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"{local} stands in a foreign namespace; ask the sender for a clean export.",
        )
    if len(found) > 1:
        raise InvoiceUnreadable(
            "invoice.field_repeated",
            f"{local} occurs {len(found)} times where one is allowed; ask the sender to correct the invoice.",
        )
    return found[0] if found else None


def required(parent: Element, *path: str) -> Element:
    """The descendant at a path of qualified names; `invoice.field_missing` where a step has none."""
    element = parent
    for name in path:
        child = optional(element, name)
        if child is None:
            raise InvoiceUnreadable(
                "invoice.field_missing",
                f"{local_name(name)} is missing in {local_name(element.name)}; the standard requires it.",
            )
        element = child
    return element


def value(element: Element) -> str:
    """The text of an element without children, runs of white space as one space; empty where there is none."""
    if element.children:
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"{local_name(element.name)} contains elements where a value is expected.",
        )
    # Only the white space of XML: any other character is part of the value.
    text = " ".join(part for part in _WHITE_SPACE_RUN.split(element.text) if part)
    if len(text) > MAXIMUM_TEXT:
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"{local_name(element.name)} has {len(text)} characters, {MAXIMUM_TEXT} are allowed; shorten it.",
        )
    return text


def required_value(parent: Element, *path: str) -> str:
    """The text at a path; `invoice.field_missing` where it is absent or empty."""
    element = required(parent, *path)
    text = value(element)
    if not text:
        raise InvoiceUnreadable(
            "invoice.field_missing", f"{local_name(element.name)} is empty; the standard requires a value."
        )
    return text


def optional_value(parent: Element, *path: str) -> str | None:
    """The text at a path, or None where a step is absent or the element is empty."""
    element: Element | None = parent
    for name in path:
        if element is None:
            return None
        element = optional(element, name)
    return (value(element) or None) if element is not None else None
