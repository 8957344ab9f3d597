"""The rows of tables in PDFs stand on one line each, with tabs between their cells; nothing else is changed."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document_types import read
from semsearch.sources.readers.pdf_rows import has_figures, in_rows, may_hold_cells
from tests.support.pdf import pdf_of, table_page

INTRO = "The harbour office keeps this list of lettings for the board."
ROWS = [["Month", "Berths", "Revenue"], ["July", "31", "6,300 EUR"], ["August", "28", "5,100 EUR"], ["May", "9", "-"]]


@pytest.mark.parametrize("apart", [True, False])
def test_a_row_is_a_line_with_tabs(apart: bool) -> None:
    text = read("a.pdf", pdf_of([table_page(INTRO, ROWS, apart)])).text
    assert text.split("\n")[: len(ROWS) + 1] == [INTRO, *("\t".join(row) for row in ROWS)]


@pytest.mark.parametrize(
    ("text", "other", "joined"),
    [
        ("1.\nScope of it\n2.\nTerms", "1. Scope of it\n2. Terms", "1. Scope of it\n2. Terms"),
        ("Total:\n300\nPaid:\n200\nDue:\n100", "Total: 300\nPaid: 200\nDue: 100", "Total: 300\nPaid: 200\nDue: 100"),
        ("Ada\n1\nBo\n22\nCy\n3", "Ada 1\nBo 22\nCy 3", "Ada\t1\nBo\t22\nCy\t3"),
        (
            "Scope . . . . 3\nTerms . . . . 9",
            "Scope\t. . . .\t3\nTerms\t. . . .\t9",
            "Scope . . . . 3\nTerms . . . . 9",
        ),
        ("a = b where c", "a\t= b\twhere c", "a = b where c"),
        ("left\nright", "something else", "left\nright"),
        ("a\nb", "", "a\nb"),
    ],
)
def test_what_is_a_row(text: str, other: str, joined: str) -> None:
    assert in_rows(text, other) == joined


@given(st.lists(st.text("ab1 .\n", max_size=20), max_size=8), st.text("ab1 .\n\t", max_size=60))
def test_only_white_space_is_changed(lines: list[str], other: str) -> None:
    text = "\n".join(lines)
    for told in (other, text, text.replace("\n", " "), text.replace(" ", "\t")):
        assert re.sub(r"\s", "", in_rows(text, told)) == re.sub(r"\s", "", text)


def test_letters_on_lines_of_their_own_take_no_time() -> None:
    text = "a\n" * 50_000
    began = time.process_time()
    assert in_rows(text, "a" * 60_000 + "b") == text
    assert time.process_time() - began < 5


def test_prose_is_not_read_twice() -> None:
    prose = "In 1884 the tide house was built by nine men, who were paid in coal.\n" * 20 + "It stands.\n"
    assert not may_hold_cells(prose) and not has_figures(prose)
    assert may_hold_cells("Month\nBerths\nJuly\n31\nAugust\n28\n")
    assert has_figures("July of last year in the outer harbour 31 6,300\nAugust 28 5,100\n")
