"""EPUB books that are not encrypted: the chapters in reading order, with the headings of their pages."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, parsing, plain
from semsearch.sources.readers import html
from semsearch.sources.readers.damaged_parts import errors_of_damage
from semsearch.sources.xml_elements import attribute, local, named, parsed

_OPF = "{http://www.idpf.org/2007/opf}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1."  # old books have 1.0, and names in capitals
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
_PAGE_SUFFIXES = (".xhtml", ".html", ".htm")
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})


def read(data: bytes, type_name: str) -> Document:
    """The text of the book in `data`. Raises `ReadError` where it has no chapter that can be read."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        metadata: dict[str, object] = {}
        title, missing = "", []
        opf, package = _package(archive)
        if package is None:
            chapters = [name for name in archive.namelist() if name.lower().endswith(_PAGE_SUFFIXES)]
            missing = [f"{opf or 'the description of the book'} cannot be read, chapters in the order of the file"]
        else:
            metadata, title = _described(package)
            chapters = list(dict.fromkeys(_chapters(package, posixpath.dirname(opf))))
        builder = DocumentBuilder(type_name, title)
        encrypted = _encrypted(archive)
        unread: list[str] = []
        for name in chapters:
            reason = "encrypted" if name in encrypted else _add_chapter(builder, archive, name)
            unread += [f"{name} ({reason})"] if reason else []
    missing += [f"chapters not read: {', '.join(unread)}"] if unread else []
    document = builder.document(metadata, "; ".join(missing))
    if missing and not document.text:
        raise ReadError(
            "encrypted EPUB" if not encrypted.isdisjoint(chapters) else f"damaged EPUB, not read: {document.notice}"
        )
    return document


def _package(archive: zipfile.ZipFile) -> tuple[str, Any]:
    """(the name of the file that tells what the book consists of, its root element, None where it cannot be read)."""
    damage: tuple[type[Exception], ...] = (KeyError, *errors_of_damage())
    try:
        root = next(named(parsed(archive.read("META-INF/container.xml")), "rootfile"), None)
        named_file = (root.get("full-path") or "") if root is not None else ""
    except damage:
        named_file = ""
    opf = named_file or next((name for name in archive.namelist() if name.lower().endswith(".opf")), "")
    try:
        return opf, parsed(archive.read(opf))
    except damage:
        return opf, None


def _chapters(package: Any, folder: str) -> Iterator[str]:
    """The names in the archive of the pages that the book consists of, in reading order."""
    items = {item.get("id"): item for item in package.iter(f"{_OPF}item")}
    for reference in package.iter(f"{_OPF}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES:
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))


def _encrypted(archive: zipfile.ZipFile) -> frozenset[str]:
    """The names of what is encrypted; often that is only the fonts."""
    if _ENCRYPTION not in archive.NameToInfo:
        return frozenset()
    try:
        told = parsed(archive.read(_ENCRYPTION))
    except errors_of_damage():
        return frozenset()
    return frozenset(unquote(one.get("URI") or "") for one in named(told, "CipherReference"))


def _add_chapter(builder: DocumentBuilder, archive: zipfile.ZipFile, name: str) -> str:
    """Adds a chapter; returns why it cannot be read, empty where it can."""
    if name not in archive.NameToInfo:
        return "missing"
    try:
        with parsing("chapter"):
            page = html.read(archive.read(name), "html")
    except ReadError as error:
        return error.message
    for section in page.sections:
        for level, heading in enumerate(section.heading, 1):
            builder.heading(level, heading, shown=False)
        builder.block(page.text[section.start : section.end])
    return ""


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
