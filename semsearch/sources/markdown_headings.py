"""Headings of Markdown by their marks, without a parser. A search needs no more, and none of the readers."""

import re
from collections.abc import Iterator

_HEADING_CHARACTERS = 500
_MARKED = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]+|<[^>]+>|\s#+\s*$")


def headings_by_marks(body: str) -> Iterator[tuple[int, int, str]]:
    """(line from 0, level 1 to 6, name without markup) of each heading that begins with `#`, outside fenced code."""
    fence = ""
    for number, line in enumerate(body.split("\n")):
        if found := _FENCE.match(line):
            mark = found.group(1)
            if not fence:
                fence = mark
            elif mark.startswith(fence) and not line.strip().strip(mark[0]):
                fence = ""
        elif not fence and (marked := _MARKED.match(line)):
            name = plain_heading(line[marked.end() :].strip()[:_HEADING_CHARACTERS])
            if name:
                yield number, len(marked.group(1)), name


def plain_heading(heading: str) -> str:
    """`heading` on one line without its markup."""
    name = _MARKUP.sub(lambda match: match.group(1) or "", heading[:_HEADING_CHARACTERS])
    return " ".join(name.split())
