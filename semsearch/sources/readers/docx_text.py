"""The text of one paragraph of a Word document: runs, fields, links, symbols, and the text boxes that stand in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from semsearch.sources.readers.docx_numbering import Numbering
from semsearch.sources.readers.drawing_text import paragraphs_of_drawing
from semsearch.sources.readers.link_addresses import beside, field_address
from semsearch.sources.readers.ooxml import Package
from semsearch.sources.readers.symbol_fonts import has_symbols, in_font, symbol
from semsearch.sources.xml_elements import attribute, child, local, named, whole

# What is not text: properties, what was deleted or moved away, readings that are set beside words.
SILENT = frozenset(
    {"pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "sectPr", "del", "moveFrom", "delText", "delInstrText", "Fallback",
     "ctrlPr", "rt"}
)  # fmt: skip
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}
# `den`: the lower part of a fraction.
_BEFORE = {"p": "\n", "den": "/"}
_LINE_ENDS = re.compile(r"\n{2,}")
_MOST_NESTED = 200
# Links and fields that stand in so many others tell no address of their own; Word knows no more fields in fields.
_MOST_LINKS = 20


@dataclass
class _Field:
    """A field that has begun. `shown_from`: where its result begins; None in its instruction, which is not shown."""

    instruction: list[str] = field(default_factory=list)
    shown_from: int | None = None


class _Open(NamedTuple):
    """An element that is being read: what is left in it, what follows its text, the address that it leads to, and where
    its text begins."""

    inner: Iterator[Any]
    behind: str
    address: str
    begin: int


def paragraph_text(package: Package, part: str, numbering: Numbering, paragraph: Any) -> str:
    """What the `paragraph` that stands in `part` shows, text boxes in it on lines of their own."""
    return _Reader(package, part, numbering).read(paragraph)


class _Reader:
    """Reads one paragraph."""

    def __init__(self, package: Package, part: str, numbering: Numbering) -> None:
        self._package = package
        self._part = part
        self._numbering = numbering
        self._parts: list[str] = []
        self._fields: list[_Field] = []
        # How many of the fields that have begun are read up to their result.
        self._instructions = 0

    def read(self, paragraph: Any) -> str:
        pending = [_Open(iter(paragraph), "", "", 0)]
        links = 0
        while pending:
            element = next(pending[-1].inner, None)
            if element is None:
                ended = pending.pop()
                self._say(ended.behind)
                if ended.address:
                    links -= 1
                    self._say(beside(ended.address, self._text_from(ended.begin)))
                continue
            name = local(element)
            if not name or name in SILENT:
                continue
            if len(pending) >= _MOST_NESTED:
                self._package.missing.tell(f"text nested more than {_MOST_NESTED} deep left out")
                continue
            if name in ("t", "sym"):
                self._say(_characters(element))
            elif name in _CHARACTERS:
                self._say(_CHARACTERS[name])
            elif name == "instrText":
                if self._fields and self._fields[-1].shown_from is None:
                    self._fields[-1].instruction.append(element.text or "")
            elif name == "fldChar":
                self._field_character(element)
            elif name == "graphicData" and not any(local(one) == "txbxContent" for one in element.iter()):
                self._say("".join(f"\n{text}\n" for text in paragraphs_of_drawing(element)))
            else:
                self._say(_BEFORE.get(name, ""))
                if name == "p":
                    self._say(_with_blank(self._numbering.label(element)))
                address = self._address(element) if links < _MOST_LINKS else ""
                links += bool(address)
                pending.append(_Open(iter(element), _behind(element), address, len(self._parts)))
        while self._fields:
            self._end_field()  # it goes on in the next paragraph
        return _LINE_ENDS.sub("\n", "".join(self._parts))

    def _say(self, text: str) -> None:
        # What stands in the instruction of a field, such as the result of another one, is not shown.
        if not self._instructions:
            self._parts.append(text)

    def _text_from(self, begin: int) -> str:
        return "".join(self._parts[begin:])

    def _address(self, element: Any) -> str:
        """The address that `element` leads to; empty for what is no link."""
        name = local(element)
        if name == "hyperlink":
            return self._package.address(self._part, attribute(element, "id"))
        return field_address(attribute(element, "instr") or "") if name == "fldSimple" else ""

    def _field_character(self, element: Any) -> None:
        kind = attribute(element, "fldCharType")
        if kind == "begin":
            self._say(_form_value(element))
            self._fields.append(_Field())
            self._instructions += 1
        elif kind == "separate" and self._fields:
            self._instructions -= self._fields[-1].shown_from is None
            self._fields[-1].shown_from = len(self._parts)
        elif kind == "end" and self._fields:
            self._end_field()

    def _end_field(self) -> None:
        ended = self._fields.pop()
        if ended.shown_from is None:
            self._instructions -= 1
        elif len(self._fields) < _MOST_LINKS and (address := field_address("".join(ended.instruction))):
            self._say(beside(address, self._text_from(ended.shown_from)))


def _behind(element: Any) -> str:
    """What follows the text of `element`."""
    if local(element) == "txbxContent":
        return "\n"
    if local(element) != "ruby":
        return ""
    rt = child(element, "rt")
    reading = "".join(one.text or "" for one in named(rt, "t")) if rt is not None else ""
    return f" ({reading}) " if reading else ""


def _with_blank(label: str) -> str:
    return f"{label} " if label else ""


def _characters(element: Any) -> str:
    """The characters of a `t` or `sym`, as its font shows them."""
    if local(element) == "sym":
        code = attribute(element, "char") or ""
        try:
            return symbol(int(code, 16), attribute(element, "font") or "")
        except ValueError:
            return ""
    text = element.text or ""
    if not has_symbols(text):
        return text
    fonts = child(element.getparent(), "rPr", "rFonts")
    return in_font(text, (attribute(fonts, "ascii") or "") if fonts is not None else "")


def _form_value(field_begin: Any) -> str:
    """What a form field shows that has no text: the chosen entry of a list, a check box."""
    chosen = child(field_begin, "ffData", "ddList")
    if chosen is not None:
        entries = [attribute(one, "val") or "" for one in named(chosen, "listEntry")]
        number = whole(_value(chosen, "result", _value(chosen, "default", "0")), 0)
        return entries[number] if number < len(entries) else ""
    box = child(field_begin, "ffData", "checkBox")
    if box is not None:
        return "☒ " if _value(box, "checked", _value(box, "default", "0")) not in ("0", "false", "off") else "☐ "
    return ""


def _value(element: Any, name: str, default: str) -> str:
    """The value of the element `name` in `element`; `1` where that has none, `default` where it is missing."""
    found = child(element, name)
    return default if found is None else attribute(found, "val") or "1"
