"""The part of a passage that is shown: the window with most words of the query, and where those words stand."""

import re
from collections.abc import Iterator
from functools import lru_cache

from semsearch.lexical.analyzer import passage_keys
from semsearch.lexical.markup import without_markup
from semsearch.lexical.words import is_unspaced, word_spans, words_of
from semsearch.retrieval.sentences import FRONT_MATTER

SNIPPET_CHARACTERS = 240
_SPACE = re.compile(r"\s+")


# The words of a text recur in its neighbours; in a batch of queries this is most of a snippet's time.
@lru_cache(maxsize=50_000)
def _word_keys(word: str, languages: frozenset[str]) -> frozenset[str]:
    return frozenset(key for language in languages or {""} for key in passage_keys(word, language))


def keys_of(text: str, languages: frozenset[str], type_name: str) -> set[str]:
    """The term keys of all words of `text`, which is of a document of type `type_name`."""
    return {key for word in set(words_of(without_markup(text, type_name))) for key in _word_keys(word, languages)}


def snippet(text: str, keys: frozenset[str], languages: frozenset[str], sentence: tuple[int, int] | None = None) -> str:
    """At most 240 characters of `text` on one line, from its best `sentence` on.

    Without one: around the place where most distinct words of the query, of the term keys `keys`, stand.
    """
    if sentence is not None:
        flat, lead = flatten(text), len(flatten(text[: sentence[0]]))
    else:
        body = FRONT_MATTER.sub("", text, count=1)
        flat = flatten(body if body.strip() else text)
    if len(flat) <= SNIPPET_CHARACTERS:
        return flat
    spans = [] if sentence is not None else list(matches(flat, keys, languages))
    begin = 0
    if sentence is not None:
        # The whole sentence, with what stands before it as far as there is room.
        room = SNIPPET_CHARACTERS - len(flatten(text[sentence[0] : sentence[1]])) - 10
        begin = max(0, lead - max(0, min(40, room)))
    elif spans:
        best = -1
        for start, _, _ in spans:
            low = max(0, start - 60)
            inside = {key for at, end, keys in spans if at >= low and end <= low + SNIPPET_CHARACTERS for key in keys}
            if len(inside) > best:
                best, begin = len(inside), low
    begin = min(begin, len(flat) - SNIPPET_CHARACTERS)
    if begin > 0:
        space = flat.find(" ", begin, begin + 30)
        begin = space + 1 if space >= 0 else begin
    cut = flat[begin : begin + SNIPPET_CHARACTERS - 2]
    if begin + len(cut) < len(flat):
        space = cut.rfind(" ", len(cut) - 30)
        cut = (cut[:space] if space > 0 else cut) + "…"
    return ("…" if begin else "") + cut


def flatten(text: str) -> str:
    """`text` on one line."""
    return _SPACE.sub(" ", text).strip()


def match_spans(text: str, keys: frozenset[str], languages: frozenset[str]) -> list[tuple[int, int]]:
    """(start, end) of each word of `text` with one of the term keys `keys`, in order: what a terminal marks."""
    return sorted((start, end) for start, end, _ in matches(text, keys, languages))


def matches(text: str, keys: frozenset[str], languages: frozenset[str]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """(start, end, those of `keys` that match) of each piece of `text` that a query with term keys `keys` matches."""
    for start, end, word in word_spans(text):
        if not is_unspaced(word):
            if common := _word_keys(word, languages) & keys:
                yield start, end, common
            continue
        for at in range(len(word) - 1 if len(word) > 1 else 1):
            piece = word[at : at + 2]
            if common := _word_keys(piece, languages) & keys:
                yield start + at, start + at + len(piece), common
