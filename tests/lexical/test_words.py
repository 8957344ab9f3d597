import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.analyzer import analyze, analyze_query
from semsearch.lexical.markup import without_markup
from semsearch.lexical.words import spaced_letters, word_spans, words_of

EN = frozenset({"en"})


def weight(query: str, text: str, language: str = "en", type_name: str = "") -> float:
    """The share of the words of `query` that `text` holds, as much as its keys count."""
    terms = set(analyze(text, language, type_name))
    groups = analyze_query(query, frozenset({language}))
    return sum(max((key.weight for key in group if key.text in terms), default=0) for group in groups) / len(groups)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("youtube", "see YouTube"), ("typescript", "in TypeScript"), ("IPAD", "an iPad"), ("openssl", "OpenSSL's"),
        ("CPU", "two CPUs"), ("URLs", "a URL"), ("g++", "with g++ and make"), ("c++", "C++, Java"), ("f#", "F# code"),
        (".env", "the .env file"), ("2500000", "2,500,000 people"), ("2,500,000", "2500000"),
        ("2500000", "2.500.000,00"), ("2500000", "2\u202f500\u202f000"), ("2500000", "2'500'000"),
        ("12.75", "12,75 Euro"), ("co-op", "coop"), ("coop", "a co-op shop"), ("t-shirt", "T-Shirts"),
        ("25 kg", "25kg"), ("25kg", "weighs 25 kg"), ("90 min", "90min"),
        ("obrien", "O'Brien"), ("subway", "sub\u00adway"), ("subway", "sub\u200bway"), ("subway", "sub-\nway"),
        ("🎻", "a 🎻 solo"), ("नदी", "नदी के पार"), ("istanbul", "İSTANBUL"), ("2024-07-01", "2024-07-01T10:00"),
        ("max_retries", "maxRetries"), ("ＧＰＳ", "gps"), ("github", "GitHub-Actions"), ("usa", "in the U.S.A. now"),
        ("nodejs", "Node.js"), ("7.2.4", "redis-7.2.4.tar.gz"), ("2.10.3", "v2.10.3"), ("python3.11", "Python 3.11"),
        ("dont", "don't"), ("don't", "don’t"), ("quran", "Qur'an"), ("Hawaii", "Hawaiʻi"), ("wifi", "the Wi-Fi's box"),
        ("mcdonalds", "McDonald's"), ("150000", "1,50,000 rupees"), ("1920x1080", "1920×1080"), ("0.5", ".5 l"),
        ("35", "٣٥"), ("צהל", "צה״ל"), ("collecció", "col·lecció"), ("C++", "C++17"), ("м'ята", "мʼята"),
        ("İstanbul'un", "İstanbul'da"), ("Ankara", "Ankara'dan"),
    ],
)  # fmt: skip
def test_found_however_it_is_written(query: str, text: str) -> None:
    assert weight(query, text) > 0.5


@pytest.mark.parametrize(
    ("query", "text"),
    [("3.14", "3 and 14"), ("1,577", "1 of 577"), ("C++", "the letter C"), ("नदी", "नद"), ("2.10.3", "2, 10 and 3"),
     ("café", "calf"), ("C#", "in C"), ("U.S.A.", "s and a"), ("don't", "don juan")],
)  # fmt: skip
def test_what_is_something_else_is_not_found(query: str, text: str) -> None:
    assert weight(query, text) == 0


@pytest.mark.parametrize(
    ("query", "exact", "other", "language"),
    [("cafe", "cafe", "café", "en"), ("jalapeño", "jalapeño", "jalapeno", "en"), ("Muller", "Muller", "Müller", "en"),
     ("שלום", "שלום", "שָׁלוֹם", "he"), ("rośliny", "rośliny", "rosliny", "pl"), ("Đà Nẵng", "Đà Nẵng", "Da Nang", "vi")],
)  # fmt: skip
def test_accents_fold_both_ways_and_the_exact_word_counts_more(
    query: str, exact: str, other: str, language: str
) -> None:
    assert weight(query, exact, language) == 1 > weight(query, other, language) > 0.5


