"""Queries made from an index itself, where nobody has written any."""

import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from semsearch.lexical.analyzer import analyze_query, words_of
from semsearch.lexical.bm25 import PostingsBM25
from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.storage.catalog import Catalog
from semsearch.storage.snapshot import Snapshot

_FEWEST_WORDS = 4
_LONGEST = 300
# Different words a passage must have to be asked for by some of them.
_FEWEST_KNOWN = 12
_FEWEST_HEADING_WORDS = 2
# Sentences that must be left to answer.
_FEWEST_SENTENCES = 2
# Where a language has no spaces, this many characters say what one word says elsewhere.
_CHARACTERS_A_WORD = 3


def held_out_queries(catalog: Catalog, count: int, seed: int = 1) -> list[str]:
    """Up to `count` sentences of passages of the index: texts whose vectors are near those of the index, and not in it.

    Fewer where the index holds fewer passages with a sentence of four words.
    """
    chance = random.Random(seed)
    queries = []
    for chunk in shuffled_passages(catalog, chance):
        found = sentences(chunk["text"])
        if found:
            queries.append(chance.choice(found))
        if len(queries) == count:
            break
    return queries


def sentences(text: str) -> list[str]:
    """The sentences of `text` that could be queries: four words or more, not a heading, not a page long."""
    labels = label_spans(text)
    spans = [
        (start, end)
        for start, end in sentence_spans(text)
        if not any(first <= start and end <= last for first, last in labels)
    ]
    return [text[start:end] for start, end in spans if says_something(text[start:end])]


def says_something(text: str) -> bool:
    """Whether `text` has the length of a query."""
    letters = sum(character.isalpha() for character in text)
    spaced = all(character.isascii() for character in text) or len(text.split()) * 12 > len(text)
    words = len(text.split()) if spaced else letters / _CHARACTERS_A_WORD
    return words >= _FEWEST_WORDS and letters * 2 > len(text) and len(text) <= _LONGEST


def shuffled_passages(catalog: Catalog, chance: random.Random) -> Iterator[sqlite3.Row]:
    """The encoded passages of the index, all of them where none is, in random order, each once; it need not be gone
    through to its end."""
    last = catalog.setting("embedded_to", 0) or catalog.setting("next_chunk", 1) - 1
    seen: set[int] = set()
    misses = 0
    while misses < 200:  # nearly all have been seen
        row = catalog.connection.execute(
            "SELECT * FROM chunks WHERE id >= ? AND id <= ? AND file_id IS NOT NULL ORDER BY id LIMIT 1",
            (chance.randint(1, max(1, last)), last),
        ).fetchone()
        if row is None or row["id"] in seen:
            misses += 1
            continue
        misses = 0
        seen.add(row["id"])
        yield row


@dataclass(frozen=True)
class Question:
    """A query made from one passage of an index.

    `text` is what is asked, `chunk` the id of the passage that answers it. `rest`: what is left of the passage without
    the words of the query, as (heading path, text); None: the passage stays as it is.
    """

    text: str
    chunk: int
    rest: tuple[tuple[str, ...], str] | None = None


def made_questions(snapshot: Snapshot, count: int, seed: int = 1) -> tuple[list[Question], list[Question]]:
    """Up to `count` known-item and `count` paraphrase-like questions, of passages that differ from one another.

    Known-item: some words that a reader might remember of a passage. Paraphrase-like: its heading, or its first
    sentence, where the passage is searched without them: what answers does not hold the question.
    """
    chance = random.Random(seed)
    known: list[Question] = []
    paraphrases: list[Question] = []
    for row in shuffled_passages(snapshot.catalog, chance):
        if len(paraphrases) < count and (asked := _paraphrase(snapshot.catalog, row, chance)):
            paraphrases.append(asked)
        elif len(known) < count and (asked := _known_item(snapshot, row, chance)):
            known.append(asked)
        if len(known) == len(paraphrases) == count:
            break
    return known, paraphrases


def _known_item(snapshot: Snapshot, row: sqlite3.Row, chance: random.Random) -> Question | None:
    """Three to five words of the passage, drawn by tf idf, in its order.

    After Azzopardi, de Rijke and Balog 2007, "Building simulated queries for known-item topics", the model of popular
    and discriminative terms.
    """
    languages = frozenset(code for part in snapshot.lexical() for code in part.languages)
    first: dict[tuple[tuple[str, ...], ...], tuple[int, str]] = {}
    counts: dict[tuple[tuple[str, ...], ...], int] = {}
    for place, word in enumerate(words_of(row["text"])):
        keys = tuple(analyze_query(word, languages))
        if keys and not word.isdigit() and len(word) > 1:
            first.setdefault(keys, (place, word))
            counts[keys] = counts.get(keys, 0) + 1
    if len(first) < _FEWEST_KNOWN:
        return None
    bm25 = PostingsBM25(snapshot.lexical(), snapshot.alive("lex"))
    left = {keys: count * sum(bm25.weights(keys)) for keys, count in counts.items()}
    drawn = []
    for _ in range(chance.randint(3, 5)):
        keys = chance.choices(list(left), list(left.values()))[0]
        drawn.append(first[keys])
        del left[keys]
    return Question(" ".join(word for _, word in sorted(drawn)), row["id"])


def _paraphrase(catalog: Catalog, row: sqlite3.Row, chance: random.Random) -> Question | None:
    ways = [_by_heading, _by_first_sentence]
    chance.shuffle(ways)
    return next((found for way in ways if (found := way(catalog, row)) is not None), None)


def heading_query(heading: tuple[str, ...]) -> str:
    """What the heading path asks for: its last heading, with the one above where it is a single word."""
    return heading[-1] if len(heading[-1].split()) >= _FEWEST_HEADING_WORDS else " ".join(heading[-2:])


def without_labels(text: str) -> str:
    """`text` without what names its surroundings: headings, front matter."""
    for start, end in reversed(label_spans(text)):
        text = text[:start] + text[end:]
    return text.strip()


def _by_heading(catalog: Catalog, row: sqlite3.Row) -> Question | None:
    """The heading asks for its section."""
    heading = tuple(json.loads(row["heading"]))
    if not heading:
        return None
    asked, text = heading_query(heading), without_labels(row["text"])
    if len(asked.split()) < _FEWEST_HEADING_WORDS or len(sentences(text)) < _FEWEST_SENTENCES:
        return None
    # A section cut in several passages, or one with subsections, is named by more than one passage.
    for other in catalog.connection.execute(
        "SELECT heading FROM chunks WHERE file_id = ? AND id != ?", (row["file_id"], row["id"])
    ):
        if tuple(json.loads(other["heading"]))[: len(heading)] == heading:
            return None
    return Question(asked, row["id"], ((), text))


def _by_first_sentence(catalog: Catalog, row: sqlite3.Row) -> Question | None:
    """The first sentence asks for the rest."""
    found = sentences(row["text"])
    if len(found) <= _FEWEST_SENTENCES:
        return None
    asked = found[0]
    near = catalog.connection.execute(
        "SELECT text FROM chunks WHERE file_id = ? AND id BETWEEN ? AND ? AND id != ?",
        (row["file_id"], row["id"] - 1, row["id"] + 1, row["id"]),
    )
    rest = row["text"].replace(asked, " ")
    # Where passages overlap, the one before may hold the sentence.
    if asked in rest or any(asked in other["text"] for other in near):
        return None
    return Question(" ".join(asked.split()), row["id"], (tuple(json.loads(row["heading"])), rest.strip()))
