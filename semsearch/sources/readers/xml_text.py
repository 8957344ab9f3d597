"""The text of an XML tree, element by element, each word with its line; HTML in an element as a page shows it."""

import re
from collections.abc import Sequence

from semsearch.sources.document_builder import DocumentBuilder, Piece
from semsearch.sources.readers import html
from semsearch.sources.readers.xml_tree import APART, Element

# `vector<int>` is no HTML, and what is meant by `&nbsp;` in a text without tags is the reader's affair.
_HTML = re.compile(
    r"<(?:/?(?:p|br|div|span|b|i|u|s|em|strong|a|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|td|th|h[1-6]|img|figure|"
    r"figcaption|font|pre|code|blockquote|hr|sup|sub|small|big|center|section|article|iframe|video|audio|style|"
    r"script)\b[^<>]*>|!--)",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
# A longer one is no title, but text.
LONGEST_TITLE = 200


def add_elements(root: Element, builder: DocumentBuilder, *, feed: bool = False) -> None:
    """Adds the text of `root` to `builder`; `feed`: text may be HTML also where only entities tell it."""
    pending = [root]
    while pending:
        element = pending.pop()
        for said in element.said:
            add_said(said, builder)
        if not element.mixed:
            pending += reversed(element.elements())
            continue
        pieces = list(element.pieces())
        if _is_html(element, feed):
            _add_html(pieces, builder)
        else:
            for paragraph in _paragraphs(pieces):
                builder.flow(paragraph, end="\n")
        inside = [
            piece
            for inner in element.descendants()
            if inner is not element
            for said in inner.said
            for piece in (*said, APART)
        ]
        add_said(inside, builder)


def add_said(pieces: Sequence[Piece], builder: DocumentBuilder) -> None:
    """Adds what attributes say."""
    if any(piece.text.strip() for piece in pieces):
        if _HTML.search("".join(piece.text for piece in pieces)):
            _add_html(pieces, builder)
        else:
            builder.flow(pieces, end="\n")


def shown(element: Element) -> str:
    """The text of `element` on one line, as a title shows it."""
    text = element.text()
    if _HTML.search(text) or _ENTITY.search(text):
        text = html.read_text(text, "html", {}).text
    return " ".join(text.split())


def _paragraphs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """`pieces` cut at empty lines, as the text of a page of a wiki has them."""
    paragraphs: list[list[Piece]] = [[]]
    ends = 0
    for piece in pieces:
        if not piece.text.strip():
            ends += piece.text.count("\n")
        else:
            if ends > 1:
                paragraphs.append([])
            ends = 0
        paragraphs[-1].append(piece)
    return paragraphs


def _is_html(element: Element, feed: bool) -> bool:
    if element.elements():
        return False
    text = element.text()
    return _HTML.search(text) is not None or (feed and _ENTITY.search(text) is not None)


def _add_html(pieces: Sequence[Piece], builder: DocumentBuilder) -> None:
    """Adds the page whose source is in `pieces`."""
    text = "".join(piece.text for piece in pieces)
    page = html.read_text(text, "html", {})
    lines = _lines(pieces)
    builder.text(page.text, [(offset, lines[min(line, len(lines)) - 1]) for offset, line in page.line_starts or ()])


def _lines(pieces: Sequence[Piece]) -> list[int]:
    """The line of the file of each line of the text of `pieces`."""
    lines = [1]
    begins = True  # whether the next piece begins a line of the text
    for piece in pieces:
        if piece.line is None or not piece.text:
            continue
        if begins:
            lines[-1] = piece.line
        first = lines[-1] if begins else piece.line
        lines += range(first + 1, first + piece.text.count("\n") + 1)
        begins = piece.text.endswith("\n")
    return lines
