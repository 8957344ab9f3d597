"""XML: the text of every element with its source line; entries of RSS and Atom feeds under their titles.

Entities are not expanded, so that a few hundred bytes cannot become gigabytes, and nothing is fetched.
"""

from typing import Any

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html

_ENTRIES = frozenset({"item", "entry"})
_FEEDS = frozenset({"rss", "feed", "RDF"})
_HTML_ROOTS = frozenset({"html"})


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`; a page in XHTML is read as HTML. Raises `ReadError` for a damaged file without text."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=True)
    root = etree.fromstring(data, parser)
    if root is None:
        raise ValueError("no element in it")
    errors = [f"{error.message.strip()}, line {error.line}" for error in parser.error_log if error.level >= 2]
    name = etree.QName(root).localname
    if name in _HTML_ROOTS:
        return html.read(data, "html")
    builder = DocumentBuilder(type_name)
    if name in _FEEDS and any(etree.QName(element).localname in _ENTRIES for element in root.iter("{*}*")):
        _feed(root, builder)
    else:
        _element(root, builder)
    document = builder.document({"root": name}, f"what follows may be missing: {errors[0]}" if errors else "")
    if errors and not document.text:
        raise ReadError(f"damaged XML file: {errors[0]}")
    return document


def _feed(root: Any, builder: DocumentBuilder) -> None:
    """Adds the title, the description and the entries of a feed to `builder`."""
    from lxml import etree

    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element).localname
        if name in _ENTRIES:
            children = [child for child in element if isinstance(child.tag, str)]
            own = etree.QName(element).namespace
            title = next(
                (c for c in children if etree.QName(c).localname == "title" and etree.QName(c).namespace == own), None
            )
            if title is not None:
                builder.heading(1, _markup(title), shown=False)
            for child in children:
                builder.block(_markup(child), child.sourceline)
        elif name == "title" and not builder.title:
            builder.title = plain(_markup(element))
        elif name in ("description", "subtitle") and etree.QName(element.getparent()).localname in ("channel", "feed"):
            builder.block(_markup(element), element.sourceline)


def _markup(element: Any) -> str:
    """The text of an element whose content may be HTML, escaped or not."""
    text = "".join(element.itertext())
    return html.read(text.encode("utf-8", "replace"), "html").text if "<" in text else text or element.get("href", "")


def _element(root: Any, builder: DocumentBuilder) -> None:
    """Adds the text below `root` to `builder`: one line for the text directly in each element."""
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue  # a comment, a processing instruction, an entity that is not expanded
        pieces = [element.text or "", *(child.tail or "" for child in element)]
        # The text before and after inline elements is one line, at the line where the element begins.
        text = " ".join(plain(piece) for piece in pieces if piece.strip())
        builder.lines(text, element.sourceline)
