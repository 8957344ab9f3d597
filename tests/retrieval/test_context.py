"""The lines around a sentence are those of the document, read from the index alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.context import context_lines
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.protocol import Snapshot
from tests.support.folders import write
from tests.support.office import workbook


@pytest.mark.parametrize("around", [1, 5, 30])
def test_lines_are_those_of_the_document(searcher: Searcher, snapshot: Snapshot, folder: Path, around: int) -> None:
    hit = searcher.search("turn bolt 405", SearchOptions(fold=False)).hits[0]
    document = (folder / hit.path).read_text().split("\n")
    first, last = hit.sentence_lines()
    assert first is not None and last is not None
    lines = context_lines(snapshot, hit, around)
    assert {line.number for line in lines if line.match} == set(range(first, last + 1))
    for line in lines:
        assert line.number is not None and first - around <= line.number <= last + around
        assert line.text == document[line.number - 1]
    # Blank lines between sections belong to no chunk.
    shown = {line.number for line in lines}
    wanted = [n for n in range(max(1, first - around), min(len(document), last + around) + 1) if document[n - 1]]
    assert shown >= set(wanted)


def test_a_document_of_pages_shows_lines_of_the_passage(searcher: Searcher, snapshot: Snapshot) -> None:
    hit = searcher.search("neap tide at half moon", SearchOptions(fold=False)).hits[0]
    assert hit.line_start is None
    (line,) = context_lines(snapshot, hit, 3)
    assert (line.number, line.match) == (None, True) and "neap tide" in line.text
    text = "one\ntwo\nthree\nfour\nfive"
    lines = context_lines(snapshot, replace(hit, text=text, sentence=(8, 13)), 1)
    assert [(line.text, line.match) for line in lines] == [("two", False), ("three", True), ("four", False)]
    lines = context_lines(snapshot, replace(hit, text=text, sentence=None), 1)
    assert [line.text for line in lines] == text.split("\n") and all(line.match for line in lines)


def test_rows_of_one_sheet_stand_around_a_row(tmp_path: Path) -> None:
    """Each sheet has a row 2; those of a short workbook are one passage."""
    write(tmp_path, {"a.xlsx": workbook({
        "Boats": [["Name", "Length"], ["Mira", "9 m"], ["Ines", "7 m"]],
        "Crew": [["Name", "Rank"], ["Bertrand", "mate"], ["Agneta", "cook"]],
    })})  # fmt: skip
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as searcher:
        (hit,) = searcher.search("Bertrand", SearchOptions(mode="lexical", context=5)).hits
    assert [line.text for line in hit.context] == [
        "Name | Rank",
        "Name: Bertrand | Rank: mate",
        "Name: Agneta | Rank: cook",
    ]
    assert [line.number for line in hit.context] == [1, 2, 3]
    assert hit.heading == ("Crew",)
