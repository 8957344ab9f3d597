"""The text of one paragraph of a Word document: runs, fields, links, symbols, and the text boxes that stand in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
# `den`: the lower part of a fraction.
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}
_BEFORE = {"p": "\n", "den": "/"}
_LINE_ENDS = re.compile(r"\n{2,}")
_MOST_NESTED = 200


@dataclass
class _Field:
    """A field that has begun. `shown_from`: where its result begins; None in its instruction, which is not shown."""

    instruction: str = ""
    shown_from: int | None = None


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

    def read(self, paragraph: Any) -> str:
        pending: list[tuple[Iterator[Any], str]] = [(iter(paragraph), "")]
        while pending:
            element = next(pending[-1][0], None)
            if element is None:
                self._say(pending.pop()[1])
                continue
            name = local(element)
            if not name or name in SILENT or len(pending) >= _MOST_NESTED:
                continue
            if name in ("t", "sym"):
                self._say(_characters(element))
            elif name in _CHARACTERS:
                self._say(_CHARACTERS[name])
            elif name == "instrText":
                if self._fields and self._fields[-1].shown_from is None:
                    self._fields[-1].instruction += element.text or ""
            elif name == "fldChar":
                self._field_character(element)
            elif name == "graphicData" and not any(local(one) == "txbxContent" for one in element.iter()):
                self._say("".join(f"\n{text}\n" for text in paragraphs_of_drawing(element)))
            else:
                self._say(_BEFORE.get(name, ""))
                if name == "p":
                    self._say(_with_blank(self._numbering.label(element)))
                pending.append((iter(element), self._behind(element)))
        while self._fields:
            self._end_field()  # it goes on in the next paragraph
        return _LINE_ENDS.sub("\n", "".join(self._parts))

    def _say(self, text: str) -> None:
        # What stands in the instruction of a field, such as the result of another one, is not shown.
        if all(one.shown_from is not None for one in self._fields):
            self._parts.append(text)

    def _behind(self, element: Any) -> str:
        """What follows the text of `element`."""
        name = local(element)
        if name == "txbxContent":
            return "\n"
        if name == "ruby":
            reading = "".join(one.text or "" for rt in named(element, "rt") for one in named(rt, "t"))
            return f" ({reading}) " if reading else ""
        if name == "hyperlink":
            return beside(self._package.address(self._part, attribute(element, "id")), _written(element))
        if name == "fldSimple":
            return beside(field_address(attribute(element, "instr") or ""), _written(element))
        return ""

    def _field_character(self, element: Any) -> None:
        kind = attribute(element, "fldCharType")
        if kind == "begin":
            self._say(_form_value(element))
            self._fields.append(_Field())
        elif kind == "separate" and self._fields:
            self._fields[-1].shown_from = len(self._parts)
        elif kind == "end" and self._fields:
            self._end_field()

    def _end_field(self) -> None:
        ended = self._fields.pop()
        if ended.shown_from is not None:
            self._say(beside(field_address(ended.instruction), "".join(self._parts[ended.shown_from :])))


def _with_blank(label: str) -> str:
    return f"{label} " if label else ""


def _written(element: Any) -> str:
    return "".join(one.text or "" for one in named(element, "t"))


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
