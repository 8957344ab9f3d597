"""Sentences are spans of the text, in order, and stop where people would stop."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.sentences import label_spans, sentence_spans


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. R. Hall at 5 p.m. there. Yes.", ["Dr. Smith met J. R. Hall at 5 p.m. there.", "Yes."]),
        ('"Stop." She did. (It was 3.5 m.) Then e.g. so.', ['"Stop."', "She did.", "(It was 3.5 m.)", "Then e.g. so."]),
        ("wrapped\nline goes on. New.", ["wrapped\nline goes on.", "New."]),
        ("- one\n- two\n\npara", ["- one", "- two", "para"]),
        ("1. One. Two.\n2. Three.", ["1. One.", "Two.", "2. Three."]),
        ("# Head\nText.", ["# Head", "Text."]),
        ("| a | b |\n| 1 | 2 |", ["| a | b |", "| 1 | 2 |"]),
        ("title: Pumps\nauthor: Ada", ["title: Pumps", "author: Ada"]),
        ("Run:\n\n```sh\nrun it\n```\nDone. Next.", ["Run:", "run it", "Done.", "Next."]),
        ("~~~ yaml\na: 1\n~~~\n\n> ```\n> b\n> ```\n", ["a: 1", "> b"]),
        ("- one:\n  ```python title=\"x\"\n  x = 1\n  ```\n\n\n  ```\n  y\n  ```", ["- one:", "x = 1", "y"]),
        ("Use ```a b``` so.\n```c d``` does. ~~~ So it is.", ["Use ```a b``` so.", "```c d``` does. ~~~ So it is."]),
        ("日本語です。次の文。", ["日本語です。", "次の文。"]),
        ("", []),
        (" \n--- \n", []),
    ],
)  # fmt: skip
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@given(st.text(st.sampled_from("ab.!? \n#-|\"'。A1:"), max_size=200))
def test_spans_are_in_order_apart_and_hold_every_letter(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)


def test_a_long_run_of_lines_is_cut_at_lines() -> None:
    text = "\n".join(f"value_{number} = compute(thing {number})" for number in range(100))
    assert len(sentence_spans(text)) == 100


def test_headings_and_front_matter_are_labels() -> None:
    text = "---\ntitle: T\n---\n# Head\nBody.\nUnder\n=====\nMore.\n"
    assert [text[start:end] for start, end in label_spans(text)] == ["---\ntitle: T\n---\n", "# Head", "Under\n====="]
