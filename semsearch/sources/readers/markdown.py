"""Markdown: headings by the CommonMark block parser, front matter into metadata.

The text is the file as it is, so that line numbers are those of the file.
"""

import datetime
import math
import re
from collections.abc import Mapping
from functools import cache

from semsearch.sources.document import Document, Section, heading_path, line_starts_of
from semsearch.sources.readers.text import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_MATTER_CHARACTERS = 50_000
_HEADING_CHARACTERS = 500
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]+|<[^>]+>|\s#+\s*$")


def read(data: bytes, type_name: str) -> Document:
    text, metadata = decode(data)
    body_start = 0
    front = _FRONT_MATTER.match(text)
    if front:
        body_start = front.end()
        metadata |= front_matter(front.group(1) or "")
    starts = line_starts_of(text)
    first_line = text.count("\n", 0, body_start)
    title = str(metadata.get("title") or "")
    sections = [Section(0, body_start, (title,) if title else ())] if body_start else []
    path: list[tuple[int, str]] = []
    begin = body_start
    heading: tuple[str, ...] = (title,) if title else ()
    for line, level, name in headings(text[body_start:]):
        start = starts[first_line + line][0]
        if start > begin:
            sections.append(Section(begin, start, heading))
        begin = start
        path = [*(above for above in path if above[0] < level), (level, name)]
        names = [name for _, name in path]
        title = title or name
        heading = heading_path(title, names)
    if len(text) > begin or not sections:
        sections.append(Section(begin, len(text), heading))
    return Document(text, type_name, tuple(sections), starts, title, metadata)


def front_matter(source: str) -> dict[str, object]:
    """The flat part of a YAML front matter: scalars and lists of scalars. {} when it is not a YAML mapping.

    Nested values are left out: an alias bomb stays small while it is parsed, and would grow when written out.
    """
    import yaml

    if len(source) > _FRONT_MATTER_CHARACTERS or source.count("[") + source.count("{") > 200 or "<<" in source:
        return {}  # too deep for libyaml, or merge keys, which multiply
    try:
        loaded = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except Exception:  # its constructors raise what a wrong value trips them into; the text is indexed all the same
        return {}
    if not isinstance(loaded, Mapping):
        return {}
    kept: dict[str, object] = {}
    for key, value in loaded.items():
        if isinstance(value, list):
            items = [_scalar(item) for item in value[:100]]
            if all(item is not None for item in items):
                kept[str(key)] = items
        elif (plain := _scalar(value)) is not None:
            kept[str(key)] = plain
    return kept


def _scalar(value: object) -> object:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    if isinstance(value, int) and abs(value) > 2**63:
        return None
    return value if isinstance(value, str | int | float) else None


def headings(body: str) -> list[tuple[int, int, str]]:
    """(line from 0, level 1-6, plain name) of each heading outside lists and quotes."""
    tokens = _parser().parse(body)
    found = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            name = _MARKUP.sub(lambda match: match.group(1) or "", tokens[position + 1].content[:_HEADING_CHARACTERS])
            name = " ".join(name.split())
            if name:
                found.append((token.map[0], int(token.tag[1]), name))
    return found


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Only blocks matter here; inline parsing is most of the parser's time.
    return MarkdownIt("commonmark").disable(["inline", "reference"])
