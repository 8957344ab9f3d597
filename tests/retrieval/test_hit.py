"""The JSON of a search is that of its schema, and lines are counted in the text of the hit."""

from dataclasses import replace

import jsonschema

from semsearch.retrieval.hit import ContextLine, Explanation, Place, TextPlace, hit_dict, result_dict
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.answer_hits import hit
from tests.support.schemas import HIT, SEARCH, SECOND


def test_the_lines_of_the_best_sentence_are_counted_from_that_of_the_passage() -> None:
    passage = replace(hit("one.\ntwo\nthree. four.", line=10), sentence=(5, 15))
    assert passage.text[slice(*passage.sentence or ())] == "two\nthree."
    assert passage.sentence_lines() == (11, 12)
    assert replace(passage, sentence=None).sentence_lines() == (10, 12)
    assert replace(passage, line_start=None, line_end=None).sentence_lines() == (None, None)


def test_a_hit_is_written_with_all_its_parts() -> None:
    plain = hit_dict(hit("one. two."))
    jsonschema.validate(plain, HIT)
    assert plain["sentence"] is None and plain["heading"] is None and plain["title"] is None
    whole = replace(
        hit("one. two."),
        heading=("Manual", "Pumps"),
        title="A manual",
        dense=0.12345678,
        sentence=(5, 9),
        copies=(Place("b.md", "/d/b.md", None, 3, 4),),
        context=(ContextLine(1, "one. two.", True),),
        explanation=Explanation("convex", 0.6, None, 1.0, 0.5, 1, None, 0.25),
        metadata={"tags": ["x"]},
    )
    record = hit_dict(whole)
    assert record["heading"] == "Manual > Pumps"
    assert record["scores"] == {"dense": 0.123457, "lexical": None, "rerank": None}
    assert record["sentence"] == {
        "start": 5, "end": 9, "page": None, "line_start": 1, "line_end": 1, "text": "two.", "row": None,
    }  # fmt: skip
    assert record["copies"] == [{"path": "b.md", "file": "/d/b.md", "page": None, "line_start": 3, "line_end": 4}]
    assert record["context"] == [{"number": 1, "text": "one. two.", "match": True}]
    assert record["explain"] == {
        "fusion": "convex", "alpha": 0.6, "dense": 1.0, "lexical": 0.5, "dense_rank": 1,
        "name": 0.25,
    }  # fmt: skip


def test_the_second_passage_of_a_file_is_written_shorter() -> None:
    second = replace(hit("three. four."), sentence=(0, 6), score=0.25)
    record = hit_dict(replace(hit("one. two."), second=second))
    jsonschema.validate({key: value for key, value in record.items() if key != "second"}, HIT)
    jsonschema.validate(record["second"], SECOND)
    assert (record["second"]["text"], record["second"]["score"]) == ("three. four.", 0.25)


def test_the_page_of_a_sentence_is_that_of_its_part() -> None:
    places = (TextPlace(0, 1, None), TextPlace(5, 2, None))
    record = hit_dict(replace(hit("one. two.", line=None, page=2), sentence=(5, 9), places=places))
    assert record["sentence"]["page"] == record["page"] == 2


def test_a_result_is_written_as_its_schema_says(searcher: Searcher) -> None:
    for options in (SearchOptions(), SearchOptions(mode="lexical"), SearchOptions(mode="dense", min_score=0)):
        record = result_dict(searcher.search("prune the roses", options))
        jsonschema.validate(record, SEARCH)
        assert record["results"][0]["path"] == "garden.md"
