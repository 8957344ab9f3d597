"""What of a hit is shown: its best sentence, the lines around it, a snippet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.phrases import Phrase
from semsearch.retrieval import sentence_scoring
from semsearch.retrieval.context import context_lines
from semsearch.retrieval.headings import heading_at
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import QueryPlan
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.sentence_scoring import SentenceSpan, TypedText
from semsearch.retrieval.snippets import SNIPPET_CHARACTERS, fragments, matches, row_snippet, snippet
from semsearch.retrieval.tables import continued_head

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Of the second passage of a file.
_SECOND_CHARACTERS = 160
# So many passages before one are looked at for the head of the table it begins inside: more where that is a long one.
_EARLIER = (4, 32, 256)


def highlighted(snapshot: Snapshot, hits: list[Hit], plan: QueryPlan, options: SearchOptions) -> list[Hit]:
    """`hits` with the head of the table they begin inside, and with what `options` ask for: best sentence and snippet,
    and lines around the sentence."""
    hits = [_with_table_head(snapshot, hit) for hit in hits]
    if options.snippets:
        hits = _with_sentences(snapshot, hits, plan)
    if options.context:
        hits = [replace(hit, context=context_lines(snapshot, hit, options.context)) for hit in hits]
    return hits


def _with_sentences(snapshot: Snapshot, hits: list[Hit], plan: QueryPlan) -> list[Hit]:
    """`hits` with their best sentences, which are found by words alone: to look at their meaning would take two thirds
    of the time of a query."""
    weights = snapshot.idf(plan.words)
    return [_with_both(hit, plan, weights) for hit in hits]


def _with_both(hit: Hit, plan: QueryPlan, weights: NDArray[np.float32]) -> Hit:
    """`hit` and its second one with their best sentences; without that one, if it says the same."""
    first = _with_best(hit, plan, weights, SNIPPET_CHARACTERS)
    if hit.second is None:
        return first
    second = _with_best(hit.second, plan, weights, _SECOND_CHARACTERS)
    # Chunks that follow each other overlap.
    says_the_same = second.sentence and second.text[slice(*second.sentence)] in first.text
    return replace(first, second=None if says_the_same else second)


def _with_table_head(snapshot: Snapshot, hit: Hit) -> Hit:
    """`hit`, and its second one, with the head of the table that its text begins inside."""

    def earlier() -> Iterator[str]:
        seen = 0
        for count in _EARLIER:
            before = [one for one in snapshot.neighbours(hit.chunk_id, count) if one.id < hit.chunk_id]
            for one in before[::-1][seen:]:
                # The parts of a joined passage begin before its best one.
                if one.text not in hit.text:
                    if one.heading != hit.heading or one.page != hit.place_at(0)[0]:
                        return
                    yield one.text
            seen = len(before)

    second = hit.second and _with_table_head(snapshot, hit.second)
    head = None if hit.begins_document else continued_head(hit.text, earlier(), hit.type)
    return replace(hit, table_head=head, second=second)


def _with_best(hit: Hit, plan: QueryPlan, weights: NDArray[np.float32], room: int) -> Hit:
    """`hit` with its best sentence, and a snippet of at most `room` characters."""
    passage = TypedText(hit.text, hit.type, hit.language, hit.table_head)
    spans = sentence_scoring.sentences_of([passage])
    if not spans:
        return replace(hit, snippet=snippet(hit.text, plan.keys, plan.languages, room))
    said = sentence_scoring.sentence_texts([passage], spans)
    held = sentence_scoring.words_held(said, plan.words, plan.languages)
    scores = sentence_scoring.sentence_scores(plan.text, spans, held, weights, None, [passage])
    best = spans[int(scores.argmax())]
    match = _match_in(hit, best.start, best.end, plan, weights)
    if phrases := _phrases_in(hit.text, plan):
        # What was asked for as it is written is what is told, in the best of its sentences.
        inside = [[one.start <= at < one.end for one in spans] for at in phrases]
        within = np.array(inside).any(axis=0)
        if within.any():
            best = spans[int(np.where(within, scores, -np.inf).argmax())]
            match = next(at for at in phrases if best.start <= at < best.end)
    page, _ = hit.place_at(best.start if match is None else match)
    sentence = (best.start, best.end)
    told = [sentence, *_second(spans, scores, best)]
    if row := hit.row_at(*sentence):
        shown = row_snippet(row, plan.keys, frozenset((hit.language,)), room)
    else:
        shown = fragments(hit.text, plan.keys, plan.languages, told, room)
    heading = heading_at(hit, sentence[0])
    return replace(hit, sentence=sentence, match=match, page=page, heading=heading, snippet=shown)


def _second(spans: list[SentenceSpan], scores: NDArray[np.float32], best: SentenceSpan) -> list[tuple[int, int]]:
    """The best sentence beside `best`, if it tells something."""
    others = [(score, -number) for number, score in enumerate(scores.tolist()) if spans[number] != best and score > 0]
    return [(spans[-number].start, spans[-number].end) for _, number in [max(others)]] if others else []


def _phrases_in(text: str, plan: QueryPlan) -> list[int]:
    """Where in `text` the phrases of the query begin."""
    return sorted(start for phrase in plan.parsed.phrases for start, _ in Phrase(phrase).spans_in(text))


def _match_in(hit: Hit, start: int, end: int, plan: QueryPlan, weights: NDArray[np.float32]) -> int | None:
    """Where in characters `start` to `end` of the text of `hit` the words of the query stand: of its lines the one that
    holds most; None: in none."""
    words_of: dict[str, set[int]] = {}
    for number, word in enumerate(plan.words):
        for key in word:
            words_of.setdefault(key.text, set()).add(number)
    by_line: dict[int, tuple[int, set[int]]] = {}
    part, looked_for = hit.text[start:end], frozenset(words_of)
    for begin, _, keys in matches(part, looked_for, frozenset((hit.language,))):
        line = hit.text.count("\n", start, start + begin)
        by_line.setdefault(line, (start + begin, set()))[1].update(*(words_of[key] for key in keys))
    if not by_line:
        return None
    return max(by_line.values(), key=lambda found: (float(weights[list(found[1])].sum()), -found[0]))[0]


def scored_sentences(
    snapshot: Snapshot, passages: Sequence[TypedText], plan: QueryPlan, encoder: QueryEncoder
) -> list[tuple[SentenceSpan, float]]:
    """Every sentence of `passages` with how well it answers the query (`sentence_scoring`)."""
    spans = sentence_scoring.sentences_of(passages)
    if not spans:
        return []
    said = sentence_scoring.sentence_texts(passages, spans)
    held = sentence_scoring.words_held(said, plan.words, plan.languages)
    cosines = None
    if plan.vector is not None and plan.reliability > 0:
        cosines = encoder.sentence_vectors([one.text for one in said]) @ plan.vector
    weights = snapshot.idf(plan.words)
    scores = sentence_scoring.sentence_scores(plan.text, spans, held, weights, cosines, passages, plan.reliability)
    return list(zip(spans, scores.tolist(), strict=True))
