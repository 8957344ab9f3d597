"""Queries with known answers made from an index itself, for users who have written none."""

import random
from dataclasses import dataclass
from itertools import islice

from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.query_word import Word
from semsearch.lexical.words import words_of
from semsearch.retrieval.query_sentences import query_sentences
from semsearch.retrieval.sentences import label_spans
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Passage

# Distinct words a passage must have for a known-item query, and a sentence for one about it.
_FEWEST_DISTINCT = 12
_FEWEST_IN_SENTENCE = 5
_FEWEST_HEADING_WORDS = 2
# Sentences that must remain in the passage to answer.
_FEWEST_SENTENCES = 2


@dataclass(frozen=True)
class SyntheticQuery:
    """A query made from one passage of an index, which answers it.

    `text`: the query; `chunk`: the id of the passage. `rest`: the passage without the words of the query, as (heading
    path, text), for a copy of the index to hold in its place; None: the passage stays as it is.
    """

    text: str
    chunk: int
    rest: tuple[tuple[str, ...], str] | None = None


@dataclass(frozen=True)
class KnownSentence:
    """A query, `text`, made of words of one `sentence` of the passage with the id `chunk`."""

    text: str
    chunk: int
    sentence: str


def synthetic_queries(
    snapshot: Snapshot, count: int, seed: int = 1
) -> tuple[list[SyntheticQuery], list[SyntheticQuery]]:
    """Up to `count` known-item and `count` paraphrase-like queries, each made from a passage of its own.

    Known-item: some words of the passage, as a reader might remember them. Paraphrase-like: its heading or its first
    sentence, which is then to be cut out of the passage, so that what answers does not hold the query.
    """
    chance = random.Random(seed)
    known_items: list[SyntheticQuery] = []
    paraphrases: list[SyntheticQuery] = []
    for passage in snapshot.shuffled(chance):
        if len(paraphrases) < count and (query := _paraphrase(snapshot, passage, chance)):
            paraphrases.append(query)
        elif len(known_items) < count and (query := _known_item(snapshot, passage, chance)):
            known_items.append(query)
        if len(known_items) == len(paraphrases) == count:
            break
    return known_items, paraphrases


def _known_item(snapshot: Snapshot, passage: Passage, chance: random.Random) -> SyntheticQuery | None:
    """Three to five words of the passage, drawn with the weights tf x idf, in the passage's order; None: too few words.

    After Azzopardi, de Rijke and Balog 2007, "Building simulated queries for known-item topics", the model of popular
    and discriminative terms.
    """
    drawn = _drawn_words(snapshot, passage.text, _FEWEST_DISTINCT, chance)
    return None if drawn is None else SyntheticQuery(drawn, passage.id)


def known_sentences(snapshot: Snapshot, count: int, seed: int = 1) -> list[KnownSentence]:
    """Up to `count` queries of three to five words of a sentence, each of a passage of its own, as in `_known_item`."""
    chance = random.Random(seed)
    made: list[KnownSentence] = []
    for passage in snapshot.shuffled(chance):
        sentences = query_sentences(passage.text)
        if sentences:
            sentence = chance.choice(sentences)
            drawn = _drawn_words(snapshot, sentence, _FEWEST_IN_SENTENCE, chance)
            if drawn is not None:
                made.append(KnownSentence(drawn, passage.id, sentence))
        if len(made) == count:
            break
    return made


def _drawn_words(snapshot: Snapshot, text: str, fewest: int, chance: random.Random) -> str | None:
    """Three to five words of `text`, drawn with the weights tf x idf, in its order; None: fewer than `fewest` words."""
    languages = snapshot.languages()
    first_uses: dict[tuple[Word, ...], tuple[int, str]] = {}
    counts: dict[tuple[Word, ...], int] = {}
    for place, word in enumerate(words_of(text)):
        keys = tuple(analyze_query(word, languages))
        if keys and not word.isdigit() and len(word) > 1:
            first_uses.setdefault(keys, (place, word))
            counts[keys] = counts.get(keys, 0) + 1
    if len(first_uses) < fewest:
        return None
    idf = iter(snapshot.idf([group for keys in counts for group in keys]).tolist())
    weights = {keys: count * sum(islice(idf, len(keys))) for keys, count in counts.items()}
    drawn = []
    for _ in range(chance.randint(3, 5)):
        keys = chance.choices(list(weights), list(weights.values()))[0]
        drawn.append(first_uses[keys])
        del weights[keys]
    return " ".join(word for _, word in sorted(drawn))


def _paraphrase(snapshot: Snapshot, passage: Passage, chance: random.Random) -> SyntheticQuery | None:
    """A query by heading or by first sentence, whichever, in random order, can be made of the passage."""
    ways = [_by_heading, _by_first_sentence]
    chance.shuffle(ways)
    return next((query for way in ways if (query := way(snapshot, passage)) is not None), None)


def heading_query(heading: tuple[str, ...]) -> str:
    """The query a heading path makes: its last heading, with the one above where that is a single word."""
    return heading[-1] if len(heading[-1].split()) >= _FEWEST_HEADING_WORDS else " ".join(heading[-2:])


def without_labels(text: str) -> str:
    """`text` without headings and front matter, which name what is around it."""
    for start, end in reversed(label_spans(text)):
        text = text[:start] + text[end:]
    return text.strip()


def _by_heading(snapshot: Snapshot, passage: Passage) -> SyntheticQuery | None:
    """The heading as a query for its section; None where it is not alone in naming it, or says too little."""
    heading = passage.heading
    if not heading:
        return None
    asked, text = heading_query(heading), without_labels(passage.text)
    if len(asked.split()) < _FEWEST_HEADING_WORDS or len(query_sentences(text)) < _FEWEST_SENTENCES:
        return None
    # A section cut in several passages, or one with subsections, is named by more than one passage.
    for other in snapshot.passages_of(passage.file.id):
        if other.id != passage.id and other.heading[: len(heading)] == heading:
            return None
    return SyntheticQuery(asked, passage.id, ((), text))


def _by_first_sentence(snapshot: Snapshot, passage: Passage) -> SyntheticQuery | None:
    """The first sentence as a query for the rest of the passage; None where too little would be left."""
    sentences = query_sentences(passage.text)
    if len(sentences) <= _FEWEST_SENTENCES:
        return None
    asked = sentences[0]
    near = [other.text for other in snapshot.neighbours(passage.id, 1) if other.id != passage.id]
    rest = passage.text.replace(asked, " ")
    # Where passages overlap, the one before may hold the sentence.
    if asked in rest or any(asked in text for text in near):
        return None
    return SyntheticQuery(" ".join(asked.split()), passage.id, (passage.heading, rest.strip()))
