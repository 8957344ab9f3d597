"""Text -> sentences: the spans that are marked in a hit, quoted in an answer, and checked against a citation."""

import re
from collections.abc import Iterator
from functools import lru_cache

from semsearch.retrieval.tables import head_spans, table_lines

Span = tuple[int, int]

# A line that starts something of its own: a list item, a heading, a table row, a quotation, code between backticks.
_OWN_LINE = r"(?:[-*+•]\s|\d{1,3}[.)]\s|#{1,6}\s|[|>]|```|~~~|=+\s*$|-{3,}\s*$)"
# A line where code begins or ends, which belongs to no sentence. One with code between backticks is none (CommonMark).
_FENCE = r"[ \t>]*+(?:`{3,}+[^`\n]*+|~{3,}+[ \t]*+[^\s~]*+[ \t]*+)$"
_BREAK = re.compile(
    rf"(?:\A|\n){_FENCE}"
    rf"|\n[ \t]*\n\s*(?:{_FENCE})?"  # a paragraph ends
    rf"|\n[ \t]*(?={_OWN_LINE})"
    r"|\n(?=[\w-]{1,30}:(?:\s|$))"  # "author: Ada"
    r"|(?<=[.!?…])[\"'”’)\]»]*\s+(?=[\"'“‘(\[«¿¡]*[^\W_a-z])"  # not before a lower-case letter: "e.g. this"
    r"|(?<=[。！？])[」』”’)]*\s*",
    re.MULTILINE,
)
_UNDERLINED = re.compile(r"^[^\n]+\n(?:={3,}|-{3,})[ \t]*$", re.MULTILINE)
_HEADING_LINE = re.compile(rf"^[ \t]*#{{1,6}}\s[^\n]*|{_UNDERLINED.pattern}", re.MULTILINE)
_HEADING = re.compile(r"[ \t]*#{1,6}\s[^\n]*(\n|$)")
# Where a full stop ends no sentence: initials, titles, and what stands before a number or a name.
_ABBREVIATION = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|Prof|Rev|Gen|Col|Capt|Lt|Sgt|Sr|Jr|St|Mt|No|Nos|Vol|Fig|Figs|Eq|Ch|Sec|pp?|cf|vs|"
    r"approx|ca|etc|e\.g|i\.e|al|Inc|Ltd|Co|Corp|Nr|Abb|bzw|z\.B|d\.h|usw|Sra|M|Mme|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|"
    r"Oct|Nov|Dec))\.$"
)
# What begins an item of a list, whose text follows.
_ITEM_NUMBER = re.compile(r"\s*\d{1,3}\.")
# A run of lines without a full stop that is longer is no sentence but code, data or a poem: each line is one.
_LONGEST = 600
# So many lines, all shorter than these many characters, are a poem, a list or a log.
_VERSE_LINES = 4
_VERSE_WIDTH = 40
_LINE = re.compile(r"[^\n]+")
# Documents in which each line says something of its own.
_LINE_TYPES = frozenset({
    "csv", "json", "toml", "ini", "yaml", "xlsx", "xls", "ods", "python", "javascript", "typescript", "c", "cpp",
    "csharp", "go", "java", "kotlin", "rust", "ruby", "php", "swift", "scala", "lua", "perl", "r", "shell", "sql",
    "css",
})  # fmt: skip
_MARKDOWN_TYPES = frozenset({"markdown", "notebook", ""})

# Of a Markdown file: found by, but not what a reader wants to see first.
FRONT_MATTER = re.compile(r"\A(?:---[ \t]*\n.*?\n(?:---|\.\.\.)|\+\+\+[ \t]*\n.*?\n\+\+\+)[ \t]*\n", re.DOTALL)


def label_spans(text: str, type_name: str = "", table_head: str | None = None) -> list[Span]:
    """(start, end) of what names its surroundings and says nothing itself: headings, front matter, heads of tables.

    `type_name`: that of the document of `text`; `table_head`: as in `tables.rows_in`. In code, `#` begins a comment.
    """
    heads = head_spans(text, type_name, table_head)
    if type_name in _LINE_TYPES:
        return heads
    front = FRONT_MATTER.match(text)
    begin = front.end() if front else 0
    pattern = _HEADING_LINE if type_name in _MARKDOWN_TYPES else _UNDERLINED
    headings = [match.span() for match in pattern.finditer(text, begin)]
    return [*([(0, begin)] if front else []), *headings, *heads]


# Queries about one subject find the same passages, each of which is asked for its sentences more than once.
@lru_cache(maxsize=500)
def sentence_spans(text: str, type_name: str = "") -> tuple[Span, ...]:
    """(start, end) of each sentence of `text`, in order, without the white space around it; none is empty.

    `type_name`: that of the document of `text`; of code, settings and tables each line is one, and so is each row of a
    table in a text.
    """
    if type_name in _LINE_TYPES:
        return tuple(_lines(text, 0, len(text)))
    spans: list[Span] = []
    begin = 0
    for row in table_lines(text, type_name):
        if row.end - row.start <= _LONGEST:
            spans += [*_sentences(text, begin, row.start), *_trimmed(text, row.start, row.end)]
            begin = row.end
    return (*spans, *_sentences(text, begin, len(text)))


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    for piece in _pieces(text, start, end):
        yield from _parts(text, *piece)


def _pieces(text: str, start: int, stop: int) -> Iterator[Span]:
    for match in _BREAK.finditer(text, start, stop):
        # Closing quotes and brackets belong to the sentence they end.
        end = match.start() + len(match.group()) - len(match.group().lstrip("\"'”’)]»」』"))
        if "\n" not in match.group() and (
            _ABBREVIATION.search(text, max(start, end - 12), end) or _ITEM_NUMBER.fullmatch(text, start, end)
        ):
            continue
        yield start, end
        start = match.end()
    yield start, stop


def _parts(text: str, start: int, end: int) -> Iterator[Span]:
    """The piece itself; a heading apart from what follows it; what is too long for a sentence, line by line."""
    heading = _HEADING.match(text, start, end)
    if heading and heading.end() < end:
        yield from _parts(text, start, heading.end())
        yield from _parts(text, heading.end(), end)
        return
    if "\n" in text[start:end] and (end - start > _LONGEST or _is_verse(text[start:end])):
        yield from _lines(text, start, end)
        return
    yield from _trimmed(text, start, end)


def _is_verse(piece: str) -> bool:
    """Whether `piece` is lines that end where they do for a reason, not where a page ends: many, and all short."""
    lines = piece.split("\n")
    return len(lines) >= _VERSE_LINES and max(map(len, lines)) < _VERSE_WIDTH


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    for line in _LINE.finditer(text, start, end):
        yield from _trimmed(text, *line.span())


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if any(character.isalnum() for character in text[start:end]):
        yield start, end
