"""The paragraphs of DrawingML: of shapes, text boxes, diagrams and titles of charts."""

import re
from collections.abc import Callable
from typing import Any

from semsearch.sources.readers.link_addresses import beside
from semsearch.sources.readers.symbol_fonts import has_symbols, in_font
from semsearch.sources.xml_elements import attribute, child, local, named

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_CONTROLS = re.compile("[\0-\x08\x0e-\x1f]")


def paragraphs_of_drawing(element: Any, address: Callable[[str], str] | None = None) -> list[str]:
    """The paragraphs of text below `element`; `address`: what the link of an id leads to."""
    return [text for one in named(element, "p") if (text := drawing_text(one, address))]


def drawing_text(paragraph: Any, address: Callable[[str], str] | None = None) -> str:
    """The text of one paragraph, with the addresses of its links; `address` as in `paragraphs_of_drawing`."""
    parts: list[str] = []
    link, begin = "", 0
    for one in paragraph.iter():
        name = local(one)
        if name in ("r", "fld", "br", "m", "endParaRPr"):
            click = child(one, "rPr", "hlinkClick")
            number = (attribute(click, "id") or "") if click is not None else ""
            if number != link:
                # A link may be of several runs.
                parts += _end_of_link(link, parts[begin:], address)
                link, begin = number, len(parts)
        if name == "t":
            parts.append(_characters(one))
        elif name == "br":
            parts.append("\n")
    parts += _end_of_link(link, parts[begin:], address)
    return "".join(parts).replace("\v", "\n").strip()


def unescaped(text: str) -> str:
    """`text` with the characters that Excel and PowerPoint write as `_x000D_`, but for control characters."""
    if "_x" not in text:
        return text
    text = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
    return _CONTROLS.sub("", text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _end_of_link(number: str, texts: list[str], address: Callable[[str], str] | None) -> list[str]:
    return [beside(address(number), "".join(texts))] if number and address is not None else []


def _characters(element: Any) -> str:
    text = unescaped(element.text or "")
    if not has_symbols(text):
        return text
    font = child(element.getparent(), "rPr", "sym")
    return in_font(text, (attribute(font, "typeface") or "") if font is not None else "")
