"""XML: the text of every element in the order of the file, with its line; feeds and files of Office 2003 as such.

An element that holds text of its own is a paragraph, and the elements in it are parts of its words (`H<sub>2</sub>O`),
but for line breaks, notes and the like; others stand on lines of their own. Attributes that say something are text.
"""

import re
from xml.parsers import expat

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers import html, office_xml
from semsearch.sources.readers.feed import add_feed, is_feed
from semsearch.sources.readers.text import decode_declared
from semsearch.sources.readers.xml_mending import mended, with_ampersands
from semsearch.sources.readers.xml_text import LONGEST_TITLE, add_elements, shown
from semsearch.sources.readers.xml_tree import Element, parse

# What the title of a document is called in DocBook, DITA, SVG and most others, in JATS, FictionBook and MusicXML.
_TITLES = ("title", "article-title", "book-title", "work-title", "movement-title")
_HTML_ROOTS = frozenset({"html"})
_PROLOG = re.compile(r"\A\s*<\?xml[^>]*\?>")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`; a page in XHTML is read as HTML. Raises `ReadError` for a damaged file without text."""
    text, metadata = decode_declared(data, html.XML_CHARSET)
    text = _PROLOG.sub(lambda match: "\n" * match.group().count("\n"), text)
    root, error = _parsed(text)
    if root.name in _HTML_ROOTS:
        return html.read(data, "html")
    builder = DocumentBuilder(type_name)
    metadata = {"root": root.name, **metadata}
    if is_feed(root):
        metadata |= add_feed(root, builder)
    elif office_xml.is_workbook(root):
        metadata |= office_xml.add_workbook(root, builder)
    elif office_xml.is_text(root):
        metadata |= office_xml.add_text(root, builder)
    else:
        title = next(root.descendants(*_TITLES), None)
        if title is not None and len(name := shown(title)) <= LONGEST_TITLE:
            builder.title = name
        add_elements(root, builder)
    document = builder.document(metadata, f"what follows may be missing: {error}" if error else "")
    if error and not document.text:
        raise ReadError(f"damaged XML file: {error}")
    return document


def _parsed(text: str) -> tuple[Element, str]:
    """(the root element of `text`, what is wrong in it if more than an `&`). Raises `ReadError`."""
    try:
        return parse(text), ""
    except expat.ExpatError as wrong:
        error = f"{expat.ErrorString(wrong.code)}, line {wrong.lineno}"
    if (escaped := with_ampersands(text)) != text:
        try:
            return parse(escaped), ""
        except expat.ExpatError:
            pass  # it is not only that
    try:
        return parse(mended(text)), error
    except expat.ExpatError:
        raise ReadError(f"damaged XML file: {error}") from None
