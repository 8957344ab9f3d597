"""PDF: the text of each page by pypdf, under the headings of its outline; properties into metadata.

Running heads and feet are left out, words cut at line ends joined, pages without text named.
"""

import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from semsearch.errors import ReadError
from semsearch.sources.building import plain
from semsearch.sources.document import Document, Section, heading_path

_PROPERTIES = {
    "/Title": "title", "/Author": "author", "/Subject": "subject", "/Keywords": "keywords", "/CreationDate": "created",
    "/ModDate": "modified",
}  # fmt: skip
# What PDF libraries write where the author gave nothing.
_PLACEHOLDERS = frozenset({"", "untitled", "anonymous", "unspecified"})
_CUT_WORD = re.compile(r"(\w{2,})[-\u00ad\u2010][ \t]*\n[ \t]*([a-zà-öø-ÿа-я]\w*)")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
# Ligatures are letters: a search for "filled" must find them. A NUL is what some fonts give for what they lack.
_REPLACED = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": ""})
# Lines at the top and at the bottom of a page that are looked at, and the fewest pages one must stand on.
_EDGE_LINES = 2
_FEWEST_PAGES = 4
_FEWEST_LINES = 6


def read(data: bytes, type_name: str, passwords: Sequence[str] = ()) -> Document:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings name no file; ours do
    pdf = pypdf.PdfReader(io.BytesIO(data))
    if pdf.is_encrypted and not any(pdf.decrypt(password) for password in ("", *passwords)):
        tried = " none of the given passwords opens it" if passwords else " needs a password (--password-file)"
        raise ReadError("encrypted PDF:" + tried)
    count = len(pdf.pages)
    pages, broken = [], []
    for number in range(count):
        try:
            pages.append(pdf.pages[number].extract_text())
        except MemoryError:
            raise
        except Exception:  # pypdf raises whatever its parsing trips over
            pages.append("")
            broken.append(number + 1)
    if count and len(broken) == count:
        raise ReadError(f"damaged PDF: none of its {count} pages can be read")
    pages = [text.translate(_REPLACED) for text in pages]
    empty = [number for number, text in enumerate(pages, 1) if not text.strip() and number not in broken]
    if len(empty) + len(broken) == count:
        raise ReadError(f"no text on any of its {count} pages: needs OCR", skip=True)
    metadata = _properties(pdf)
    title = plain(str(metadata.pop("title", "")))
    texts = _joined_words(_without_running_lines(pages))
    notices = [f"no text on {_pages(empty)}: needs OCR"] if empty else []
    notices += [f"{_pages(broken)} cannot be read"] if broken else []
    sections, parts, offset = [], [], 0
    outline = _outline(pdf)
    path: list[tuple[int, str]] = []
    for number, text in enumerate(texts, 1):
        part = text + "\n\n"
        cuts = _cut_at_headings(part, outline.get(number, ()), path)
        for start, end, under in cuts:
            heading = heading_path(title, [name for _, name in under])
            sections.append(Section(offset + start, offset + end, heading, number))
        path = cuts[-1][2]
        parts.append(part)
        offset += len(part)
    metadata["pages"] = count
    return Document("".join(parts), type_name, tuple(sections), None, title, metadata, "; ".join(notices))


def _properties(pdf: Any) -> dict[str, object]:
    try:
        found: Mapping[str, object] = pdf.metadata or {}
        named = {name: str(found[key]).replace("\0", "") for key, name in _PROPERTIES.items() if found.get(key)}
        return {key: value for key, value in named.items() if value.strip("() ").lower() not in _PLACEHOLDERS}
    except Exception:  # a broken dictionary of properties does not spoil the text
        return {}


def _outline(pdf: Any) -> dict[int, list[tuple[int, str]]]:
    """(level, name) of the outline's entries by page; empty when there is none that can be read."""
    found: dict[int, list[tuple[int, str]]] = {}

    def collect(entries: Any, level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                collect(entry, level + 1)
                continue
            page = pdf.get_destination_page_number(entry)
            name = plain(str(entry.title or "").replace("\0", ""))[:200]
            if page is not None and name:
                found.setdefault(page + 1, []).append((level, name))

    try:
        collect(pdf.outline, 1)
    except Exception:  # as above
        return {}
    return found


def _cut_at_headings(
    text: str, entries: Sequence[tuple[int, str]], path: list[tuple[int, str]]
) -> list[tuple[int, int, list[tuple[int, str]]]]:
    """(start, end, heading path) of the parts of a page; the path that held before goes on until a heading comes.

    An entry that does not stand in the page's text begins with the page.
    """
    parts = []
    begin = 0
    for level, name in entries:
        words = name.split()
        pattern = r"[\d.\s]*" + r"\s+".join(map(re.escape, words[:12]))
        match = re.compile(r"^[ \t]*" + pattern, re.M | re.I).search(text, begin)
        start = match.start() if match else begin
        if start > begin:
            parts.append((begin, start, path))
            begin = start
        path = [*(above for above in path if above[0] < level), (level, name)]
    parts.append((begin, len(text), path))
    return parts


def _without_running_lines(pages: list[str]) -> list[str]:
    """`pages` without the first and last lines that most of them share but for their numbers."""
    if len(pages) < _FEWEST_PAGES:
        return pages
    split = [page.split("\n") for page in pages]
    seen: Counter[str] = Counter()
    for lines in split:
        seen.update({_shape(lines[at]) for at in _edges(lines)})
    written = sum(bool(page.strip()) for page in pages)
    running = {
        shape
        for shape, count in seen.items()
        # A row of numbers looks like the next one; only a page number stands alone.
        if count >= max(3, written * 0.5) and (shape == "#" or any(letter.isalpha() for letter in shape))
    }
    if not running:
        return pages
    cleaned = []
    for lines in split:
        dropped = {at for at in _edges(lines) if _shape(lines[at]) in running}
        cleaned.append("\n".join(line for at, line in enumerate(lines) if at not in dropped))
    return cleaned


def _edges(lines: list[str]) -> list[int]:
    """Where the outermost lines that are not blank stand."""
    written = [at for at, line in enumerate(lines) if line.strip()]
    if len(written) < _FEWEST_LINES:
        return []  # a page of a few words is all content
    return sorted({*written[:_EDGE_LINES], *written[-_EDGE_LINES:]})


def _shape(line: str) -> str:
    return _DIGITS.sub("#", plain(line)).lower()


def _joined_words(pages: list[str]) -> list[str]:
    """`pages` with words that were cut at line ends joined; the hyphen stays where the document writes it elsewhere."""
    if not any(_CUT_WORD.search(page) for page in pages):
        return pages
    words = set(re.findall(r"\w+-\w+", "\n".join(pages).lower()))

    def join(match: re.Match[str]) -> str:
        first, second = match.groups()
        hyphen = "-" if f"{first}-{second}".lower() in words else ""
        return f"{first}{hyphen}{second}\n"

    return [_CUT_WORD.sub(join, page) for page in pages]


def _pages(numbers: list[int]) -> str:
    """`page 3`, `pages 1-4, 7`."""
    runs = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        runs.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    shown = ", ".join(runs[:20]) + (" …" if len(runs) > 20 else "")
    return ("page " if len(numbers) == 1 else "pages ") + shown
