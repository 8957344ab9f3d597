import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.analyzer import analyze
from semsearch.lexical.phrases import Phrase, phrase_units

LANGUAGES = frozenset({"en", "de", "ja", ""})


def test_phrases_are_compared_by_units() -> None:
    assert phrase_units("The Wi-Fi's 1,234 cafés") == ["the", "wi", "fi", "s", "1234", "cafes"]
    units = phrase_units("Redis-7.2 on Qur'an l'eau don’t .5")
    assert units == ["redis", "7.2", "on", "quran", "l", "eau", "dont", "0.5"]
    assert phrase_units("C++ and F#") == ["c++", "and", "f#"]
    assert phrase_units("水道 x") == ["水", "道", "x"]


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("closed to lorries", "It is CLOSED to\nlorries now."), ("the café", "at the cafe"), ("fun 😀", "had fun 😀"),
        ("table 1", "Table 1 100 200"), ("room 12", "room 12 345 people"), ("at 12", "at 12 pm"),
        ("is 5", "is 5 m long"),
        ("wi-fi password", "the Wi-Fi's password"), ("anna", "Anna's cat"), ("the 1990s", "in the 1990's"),
        ("日本語", "日\n本語"), ("schluessel liegen", "Die Schlüssel liegen hier"), ("sells 1234", "sells 1,234 kg"),
        ("well known", "a well-known man"), ("Mueller lief 10 km", "Müller lief 10 km."),
        ("known man", "a well-known man"),
        ("Aepfel fuer 5 kg", "Äpfel für 5 kg"), ("Smith Müller", "Smith's Müller"), ("muller koeln", "Müller Köln"),
        ("Smith car 10 km", "Smith's car 10 km"), ("C++ code", "Objective-C++ code"), ("O'Brien", "of O'Brien's"),
    ],
)  # fmt: skip
def test_a_phrase_stands_where_it_is_written(phrase: str, text: str) -> None:
    asked = Phrase(phrase)
    assert asked.stands_in(text) and asked.spans_in(text)
    for language in LANGUAGES:
        keys = set(analyze(text, language))
        assert all(any(key.text in keys for key in word) for word in asked.words()), language
    assert not Phrase(phrase + " nowhere").stands_in(text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [("lorry", "lorries"), ("operative", "operations"), ("to closed", "closed to"), ("c", "C++"), ("cars", "a car")],
)
def test_other_forms_and_other_orders_are_no_phrase(phrase: str, text: str) -> None:
    assert not Phrase(phrase).stands_in(text) and not Phrase(phrase).spans_in(text)


WORDS = ["Anna's", "café", "Wi-Fi", "1,234", "10km", "operations", "水道", "C++", "don't", "Müller", ".5"]


@given(st.lists(st.sampled_from(WORDS), min_size=3), st.integers(0, 5), st.integers(1, 3),
       st.sampled_from(sorted(LANGUAGES)))  # fmt: skip
def test_what_is_cut_out_of_a_text_stands_in_it(words: list[str], first: int, length: int, language: str) -> None:
    text = " ; ".join(words)
    cut = " ".join(words[first % len(words) :][:length])
    asked = Phrase(cut)
    assert asked.stands_in(text) and asked.spans_in(text)
    keys = set(analyze(text, language))
    assert all(any(key.text in keys for key in word) for word in asked.words())
