import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.analyzer import analyze, analyze_query, han_characters
from semsearch.lexical.language import detect
from semsearch.lexical.term_key import SEPARATOR

EN = frozenset({"en"})


def matched(query: str, text: str, language: str = "en", languages: frozenset[str] = EN) -> bool:
    terms = set(analyze(text, language))
    return any(key.text in terms for group in analyze_query(query, languages) for key in group)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("evicting", "the evicted keys"),
        ("E-417", "error e-417 was seen"),
        ("417", "error E-417"),
        ("feeders", "def shedFeeders(x)"),
        ("shed_noncritical_feeders", "call shed_noncritical_feeders()"),
        ("noncritical", "call shed_noncritical_feeders()"),
        ("maxmemory-policy", "set maxmemory-policy to noeviction"),
        ("水道", "東京の水道は"),
        ("水", "東京の水道は"),
        ("한국어", "나는 한국어를 배운다"),
        ("ＡＢＣ", "abc"),
        ("don't panic", "please panic"),
        ("XMLParser", "an xml file"),
        ("redis.conf", "edit redis.conf first"),
        ("__init__", "def __init__(self)"),
    ],
)
def test_what_is_found(query: str, text: str) -> None:
    assert matched(query, text)


def test_function_words_are_dropped_from_queries_only() -> None:
    groups = analyze_query("how do I limit the memory", EN)
    assert [group[0].text for group in groups] == ["en\x1flimit", "en\x1fmemori"]
    assert analyze_query("to be or not to be", EN)
    assert "en\x1fthe" in analyze("the memory", "en")


def test_stems_of_one_language_do_not_meet_those_of_another() -> None:
    both = frozenset({"en", "de"})
    assert not matched("news", "eine neue new", "de", EN)
    assert matched("Häusern", "die Häuser", "de", both)
    assert matched("houses", "the house", "en", both)


@given(st.text(max_size=80), st.sampled_from(["en", "de", "zh", "th", "", "xx"]))
def test_a_text_finds_itself(text: str, language: str) -> None:
    terms = set(analyze(text, language))
    for group in analyze_query(text, frozenset({language})):
        assert terms & {key.text for key in group}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog and runs away from the hunters.", "en"),
        ("Der schnelle braune Fuchs springt über den faulen Hund und läuft davon.", "de"),
        ("조력 발전소는 하루에 두 번 전기를 만든다.", "ko"),
        ("潮力発電所は一日に二回電気を作ります。", "ja"),
        ("12345 --- !!!", ""),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert detect(text) == language


def test_chinese_characters_count_singly_beside_their_pairs() -> None:
    assert [word[0].text for word in han_characters("报销 流程 a")] == [SEPARATOR + one for one in "报销流程"]
    assert all(0 < key.weight < 1 for word in han_characters("报销流程") for key in word)
    assert han_characters("我") == [], "it is looked for as a word"
    assert han_characters("ひらがな カタカナ 한국어 words") == []
