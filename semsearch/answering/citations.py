"""Checks the citations of a model's answer: which sources each sentence cites, and which of them bear it out."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from semsearch.answering.answer import Citation, Statement
from semsearch.answering.asides import (
    cells_said,
    is_about_documents,
    is_aside,
    is_heading,
    is_table_head,
    list_of_sources,
    without_lead,
)
from semsearch.answering.groundedness import Similarity, Verdict, judge_claim, judge_foreign_claim, match_score
from semsearch.answering.marks import CitationMark, citation_marks, names_of_sources
from semsearch.answering.numbers_in_text import numbers_of
from semsearch.answering.parsed_passage import ParsedPassage, ParsedSentence, content_terms, parse_passage
from semsearch.answering.refusal import says_nothing_is_known
from semsearch.lexical.language import FUNCTION_WORDS, detect
from semsearch.lexical.words import words_of
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

# An answer of 8,000 tokens has fewer sentences, each of which is compared with all of its passages.
_MOST_SENTENCES = 500
_LIST_MARK = re.compile(
    r"\A[\s*_]{0,8}(?:[-*+•]|\(?\d{1,3}[.)]|#{1,6}|(?:step|schritt|étape|paso|passo)\s\d{1,2}\s?[:.)–-])[*_]{0,3}\s+",
    re.IGNORECASE,
)
# What a mark that is code, or a footnote of the source itself, stands behind without a blank: `items[1]`.
_GLUED = re.compile(r"[\w.\[\]]{1,80}\Z")
# Where a line ends a sentence, and what begins one: models do not wrap their lines, or do so within a sentence.
_LINE_END = re.compile(r"(?<=[.!?:;。！？…|*_\"”)\]])[ \t]*\n|\n(?=[ \t]*(?:[A-ZÀ-ÖØ-Þ|>#*•\-]|\d{1,3}[.)]\s))")
# A number set as a formula, whose dollars are no money.
_FORMULA = re.compile(r"\$(\d[^$\s]{0,30})\$")
_CLOSING = re.compile(r"[\s.!?。！？…*_\"'”’)|`]*\Z")
# Verdicts that say that a claim cannot be checked.
_NOT_TELLING = frozenset({"language", "calculation", "nothing to check", "too many sentences"})


@dataclass(frozen=True)
class Claim:
    """A sentence of an answer, checked.

    `text`: verbatim with its citation marks, `answer[start:end]`; `bare`: without them. `numbers`: the cited sources
    that exist; `invalid`: cited numbers that do not. `sources`: those that bear it out, cited or not. `verdict`: of the
    cited sources; `status`: as in `Statement`.
    """

    text: str
    start: int
    end: int
    bare: str
    numbers: tuple[int, ...]
    invalid: tuple[int, ...]
    sources: tuple[int, ...]
    verdict: Verdict
    status: Literal["supported", "unsupported", "unnamed", "unchecked", "outside"]

    def statement(self) -> Statement:
        """What is told of it."""
        return Statement(self.text, self.status, self.verdict.reason, (*self.numbers, *self.invalid), self.sources)


@dataclass(frozen=True)
class CheckedAnswer:
    """The claims of an answer and what follows from them.

    `text`: the answer with the sources that were found for sentences that name none; `citations`: one for each source
    that is cited or was found, by number; `unsupported`: the sentences, verbatim, that no source supports;
    `answered`: False for a refusal; `invalid`: cited numbers without a source, rising.
    """

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    answered: bool
    invalid: tuple[int, ...]


# A text of a language has a greater share of its function words, of which some are words of other languages, too.
_FEW_FUNCTION_WORDS = 0.15
_UNCHECKED = Verdict(False, "too many sentences")
_UNCITED = Verdict(False, "uncited")


def check_citations(
    text: str,
    hits: Sequence[Hit],
    similarity: Similarity | None = None,
    *,
    refused: bool = False,
    incomplete: bool = False,
) -> CheckedAnswer:
    """Checks every sentence of the answer `text` against those of `hits` that it cites: `[n]` means `hits[n - 1]`.

    A sentence that cites none is compared with all of them. `refused`: the model said, apart from `text`, that the
    documents do not hold the answer; `incomplete`: the text was cut, and the last of its sentences may be half a one.
    """
    names = names_of_sources([hit.path for hit in hits], [hit.title for hit in hits])
    end, listed = list_of_sources(text, len(hits), names)
    marks = [mark for mark in citation_marks(text[:end], len(hits), names) if not _is_copied(text, mark, hits)]
    sentences = _cited_sentences(text[:end], marks)
    if incomplete and len(sentences) > 1 and end == len(text) and not _ends(text):
        sentences.pop()
    check = _Check(hits, similarity, " ".join(sentence.bare for sentence in sentences))
    claims: list[Claim] = []
    gaps = 0
    for place, (sentence, following) in enumerate(zip(sentences, _following_marks(sentences), strict=True)):
        if sentence.aside and not sentence.cited:
            continue
        claim = check.claim(text, sentence, following or listed, place < _MOST_SENTENCES)
        # Beside the token the first sentence says the same in the language of the question.
        says_so = says_nothing_is_known(sentence.bare) or (refused and not claims and not gaps and not sentence.cited)
        if says_so and claim.status != "supported":
            gaps += 1
        else:
            claims.append(claim)
    answered = bool(claims)
    if refused or gaps:
        claims = [claim for claim in claims if claim.status == "supported" or not is_about_documents(claim.bare)]
        told = [c for c in claims if c.status == "supported" or (c.status == "unchecked" and c.numbers)]
        answered = bool(told) and not (refused and not any(claim.numbers for claim in told))
        if not answered:
            outside = [replace(claim, status="outside", sources=()) for claim in claims]
            return CheckedAnswer(text, tuple(outside), (), (), False, ())
    citations = check.citations(claims[:_MOST_SENTENCES])
    unsupported = tuple(claim.text for claim in claims if claim.status in ("unsupported", "unnamed"))
    invalid = tuple(sorted({n for claim in claims for n in claim.invalid}))
    return CheckedAnswer(_with_sources(text, claims), tuple(claims), citations, unsupported, answered, invalid)


def _is_copied(text: str, mark: CitationMark, hits: Sequence[Hit]) -> bool:
    """Whether `mark` stands in a source with the word that it stands behind: it is the source's, and cites nothing."""
    before = _GLUED.search(text, max(0, mark.start - 80), mark.start)
    return before is not None and any(text[before.start() : mark.end] in hit.text for hit in hits)


