"""EPUB books that are not encrypted: the chapters in reading order, with the headings of their pages."""

import io
import posixpath
import zipfile
from typing import Any
from urllib.parse import unquote

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html
from semsearch.sources.xml_elements import attribute, local

_OPF = "{http://www.idpf.org/2007/opf}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1."  # old books have 1.0, and names in capitals
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_PROPERTIES = {
    "creator": "author",
    "contributor": "contributor",
    "date": "date",
    "language": "lang",
    "publisher": "publisher",
    "description": "description",
    "subject": "keywords",
}
# The dates of what was done to the file are no dates of the book.
_CHANGES = frozenset({"modification", "conversion"})
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})


def read(data: bytes, type_name: str) -> Document:
    """The text of the book in `data`. Raises `ReadError` when its container names no book."""
    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        container = etree.fromstring(archive.read("META-INF/container.xml"), parser)
        root = container.find(f".//{_CONTAINER}rootfile")
        if root is None:
            raise ReadError("damaged EPUB: its container names no book")
        opf = root.get("full-path") or ""
        package = etree.fromstring(archive.read(opf), parser)
        metadata, title = _described(package)
        items = {item.get("id"): item for item in package.iter(f"{_OPF}item")}
        spine = [items.get(reference.get("idref")) for reference in package.iter(f"{_OPF}itemref")]
        builder = DocumentBuilder(type_name, title)
        missing = []
        for item in spine:
            if item is None or item.get("media-type") not in _PAGES:
                continue
            name = posixpath.normpath(posixpath.join(posixpath.dirname(opf), unquote(item.get("href") or "")))
            try:
                page = html.read(archive.read(name), "html")
            except KeyError:
                missing.append(name)
                continue
            for section in page.sections:
                for level, heading in enumerate(section.heading, 1):
                    builder.heading(level, heading, shown=False)
                builder.block(page.text[section.start : section.end])
    return builder.document(metadata, f"chapters missing: {', '.join(missing)}" if missing else "")


def _described(package: Any) -> tuple[dict[str, object], str]:
    """(what the book says of itself, its title)."""
    metadata: dict[str, object] = {}
    title = ""
    for element in package.iter("*"):
        name = local(element).lower()
        if name == "meta" and attribute(element, "property") == "dcterms:modified" and element.text:
            metadata.setdefault("modified", plain(element.text))
        if not element.tag.startswith(_DUBLIN_CORE) or not (element.text or "").strip():
            continue
        told = plain(html.read_text(element.text, "html", {}).text if "<" in element.text else element.text)
        label = _PROPERTIES.get(name)
        if name == "title":
            title = title or told
        elif label == "date":
            label = "modified" if attribute(element, "event") in _CHANGES else label
            metadata.setdefault(label, told)
        elif label:
            metadata[label] = f"{metadata[label]}, {told}" if label in metadata else told
    return metadata, title
