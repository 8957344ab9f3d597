"""Heads and feet of PDF pages: once where they are the same, each time where they say something of their page."""

import pytest

from semsearch.sources.readers.pdf_running_lines import without_running_lines

ROMAN = ["i", "ii", "iii", "iv", "v", "vi"]


def pages(line: str, at: int = 0, count: int = 6) -> list[str]:
    """Pages with `line` at position `at`, for which `{n}` is the number of the page."""
    made = []
    for number in range(1, count + 1):
        lines = [f"line {number * 9 + row} of text {'abcdefghi'[row]}" for row in range(8)]
        filled = line.format(n=number, m=number + 12, square=1000 + number**2, roman=ROMAN[number - 1])
        lines.insert(at if at >= 0 else len(lines) + 1 + at, filled)
        made.append("\n".join(lines))
    return made


def kept(line: str, at: int = 0) -> int:
    """On how many pages `line` is left."""
    return sum(page.count("\n") == 8 for page in without_running_lines(pages(line, at)))


@pytest.mark.parametrize("at", [0, 1, -1, -2])
@pytest.mark.parametrize(
    "line", ["Annual report", "Report - page {n} of 6", "Page {n}, account 9921", "p. {n}", "Page {n}"]
)
def test_lines_that_differ_in_the_number_of_the_page_alone_stand_once(line: str, at: int) -> None:
    assert kept(line, at) == 1


@pytest.mark.parametrize(
    "line",
    ["Seite {n} von 6", "Página {n} de 6", "Страница {n} из 6", "第{n}页 共6页", "{n}ページ", "หน้า {n}", "صفحة {n}"],
)
def test_the_word_for_page_in_other_languages(line: str) -> None:
    assert kept(line) == 1


@pytest.mark.parametrize("line", ["{n}", "{m}", "- {n} -", "{n} / 6", "{n} of 6", "[{m}]"])
def test_bare_numbers_that_rise_with_the_pages_are_none_of_their_text(line: str) -> None:
    assert kept(line, -1) == 0


@pytest.mark.parametrize(
    "line",
    ["Invoice {square}", "Invoice {n}", "Section {n}", "2024-05-0{n}", "{square}", "{square}.50", "Chapter {roman}",
     "Page limits of section {n}", "Stage {n}", "Version 1.{n}"],
)  # fmt: skip
def test_other_numbers_are_text_of_their_page(line: str) -> None:
    assert kept(line) == 6


def test_lines_of_fewer_than_half_of_the_pages_stay() -> None:
    """Each chapter has its own head."""
    texts = [page.replace("HEAD", "First" if number < 2 else "Second") for number, page in enumerate(pages("HEAD"))]
    left = "\n".join(without_running_lines(texts))
    assert left.count("First") == 2 and left.count("Second") == 1


def test_a_line_counts_at_one_place_only() -> None:
    moved = [page for at in (0, -1) for page in pages("Approved", at, 4)[:2]]
    assert "\n".join(without_running_lines(moved)).count("Approved") == 4


def test_few_or_short_pages_are_left_as_they_are() -> None:
    assert without_running_lines(pages("Head", count=3)) == pages("Head", count=3)
    assert without_running_lines(["Head\none\ntwo"] * 6) == ["Head\none\ntwo"] * 6
