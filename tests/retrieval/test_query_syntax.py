import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.query_syntax import ParsedQuery, parse_query


def test_everything_at_once() -> None:
    parsed = parse_query('harbour "closed to lorries" -draft -"old price" tomat* path:notes/2024 type:pdf title:"a b"')
    assert parsed.text == "harbour closed to lorries tomat"
    assert parsed.words == "harbour"
    assert parsed.phrases == ("closed to lorries",)
    assert (parsed.excluded, parsed.excluded_phrases) == (("draft",), ("old price",))
    assert parsed.prefixes == ("tomat",)
    assert (parsed.filters.paths, parsed.filters.types, parsed.filters.titles) == (("notes/2024",), ("pdf",), ("a b",))


@pytest.mark.parametrize(
    "query",
    [
        'a single " mark', "--all", "-5 degrees", "ls -l", "5*3", "a-b", "well-known", "note: this",
        "type:nosuchtype", "path:", "title: foo", "http://example.org/a", "C:\\temp", "AND OR NOT", "a*b", "日本語*",
        "x*", "**bold**", "f(x)*", "mail@example.org", "path :a", "'single'", "20%", "#tag", "~5", "(a OR b)",
        "rm -rf", "-type:nosuchtype",
    ],
)  # fmt: skip
def test_what_is_no_syntax_is_words(query: str) -> None:
    parsed = parse_query(query)
    assert parsed == ParsedQuery(parsed.text, parsed.words)
    assert parsed.text.split() == query.replace('"', " ").split() or parsed.text == query


@pytest.mark.parametrize(
    ("query", "text"),
    [(r"\-draft note", "-draft note"), (r"tomat\*", "tomat*"), (r"path\:x y", "path:x y"), (r"say \"hi", 'say "hi')],
)
def test_a_backslash_makes_plain_characters(query: str, text: str) -> None:
    parsed = parse_query(query)
    assert parsed == ParsedQuery(text, text)


def test_what_is_excluded() -> None:
    parsed = parse_query('pump -type:pdf -path:old/* -title:"first draft" -tomat* -.NET -EU -über -"a b" -rf')
    assert parsed.excluded == (".NET", "EU", "über") and parsed.excluded_phrases == ("a b",)
    assert parsed.excluded_prefixes == ("tomat",)
    assert [(one.types, one.paths, one.titles) for one in parsed.filters.none_of] == [
        (("pdf",), (), ()), ((), ("old/*",), ()), ((), (), ("first draft",))
    ]  # fmt: skip
    assert parsed.text == "pump -rf"


def test_what_follows_a_quotation_mark_is_another_item() -> None:
    parsed = parse_query('"a b"c"d e" x')
    assert parsed.phrases == ("a b",) and parsed.text.startswith("a b c")
    assert parse_query(r"x path:my\ notes/a").filters.paths == ("my notes/a",)


def test_quotation_marks_of_any_kind() -> None:
    assert parse_query("“to be” or").phrases == ("to be",)
    assert parse_query("«être»").phrases == ("être",)
    assert parse_query('"" x').phrases == ()
    assert parse_query('title:"to be" x').filters.titles == ("to be",)


def test_nothing_may_be_looked_for() -> None:
    parsed = parse_query("type:pdf")
    assert parsed.text == "" and parsed.filters.types == ("pdf",)
    for query in ("-draft", '-"old price" -tomat*', '""', '"', "*", "* * *", "-", "…", '"→"'):
        assert parse_query(query).text == "", query


def test_a_phrase_of_signs_alone_is_none() -> None:
    parsed = parse_query('pump "…" “—” -"→"')
    assert not parsed.phrases and not parsed.excluded_phrases and parsed.text.startswith("pump")


def test_beginnings_may_have_marks() -> None:
    assert parse_query("नमस्*").prefixes == ("नमस्",)
    assert parse_query("Mu\u0308ll*").prefixes == ("Müll",)


@given(st.text(max_size=60))
def test_any_query_is_read_and_keeps_its_letters(query: str) -> None:
    parsed = parse_query(query)
    assert parse_query(query) == parsed
    letters = "".join(letter for letter in query if letter.isalnum())
    texts = (parsed.text, *parsed.excluded, *parsed.excluded_phrases, *parsed.excluded_prefixes)
    filters = [parsed.filters, *parsed.filters.none_of]
    named = [text for one in filters for text in (*one.paths, *one.types, *one.titles)]
    kept = "".join(letter for letter in "".join((*texts, *named)) if letter.isalnum())
    assert len(kept) >= len(letters) - len("pathtypetitle") * query.count(":")
