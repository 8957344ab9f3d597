"""Word documents: paragraphs, tables, text boxes and notes in reading order, then comments; properties as metadata.

python-docx opens the package and its styles. The text is taken from the XML, because the paragraphs of python-docx
leave out inserted text, content controls and text boxes.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TEXT = {f"{_W}t": None, f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_HEADING_STYLE = re.compile(r"(?:heading|head|h)[ _-]?([1-9a-f])")
_NOTES = ("/footnotes", "/endnotes")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
    import docx

    package = docx.Document(io.BytesIO(data))
    properties = package.core_properties
    builder = DocumentBuilder(type_name, properties.title or "")
    levels = _heading_levels(package)
    _blocks(package.element.body, builder, levels)
    for relation in package.part.rels.values():
        if relation.reltype.endswith(_NOTES) and not relation.is_external:
            from lxml import etree

            _blocks(etree.fromstring(relation.target_part.blob, _parser()), builder, levels)
    for comment in package.comments:
        builder.block(f"Comment by {comment.author}: {comment.text}")
    return builder.document(core_metadata(properties))


def core_metadata(properties: Any) -> dict[str, object]:
    """The properties of an Office file as metadata; python-docx and python-pptx name them alike."""
    return {
        "author": properties.author,
        "subject": properties.subject,
        "keywords": properties.keywords,
        "created": properties.created and properties.created.isoformat(),
        "modified": properties.modified and properties.modified.isoformat(),
    }


def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(resolve_entities=False, no_network=True)


def _heading_levels(package: Any) -> dict[str, int]:
    """Style id -> heading level, for the paragraph styles of headings; 0 for titles.

    The level follows from the style's name, as in publishers' templates (`Heading 2`, `HeadB`, `H2`), or from its
    outline level.
    """
    levels = {}
    for style in package.styles.element.iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        label = (name.get(f"{_W}val") or "").lower() if name is not None else ""
        identity = style.get(f"{_W}styleId") or ""
        match = _HEADING_STYLE.fullmatch(label)
        if match:
            digit_or_letter = match.group(1)
            is_digit = digit_or_letter.isdigit()
            levels[identity] = int(digit_or_letter) if is_digit else ord(digit_or_letter) - ord("a") + 1
        elif label in ("title", "chaptertitle", "chapter title"):
            levels[identity] = 0
        elif outline is not None and (outline.get(f"{_W}val") or "9").isdigit():
            level = int(outline.get(f"{_W}val") or "9") + 1
            if level < 10:
                levels[identity] = level
    return levels


def _blocks(parent: Any, builder: DocumentBuilder, levels: dict[str, int]) -> None:
    """Adds the paragraphs and tables below `parent` to `builder`, in order, at any depth."""
    for element in parent:
        if element.tag == f"{_W}p":
            text = "".join(_text(element))
            style = element.find(f"{_W}pPr/{_W}pStyle")
            level = levels.get(style.get(f"{_W}val")) if style is not None else None
            if level is not None and text.strip():
                builder.heading(level, text)
            else:
                builder.block(text)
        elif element.tag == f"{_W}tbl":
            rows = []
            for row in element.iter(f"{_W}tr"):
                cells = [
                    " ".join("".join(_text(paragraph)) for paragraph in cell.iter(f"{_W}p"))
                    for cell in row.iterchildren(f"{_W}tc", f"{_W}sdt")
                ]
                if any(cell.strip() for cell in cells):
                    rows.append(" | ".join(cell.strip() for cell in cells))
            builder.block("\n".join(rows))
        elif isinstance(element.tag, str) and element.tag != _FALLBACK:
            _blocks(element, builder, levels)


def _text(paragraph: Any) -> Iterator[str]:
    """The text of a paragraph and of its text boxes, without deleted text, which has other tags."""
    pending = [iter(paragraph)]
    while pending:
        element = next(pending[-1], None)
        if element is None:
            pending.pop()
            continue
        if element.tag == f"{_W}t" or element.tag == _MATH:
            yield element.text or ""
        elif element.tag in _TEXT:
            yield _TEXT[element.tag] or ""
        elif isinstance(element.tag, str) and element.tag != _FALLBACK:
            if element.tag == f"{_W}p":
                yield "\n"
            pending.append(iter(element))
