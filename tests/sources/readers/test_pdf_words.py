"""Words that PDFs cut at line ends or set in letters apart, and single letters that are none."""

import pytest

from semsearch.sources.readers.pdf_words import joined_words


def test_cut_words_are_joined_by_what_the_document_has() -> None:
    text = ["The infor-\nmation is well-\nknown to all. The information was well-known, and re-\nentry free."]
    assert joined_words(text) == [
        "The information\n is well-known\n to all. The information was well-known, and re-\nentry free."
    ]


@pytest.mark.parametrize(
    ("apart", "joined"),
    [
        ("The H e a r t b e a t of fish", "The Heartbeat of fish"),
        ("H e l l o  W o r l d", "Hello World"),
        ("H e l l o W o r l d", "Hello World"),
        ("п р о т о к о л", "протокол"),
        ("G\nr\na\nn\nd\nhotel", "Grand\nhotel"),
    ],
)
def test_words_in_small_letters_apart(apart: str, joined: str) -> None:
    assert joined_words([apart]) == [joined]


@pytest.mark.parametrize(
    "separate",
    ["Options A B C D E", "A\nB\nA\nC\nA\nF\n", "a b c d e f", "a c c b d a", "i j k l m n", "x y z w v", "N O E S W",
     "A a B b C c", "G A T T A C A", "a b c", "1 2 3 4 5", "T\nO\nT\nA\nL\n"],
)  # fmt: skip
def test_single_letters_that_may_be_separate_things(separate: str) -> None:
    assert joined_words([separate]) == [separate]


def test_capitals_apart_are_a_word_that_the_document_has() -> None:
    assert joined_words(["O P E N  D A Y", "On the open day"]) == ["OPEN DAY", "On the open day"]
    assert joined_words(["T\nO\nT\nA\nL\n9", "the total"]) == ["TOTAL\n9", "the total"]


def test_a_page_of_one_long_run_takes_no_longer_than_its_length() -> None:
    # From each letter of the run on, it would be looked through a million times.
    run = "a" * 1_000_000
    assert joined_words([f"infor-\nmation\n{run}\ninformation"])[0].startswith("information\n")
