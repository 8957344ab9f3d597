"""What of a hit is shown: its best sentence, the lines around it, a snippet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.phrases import Phrase
from semsearch.retrieval import sentence_scoring
from semsearch.retrieval.context import context_lines
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import QueryPlan
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.sentence_scoring import SentenceSpan, TypedText
from semsearch.retrieval.snippets import matches, snippet

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Sentences whose meaning is looked at, over all hits of a query: 2 ms each.
_MOST_ENCODED = 12
# A sentence with this share of the query's words is found by its words.
_FOUND_BY_WORDS = 0.5


def highlighted(
    snapshot: Snapshot, hits: list[Hit], plan: QueryPlan, options: SearchOptions, encoder: QueryEncoder
) -> list[Hit]:
    """`hits` with what `options` ask for: best sentence and snippet, and lines around the sentence."""
    if options.snippets:
        hits = _with_sentences(snapshot, hits, plan, encoder)
    if options.context:
        hits = [replace(hit, context=context_lines(snapshot, hit, options.context)) for hit in hits]
    if options.snippets:
        hits = [replace(hit, snippet=snippet(hit.text, plan.keys, plan.languages, hit.sentence)) for hit in hits]
    return hits


@dataclass(frozen=True, eq=False)  # arrays are not compared
class _Sentences:
    """The sentences of one hit: their spans and texts, which words of the query each holds (n, words), and `chosen`:
    the numbers of those whose meaning is looked at."""

    spans: list[SentenceSpan]
    texts: list[str]
    held: NDArray[np.bool_]
    chosen: list[int]


def _with_sentences(snapshot: Snapshot, hits: list[Hit], plan: QueryPlan, encoder: QueryEncoder) -> list[Hit]:
    """`hits` with their best sentences: by words where those tell, else by meaning, the first hits first."""
    weights = snapshot.idf(plan.words)
    left = _MOST_ENCODED if plan.vector is not None and plan.reliability > 0 else 0
    of_hits: list[_Sentences] = []
    for hit in hits:
        spans = sentence_scoring.sentences_of([TypedText(hit.text, hit.type)])
        texts = [hit.text[one.start : one.end] for one in spans]
        typed = [TypedText(text, hit.type, hit.language) for text in texts]
        held = sentence_scoring.words_held(typed, plan.words, plan.languages)
        share = held @ weights
        told = len(texts) < 2 or share.max() >= _FOUND_BY_WORDS * weights.sum() > 0
        # Of a long passage those with most words of the query, then the first ones.
        chosen = [] if told else np.argsort(-share, kind="stable")[:left].tolist()
        left -= len(chosen)
        of_hits.append(_Sentences(spans, texts, held, chosen))
    by_meaning = [one.texts[number] for one in of_hits for number in one.chosen]
    vectors = dict(zip(by_meaning, encoder.sentence_vectors(by_meaning), strict=True)) if by_meaning else {}
    marked = []
    for hit, own in zip(hits, of_hits, strict=True):
        cosines = None
        if own.chosen and plan.vector is not None:
            cosines = np.zeros(len(own.texts), np.float32)
            cosines[own.chosen] = np.stack([vectors[own.texts[number]] for number in own.chosen]) @ plan.vector
        marked.append(_with_best(hit, own, plan, weights, cosines))
    return marked


def _with_best(
    hit: Hit, own: _Sentences, plan: QueryPlan, weights: NDArray[np.float32], cosines: NDArray[np.float32] | None
) -> Hit:
    if not own.spans:
        return hit
    passage = TypedText(hit.text, hit.type)
    scores = sentence_scoring.sentence_scores(plan.text, own.spans, own.held, weights, cosines, [passage])
    best = own.spans[int(scores.argmax())]
    match = _match_in(hit, best.start, best.end, plan, weights)
    if phrases := _phrases_in(hit.text, plan):
        # What was asked for as it is written is what is told, in the best of its sentences.
        inside = [[one.start <= at < one.end for one in own.spans] for at in phrases]
        held = np.array(inside).any(axis=0)
        if held.any():
            best = own.spans[int(np.where(held, scores, -np.inf).argmax())]
            match = next(at for at in phrases if best.start <= at < best.end)
    page, _ = hit.place_at(best.start if match is None else match)
    return replace(hit, sentence=(best.start, best.end), match=match, page=page)


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
    own = [passages[one.passage].text[one.start : one.end] for one in spans]
    typed = [passages[one.passage]._replace(text=text) for one, text in zip(spans, own, strict=True)]
    held = sentence_scoring.words_held(typed, plan.words, plan.languages)
    cosines = None
    if plan.vector is not None and plan.reliability > 0:
        cosines = encoder.sentence_vectors(own) @ plan.vector
    weights = snapshot.idf(plan.words)
    scores = sentence_scoring.sentence_scores(plan.text, spans, held, weights, cosines, passages)
    return list(zip(spans, scores.tolist(), strict=True))
