"""Options out of range are refused by the name of the parameter; queries are made searchable."""

import pytest

from semsearch.errors import ParameterError, UsageError
from semsearch.retrieval.options import SearchOptions, check_options, clean_query, parse_where


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("k", 0), ("k", 10_001), ("alpha", -0.1), ("alpha", 1.1), ("min_score", -0.1), ("min_score", 2.0),
        ("context", -1), ("unlike", ("roses", " ")), ("mode", "fuzzy"), ("fusion", "sum"), ("group", "page"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_its_name(parameter: str, value: object) -> None:
    with pytest.raises(ParameterError) as caught:
        check_options("roses", SearchOptions(**{parameter: value}))  # type: ignore[arg-type]
    assert caught.value.parameter == parameter and caught.value.hint
    assert "--" not in caught.value.message, "the library speaks of parameters"


@pytest.mark.parametrize(
    "options",
    [
        {}, {"k": 1}, {"k": 10_000}, {"alpha": 0}, {"alpha": 1}, {"min_score": 0}, {"min_score": 1},
        {"mode": "lexical", "fusion": "rrf", "group": "file", "unlike": ("roses",), "context": 3},
    ],
)  # fmt: skip
def test_the_ends_of_each_range_are_allowed(options: dict[str, object]) -> None:
    check_options("roses", SearchOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["", " ", "\n\t"])
def test_an_empty_query_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="the query is empty"):
        check_options(query, SearchOptions())


def test_a_query_becomes_text_that_can_be_encoded_and_is_not_too_long() -> None:
    assert clean_query("prune roses") == "prune roses"
    assert clean_query("a\udcffb") == "a?b"
    assert len(clean_query("word " * 100_000)) == 8_000


def test_conditions_on_metadata_are_split_at_the_first_equals_sign() -> None:
    assert parse_where(["Author= *Aldous* ", "url=a=b"]) == (("Author", "*Aldous*"), ("url", "a=b"))
    assert parse_where([]) == ()
    for wrong in ("author", "=x", " =x"):
        with pytest.raises(ParameterError) as caught:
            parse_where([wrong])
        assert caught.value.parameter == "where"
