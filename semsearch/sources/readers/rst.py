"""reStructuredText: sections by their underlined titles.

docutils is not used: its line numbers of sections are not reliable, it stops at unknown directives, and a document can
make it include other files.
"""

import re

from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.encoded_data import without_data_addresses
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers.header_blocks import rest_block
from semsearch.sources.readers.text import decode
from semsearch.sources.titles import told_title

# Fields that describe the document stand at its beginning.
_HEAD_CHARACTERS = 3000
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each title."""
    text, metadata = decode(data)
    text = without_data_addresses(text)
    metadata |= rest_block(text[:_HEAD_CHARACTERS])
    lines = text.split("\n")
    starts = line_starts_of(text)
    styles: list[str] = []
    path: list[str] = []
    sections = []
    begin, title = 0, told_title(str(metadata.get("title") or ""))
    told = title
    heading = heading_path(told, path)
    for number, name, style in _titles(lines):
        start = starts[number][0]
        if start > begin:
            sections.append(Section(begin, start, heading))
        begin = start
        if style not in styles:
            styles.append(style)
        path = [*path[: styles.index(style)], name]
        heading = heading_path(told, path)
        title = title or name
    sections.append(Section(begin, len(text), heading))
    return Document(text, type_name, tuple(sections), starts, title, metadata)


def _titles(lines: list[str]) -> list[tuple[int, str, str]]:
    """(first line from 0, name, adornment style) of each section title.

    A title follows a blank line or its overline, and its underline is at least as long as it (reStructuredText
    specification, "Sections"). The style is the character of the underline, twice if there is an overline.
    """
    titles = []
    for number in range(1, len(lines)):
        under = _ADORNMENT.match(lines[number])
        name = lines[number - 1].strip()
        if not under or not name or _ADORNMENT.match(lines[number - 1]):
            continue
        if len(lines[number].rstrip()) < len(name):
            continue
        above = lines[number - 2] if number >= 2 else ""
        over = _ADORNMENT.match(above)
        if over and over.group(1) == under.group(1):
            titles.append((number - 2, name, under.group(1) * 2))
        elif not above.strip() and not lines[number - 1][0].isspace():
            titles.append((number - 1, name, under.group(1)))
    return titles
