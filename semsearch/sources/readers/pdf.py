"""PDF: the text of each page by pypdf, under the headings of the outline; properties as metadata.

Running heads and feet are left out, and words that are hyphenated at line ends joined. Pages without text are named in
the notice.
"""

import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.document_builder import plain

_PROPERTIES = {
    "/Title": "title", "/Author": "author", "/Subject": "subject", "/Keywords": "keywords", "/CreationDate": "created",
    "/ModDate": "modified",
}  # fmt: skip
# What PDF libraries write for properties that the author left out.
_PLACEHOLDERS = frozenset({"", "untitled", "anonymous", "unspecified"})
_CUT_WORD = re.compile(r"(\w{2,})[-\u00ad\u2010][ \t]*\n[ \t]*([a-zà-öø-ÿа-я]\w*)")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
# Ligatures become letters, so that a search for "filled" finds them. Some fonts give NUL for characters they lack.
_REPLACED = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": ""})
# Running lines are looked for among so many lines at the top and the bottom of a page, in documents of at least so many
# pages, and on pages of at least so many lines.
_EDGE_LINES = 2
_MIN_PAGES = 4
_MIN_LINES = 6


def read(data: bytes, type_name: str, passwords: Sequence[str] = ()) -> Document:
    """The text of `data`, a section for each page and heading. `passwords` are tried if it is encrypted.

    Raises `ReadError` when no password fits, no page can be read, or none has text (with `skip`).
    """
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings do not name the file, as the notice does
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
        except Exception:  # pypdf raises errors of any type on damaged pages
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
        entries: Mapping[str, object] = pdf.metadata or {}
        properties = {
            name: str(entries[key]).replace("\0", "") for key, name in _PROPERTIES.items() if entries.get(key)
        }
        return {key: value for key, value in properties.items() if value.strip("() ").lower() not in _PLACEHOLDERS}
    except Exception:  # damaged properties must not cost the text
        return {}


def _outline(pdf: Any) -> dict[int, list[tuple[int, str]]]:
    """Page, from 1 -> (level, name) of the outline entries that begin there; empty without a readable outline."""
    entries_of: dict[int, list[tuple[int, str]]] = {}

    def collect(entries: Any, level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                collect(entry, level + 1)
                continue
            page = pdf.get_destination_page_number(entry)
            name = plain(str(entry.title or "").replace("\0", ""))[:200]
            if page is not None and name:
                entries_of.setdefault(page + 1, []).append((level, name))

    try:
        collect(pdf.outline, 1)
    except Exception:  # a damaged outline must not cost the text
        return {}
    return entries_of


def _cut_at_headings(
    text: str, entries: Sequence[tuple[int, str]], path: list[tuple[int, str]]
) -> list[tuple[int, int, list[tuple[int, str]]]]:
    """(start, end, heading path) of the parts of the page `text`, cut where the outline `entries` stand in it.

    `path`: the heading path at the end of the page before. An entry that is not found in the text begins where the one
    before it does.
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
    """`pages` without the first and last lines that half of them share, numbers aside."""
    if len(pages) < _MIN_PAGES:
        return pages
    split = [page.split("\n") for page in pages]
    seen: Counter[str] = Counter()
    for lines in split:
        seen.update({_shape(lines[at]) for at in _edges(lines)})
    written = sum(bool(page.strip()) for page in pages)
    running = {
        shape
        for shape, count in seen.items()
        # Rows of numbers have one shape, but are content; a single number is the page number.
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
    """The positions in `lines` of the first and last ones that are not blank; none on a page of few lines."""
    written = [at for at, line in enumerate(lines) if line.strip()]
    if len(written) < _MIN_LINES:
        return []
    return sorted({*written[:_EDGE_LINES], *written[-_EDGE_LINES:]})


def _shape(line: str) -> str:
    """`line` in lower case with every number, arabic or roman, as `#`."""
    return _DIGITS.sub("#", plain(line)).lower()


def _joined_words(pages: list[str]) -> list[str]:
    """`pages` with words that are hyphenated at line ends joined.

    The hyphen is kept if the document has the word with a hyphen elsewhere, within a line.
    """
    if not any(_CUT_WORD.search(page) for page in pages):
        return pages
    words = set(re.findall(r"\w+-\w+", "\n".join(pages).lower()))

    def join(match: re.Match[str]) -> str:
        first, second = match.groups()
        hyphen = "-" if f"{first}-{second}".lower() in words else ""
        return f"{first}{hyphen}{second}\n"

    return [_CUT_WORD.sub(join, page) for page in pages]


def _pages(numbers: list[int]) -> str:
    """`numbers` (rising) for people: `page 3`, `pages 1-4, 7`."""
    runs = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        runs.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    shown = ", ".join(runs[:20]) + (" …" if len(runs) > 20 else "")
    return ("page " if len(numbers) == 1 else "pages ") + shown