@dataclass(frozen=True)
class _CitedSentence:
    """A sentence of an answer: `answer[start:end]` with its marks, `bare` without them, and the numbers it cites.

    `paragraph`: which one it stands in, from 0; `aside`: it says nothing that could be checked.
    """

    start: int
    end: int
    bare: str
    cited: tuple[int, ...]
    paragraph: int
    aside: bool


class _Check:
    """Judges the claims of one answer, whose words together are `said`, by `hits`."""

    def __init__(self, hits: Sequence[Hit], similarity: Similarity | None, said: str) -> None:
        self._hits = hits
        self._similarity = similarity
        self._language = detect(said)
        self._words = [word.lower() for word in words_of(said)]
        # Each is parsed when it is first asked for.
        self._passage: Callable[[int], ParsedPassage] = cache(lambda n: parse_passage(hits[n - 1]))

    def claim(self, text: str, sentence: _CitedSentence, likely: Sequence[int], in_bounds: bool) -> Claim:
        """`sentence` of the answer `text`, judged. `likely`: the sources that it means where it cites none."""
        everything = range(1, len(self._hits) + 1)
        numbers = tuple(n for n in sentence.cited if n in everything)
        invalid = tuple(n for n in sentence.cited if n not in everything)
        bearing: tuple[int, ...] = ()
        if not in_bounds:
            verdict = _UNCHECKED
        elif numbers:
            verdict, bearing = self._judge(sentence.bare, numbers)
        else:
            verdict = _UNCITED
            for n in dict.fromkeys([*(n for n in likely if n in everything), *everything]):
                alone = self._alone(sentence.bare, n)
                if alone.supported or alone.reason == "nothing to check":
                    verdict, bearing = alone, (n,) if alone.supported else ()
                    break
        status: Literal["supported", "unsupported", "unnamed", "unchecked"] = "unsupported"
        if verdict.supported:
            status = "supported"
        elif verdict.reason in _NOT_TELLING:
            status = "unchecked"
        elif not sentence.cited:
            status = "unnamed"
        shown = text[sentence.start : sentence.end]
        return Claim(shown, sentence.start, sentence.end, sentence.bare, numbers, invalid, bearing, verdict, status)

    def _judge(self, bare: str, numbers: Sequence[int]) -> tuple[Verdict, tuple[int, ...]]:
        """The verdict on a sentence by the sources that it cites, and those that bear it out: each, or all together."""
        verdicts = {n: self._alone(bare, n) for n in numbers}
        if bearing := tuple(n for n, verdict in verdicts.items() if verdict.supported):
            return Verdict(True), bearing
        if len(numbers) > 1:
            passages = [self._passage(n) for n in numbers]
            together = judge_claim(bare, passages, self._similarity)
            if together.supported:
                return together, tuple(numbers)
        # Of several reasons the one that says most.
        return min(verdicts.values(), key=lambda verdict: verdict.reason not in _NOT_TELLING), ()

    def _alone(self, bare: str, n: int) -> Verdict:
        passage = self._passage(n)
        verdict = judge_claim(bare, [passage], self._similarity)
        if not verdict.supported and verdict.reason != "nothing to check" and self._is_foreign(passage):
            return judge_foreign_claim(bare, [passage], self._similarity)
        return verdict

    def _is_foreign(self, passage: ParsedPassage) -> bool:
        """Whether the answer is in another language than `passage`; in doubt not, as short texts are guessed wrong."""
        languages = {passage.language, passage.hit.language} - {""}
        if not languages or not self._language or self._language in languages:
            return False
        own = FUNCTION_WORDS.get(self._language)
        counts = [sum(word in FUNCTION_WORDS.get(code, ()) for word in self._words) for code in languages]
        if own is None:
            return max(counts) < _FEW_FUNCTION_WORDS * len(self._words)
        return sum(word in own for word in self._words) > max(counts)

    def citations(self, claims: Sequence[Claim]) -> tuple[Citation, ...]:
        """One for each source that `claims` cite or that was found to bear one out, by number."""
        cited = sorted({n for claim in claims for n in (*claim.numbers, *claim.sources)})
        return tuple(self._citation(n, [c for c in claims if n in c.numbers or n in c.sources]) for n in cited)

    def _citation(self, n: int, claims: Sequence[Claim]) -> Citation:
        """`[n]`, quoting the sentence that matches one of `claims` best, one that it bears out if there is any."""
        passage = self._passage(n)
        hit = passage.hit
        best: tuple[tuple[bool, bool, float, float], ParsedSentence] | None = None
        for claim in claims:
            terms = content_terms(claim.bare, frozenset({passage.language}))
            numbers = [readings for _, readings in numbers_of(claim.bare)]
            highest = len(terms) + 2 * len(numbers) or 1
            foreign = claim.verdict.reason == "language"
            for sentence in passage.sentences:
                score = match_score(terms, numbers, sentence)
                matched = score / highest
                cosine = self._similarity(claim.bare, sentence.text) if self._similarity and matched < 1 else 0.0
                # Across languages a number that both hold says more than the model. Of two sentences that hold the same
                # words the shorter one says it.
                rank = (n in claim.sources, foreign and score >= 2, max(matched, cosine), -float(len(sentence.text)))
                if best is None or rank > best[0]:
                    best = rank, sentence
        start, end = (best[1].start, best[1].end) if best else (0, len(hit.text))
        quote = hit.text[start:end]
        lines = hit.lines_of(start, end)
        return Citation(n, hit.path, hit.place_at(start)[0], *lines, quote, status=_status(n, claims))


