"""Copies are folded and neighbours joined, verbatim."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.deduplication import deduplicated, overlap
from semsearch.retrieval.hit import Hit, TextPlace

WORDS = [
    "the",
    "pump",
    "in",
    "the",
    "old",
    "tide",
    "house",
    "stops",
    "when",
    "the",
    "valve",
    "of",
    "the",
    "third",
    "basin",
    "closes",
    "at",
    "night",
]


def hit(number: int, text: str, file: str = "/d/a.md", line: int | None = None, heading: str = "Pumps") -> Hit:
    return Hit(
        rank=number, path=file[3:], file=file, type="markdown", title="", heading=(heading,), page=None,
        line_start=line, line_end=None if line is None else line + text.count("\n"), chunk_id=number,
        score=1 / number, dense=None, lexical=None, rerank=None, text=text, snippet="", modified="",
        places=(TextPlace(0, None, line),),
    )  # fmt: skip


def test_a_copy_is_folded_into_the_better_hit_and_named() -> None:
    original = hit(1, " ".join(WORDS * 5))
    copy = hit(7, " ".join(WORDS * 5) + " today", "/d/b.md", 3)
    other = hit(9, "Something else about boats and the harbour master.", "/d/c.md")
    found = deduplicated([original, copy, other], 10)
    assert [one.path for one in found] == ["a.md", "c.md"]
    assert [(place.path, place.line_start) for place in found[0].copies] == [("b.md", 3)]
    assert [one.rank for one in found] == [1, 2]


def test_a_few_words_are_no_copy() -> None:
    assert len(deduplicated([hit(1, "Title page"), hit(9, "Title page", "/d/b.md")], 10)) == 2


def test_neighbours_under_one_heading_are_one_passage_with_true_lines() -> None:
    lines = [f"line {number} says thing {number * 7}" for number in range(1, 13)]
    parts = [hit(2, "\n".join(lines[3:8]), line=4), hit(1, "\n".join(lines[:5]), line=1), hit(3, lines[11], line=12)]
    (joined,) = deduplicated(parts, 10)
    assert (joined.line_start, joined.line_end, joined.chunk_id) == (1, 12, 2)
    assert joined.text.split("\n")[:8] == lines[:8], "the overlap stands once"
    assert [joined.place_at(joined.text.index(line))[1] for line in (*lines[:8], lines[11])] == [*range(1, 9), 12]
    apart = [parts[0], replace(parts[1], heading=("Valves",)), replace(parts[2], file="/d/z.md")]
    assert len(deduplicated(apart, 10)) == 3


def test_messages_of_one_mailbox_are_not_joined() -> None:
    first, second = hit(1, "The pump is broken again."), hit(2, "Then call Ines, as ever.")
    assert len(deduplicated([first, replace(second, begins_document=True)], 10)) == 2
    assert len(deduplicated([replace(second, begins_document=True), first], 10)) == 2
    (joined,) = deduplicated([second, replace(first, begins_document=True)], 10)
    assert joined.begins_document


def test_a_table_that_was_cut_is_one_table_again() -> None:
    first = replace(hit(1, "Before.\n\nPlace | Depth | Tide\nOstend | 9 m | 4 m"), type="docx")
    second = replace(hit(2, "Blank | 3 m | 3 m\n\nAfter."), type="docx")
    (joined,) = deduplicated([first, second], 10)
    assert "4 m\nBlank" in joined.text
    (joined,) = deduplicated([first, replace(second, text="After.")], 10)
    assert joined.text.endswith("4 m\n\nAfter.")


def test_no_more_hits_are_asked_for_than_needed() -> None:
    def hits():  # type: ignore[no-untyped-def]
        for number in range(1, 100):
            assert number < 5, "looked too far"
            yield hit(number * 10, f"entirely different text number {number} with words {number * 31}")

    assert len(deduplicated(hits(), 3)) == 3


@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=40), st.text("ab \n", max_size=40))
def test_overlap_is_the_longest_common_end_and_beginning(head: str, common: str, tail: str) -> None:
    before, after = head + common, common + tail
    longest = max(n for n in range(min(len(before), len(after)) + 1) if before[len(before) - n :] == after[:n])
    assert overlap(before, after) == (longest if longest >= 16 else 0)
