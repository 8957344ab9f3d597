"""The text of a document can be put together again of its passages."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semsearch.chunking.chunk import Chunk
from semsearch.chunking.splitter import ChunkRules, split
from semsearch.chunking.tokenizers import SubwordTokenizer
from semsearch.embedding.resolve import resolve
from semsearch.retrieval.document_text import TextLine, numbered, selected, text_lines
from semsearch.sources.document import Document, Section
from semsearch.sources.lines import line_starts_of
from semsearch.store.records import FileRecord, Passage

FILE = FileRecord(1, b"a.txt", "indexed", 0, 0, 0, 0, 1)


@pytest.fixture(scope="module")
def ruler() -> SubwordTokenizer:
    path = resolve("all-MiniLM-L6-v2").tokenizer_path()
    assert path is not None
    return SubwordTokenizer("all-MiniLM-L6-v2", path)


def passages(chunks: list[Chunk]) -> list[Passage]:
    return [
        Passage(
            number, FILE, one.text, one.heading, one.page, one.line_start, one.line_end, one.tokens, b"",
            one.line_breaks, number == 0,
        )
        for number, one in enumerate(chunks)
    ]  # fmt: skip


def page(text: str, number: int, first: bool = False) -> Passage:
    return Passage(number, FILE, text, (), number, None, None, 9, b"", (), first)


WORDS = st.lists(
    st.sampled_from(["pump", "valve.", "\n", "\n\n", "E-417", "naïve", "the same line again and again\n", "🙂"]),
    min_size=1,
    max_size=300,
).map(lambda words: "".join(f"{word}{number % 7} " if word.strip() else word for number, word in enumerate(words)))


@settings(max_examples=80, deadline=None)
@given(WORDS, st.sampled_from([(20, 0), (40, 16), (90, 30), (254, 32)]))
@example(
    "pump0 pump1 pump2 the same line again and again\n3 the same line again and again\n"
    "4 the same line again and again\n5 pump6 pump0 \n\npump2 pump3 pump4 pump5 pump6 ",
    (40, 16),
)
def test_lines_are_those_of_the_file(ruler: SubwordTokenizer, text: str, shape: tuple[int, int]) -> None:
    size, overlap = shape
    document = Document(text, "text", (Section(0, len(text)),), line_starts_of(text))
    lines = text_lines(passages(split(document, ChunkRules(size, overlap, ruler, 254, ruler))))
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers)), "each line once"
    # The blank before a cut belongs to no passage.
    shown = {line.number: "".join(line.text.split()) for line in lines}
    wanted = {number: "".join(line.split()) for number, line in enumerate(text.split("\n"), 1) if line.strip()}
    assert {number: line for number, line in shown.items() if line} == wanted
    for before, after in pairwise(lines):
        assert before.number is not None and after.follows == (after.number == before.number + 1)


def test_pages_that_overlap_are_joined_and_documents_kept_apart() -> None:
    lines = text_lines([
        page("One of the first page.\nIt goes on here and there.", 1, True),
        page("It goes on here and there. And ends.", 2),
        page("It goes on here and there. And ends.", 3, True),
    ])  # fmt: skip
    assert [(line.text, line.page, line.follows) for line in lines] == [
        ("One of the first page.", 1, True),
        ("It goes on here and there. And ends.", 1, True),
        ("It goes on here and there. And ends.", 3, False),
    ]


def test_lines_and_pages_are_selected_with_those_around() -> None:
    lines = [TextLine(f"text {number}", number, number // 4, (), True) for number in (1, 2, 3, 5, 6)]

    def numbers(first: int, last: int | None, pages: bool = False, around: int = 0) -> list[int | None]:
        return [line.number for line in selected(lines, first, last, pages, around)]

    assert numbers(2, 2) == [2] and numbers(2, 5) == [2, 3, 5] and numbers(3, None) == [3, 5, 6]
    assert numbers(3, 3, around=1) == [2, 3, 5] and numbers(1, 1, around=9) == [1, 2, 3, 5, 6]
    assert (
        numbers(1, 1, pages=True) == [5, 6] and numbers(9, None) == [] and numbers(7, 7) == [] and numbers(5, 2) == []
    )
    # Rows of two sheets: what is between them is left out.
    found = selected([*lines, *lines], 2, 3, False, 0)
    assert [(line.number, line.follows, line.skips) for line in found] == [
        (2, True, False), (3, True, False), (2, False, True), (3, True, False),
    ]  # fmt: skip
    # What a paragraph holds that is one line of text.
    assert numbers(4, 4) == [3] and numbers(0, 0) == []


def test_lines_come_by_number_and_each_number_is_told_once() -> None:
    def passage(text: str, *starts: tuple[int, int], kind: str = "email", first: bool = True) -> Passage:
        file = replace(FILE, type=kind)
        return Passage(1, file, text, (), None, starts[0][1], starts[-1][1], 9, b"", starts, first)

    mail = passage("From: a\nDate: d\nSubject: s\n\nDear", (0, 1), (8, 3), (16, 2), (27, 3), (28, 5))
    lines = text_lines([mail])
    assert [(line.number, line.text) for line in lines] == [
        (1, "From: a"), (2, "Subject: s"), (3, "Date: d"), (4, ""), (5, "Dear"),
    ]  # fmt: skip
    assert numbered(lines) == [1, 2, 3, 4, 5] and all(line.follows for line in lines)
    page = text_lines([passage("Harbour\n\nTours\nTrips", (0, 3), (8, 4), (9, 4), (15, 4), kind="html")])
    assert [line.number for line in page] == [3, 4, 4, 4] and numbered(page) == [3, None, 4, None]
    # Each sheet counts its rows anew.
    sheets = passage("a\nb\nc\nd", (0, 1), (2, 2), (4, 1), (6, 2), kind="xlsx")
    assert [line.text for line in text_lines([sheets])] == ["a", "b", "c", "d"]
