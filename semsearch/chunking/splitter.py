"""Splits a document into chunks that fit the embedder, at the ends of paragraphs, lines, sentences or words.

The document is tokenised once and cut by token positions. Splitters that tokenise candidate after candidate take
several times as long (`benchmarks/chunking_speed.py`), and lexical search waits for the chunks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from semsearch.chunking.chunk import HEADING_CHARACTERS, Chunk, prefix_of
from semsearch.chunking.tokenizers import Starts, Tokenizer
from semsearch.sources.document import Document, Section
from semsearch.sources.lines import LineStarts, breaks_in, line_in, line_of

# A section this short says little alone: it is joined with a neighbour if both fit one chunk.
_SMALL_SECTION_TOKENS = 64
_HEADING_TOKENS = 32  # about as many as `HEADING_CHARACTERS`
# How good a cut before a token is.
_AT_PARAGRAPH, _AT_SENTENCE_OR_LINE, _AT_WORD, _INSIDE_WORD = 4.0, 3.0, 1.0, -8.0
_INSIDE_CHARACTER = -1e9
_BLANK, _STOP, _CLOSING = 1, 2, 3
# Code point -> what it is; higher ones are nothing of this. A full stop and a space end a sentence, and few closing
# marks may stand between.
_KINDS = np.zeros(0x3002, np.uint8)
_KINDS[[code for code in range(len(_KINDS)) if chr(code).isspace()]] = _BLANK
_KINDS[[ord(sign) for sign in ".!?…"]] = _STOP
_KINDS[[ord(sign) for sign in "\"'”’)]"]] = _CLOSING
_MOST_CLOSING = 4
_UNSPACED_SENTENCE = re.compile(r"(?<=[。！？])[」』”’)]*")


@dataclass(frozen=True)
class ChunkRules:
    """How a document is split.

    `size`: the most tokens of a chunk, headings included, counted by `tokenizer`.
    `overlap`: how many tokens at most are repeated in the next chunk of the same section.
    `window`: the most tokens that the embedding model takes, counted by `embedder`, the model's own tokenizer. No chunk
    exceeds it, whatever `tokenizer` counts: the model would ignore the rest.
    """

    size: int
    overlap: int
    tokenizer: Tokenizer
    window: int
    embedder: Tokenizer


def split(document: Document, rules: ChunkRules) -> list[Chunk]:
    """The chunks of `document` in order; together they hold every non-blank character of it."""
    starts = rules.tokenizer.starts(document.text)
    chunks = []
    for sections in _groups(document, starts, rules):
        heading = _heading_of(sections, document.text)
        start, end = sections[0].start, sections[-1].end
        told = _prefix_tokens(document.text, start, end, heading, starts, rules) if document.wholes else None
        if told is not None:
            pieces = [(start, end)]
        else:
            # The headings take part of the chunk.
            told = len(rules.tokenizer.starts(" > ".join(heading)[:HEADING_CHARACTERS])) + 1 if heading else 0
            capacity = max(rules.size // 2, rules.size - told)
            overlap = min(rules.overlap, capacity // 4)
            pieces = [
                piece
                for part in _cut(document.text, start, end, starts, capacity, overlap)
                for piece in _fit(document.text, *part, heading, rules)
            ]
        for piece in pieces:
            chunk = _chunk(document, *piece, heading, sections[0].page, starts, told)
            if chunk:
                chunks.append(chunk)
    return chunks


def _groups(document: Document, starts: Starts, rules: ChunkRules) -> Iterator[list[Section]]:
    """Groups of neighbouring sections that are cut as one. Where `document` has wholes, those that fit a chunk are
    not cut, alone or joined with others."""
    if not document.wholes:
        yield from _join_small(document.sections, starts, rules)
        return
    for group in _join_small(_with_wholes(document, starts, rules), starts, rules):
        heading = _heading_of(group, document.text)
        if _prefix_tokens(document.text, group[0].start, group[-1].end, heading, starts, rules) is not None:
            yield group
        else:
            yield from ([section] for section in group)


def _with_wholes(document: Document, starts: Starts, rules: ChunkRules) -> list[Section]:
    """The sections of `document`, those of each whole that fits a chunk as one, under the heading of its first."""
    sections = document.sections
    first_at = {section.start: number for number, section in enumerate(sections)}
    last_at = {section.end: number for number, section in enumerate(sections)}
    joined: list[Section] = []
    done = 0
    for start, end in document.wholes:
        first, last = first_at.get(start, -1), last_at.get(end, -1)
        if first < done or last < first:  # within one that was joined already
            continue
        heading = sections[first].heading
        if _prefix_tokens(document.text, start, end, heading, starts, rules) is not None:
            joined += [*sections[done:first], Section(start, end, heading, sections[first].page)]
            done = last + 1
    return [*joined, *sections[done:]]


def _prefix_tokens(
    text: str, start: int, end: int, heading: tuple[str, ...], starts: Starts, rules: ChunkRules
) -> int | None:
    """How many tokens are put before text[start:end] under `heading`, where both fit one chunk; else None."""
    tokens = int(np.subtract(*np.searchsorted(starts, (end, start))))
    if tokens > rules.size:
        return None
    body = text[start:end].strip()
    prefix = prefix_of(heading, body)
    before = len(rules.tokenizer.starts(prefix))
    if tokens + before > rules.size:
        return None
    is_measured = rules.embedder is rules.tokenizer or len(prefix) + len(body) < rules.window
    return before if is_measured or len(rules.embedder.starts(prefix + body)) <= rules.window else None


def _join_small(sections: Sequence[Section], starts: Starts, rules: ChunkRules) -> Iterator[list[Section]]:
    """`sections` in groups of neighbours: small ones join while they fit one chunk."""
    run: list[Section] = []
    run_tokens = 0
    for section in sections:
        tokens = int(np.subtract(*np.searchsorted(starts, (section.end, section.start))))
        joins = (
            run
            and min(run_tokens, tokens) < _SMALL_SECTION_TOKENS
            and run_tokens + tokens <= rules.size - _HEADING_TOKENS
            and run[-1].page == section.page
        )
        if run and not joins:
            yield run
            run, run_tokens = [], 0
        run.append(section)
        run_tokens += tokens
    if run:
        yield run


def _heading_of(sections: list[Section], text: str) -> tuple[str, ...]:
    """The heading path that all `sections` share, blank ones aside; where they share none, the outermost of each.

    These are one heading, as long as what is put before the text that is encoded: a passage must not be told under the
    heading of its first section alone. Empty where a section has none.
    """
    paths = [section.heading for section in sections if text[section.start : section.end].strip()]
    shared = 0
    while len({path[: shared + 1] for path in paths}) == 1 and shared < len(paths[0]):
        shared += 1
    common = paths[0][:shared] if paths else ()
    if common or not all(paths):
        return common
    names = "; ".join(dict.fromkeys(path[0] for path in paths))
    return (names if len(names) <= HEADING_CHARACTERS else names[: HEADING_CHARACTERS - 1] + "…",)


def _cut(text: str, start: int, end: int, starts: Starts, capacity: int, overlap: int) -> Iterator[tuple[int, int]]:
    """(start, end) in characters of parts of at most `capacity` tokens that cover text[start:end].

    `starts`: the tokens of `text`, or of a part of it that contains start to end, in characters of `text`. Consecutive
    parts share at most `overlap` tokens.
    """
    starts = starts[slice(*np.searchsorted(starts, (start, end)))]
    if len(starts) <= capacity:
        yield start, end
        return
    quality = _cut_quality(text[start:end], starts - start)
    first = 0
    while first < len(starts):
        left = len(starts) - first
        if left <= capacity:
            past = len(starts)
        else:
            # Equal parts, rather than full ones and a short rest.
            aim = first + -(-left // -(-left // capacity))
            low, high = first + max(1, capacity // 2), first + capacity
            at = np.arange(low, high + 1)
            # One step of quality is worth moving the cut by a quarter of a chunk.
            past = int(at[np.argmax(quality[at] - 4 * np.abs(at - aim) / capacity)])
        yield int(starts[first]) if first else start, int(starts[past]) if past < len(starts) else end
        if past >= len(starts):
            return
        first = _overlap_start(quality, first, past, overlap)


def _overlap_start(quality: np.ndarray, first: int, past: int, overlap: int) -> int:
    """The token at which the next part starts: a sentence, line or paragraph at most `overlap` tokens before the cut
    (`past`), else the cut itself."""
    for back in range(max(first + 1, past - overlap), past):
        if quality[back] >= _AT_SENTENCE_OR_LINE:
            return back
    return past


def _cut_quality(body: str, starts: np.ndarray) -> np.ndarray:
    """(n + 1,) float64: how good a cut of `body` before each token is, and after the last one.

    `starts` (n,) int64: the first character of each token.
    """
    codes = np.frombuffer(body.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = np.concatenate([[0], _KINDS[np.minimum(codes, len(_KINDS) - 1)], [0]])
    is_blank = kinds == _BLANK
    begins, ends = np.flatnonzero(is_blank[1:] != is_blank[:-1]).reshape(-1, 2).T  # of the runs of blanks
    breaks = np.flatnonzero(codes == ord("\n")) + 1
    lines = np.searchsorted(breaks, ends, "right") - np.searchsorted(breaks, begins, "right")
    last = begins.copy()  # in `kinds`, which begins with one more
    for _ in range(_MOST_CLOSING):
        last -= kinds[last] == _CLOSING
    quality = np.full(len(starts) + 1, _INSIDE_WORD)
    for places, value in (
        (ends, _AT_WORD),
        (ends[kinds[last] == _STOP], _AT_SENTENCE_OR_LINE),
        (np.array([match.end() for match in _UNSPACED_SENTENCE.finditer(body)], np.int64), _AT_SENTENCE_OR_LINE),
        (breaks, _AT_SENTENCE_OR_LINE),
        (ends[lines > 1], _AT_PARAGRAPH),
    ):
        quality[np.searchsorted(starts, places)] = value
    # Tokens that share a start are parts of one character, which must not be cut.
    quality[np.flatnonzero(starts[1:] == starts[:-1]) + 1] = _INSIDE_CHARACTER
    return quality


def _fit(text: str, start: int, end: int, heading: tuple[str, ...], rules: ChunkRules) -> Iterator[tuple[int, int]]:
    """(start, end) of text[start:end], or of its parts if it does not fit the embedder's window."""
    piece = text[start:end].strip()
    if len(piece) < rules.window:  # a token is at least one character, but for the rare byte-level ones
        yield start, end
        return
    prefix = prefix_of(heading, piece)
    if rules.embedder is rules.tokenizer:
        size = 0  # counted by _cut already
    else:
        size = len(rules.embedder.starts(prefix + piece))
    if size <= rules.window:
        yield start, end
        return
    starts = rules.embedder.starts(text[start:end]) + start
    capacity = max(8, rules.window - (size - len(starts)))
    yield from _cut(text, start, end, starts, capacity, 0)


def _chunk(
    document: Document,
    start: int,
    end: int,
    heading: tuple[str, ...],
    page: int | None,
    starts: Starts,
    heading_tokens: int,
) -> Chunk | None:
    """The chunk document.text[start:end] without blanks around it; None when it is blank."""
    raw = document.text[start:end]
    kept = raw.strip()
    if not kept:
        return None
    start += len(raw) - len(raw.lstrip())
    line_start = line_end = None
    breaks: LineStarts = ()
    if document.line_starts:
        line_start = line_of(document.line_starts, start)
        breaks = breaks_in(kept, line_start, document.line_starts, start)
        line_end = line_in(kept, line_start, breaks, len(kept) - 1)
    tokens = int(np.subtract(*np.searchsorted(starts, (start + len(kept), start))))
    return Chunk(kept, heading, page, line_start, line_end, tokens + heading_tokens, breaks)
