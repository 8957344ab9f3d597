"""Feeds (RSS, Atom, RDF): what a feed says of itself, and its entries under their titles."""

from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.xml_text import LONGEST_TITLE, add_elements, shown
from semsearch.sources.readers.xml_tree import Element

_ENTRIES = frozenset({"item", "entry"})
_FEEDS = frozenset({"rss", "feed", "RDF"})
# Element -> the property of the document that it tells.
_PROPERTIES = {
    "updated": "updated",
    "lastBuildDate": "updated",
    "pubDate": "date",
    "date": "date",
    "managingEditor": "author",
    "creator": "author",
    "language": "lang",
}


def is_feed(root: Element) -> bool:
    return root.name in _FEEDS and next(root.descendants(*_ENTRIES), None) is not None


def add_feed(root: Element, builder: DocumentBuilder) -> dict[str, object]:
    """Adds what the feed and its entries say to `builder`; returns its properties."""
    metadata: dict[str, object] = {}
    pending = list(reversed(root.elements()))
    while pending:
        element = pending.pop()
        if element.name in _ENTRIES:
            _add_entry(element, builder)
        elif element.name == "channel" or element.elements(*_ENTRIES):
            pending += reversed(element.elements())
        elif element.name == "title" and not builder.title and len(title := shown(element)) <= LONGEST_TITLE:
            builder.title = title
        else:  # a longer title is one without an end, and holds the feed
            add_elements(element, builder, feed=True)
            _describe(element, metadata)
    return metadata


def _add_entry(entry: Element, builder: DocumentBuilder) -> None:
    title = next(iter(entry.elements("title")), None)
    if title is not None:
        builder.heading(1, shown(title), shown=False)
    add_elements(entry, builder, feed=True)


def _describe(element: Element, metadata: dict[str, object]) -> None:
    """Takes the property that `element` of the feed itself tells."""
    if element.name in _PROPERTIES:
        metadata.setdefault(_PROPERTIES[element.name], shown(element))
    elif element.name == "author":
        name = next(iter(element.elements("name")), element)
        metadata.setdefault("author", shown(name))
