"""What of a passage is shown: its best sentences, or the window with most words of the query; where words stand."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from semsearch.lexical.analyzer import passage_keys
from semsearch.lexical.markup import without_markup
from semsearch.lexical.words import is_unspaced, word_spans, words_of
from semsearch.retrieval.sentences import FRONT_MATTER
from semsearch.retrieval.tables import Row, labelled

# Where the first hit holds the answer to a question of XQuAD-en, it stands in 81 % of snippets of 240 characters around
# the best sentence, and in 91 % of those of the two best in 320 (`benchmarks/extractive_answers.py`).
SNIPPET_CHARACTERS = 320
_ELLIPSES = 2  # at both ends
_SHORTEST_FRAGMENT = 60
_GAP = " … "


# Queries about one subject find the same sentences. Some 2 kB each.
@lru_cache(maxsize=2_000)
def _keys_of(text: str, languages: frozenset[str], type_name: str) -> frozenset[str]:
    words = set(words_of(without_markup(text, type_name)))
    return frozenset(chain.from_iterable(_keys(word, languages) for word in words))


def keys_held(text: str, keys: frozenset[str], languages: frozenset[str], type_name: str) -> frozenset[str]:
    """Which of the term keys `keys` the words of `text` have, which is of a document of type `type_name`."""
    return _keys_of(text, languages, type_name) & keys


def snippet(text: str, keys: frozenset[str], languages: frozenset[str], characters: int = SNIPPET_CHARACTERS) -> str:
    """At most `characters` of `text` on one line, around the place where most distinct words of the query, of the
    term keys `keys`, stand."""
    body = FRONT_MATTER.sub("", text, count=1)
    flat = flatten(body if body.strip() else text)
    if len(flat) <= characters:
        return flat
    room = characters - _ELLIPSES
    begin = min(_densest(list(matches(flat, keys, languages)), room), len(flat) - room)
    return _shown(flat, [_at_words(flat, begin, begin + room)])


def row_snippet(row: Row, keys: frozenset[str], languages: frozenset[str], characters: int) -> str:
    """The cells of a table `row` with their heads, in at most `characters`: where that is too little for all, the first
    one, which mostly names the row, those with words of the query, of the term keys `keys`, and what else has room."""
    shown = flatten(labelled(row))
    if len(shown) <= characters:
        return shown
    parts = [flatten(labelled([cell])) for cell in row]
    found = [bool(match_spans(part, keys, languages)) for part in parts]
    kept: list[int] = []
    for number in sorted(range(len(parts)), key=lambda number: (number > 0, not found[number], number)):
        shown = _some_of(parts, [*kept, number])
        if len(shown) <= characters:
            kept.append(number)
    return _some_of(parts, kept) if kept else snippet(parts[0], keys, languages, characters)


def _some_of(parts: Sequence[str], kept: Sequence[int]) -> str:
    """Those of `parts` that are `kept`, with an ellipsis in the place of others."""
    shown = [parts[number] if number in kept else "…" for number in range(len(parts))]
    return " | ".join(one for place, one in enumerate(shown) if one != "…" or shown[place - 1 : place] != ["…"])


def fragments(
    text: str,
    keys: frozenset[str],
    languages: frozenset[str],
    sentences: Sequence[tuple[int, int]],
    characters: int = SNIPPET_CHARACTERS,
) -> str:
    """At most `characters` of `text` on one line: its best sentences, one or two spans of characters, the best first.

    The best one stands there whole if it is no longer than that, with what is around as far as there is room.
    """
    flat = flatten(text)
    if len(flat) <= characters:
        return flat
    room, spans = characters - _ELLIPSES, list[tuple[int, int]]()
    for start, end in sentences:
        if room < _SHORTEST_FRAGMENT:
            break
        sentence = flatten(text[start:end])
        at, cut = flat.index(sentence, len(flatten(text[:start]))), 0
        if len(sentence) > room:
            cut = min(_densest(list(matches(sentence, keys, languages)), room), len(sentence) - room)
        low, high = _at_words(sentence, cut, min(len(sentence), cut + room))
        spans.append((at + low, at + high))
        room -= high - low + len(_GAP)
    return _shown(flat, _grown(flat, spans, max(0, room)))


def _grown(flat: str, spans: Sequence[tuple[int, int]], room: int) -> list[tuple[int, int]]:
    """`spans` of `flat`, the best first, in order, with up to `room` characters more: what follows the best one, what
    follows the last one, what stands before."""
    grown = sorted(spans)
    best, last = grown.index(spans[0]), len(grown) - 1
    for number in (best, last):
        begin, end = grown[number]
        most = grown[number + 1][0] if number < last else len(flat)
        longer = min(most, end + room)
        room -= longer - end
        grown[number] = begin, max(end, _at_words(flat[:most], end, longer)[1])
    for number in (best, 0):
        begin, end = grown[number]
        least = grown[number - 1][1] if number else 0
        earlier = max(least, begin - room)
        room -= begin - earlier
        grown[number] = min(begin, least + _at_words(flat[least:], earlier - least, begin - least)[0]), end
    return grown


def _densest(found: Sequence[tuple[int, int, frozenset[str]]], size: int) -> int:
    """Where the part of `size` characters begins that holds most distinct words, of `found` (start, end, keys)."""
    most, begin = -1, 0
    for start, _, _ in found:
        low = max(0, start - 60)
        inside = {key for at, end, keys in found if at >= low and end <= low + size for key in keys}
        if len(inside) > most:
            most, begin = len(inside), low
    return begin


def _at_words(flat: str, begin: int, end: int) -> tuple[int, int]:
    """(`begin`, `end`) of a part of `flat`, moved inwards to where words begin and end, where that is not far."""
    if begin and flat[begin - 1] != " ":
        space = flat.find(" ", begin, begin + 30)
        begin = space + 1 if space >= 0 else begin
    if end < len(flat) and flat[end] != " ":
        space = flat.rfind(" ", max(begin + 1, end - 30), end)
        end = space if space > 0 else end
    return begin, end


def _shown(flat: str, spans: Sequence[tuple[int, int]]) -> str:
    """The parts `spans` of `flat`, in order, with an ellipsis where something is left out."""
    text, at = "", 0
    for begin, end in spans:
        if flat[at:begin].strip():
            text += _GAP if text else "…"
        elif text:
            text += flat[at:begin]
        text += flat[begin:end]
        at = end
    return text.strip() + ("…" if flat[at:].strip() else "")


def flatten(text: str) -> str:
    """`text` on one line."""
    return " ".join(text.split())


def match_spans(text: str, keys: frozenset[str], languages: frozenset[str]) -> list[tuple[int, int]]:
    """(start, end) of each word of `text` with one of the term keys `keys`, in order: what a terminal marks."""
    return sorted((start, end) for start, end, _ in matches(text, keys, languages))


def matches(text: str, keys: frozenset[str], languages: frozenset[str]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """(start, end, those of `keys` that match) of each piece of `text` that a query with term keys `keys` matches."""
    for start, end, word in word_spans(text):
        if not is_unspaced(word):
            if common := _common(keys, word, languages):
                yield start, end, common
            continue
        for at in range(len(word) - 1 if len(word) > 1 else 1):
            piece = word[at : at + 2]
            if common := _common(keys, piece, languages):
                yield start + at, start + at + len(piece), common


def _keys(word: str, languages: frozenset[str]) -> Iterator[str]:
    return chain.from_iterable(passage_keys(word, language) for language in languages or {""})


def _common(keys: frozenset[str], word: str, languages: frozenset[str]) -> frozenset[str]:
    """Those of `keys` that `word` has."""
    return keys.intersection(_keys(word, languages))
