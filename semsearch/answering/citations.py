"""Checks the citations of a model's answer: which sources each sentence cites, and whether they support it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from semsearch.answering.answer import Citation
from semsearch.answering.groundedness import Similarity, Verdict, judge_claim, match_score
from semsearch.answering.parsed_passage import (
    ParsedPassage,
    ParsedSentence,
    content_terms,
    numbers_of,
    parse_passage,
)
from semsearch.answering.refusal import is_refusal
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

# No request holds more sources; a longer range is no citation that could be checked one by one.
_LONGEST_RANGE = 100
# An answer of 8,000 tokens has fewer sentences, each of which is compared with all of its passages.
_MOST_SENTENCES = 500
_NUMBERS = r"\d{1,6}(?:\s*(?:[,;&、，–—-]|and|und|et|y)\s*(?:(?:source|quelle|fuente)s?\s*)?\d{1,6})*"
_MARK = re.compile(
    rf"\[\s*(?:\^|(?:sources?|src|refs?|quellen?|fuentes?|doc(?:ument)?s?)\.?\s*)?#?(?P<square>{_NUMBERS})\s*\]"
    r"(?:\(\S{0,500}?\))?"
    rf"|[【［]\s*(?:source\s*)?(?P<wide>{_NUMBERS})(?:†[^】\n]{{0,200}})?\s*[】］]",
    re.IGNORECASE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_PART = re.compile(r"(\d+)(?:\s*[–—-]\s*(\d+))?")
_LIST_MARK = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s+")


@dataclass(frozen=True)
class CitationMark:
    """A citation as written in an answer, such as `[1, 2]`: `text[start:end]`, and the source numbers it names."""

    start: int
    end: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """A sentence of an answer, checked.

    `text`: verbatim with its citation marks, `answer[start:end]`; `bare`: without them. `numbers`: the cited sources
    that exist; `invalid`: cited numbers that do not. `verdict`: whether these sources support the sentence.
    """

    text: str
    start: int
    end: int
    bare: str
    numbers: tuple[int, ...]
    invalid: tuple[int, ...]
    verdict: Verdict


@dataclass(frozen=True)
class CheckedAnswer:
    """The claims of an answer and what follows from them.

    `citations`: one for each source that is used, by number; `unsupported`: the sentences, verbatim, that their sources
    do not support; `answered`: False for a refusal; `invalid`: cited numbers without a source, rising.
    """

    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    answered: bool
    invalid: tuple[int, ...]


_UNCHECKED = Verdict(False, "too many sentences")


def check_citations(text: str, hits: Sequence[Hit], similarity: Similarity | None = None) -> CheckedAnswer:
    """Checks every sentence of the answer `text` against those of `hits` that it cites: `[n]` means `hits[n - 1]`."""
    if refuses(text, len(hits)):
        return CheckedAnswer((), (), (), False, ())
    sentences = _cited_sentences(text)
    cited = sorted({n for sentence in sentences for n in sentence.cited if 1 <= n <= len(hits)})
    passages = {n: parse_passage(hits[n - 1]) for n in cited}
    claims = []
    for place, sentence in enumerate(sentences):
        following = sentences[place + 1] if place + 1 < len(sentences) else None
        claims.append(
            Claim(
                text[sentence.start : sentence.end],
                sentence.start,
                sentence.end,
                sentence.bare,
                tuple(n for n in sentence.cited if n in passages),
                tuple(n for n in sentence.cited if n not in passages),
                _verdict(sentence, following, passages, similarity) if place < _MOST_SENTENCES else _UNCHECKED,
            )
        )
    citations = tuple(
        _citation(n, passage, [claim for claim in claims[:_MOST_SENTENCES] if n in claim.numbers], similarity)
        for n, passage in passages.items()
    )
    unsupported = tuple(claim.text for claim in claims if not claim.verdict.supported)
    invalid = tuple(sorted({n for claim in claims for n in claim.invalid}))
    return CheckedAnswer(tuple(claims), citations, unsupported, bool(claims), invalid)


def citation_marks(text: str) -> list[CitationMark]:
    """Every citation mark of `text`, in order: [1], [1, 2], [1-3], [Source 1], 【1】. Code spans hold none."""
    code = [match.span() for match in _CODE.finditer(text)]
    begins = [start for start, _ in code]
    marks = []
    for match in _MARK.finditer(text):
        before = bisect_right(begins, match.start()) - 1
        if before >= 0 and match.start() < code[before][1]:
            continue
        numbers: dict[int, None] = {}
        for part in _PART.finditer(match.group("square") or match.group("wide")):
            first = int(part.group(1))
            last = int(part.group(2) or first)
            span = range(first, last + 1) if first <= last < first + _LONGEST_RANGE else (first, last)
            numbers.update(dict.fromkeys(span))
        marks.append(CitationMark(match.start(), match.end(), tuple(numbers)))
    return marks


def refuses(text: str, sources: int) -> bool:
    """Whether `text` says that the documents do not hold the answer, and cites none of the `sources`."""
    cites = any(1 <= n <= sources for mark in citation_marks(text) for n in mark.numbers)
    return is_refusal(_without_marks(text)[0], cites=cites)


@dataclass(frozen=True)
class _CitedSentence:
    """A sentence of an answer: `answer[start:end]` with its marks, `bare` without them, and the numbers it cites."""

    start: int
    end: int
    bare: str
    cited: tuple[int, ...]


def _verdict(
    sentence: _CitedSentence,
    following: _CitedSentence | None,
    passages: dict[int, ParsedPassage],
    similarity: Similarity | None,
) -> Verdict:
    numbers = [n for n in sentence.cited if n in passages]
    if not numbers and sentence.bare.rstrip("*_ ").endswith(":"):
        # What leads into a list is supported by what the first item of the list cites.
        numbers = [n for n in following.cited if n in passages] if following is not None else []
        languages = frozenset(passages[n].language for n in numbers)
        if numbers and not numbers_of(sentence.bare) and len(content_terms(sentence.bare, languages)) <= 1:
            return Verdict(True)
    if not numbers:
        return Verdict(False, "uncited")
    return judge_claim(sentence.bare, [passages[n] for n in numbers], similarity)


def _citation(n: int, passage: ParsedPassage, claims: Sequence[Claim], similarity: Similarity | None) -> Citation:
    """`[n]`, quoting the sentence of `passage` that matches one of `claims` best, a supported one if there is any."""
    hit = passage.hit
    best: tuple[tuple[bool, float, float], ParsedSentence] | None = None
    for claim in claims:
        terms = content_terms(claim.bare, frozenset({passage.language}))
        numbers = [readings for _, readings in numbers_of(claim.bare)]
        highest = len(terms) + 2 * len(numbers) or 1
        for sentence in passage.sentences:
            matched = match_score(terms, numbers, sentence) / highest
            cosine = similarity(claim.bare, sentence.text) if similarity and matched < 1 else 0.0
            # Of two sentences that hold the same words the shorter one says it.
            score = (claim.verdict.supported, max(matched, cosine), -float(len(sentence.text)))
            if best is None or score > best[0]:
                best = score, sentence
    start, end = (best[1].start, best[1].end) if best else (0, len(hit.text))
    return Citation(n, hit.path, hit.place_at(start)[0], *hit.lines_of(start, end), hit.text[start:end])


def _cited_sentences(text: str) -> list[_CitedSentence]:
    """The sentences of `text`, in order; a mark after a full stop belongs to the sentence before it."""
    bare, origins, marks = _without_marks(text)
    spans = sentence_spans(bare)
    if not spans:
        return []
    begins = [start for start, _ in spans]
    cited: list[dict[int, None]] = [{} for _ in spans]
    starts = [origins[start] for start, _ in spans]
    ends = [origins[end - 1] + 1 for _, end in spans]
    for mark, position, leads in marks:
        owner = max(0, (bisect_right if leads else bisect_left)(begins, position) - 1)
        cited[owner].update(dict.fromkeys(mark.numbers))
        starts[owner] = min(starts[owner], mark.start)
        ends[owner] = max(ends[owner], mark.end)
    return [
        _CitedSentence(first, last, _LIST_MARK.sub("", bare[start:end], count=1).strip(), tuple(numbers))
        for (start, end), first, last, numbers in zip(spans, starts, ends, cited, strict=True)
    ]


def _without_marks(text: str) -> tuple[str, list[int], list[tuple[CitationMark, int, bool]]]:
    """`text` without its citation marks: (bare text, origins, marks).

    `origins[i]` is the place in `text` of the i-th character of the bare text. Each mark comes with its place in the
    bare text and whether it is the first thing on its line.
    """
    kept: list[str] = []
    origins: list[int] = []
    marks: list[tuple[CitationMark, int, bool]] = []
    position, leads = 0, True
    for mark in citation_marks(text):
        kept += text[position : mark.start]
        origins += range(position, mark.start)
        line_end = text.rfind("\n", position, mark.start)
        # First on its line, or next to a mark that is.
        is_first = leads or line_end >= 0 or not position
        leads = is_first and not text[max(line_end + 1, position) : mark.start].strip(" \t-*+•>")
        position = mark.end
        if leads:
            if kept and kept[-1] == "\n":
                kept.append("\n")  # a line that opens with its source is a statement of its own
                origins.append(mark.start)
            while position < len(text) and text[position] in " \t:":
                position += 1
        else:
            while kept and kept[-1] in " \t":
                kept.pop()
                origins.pop()
        marks.append((mark, len(kept), leads))
    kept += text[position:]
    origins += range(position, len(text))
    return "".join(kept), origins, marks
