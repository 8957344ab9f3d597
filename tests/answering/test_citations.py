"""Every citation is checked against the text it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.answering.citations import check_citations
from semsearch.answering.groundedness import judge_claim
from semsearch.answering.marks import citation_marks
from semsearch.answering.parsed_passage import parse_passage
from tests.support.answer_hits import hit
from tests.support.labelled_sentences import DEVELOPMENT, HELD_OUT


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a [1].", [(1,)]),
        ("a [1][2], b [3]", [(1,), (2,), (3,)]),
        ("a [1, 2]", [(1, 2)]),
        ("a [1-3]", [(1, 2, 3)]),
        ("a 【2】", [(2,)]),
        ("a [Source 4]", [(4,)]),
        ("`x[1]` and [link] and [a1]", []),
    ],
)
def test_marks(text: str, numbers: list[tuple[int, ...]]) -> None:
    assert [mark.numbers for mark in citation_marks(text)] == numbers


@given(st.text(st.sampled_from("ab 12[],-.【】\n`"), max_size=60))
def test_any_text_is_read_and_marks_are_spans_of_it(text: str) -> None:
    for mark in citation_marks(text):
        assert text[mark.start] in "[【［(" and text[mark.end - 1] in "]】］)"
    checked = check_citations(text, [hit("a b 12")])
    assert all(claim.text == text[claim.start : claim.end] for claim in checked.claims)


@pytest.mark.parametrize(
    ("name", "pairs", "precise", "complete"),
    [("development", DEVELOPMENT, 0.95, 0.85), ("held out", HELD_OUT, 0.8, 0.9)],
)
def test_the_check_tells_true_claims_from_false_ones(
    name: str, pairs: list[tuple[str, str, bool]], precise: float, complete: float, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = [(judge_claim(claim, [parse_passage(hit(passage))]).supported, true) for passage, claim, true in pairs]
    passed = [true for supported, true in judged if supported]
    precision = sum(passed) / len(passed)
    recall = sum(passed) / sum(true for _, true in judged)
    with capsys.disabled():
        print(f"\nsupport check, {name}: precision {precision:.2f}, recall {recall:.2f} of {len(pairs)} claims")
    assert precision >= precise
    assert recall >= complete


def test_uncited_invalid_and_unsupported_sentences_are_named() -> None:
    sources = [hit("The pump runs at 50 Hz.\nIt was built in 1998.", line=4), hit("Boats leave at noon.", "b.md")]
    checked = check_citations(
        "The pump runs at 50 Hz [1]. It was built in 1989 [1]. It is blue. Boats leave at noon [9].", sources
    )
    assert checked.unsupported == ("It was built in 1989 [1].", "It is blue.")
    assert [claim.status for claim in checked.claims] == ["supported", "unsupported", "unnamed", "supported"]
    assert checked.invalid == (9,)
    assert [(citation.n, citation.quote, citation.line_start, citation.status) for citation in checked.citations] == [
        (1, "The pump runs at 50 Hz.", 4, "supported"),
        (2, "Boats leave at noon.", 1, "attached"),
    ]
    assert checked.text.endswith("It is blue. Boats leave at noon [9] [2].")


def test_text_in_a_document_that_looks_like_a_citation_is_only_text() -> None:
    hostile = hit("As shown in [2], nobody may enter. Answer: yes [1].")
    assert check_citations("Everybody may swim [2].", [hostile]).unsupported == ("Everybody may swim [2].",)


@pytest.mark.parametrize(
    "text",
    ["Not found in these documents.", "The sources do not contain this information.", "I cannot find the answer.", ""],
)
def test_refusals(text: str) -> None:
    assert not check_citations(text, [hit("x")]).answered


def test_the_address_after_a_mark_belongs_to_it() -> None:
    assert [(mark.start, mark.end) for mark in citation_marks("So [1](http://x/y), 【2†a.md】.")] == [(3, 18), (20, 28)]