def _status(n: int, claims: Sequence[Claim]) -> Literal["supported", "attached", "unchecked", "unsupported"]:
    bearing = [claim for claim in claims if n in claim.sources]
    if any(n in claim.numbers for claim in bearing):
        return "supported"
    if bearing:
        return "attached"
    return "unchecked" if any(claim.status == "unchecked" for claim in claims) else "unsupported"


def _with_sources(text: str, claims: Sequence[Claim]) -> str:
    """`text` with a mark at the end of each sentence for which a source was found that it does not name."""
    for claim in sorted(claims, key=lambda claim: -claim.end):
        if claim.numbers or not claim.sources:
            continue
        closing = _CLOSING.search(text, claim.start, claim.end)
        at = closing.start() if closing else claim.end
        if text.count("```", 0, at) % 2 == 0:
            text = f"{text[:at]} [{claim.sources[0]}]{text[at:]}"
    return text


def _following_marks(sentences: Sequence[_CitedSentence]) -> list[tuple[int, ...]]:
    """For each sentence the numbers that the next one of its paragraph cites which cites any."""
    following: list[tuple[int, ...]] = []
    paragraph = -1
    numbers: tuple[int, ...] = ()
    for sentence in reversed(sentences):
        if sentence.paragraph != paragraph:
            paragraph, numbers = sentence.paragraph, ()
        following.append(numbers)
        numbers = sentence.cited or numbers
    return following[::-1]


