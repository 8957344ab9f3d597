"""Markdown: sections by the headings of a CommonMark parser, front matter as metadata.

The text is that of the file but for pictures in base64, with the same lines.
"""

from functools import cache

from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.encoded_data import without_data_addresses
from semsearch.sources.lines import line_starts_of
from semsearch.sources.markdown_headings import headings_by_marks, plain_heading
from semsearch.sources.readers.header_blocks import markdown_block
from semsearch.sources.readers.text import decode
from semsearch.sources.titles import told_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markdown_it import MarkdownIt

# The parser takes 30 µs and 2 kB a line of a list.
_MOST_LINES = 25_000


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
    text, metadata = decode(data)
    text = without_data_addresses(text)
    properties, body_start = markdown_block(text)
    metadata |= properties
    starts = line_starts_of(text)
    first_line = text.count("\n", 0, body_start)
    title = told_title(str(metadata.get("title") or ""))
    sections = [Section(0, body_start, (title,) if title else ())] if body_start else []
    path: list[tuple[int, str]] = []
    begin = body_start
    heading: tuple[str, ...] = (title,) if title else ()
    body = text[body_start:]
    is_long = body.count("\n") > _MOST_LINES
    for line, level, name in headings_by_marks(body) if is_long else headings(body):
        start = starts[first_line + line][0]
        if start > begin:
            sections.append(Section(begin, start, heading))
        begin = start
        path = [*(above for above in path if above[0] < level), (level, name)]
        names = [name for _, name in path]
        # A heading further down is that of a part.
        if not title and (level == 1 or not text[body_start:start].strip()):
            title = name
        heading = heading_path(title, names)
    if len(text) > begin or not sections:
        sections.append(Section(begin, len(text), heading))
    notice = f"of more than {_MOST_LINES:,} lines, whose headings are told by # alone" if is_long else ""
    return Document(text, type_name, tuple(sections), starts, title, metadata, notice)


def headings(body: str) -> list[tuple[int, int, str]]:
    """(line from 0, level 1 to 6, name without markup) of each heading outside lists and quotes."""
    tokens = _parser().parse(body)
    result = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            name = plain_heading(tokens[position + 1].content)
            if name:
                result.append((token.map[0], int(token.tag[1]), name))
    return result


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Headings are blocks; inline parsing would take most of the time.
    return MarkdownIt("commonmark").disable(["inline", "reference"])
