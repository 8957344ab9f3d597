"""The table of parameters: what is let in, what is refused, and how it is described."""

import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.errors import UsageError
from semsearch.service.openapi import description
from semsearch.service.parameters import ASK, OPERATIONS, SEARCH, Operation

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_defaults_are_filled_in() -> None:
    asked = SEARCH.checked({"query": "tide", "k": None, "type": ["md"]})
    assert asked["k"] == 10 and asked["mode"] == "hybrid" and asked["type"] == ("md",) and asked["path"] == ()
    assert asked["min_score"] is None and asked["literal"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "query is missing"),
        ({"query": "a\ud800"}, "query holds half of a character"),
        ({"query": 1}, "query is not a text"),
        ({"query": "x" * 8_001}, "query has 8,001 characters"),
        ({"query": "x", "k": 0}, "k 0 is out of range"),
        ({"query": "x", "k": 101}, "k 101 is out of range"),
        ({"query": "x", "k": True}, "k is not a whole number"),
        ({"query": "x", "k": "5"}, "k is not a whole number"),
        ({"query": "x", "k": 1.5}, "k is not a whole number"),
        ({"query": "x", "min_score": math.nan}, "min_score nan is out of range"),
        ({"query": "x", "mode": "magic"}, "mode magic is not known"),
        ({"query": "x", "type": "md"}, "type is not a list of texts"),
        ({"query": "x", "type": ["md", 3]}, "type is not a list of texts"),
        ({"query": "x", "type": ["md"] * 21}, "type has 21 values"),
        ({"query": "x", "literal": 1}, "literal is not true or false"),
        ({"query": "x", "limit": 1}, "search has no parameter called limit"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        SEARCH.checked(given)
    assert raised.value.hint


def test_a_url_is_read_as_the_types_say() -> None:
    read = SEARCH.read({"query": ["a b"], "k": ["7"], "type": ["md", "pdf"], "literal": ["true"], "min_score": ["0.5"]})
    assert read == {"query": "a b", "k": 7, "type": ["md", "pdf"], "literal": True, "min_score": 0.5}
    for wrong in ({"k": ["x"]}, {"k": ["1", "2"]}, {"literal": ["maybe"]}, {"min_score": [""]}, {"k": ["9" * 5000]}):
        with pytest.raises(UsageError):
            SEARCH.checked({"query": "x", **SEARCH.read(wrong)})


@given(operation=st.sampled_from(OPERATIONS), data=st.data())
def test_the_schema_lets_in_what_the_check_does(operation: Operation, data: st.DataObject) -> None:
    names = st.sampled_from([one.name for one in operation.parameters] + ["unknown"])
    given = data.draw(st.dictionaries(names, _JSON.filter(lambda value: value is not None), max_size=4))
    try:
        operation.checked(given)
    except UsageError:
        is_let_in = False
    else:
        is_let_in = True
    described = jsonschema.Draft202012Validator(operation.schema()).is_valid(given)
    # JSON has no nan, and for JSON 1.0 is a whole number.
    if not any(isinstance(value, float) for value in given.values()):
        assert is_let_in == described, given


def test_the_description_names_every_operation_and_parameter() -> None:
    document = description()
    assert set(document["paths"]) == {"/search", "/ask", "/passage", "/files", "/status", "/health"}
    for operation in OPERATIONS:
        path = document["paths"][f"/{operation.name}"]
        assert {one["name"] for one in path["get"]["parameters"]} == {one.name for one in operation.parameters}
        assert ("post" in path) == bool(operation.parameters)
        jsonschema.Draft202012Validator.check_schema(operation.schema())
    assert "text/event-stream" in document["paths"]["/ask"]["get"]["responses"]["200"]["content"]
    assert ASK.without("llm").checked({"question": "x"}).get("llm") is None