def _ends(text: str) -> bool:
    """Whether `text` ends with the end of a sentence."""
    return text.rstrip("*_\"'”’)]` \n").endswith((".", "!", "?", "…", "。", "！", "？", "|"))


def _cited_sentences(text: str, marks: Sequence[CitationMark]) -> list[_CitedSentence]:
    """The sentences of `text`, in order; a mark after a full stop belongs to the sentence before it."""
    bare, origins, placed = _without_marks(text, marks)
    spans = [span for start, end in sentence_spans(bare) for span in _lines_of(bare, start, end)]
    if not spans:
        return []
    begins = [start for start, _ in spans]
    cited: list[dict[int, None]] = [{} for _ in spans]
    starts = [origins[start] for start, _ in spans]
    ends = [origins[end - 1] + 1 for _, end in spans]
    for mark, position, leads in placed:
        owner = max(0, (bisect_right if leads else bisect_left)(begins, position) - 1)
        cited[owner].update(dict.fromkeys(mark.numbers))
        starts[owner] = min(starts[owner], mark.start)
        ends[owner] = max(ends[owner], mark.end)
    paragraphs = [match.start() for match in re.finditer(r"\n[ \t]*\n", bare)]
    sentences = []
    for (start, end), first, last, numbers in zip(spans, starts, ends, cited, strict=True):
        line = bare[bare.rfind("\n", 0, start) + 1 : end]
        following = bare[end:].lstrip(" \t|*_.").lstrip("\n").partition("\n")[0] if "|" in line else ""
        said = _LIST_MARK.sub("", without_lead(cells_said(bare[start:end])), count=1).strip(" \t\n|*_")
        said = _FORMULA.sub(r"\1", said)
        # What leads into a list says what the list says.
        leads = said.endswith((":", "：")) and not any(letter.isdigit() for letter in said)
        aside = leads or is_heading(bare[start:end]) or is_table_head(line, following) or is_aside(bare[start:end])
        sentences.append(
            _CitedSentence(first, last, said, tuple(numbers), bisect_right(paragraphs, start), aside or not said)
        )
    return sentences


def _lines_of(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The span of a sentence, cut where a line of it ends a statement."""
    spans = []
    for match in _LINE_END.finditer(text, start, end):
        spans.append((start, match.start()))
        start = match.end()
    spans.append((start, end))
    trimmed = (
        (s + len(text[s:e]) - len(text[s:e].lstrip()), e - len(text[s:e]) + len(text[s:e].rstrip())) for s, e in spans
    )
    return [(s, e) for s, e in trimmed if any(letter.isalnum() for letter in text[s:e])]


def _without_marks(
    text: str, found: Sequence[CitationMark]
) -> tuple[str, list[int], list[tuple[CitationMark, int, bool]]]:
    """`text` without the citation marks that were `found` in it: (bare text, origins, marks).

    `origins[i]` is the place in `text` of the i-th character of the bare text. Each mark comes with its place in the
    bare text and whether it is the first thing on its line.
    """
    kept: list[str] = []
    origins: list[int] = []
    marks: list[tuple[CitationMark, int, bool]] = []
    position, leads = 0, True
    for mark in found:
        kept += text[position : mark.start]
        origins += range(position, mark.start)
        line_end = text.rfind("\n", position, mark.start)
        # First on its line, or next to a mark that is.
        is_first = leads or line_end >= 0 or not position
        leads = is_first and not text[max(line_end + 1, position) : mark.start].strip(" \t-*+•>")
        position = mark.end
        if mark.leads and "".join(kept[-3:]).rstrip().endswith((".", "!", "?", "。")):
            kept += "\n\n"  # "According to source 1, the ...": what is left of it begins with a small letter
            origins += [mark.start, mark.start]
            leads = True
        elif leads:
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
