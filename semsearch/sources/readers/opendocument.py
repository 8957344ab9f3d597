"""OpenDocument texts and presentations: headings, paragraphs, lists, tables, notes, comments; a page for each slide."""

import io
import zipfile
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder

_NS = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _DRAW, _OFFICE, _META = (
    f"{{{_NS}{name}:1.0}}" for name in ("text", "table", "drawing", "office", "meta")
)
_DC = "{http://purl.org/dc/elements/1.1/}"
_SILENT = frozenset({f"{_TEXT}tracked-changes", f"{_TEXT}note-citation", f"{_OFFICE}forms", f"{_OFFICE}scripts"})
_PROPERTIES = {
    f"{_DC}creator": "author",
    f"{_DC}subject": "subject",
    f"{_META}keyword": "keywords",
    f"{_META}creation-date": "created",
    f"{_DC}date": "modified",
}


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`. Raises `ReadError` when it is encrypted."""
    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        if b"manifest:encryption-data" in archive.read("META-INF/manifest.xml"):
            from semsearch.errors import ReadError

            raise ReadError("encrypted OpenDocument file: save it without its password")
        metadata: dict[str, object] = {}
        title = ""
        if "meta.xml" in archive.namelist():
            for element in etree.fromstring(archive.read("meta.xml"), parser).iter():
                if element.tag in _PROPERTIES and element.text:
                    metadata[_PROPERTIES[element.tag]] = element.text
                elif element.tag == f"{_DC}title":
                    title = element.text or ""
        builder = DocumentBuilder(type_name, title)
        body = etree.fromstring(archive.read("content.xml"), parser).find(f"{_OFFICE}body")
        if body is not None:
            _blocks(body, builder, iter(range(1, 1_000_000)))
    return builder.document(metadata)


def _blocks(parent: Any, builder: DocumentBuilder, pages: Any) -> None:
    """Adds the headings, paragraphs and tables below `parent` to `builder`; `pages`: the numbers of the next slides."""
    for element in parent:
        tag = element.tag
        if tag == f"{_TEXT}h":
            level = element.get(f"{_TEXT}outline-level") or "1"
            builder.heading(int(level) if level.isdigit() else 1, _text(element))
        elif tag == f"{_TEXT}p":
            builder.block(_text(element))
        elif tag == f"{_TABLE}table-row":
            cells = [
                " ".join(_text(paragraph) for paragraph in cell.iter(f"{_TEXT}p", f"{_TEXT}h"))
                for cell in element.iterchildren(f"{_TABLE}table-cell")
            ]
            builder.lines(" | ".join(cells) if any(cell.strip() for cell in cells) else "")
        elif tag == f"{_DRAW}page":
            builder.page(next(pages))
            _blocks(element, builder, pages)
        elif isinstance(tag, str) and tag not in _SILENT:
            _blocks(element, builder, pages)


def _text(element: Any) -> str:
    """The text of a paragraph; its notes and comments stand in brackets at their place."""
    parts = [element.text or ""]
    for child in element:
        tag = child.tag
        if tag == f"{_TEXT}s":
            count = child.get(f"{_TEXT}c") or "1"
            parts.append(" " * min(int(count) if count.isdigit() else 1, 100))
        elif tag == f"{_TEXT}tab":
            parts.append("\t")
        elif tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif isinstance(tag, str) and tag not in _SILENT:
            inner = _text(child)
            parts.append(f" ({inner.strip()}) " if tag in (f"{_TEXT}note", f"{_OFFICE}annotation") else inner)
        parts.append(child.tail or "")
    return "".join(parts)
