"""Elements of XML trees by their names without namespaces: versions of one format differ in those alone."""

from collections.abc import Collection, Iterator
from typing import Any

_FALLBACK = ("Fallback",)


def parsed(content: bytes) -> Any:
    """The root element of `content`; nothing is fetched, and no entity expanded. Raises `lxml.etree.XMLSyntaxError`."""
    from lxml import etree

    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def local(element: Any) -> str:
    """The name of an element without its namespace; empty for what is none, such as a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """The attribute of `element` called `name`, in whatever namespace."""
    for key, value in element.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def whole(text: str | None, default: int) -> int:
    """The whole number that an attribute says; `default` where it says none, or one that no document has."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def child(element: Any, *path: str) -> Any:
    """The first element below `element` along `path`, one name a level; None where there is none."""
    for name in path:
        if element is None:
            return None
        element = next((one for one in element if local(one) == name), None)
    return element


def named(element: Any, *names: str) -> Iterator[Any]:
    """The elements below `element` with one of `names`, in the order of the document; not those in one another, nor
    those of fallbacks."""
    return outermost(element, names, _FALLBACK)


def outermost(element: Any, names: Collection[str], without: Collection[str]) -> Iterator[Any]:
    """The elements below `element` with one of `names`, in the order of the document; not those in one another, nor
    those in elements called one of `without`."""
    pending = [iter(element)]
    while pending:
        one = next(pending[-1], None)
        if one is None:
            pending.pop()
            continue
        name = local(one)
        if name in names:
            yield one
        elif name and name not in without:
            pending.append(iter(one))
