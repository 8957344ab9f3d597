"""Turns text into term keys (`term_key`), for passages and for queries alike.

A query word becomes a group of keys, any of which counts as the word: one for each language of the index, so that the
language of a query need not be guessed, and those of other ways to write it.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import chain, repeat
from typing import Any

from semsearch.lexical.folding import folded
from semsearch.lexical.forms import Form, forms_of, is_elided
from semsearch.lexical.language import FUNCTION_WORDS, STEMMERS
from semsearch.lexical.markup import without_markup
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.term_key import SEPARATOR, WRITTEN
from semsearch.lexical.words import is_unspaced, lower, words_of

# How much a word counts that is the query's but for its accents.
FOLDED_WEIGHT = 0.7
# How much a word counts that is the query's written in another way: wifi for Wi-Fi.
OTHER_FORM_WEIGHT = 0.9
# How much a single Chinese character counts. Pairs alone miss words that are cut another way: with 0.4 nDCG@10 is 0.005
# higher on CMRC and 0.001 on XQuAD-zh.
_CHARACTER_WEIGHT = 0.4
_HAN = (("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003134f"))


def analyze(text: str, language: str, type_name: str = "") -> list[str]:
    """The term keys of a passage, in order, function words included.

    `language`: its ISO 639-1 code, may be empty; `type_name`: the type of its document, whose notation is not words.
    """
    return list(chain.from_iterable(map(passage_keys, words_of(without_markup(text, type_name)), repeat(language))))


@lru_cache(maxsize=100_000)
def passage_keys(word: str, language: str) -> tuple[str, ...]:
    """The term keys of one word of a passage, as `words_of` gives it. Cached: most occur many times."""
    if is_unspaced(word):
        # Single characters too, so that a query of one character finds the words that contain it.
        return tuple(SEPARATOR + piece for piece in (*word, *_bigrams(word)))
    forms = forms_of(word)
    keys: dict[str, None] = {}
    for form in (*forms.wholes, *forms.parts, *forms.held):
        keys[_key(form, language)] = None
        for way in folded(form.text):
            keys[_key(Form(way, form.stemmed), language, bare=True)] = None
        if form.stemmed and language in STEMMERS:
            keys.update((WRITTEN + way, None) for way in _ways(form))
    return tuple(keys)


def analyze_query(text: str, languages: frozenset[str]) -> list[Word]:
    """The words of a query, each as a group of term keys by the rules of `languages`, those of the index.

    Function words are left out, unless the query holds nothing else.
    """
    found = words_of(text)
    dropped = _function_words(found, languages)
    kept = [word for number, word in enumerate(found) if number not in dropped] or found
    return [group for word in kept for group in query_words(word, languages)]


def query_words(word: str, languages: frozenset[str]) -> list[Word]:
    """The groups of keys of one word of a query, as `words_of` gives it: a compound gives itself and its parts."""
    if is_unspaced(word):
        return [(Key(SEPARATOR + piece),) for piece in query_pieces(word)]
    forms = forms_of(word)
    # Who wrote the compound in one has written its parts.
    return [
        word_group(forms.wholes, languages),
        *(word_group((part, *forms.wholes), languages) for part in forms.parts),
    ]


def query_pieces(word: str) -> list[str]:
    """What of a word, as `words_of` gives it, a query looks for: of a run without spaces every pair of characters."""
    return (_bigrams(word) if is_unspaced(word) else []) or [word]


def han_characters(text: str) -> list[Word]:
    """Each Chinese character of `text` that stands beside another one, as a word that counts less than the pairs do."""
    characters = (character for word in words_of(text) if len(word) > 1 for character in word if _is_han(character))
    return [(Key(SEPARATOR + character, _CHARACTER_WEIGHT),) for character in dict.fromkeys(characters)]


def _is_han(character: str) -> bool:
    return any(first <= character <= last for first, last in _HAN)


def written_keys(form: Form) -> list[str]:
    """The keys of a word that is written in this `form`, with or without accents, and not in another; as beginnings of
    keys, those of all words that begin so."""
    # Languages without a stemmer have no other keys than those of words as they are written.
    return [mark + way for mark in (WRITTEN, SEPARATOR, SEPARATOR * 2) for way in _ways(form)]


def word_group(forms: Iterable[Form], languages: frozenset[str]) -> Word:
    """The keys of a word of a query that is written in one of `forms`, most of all in the first."""
    keys: dict[str, float] = {}
    for number, form in enumerate(forms):
        bare = folded(form.text)
        for language in sorted(languages) if form.stemmed else ("",):
            keys.setdefault(_key(form, language), OTHER_FORM_WEIGHT if number else 1.0)
            if not bare and not form.text.isdigit():
                keys.setdefault(_key(form, language, bare=True), FOLDED_WEIGHT)
            for way in bare:
                keys.setdefault(_key(Form(way, form.stemmed), language), FOLDED_WEIGHT)
                keys.setdefault(_key(Form(way, form.stemmed), language, bare=True), FOLDED_WEIGHT)
    return tuple(Key(text, weight) for text, weight in keys.items())


def _ways(form: Form) -> tuple[str, ...]:
    return (form.text, *folded(form.text))


def _key(form: Form, language: str, bare: bool = False) -> str:
    joint = SEPARATOR * 2 if bare else SEPARATOR
    if not form.stemmed:
        return joint + form.text
    return _language_mark(language) + joint + _stem(form.text, language)


def _bigrams(run: str) -> list[str]:
    """Every pair of neighbouring characters; none for a single character."""
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _language_mark(language: str) -> str:
    """What a key of a stem begins with; languages without a stemmer share one mark."""
    return language if language in STEMMERS else ""


def _stem(word: str, language: str) -> str:
    stemmer = _stemmer(language)
    return stemmer.stemWord(word) if stemmer else word


@cache
def _stemmer(language: str) -> Any:
    """The Snowball stemmer of `language`; None where there is none."""
    name = STEMMERS.get(language)
    if name is None:
        return None
    import Stemmer

    return Stemmer.Stemmer(name)


def _function_words(found: list[str], languages: frozenset[str]) -> frozenset[int]:
    """The numbers of the function words among the words `found` of a query.

    They are those of the language with the most of them. Two of them are needed, else none is left out; one is enough
    for English, and where the index holds one language. A capital in a query that has small letters, too, names
    something: vitamin A, ask IT.
    """
    lowered = [_bare_of_apostrophes(lower(word)) for word in found]
    named = _names(found)
    best: frozenset[int] = frozenset()
    for language in sorted(languages, key=lambda code: (code != "en", code)):
        own = FUNCTION_WORDS.get(language, frozenset())
        held = frozenset(number for number, word in enumerate(lowered) if word in own and number not in named)
        if len(held) > len(best) and (len(held) >= 2 or len(languages) == 1 or language == "en"):
            best = held
    return best


def _bare_of_apostrophes(word: str) -> str:
    """`word`, in lower case, without what an apostrophe adds: what's, c'est, don't."""
    first, apostrophe, rest = word.partition("'")
    if not apostrophe:
        return word
    return rest if is_elided([first, rest]) else first.removesuffix("n") if rest == "t" and first != "can" else first


def _names(found: list[str]) -> frozenset[int]:
    """The numbers of the words in capitals that are not there because all are, or a sentence begins, or to say I."""
    if all(word.isupper() for word in found if word.isalpha()):
        return frozenset()
    return frozenset(
        number for number, word in enumerate(found) if word.isupper() and word != "I" and (number or len(word) > 1)
    )
