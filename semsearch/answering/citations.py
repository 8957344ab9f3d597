"""A model's answer, read against the passages it was given: what each sentence cites, and whether that bears it out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from semsearch.answering.answer import Citation
from semsearch.answering.refusal import is_refusal
from semsearch.answering.support import (
    Passage,
    Sentence,
    Similarity,
    Verdict,
    bears_out,
    content_groups,
    numbers_of,
    overlap,
    read_passage,
)
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

# No request holds more sources; a longer range is no citation that could be checked one by one.
_LONGEST_RANGE = 100
_NUMBERS = r"\d{1,6}(?:\s*(?:[,;&、，–—-]|and|und|et|y)\s*(?:(?:source|quelle|fuente)s?\s*)?\d{1,6})*"
_MARK = re.compile(
    rf"\[\s*(?:\^|(?:sources?|src|refs?|quellen?|fuentes?|doc(?:ument)?s?)\.?\s*)?#?(?P<square>{_NUMBERS})\s*\](?:\(\S*?\))?"
    rf"|[【［]\s*(?:source\s*)?(?P<wide>{_NUMBERS})(?:†[^】\n]*)?\s*[】］]",
    re.IGNORECASE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_PART = re.compile(r"(\d+)(?:\s*[–—-]\s*(\d+))?")
_LIST_MARK = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6})\s+")


@dataclass(frozen=True)
class Mark:
    """A citation mark as it stands in an answer, `text[start:end]`, and the source numbers it names."""

    start: int
    end: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """A sentence of an answer. `text` is verbatim with its marks, at `start` of the answer; `bare` is without them.

    `numbers`: sources it cites that exist; `invalid`: those that do not. `verdict`: whether they bear it out.
    """

    text: str
    start: int
    end: int
    bare: str
    numbers: tuple[int, ...]
    invalid: tuple[int, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Checked:
    """An answer, checked. `citations`: one for each source used, by number; `unsupported`: sentences as they stand."""

    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    answered: bool
    invalid: tuple[int, ...]


def check(text: str, hits: Sequence[Hit], similarity: Similarity | None = None) -> Checked:
    """Checks every sentence of the answer `text` against those of `hits` that it cites: `[n]` means `hits[n - 1]`."""
    if refuses(text, len(hits)):
        return Checked((), (), (), False, ())
    passages: dict[int, Passage] = {}
    claims: list[Claim] = []
    for start, end, bare, cited in _sentences(text):
        valid = tuple(n for n in cited if 1 <= n <= len(hits))
        for n in valid:
            if n not in passages:
                passages[n] = read_passage(hits[n - 1])
        invalid = tuple(n for n in cited if n not in valid)
        claims.append(Claim(text[start:end], start, end, bare, valid, invalid, Verdict(False, "uncited")))
    judged = tuple(
        Claim(
            claim.text, claim.start, claim.end, claim.bare, claim.numbers, claim.invalid,
            _verdict(claim, claims[place + 1 :], passages, similarity),
        )
        for place, claim in enumerate(claims)
    )  # fmt: skip
    citations = tuple(
        _citation(n, passages[n], [claim for claim in judged if n in claim.numbers], similarity)
        for n in sorted(passages)
    )
    unsupported = tuple(claim.text for claim in judged if not claim.verdict.supported)
    invalid = tuple(sorted({n for claim in judged for n in claim.invalid}))
    return Checked(judged, citations, unsupported, bool(judged), invalid)


def citation_marks(text: str) -> list[Mark]:
    """Every citation mark of `text`, in order: [1], [1, 2], [1-3], [Source 1], 【1】. Code is left alone."""
    code = [match.span() for match in _CODE.finditer(text)]
    marks = []
    for match in _MARK.finditer(text):
        if any(start <= match.start() < end for start, end in code):
            continue
        numbers: list[int] = []
        for part in _PART.finditer(match.group("square") or match.group("wide")):
            first = int(part.group(1))
            last = int(part.group(2) or first)
            span = range(first, last + 1) if first <= last < first + _LONGEST_RANGE else (first, last)
            numbers += [n for n in span if n not in numbers]
        marks.append(Mark(match.start(), match.end(), tuple(numbers)))
    return marks


def refuses(text: str, sources: int) -> bool:
    """Whether `text` says that the documents do not hold the answer, and cites none of the `sources`."""
    cites = any(1 <= n <= sources for mark in citation_marks(text) for n in mark.numbers)
    return is_refusal(_without_marks(text)[0], cites=cites)


def _verdict(
    claim: Claim, following: Sequence[Claim], passages: dict[int, Passage], similarity: Similarity | None
) -> Verdict:
    numbers = claim.numbers
    if not numbers and claim.bare.rstrip("*_ ").endswith(":"):
        # What leads into a list is borne out by what the list cites.
        numbers = following[0].numbers if following else ()
        languages = frozenset(passages[n].language for n in numbers)
        if not numbers_of(claim.bare) and len(content_groups(claim.bare, languages)) <= 1:
            return Verdict(True)
    if not numbers:
        return Verdict(False, "uncited")
    return bears_out(claim.bare, [passages[n] for n in numbers], similarity)


def _citation(n: int, passage: Passage, claims: Sequence[Claim], similarity: Similarity | None) -> Citation:
    """`[n]` with the sentence of its passage that says most of what cites it, preferring what is borne out."""
    hit = passage.hit
    best: tuple[tuple[bool, float, float], Sentence] | None = None
    for claim in claims:
        groups = content_groups(claim.bare, frozenset({passage.language}))
        numbers = [readings for _, readings in numbers_of(claim.bare)]
        most = len(groups) + 2 * len(numbers) or 1
        for sentence in passage.sentences:
            share = overlap(groups, numbers, sentence) / most
            near = similarity(claim.bare, sentence.text) if similarity and share < 1 else 0.0
            # Of two sentences that hold the same words the shorter one says it.
            score = (claim.verdict.supported, max(share, near), -float(len(sentence.text)))
            if best is None or score > best[0]:
                best = score, sentence
    start, end = (best[1].start, best[1].end) if best else (0, len(hit.text))
    if hit.line_start is None:
        return Citation(n, hit.path, hit.page, None, None, hit.text[start:end])
    bound = hit.line_end if hit.line_end is not None else hit.line_start + hit.text.count("\n")
    first = min(bound, hit.line_start + hit.text.count("\n", 0, start))
    last = min(bound, hit.line_start + hit.text.count("\n", 0, end))
    return Citation(n, hit.path, hit.page, first, last, hit.text[start:end])


def _sentences(text: str) -> list[tuple[int, int, str, tuple[int, ...]]]:
    """(start, end, text without marks, cited numbers) of each sentence; a mark after a full stop belongs before it."""
    bare, origins, marks = _without_marks(text)
    spans = sentence_spans(bare)
    if not spans:
        return []
    cited: list[list[int]] = [[] for _ in spans]
    begins = [origins[start] for start, _ in spans]
    ends = [origins[end - 1] + 1 for _, end in spans]
    for mark, position, leads in marks:
        owner = 0
        for place, (start, _) in enumerate(spans):
            if start < position or (leads and start == position):
                owner = place
        cited[owner] += [n for n in mark.numbers if n not in cited[owner]]
        begins[owner] = min(begins[owner], mark.start)
        ends[owner] = max(ends[owner], mark.end)
    found = []
    for (start, end), begin, finish, numbers in zip(spans, begins, ends, cited, strict=True):
        claim = bare[start:end]
        found.append((begin, finish, _LIST_MARK.sub("", claim, count=1).strip(), tuple(numbers)))
    return found


def _without_marks(text: str) -> tuple[str, list[int], list[tuple[Mark, int, bool]]]:
    """`text` without its marks; for each character left its place in `text`; for each mark its place in what is left,
    and whether it leads its line."""
    kept: list[str] = []
    origins: list[int] = []
    marks: list[tuple[Mark, int, bool]] = []
    position, leads = 0, True
    for mark in citation_marks(text):
        kept += text[position : mark.start]
        origins += range(position, mark.start)
        line = text.rfind("\n", 0, mark.start) + 1
        # First on its line, or next to a mark that is.
        leads = not text[max(line, position) : mark.start].strip(" \t-*+•>") and (leads or line >= position)
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