def test_a_capital_among_small_letters_is_a_name() -> None:
    assert len(analyze_query("plan B", EN)) == 2
    assert len(analyze_query("vitamin A in milk", EN)) == 3
    assert len(analyze_query("can I renew a permit", EN)) == 2
    assert len(analyze_query("WHAT IS THE PLAN", EN)) == 1


def test_the_way_of_the_query_counts_more_than_others() -> None:
    assert weight("Wi-Fi", "wi-fi") == 1 > weight("Wi-Fi", "wifi")


def test_what_an_apostrophe_adds_to_function_words() -> None:
    assert [group[0].text for group in analyze_query("what's the plan, don't you think", EN)] == [
        "en\x1fplan",
        "en\x1fthink",
    ]
    assert len(analyze_query("vitamine c", frozenset({"fr"}))) == 2


@pytest.mark.parametrize(
    ("type_name", "text", "word"),
    [
        ("markdown", "re**start**ed", "restarted"), ("markdown", r"a\_b", "a_b"), ("markdown", "na&iuml;ve", "naïve"),
        ("json", r'{"a": "x\nwheat\tplums"}', "wheat"), ("json", r'"caf\u00e9"', "café"), ("python", r'"\nrye"', "rye"),
        ("c", r'printf("\toats")', "oats"), ("tex", r"Poincar\'{e}", "Poincaré"), ("tex", r'G\"odel', "Gödel"),
        ("tex", r"un\textbf{bound}ed", "unbounded"), ("tex", r"stra\ss e", "straße"),
        ("tex", r"Dvo\v{r}\'ak", "Dvořák"),
        ("tex", r"row\\b new", "new"), ("tex", r"70\,000 ships", "70,000"), ("tex", r"1{,}234{,}567", "1,234,567"),
        ("tex", r"\pi = 3.141\,592", "3.141"), ("markdown", "w<b class='x' id=y>or</b>d", "word"),
        ("markdown", "if a <b and c> d", "and"), ("markdown", "if a <b and c> d", "b"),
        ("rst", r"a*b*c and *x*\ s", "b"), ("rst", r"*re*\ Structured\ **Text**", "reStructuredText"),
        ("rst", r"two ``pip``\ s", "pips"),
        ("rst", r"re\ *start*\ ed", "restarted"), ("yaml", r'a: "\nbarley"', "barley"),
    ],
)  # fmt: skip
def test_notation_does_not_cut_words(type_name: str, text: str, word: str) -> None:
    assert word in words_of(without_markup(text, type_name))


def test_a_windows_path_in_code_is_read_both_ways() -> None:
    assert {"new", "ew"} <= set(words_of(without_markup(r"C:\new", "python")))


def test_long_words_differ_to_their_end() -> None:
    one, two = "a" * 70 + "1", "a" * 70 + "2"
    assert set(analyze(one, "en")).isdisjoint(analyze(two, "en"))


@given(st.text(max_size=200))
def test_spans_are_in_the_text_in_order(text: str) -> None:
    spans = word_spans(text)
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert [start for start, _, _ in spans] == sorted(start for start, _, _ in spans)
    if unicodedata.is_normalized("NFKC", text) and text.isascii():
        assert [word for _, _, word in spans] == words_of(text) == [text[start:end] for start, end, _ in spans]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Wi-Fi's  10 km_h!", " wi fi s 10 km h "),
        ("Größe: ﬁne", " größe fine "),
        ("İstanbul'da", " istanbul da "),
        ("हिन्दी में।", " हिन्दी में "),
        ("電池は battery です", " battery "),
        ("", " "),
    ],
)
def test_letters_with_spaces_between_words(text: str, letters: str) -> None:
    assert spaced_letters(text) == letters
