"""The texts that a PDF page gives for what it draws (`/ActualText`): letters in a picture, one sign for several glyphs.

pypdf shows the glyphs instead, pypdfium2 knows the texts.
"""

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from semsearch.sources.document_builder import plain
from semsearch.sources.readers.pdf_fields import entry, text_of

_GIVEN = re.compile(rb"/ActualText\s*(\((?:[^()\\]|\\.)*\)|<[0-9A-Fa-f\s]*>)", re.DOTALL)
_MOST_FORMS = 100


def actual_texts(page: Any) -> list[str]:
    """Those of `page`, of pypdf, that have letters or digits: hyphens and blanks are read as they are drawn."""
    try:
        found = [plain(text) for text in _given(page)]
    except MemoryError:
        raise
    except Exception:  # pypdf raises errors of any type on damaged pages, whose text was read
        return []
    return [text for text in dict.fromkeys(found) if any(character.isalnum() for character in text)]


def missing(texts: Sequence[str], text: str) -> list[str]:
    """Those of `texts` that `text` does not have, whatever its blanks."""
    held = "".join(text.split())
    return [one for one in texts if "".join(one.split()) not in held]


def _given(page: Any) -> Iterator[str]:
    resources = entry(page, "/Resources")
    contents = list(_contents(page, resources))
    for name, properties in _entries(resources, "/Properties"):
        if "/ActualText" in properties and any(name.encode() in content for content in contents):
            yield text_of(properties["/ActualText"])
    for content in contents:
        if b"/ActualText" in content:
            yield from map(_decoded, _GIVEN.findall(content))


def _contents(page: Any, resources: Any) -> Iterator[bytes]:
    """The operators of `page` and of the forms that it shows."""
    if "/Contents" in page:
        content = page["/Contents"]
        for part in content if isinstance(content, list) else [content]:
            yield part.get_object().get_data()
    for _, form in _entries(resources, "/XObject")[:_MOST_FORMS]:
        if entry(form, "/Subtype") == "/Form":
            yield form.get_data()


def _entries(resources: Any, key: str) -> list[tuple[str, Any]]:
    entries = entry(resources, key) or {}
    return [(name, entries[name]) for name in entries]


def _decoded(written: bytes) -> str:
    from pypdf.generic import read_object

    return text_of(read_object(io.BytesIO(written), None))
