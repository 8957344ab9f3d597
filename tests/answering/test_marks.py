"""The marks by which models name their sources, and what only looks like one."""

import pytest

from semsearch.answering.marks import citation_marks, names_of_sources

NAMES = names_of_sources(["ops/turbine.md", "tariffs.csv", "log.txt"], ["Turbine manual", "", ""])


@pytest.mark.parametrize(
    "mark",
    [
        "[1]", "[1,2]", "[1][3]", "[1-3]", "【1】", "【1†source】", "(1)", "(source 1)", "(see source 1)", "¹",
        "<sup>1</sup>", "[source 1]", "[Sources: 1, 3]", "[Quelle 1]", "[来源1]",
        "[1, lines 22-24]", "[1, p. 3]", "[1:22]",
        "[[1]](ops/t.md)", "[1](http://x/y)", "[ops/turbine.md]", "[turbine.md]", "[`turbine.md`]", "[turbine.md:22]",
        "(Turbine manual, p. 3)",
        "**[1]**", r"\[1\]", "[^1]", "^1^", "$^{[1]}$",
    ],
)  # fmt: skip
def test_a_mark_after_a_sentence_names_its_source(mark: str) -> None:
    found = citation_marks(f"The bearing is greased every 700 hours {mark}.", 3, NAMES)
    assert found and found[0].numbers[0] == 1


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("According to source 1, it is greased.", [(1,)]),
        ("Source 2 says that it is. Sources 1 and 3 do, too.", [(2,), (1, 3)]),
        ("Greased often (1) and washed (2).", [(1,), (2,)]),
        ("Greased often.¹ Washed, too.²", [(1,), (2,)]),
    ],
)
def test_marks_in_prose(text: str, numbers: list[tuple[int, ...]]) -> None:
    assert [mark.numbers for mark in citation_marks(text, 3, NAMES)] == numbers


@pytest.mark.parametrize(
    "text",
    [
        "(1) First grease, (2) then wash.", "Do this: (1) grease (2) wash (3).", "- (1) grease\n- (2) wash",
        "It has two (2) pumps.",
        "An area of 5 m² and 10³ litres, x², 12 feet².", "E = mc²", "`x[1]` and [link] and [a1]", "In 2019 (2019).",
        "[2025-03-14]",
        "At [12:30] it stopped.", "Nothing [].", "m<sup>2</sup>",
    ],
)  # fmt: skip
def test_what_is_no_mark(text: str) -> None:
    assert citation_marks(text, 3, NAMES) == []


def test_a_weak_mark_counts_only_where_there_is_no_strong_one() -> None:
    assert [mark.numbers for mark in citation_marks("Both pumps (2) run [1]. They are old (3).", 3)] == [(1,)]
