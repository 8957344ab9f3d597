"""Markdown: sections by the headings of a CommonMark parser, YAML front matter as metadata.

The text is that of the file, unchanged, so that its line numbers are right.
"""

import datetime
import math
import re
from collections.abc import Mapping
from functools import cache

from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers.text import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_MATTER_CHARACTERS = 50_000
_HEADING_CHARACTERS = 500
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]+|<[^>]+>|\s#+\s*$")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
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
    """The scalars and lists of scalars of a YAML front matter by key; {} when it is no YAML mapping.

    Nested values are left out: aliases in them can stand for gigabytes, once they are written out.
    """
    import yaml

    if len(source) > _FRONT_MATTER_CHARACTERS or source.count("[") + source.count("{") > 200 or "<<" in source:
        return {}  # nested too deep for libyaml, or merge keys, which can multiply the content
    try:
        loaded = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except Exception:  # YAML constructors raise errors of any type on wrong values; the text is indexed all the same
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
    """`value` as JSON can hold it; None for what it cannot."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity and no NaN
    if isinstance(value, int) and abs(value) > 2**63:
        return None
    return value if isinstance(value, str | int | float) else None


def headings(body: str) -> list[tuple[int, int, str]]:
    """(line from 0, level 1 to 6, name without markup) of each heading outside lists and quotes."""
    tokens = _parser().parse(body)
    result = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            name = _MARKUP.sub(lambda match: match.group(1) or "", tokens[position + 1].content[:_HEADING_CHARACTERS])
            name = " ".join(name.split())
            if name:
                result.append((token.map[0], int(token.tag[1]), name))
    return result


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Headings are blocks; inline parsing would take most of the time.
    return MarkdownIt("commonmark").disable(["inline", "reference"])
