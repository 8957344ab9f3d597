"""Forms that a PDF keeps as XML (XFA): what was filled in, and the text of forms of which its pages show nothing."""

from collections.abc import Iterator
from typing import Any

from semsearch.sources.document_builder import plain
from semsearch.sources.readers.pdf_fields import entry
from semsearch.sources.xml_elements import local, named, parsed

_MOST_BYTES = 20_000_000


def has_xfa(pdf: Any) -> bool:
    """Whether `pdf`, of pypdf, has such a form."""
    return entry(_form(pdf), "/XFA") is not None


def read_xfa(pdf: Any) -> list[str]:
    """What the form of `pdf` says, one line each: its own text where the pages are made from it alone, then its data.

    Raises errors of any type where it is damaged.
    """
    lines: list[str] = []
    is_dynamic = getattr(entry(pdf.root_object, "/NeedsRendering"), "value", False) is True
    for root in _roots(entry(_form(pdf), "/XFA")):
        if is_dynamic:
            for template in _those(root, "template"):
                lines += (_text(one) for one in named(template, "text", "exData"))
        for data in _those(root, "datasets"):
            for held in _those(data, "data"):
                lines += _values(held)
    return [line for line in dict.fromkeys(lines) if line]


def _form(pdf: Any) -> Any:
    return entry(pdf.root_object, "/AcroForm")


def _roots(xfa: Any) -> Iterator[Any]:
    """The elements of a form that is one stream, or a list of names and streams."""
    left = _MOST_BYTES
    streams = [part.get_object() for part in xfa] if isinstance(xfa, list) else [xfa]
    contents = [part.get_data() for part in streams if hasattr(part, "get_data")]
    # A list may have the first and the last tag of the whole in streams of their own.
    if isinstance(xfa, list) and sum(map(len, contents)) <= left:
        contents = [b"".join(contents)]
    for content in contents:
        left -= len(content)
        if left >= 0:
            yield parsed(content)


def _those(root: Any, name: str) -> Iterator[Any]:
    if local(root) == name:
        yield root
    else:
        yield from named(root, name)


def _values(data: Any) -> Iterator[str]:
    for one in data.iter():
        if local(one) and not len(one) and (text := plain(one.text or "")):
            yield f"{local(one)}: {text}"


def _text(element: Any) -> str:
    return plain(" ".join(element.itertext()))
