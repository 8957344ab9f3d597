"""A row of a table comes whole, with the heads of its columns, from every kind of document, however long the table."""

import csv
import io
import time
from pathlib import Path

import pytest

from semsearch.answering.pipeline import ask
from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical.analyzer import passage_keys
from semsearch.retrieval.hit import hit_dict
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.retrieval.sentences import sentence_spans
from semsearch.retrieval.snippets import row_snippet
from semsearch.retrieval.tables import Cell, continued_head, head_spans, labelled, rows_in
from tests.support.folders import write
from tests.support.office import open_document, sheet, word
from tests.support.pdf import pdf_of, table_page

INTRO = "The harbour office keeps this list of lettings, which is checked twice a year."
HEADS = ["Month", "Berths", "Revenue", "Dues"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
ROWS = [
    HEADS,
    *(
        [f"{month} {year}", str(20 + year % 7 * 3 + number), f"{year - 1000 + 7 * number} EUR", f"{number + 100} EUR"]
        for year in range(1990, 1998)
        for number, month in enumerate(MONTHS)
    ),
]
WANTED = ROWS[1 + 7 * len(MONTHS) + 6]


def page(rows: list[list[str]], begin: str = "", end: str = "") -> str:
    cells = ["".join(f"<td>{begin}{cell}{end}</td>" for cell in row) for row in rows]
    return f"<h1>Lettings</h1><p>{INTRO}</p><table>" + "\n".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def piped(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"# Lettings\n\n{INTRO}\n", lines[0], "|---|--:|--:|--:|", *lines[1:], "", "So far."])


def separated(rows: list[list[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def opened(rows: list[list[str]], cell: str = "table:table-cell") -> str:
    cells = ("".join(f"<{cell}><text:p>{text}</text:p></{cell}>" for text in row) for row in rows)
    return "<table:table>" + "".join(f"<table:table-row>{row}</table:table-row>" for row in cells) + "</table:table>"


def printed(rows: list[list[str]], apart: bool) -> bytes:
    return pdf_of([table_page(INTRO, [HEADS, *rows[begin : begin + 30]], apart) for begin in range(1, len(rows), 30)])


def rich(rows: list[list[str]]) -> str:
    return (
        r"{\rtf1 "
        + INTRO
        + r"\par "
        + "".join(r"\trowd " + "".join(c + r"\cell " for c in r) + r"\row " for r in rows)
        + "}"
    )


DOCUMENTS: dict[str, str | bytes] = {
    "a.md": piped(ROWS),
    "a.txt": piped(ROWS),
    "a.csv": separated(ROWS),
    "a.xlsx": sheet(ROWS),  # type: ignore[arg-type]
    "a.docx": word("Lettings", INTRO, ROWS),
    "a.odt": open_document("text", opened(ROWS)),
    "a.rtf": rich(ROWS),
    "plain.html": page(ROWS),
    "paragraphs.html": page(ROWS, "<p>", "</p>"),
    "apart.pdf": printed(ROWS, True),
    "blanks.pdf": printed(ROWS, False),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_number_comes_with_its_row_and_its_column(name: str, tmp_path: Path) -> None:
    write(tmp_path, {name: DOCUMENTS[name]})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as searcher:
        question = f"what was the revenue of {WANTED[0]}"
        options = SearchOptions(mode="lexical")
        hit = searcher.search(question, options).hits[0]
        answer = ask(searcher, question, options)
    row = tuple(map(Cell, HEADS, WANTED))
    shown = " | ".join(f"{head}: {cell}" for head, cell in zip(HEADS, WANTED, strict=True))
    assert hit.sentence is not None and hit.row_at(*hit.sentence) == row
    assert hit.snippet == shown
    told = hit_dict(hit)["sentence"]
    assert told["row"] == [{"column": head, "text": cell} for head, cell in zip(HEADS, WANTED, strict=True)]
    assert told["text"] == hit.text[slice(*hit.sentence)]
    quoted = answer.citations[0]
    assert quoted.row == row and answer.text.split("\n")[0] == f"{shown} [1]"
    assert quoted.quote in answer.contexts[0].text and "\n" not in quoted.quote


@pytest.mark.parametrize(
    ("text", "type_name", "rows"),
    [
        ("| A | B |\n|---|---|\n| 1 | x \\| y |", "markdown", ["A: 1 | B: x | y"]),
        ("| A | B |\n|---+---|\n| 1 | 2 |", "org", ["A: 1 | B: 2"]),
        ("|---+---|\n| A | B |\n|---+---|\n| 1 | 2 |\n|---+---|", "org", ["A: 1 | B: 2"]),
        ("+---+---+\n| A | B |\n+===+===+\n| 1 | 2 |\n+---+---+", "rst", ["A: 1 | B: 2"]),
        ("cat a | grep b\nsort c | uniq", "text", []),
        ("Place | Depth | Tide\nOstend | 9 m | 4 m\nBlank | | 3 m", "docx", [
            "Place: Ostend | Depth: 9 m | Tide: 4 m", "Place: Blank | Tide: 3 m"]),
        ("2023 | 2024\nCoal | 10 | 12\nOil | 5 | 6", "html", ["Coal | 2023: 10 | 2024: 12", "Oil | 2023: 5 | 2024: 6"]),
        ("| 2023 | 2024\nCoal | 10 | 12", "html", ["Coal | 2023: 10 | 2024: 12"]),
        # Names and what they name, side by side: no row tells of another.
        ("Name | Ada | Year | 1843\nClaim | SF-1 | Make | Jeep\nPhone | 555 | Trim | Full", "docx", []),
        ("Name | Widget\nPrice | 30", "docx", []),
        ("Month | Sales\nMay | 30\nJune | 31", "docx", ["Month: May | Sales: 30", "Month: June | Sales: 31"]),
        ("Sales | July: 6 | May: 5\nCosts | July: 3 | May: 2", "pptx", []),
        ("A | B | C\n1 | 2 | 3\nEurope\n3 | 4 | 5", "html", ["A: 1 | B: 2 | C: 3", "A: 3 | B: 4 | C: 5"]),
        # Merged cells: what stands under which head is not sure.
        ("A | B | C\n1 | 2\n3 | 4 | 5", "html", ["A: 3 | B: 4 | C: 5"]),
        ("Two | bars. And a sentence | of its own.", "html", []),
        ("Hours\tRate\tCost\nParts\t2,100\nLabour\t2\t150\t300\nPaint\t1\t-\t150", "pdf", [
            "Labour | Hours: 2 | Rate: 150 | Cost: 300", "Paint | Hours: 1 | Rate: - | Cost: 150"]),
        ("Code\tUse\tSum\nA1\tboats\t300\n(and barges)\nA2\tcarts\t20", "pdf", [
            "Code: A1 | Use: boats | Sum: 300", "Code: A2 | Use: carts | Sum: 20"]),
    ],
)  # fmt: skip
def test_which_cell_stands_under_which_head(text: str, type_name: str, rows: list[str]) -> None:
    assert [labelled(row) for row in rows_in(text, type_name).values()] == rows


def test_the_head_of_a_table_is_found_in_the_passages_before() -> None:
    first, *others = ("x: | A | B |\n|---|---|\n| 1 | 2 |".removeprefix("x: "), "| 3 | 4 |\n| 5 | 6 |", "| 7 | 8 |")
    assert continued_head(others[1], [others[0], "Before.\n\n" + first], "markdown") == "| A | B |"
    assert labelled(*rows_in(others[1], "markdown", "| A | B |").values()) == "A: 7 | B: 8"
    assert continued_head("Text.\n\n" + others[1], [others[0]], "markdown") is None
    assert continued_head(others[1], ["Text."], "markdown") is None
    # A row that looks like a head is none where rows stand before it.
    after = "Ada | Chair | Ghent\nBo | Clerk | Mons"
    assert continued_head(after, ["Staff\n\nWho | Role | Where\nCy | Cook | Spa"], "docx") == "Who | Role | Where"
    given = rows_in(after, "docx", "Who | Role | Where")
    assert [row[0] for row in given.values()] == [Cell("Who", "Ada"), Cell("Who", "Bo")]


def test_a_line_of_blanks_takes_no_time() -> None:
    text = "| A | B |\n|---|---|\n| 1 | 2 |\n" + " " * 200_000 + "|"
    began = time.process_time()
    assert [labelled(row) for row in rows_in(text, "markdown").values()] == ["A: 1 | B: 2"]
    assert time.process_time() - began < 5


def test_a_row_is_a_sentence_and_its_head_is_none_to_show() -> None:
    text = "Read this. And that.\n\nPlace | Depth | No.\nOstend. Outer | 9 m | 4\nBlank | 3 m | 5\n\nThe end. Truly."
    found = [text[slice(*span)] for span in sentence_spans(text, "docx")]
    lines = text.split("\n")
    assert found == ["Read this.", "And that.", *lines[2:5], "The end.", "Truly."]
    assert [text[slice(*span)] for span in head_spans(text, "docx")] == [lines[2]]
    named = "Place | Depth\nPlace: Ostend | Depth: 9 m"
    assert [named[slice(*span)] for span in head_spans(named, "csv")] == ["Place | Depth"]


def test_a_row_too_long_for_a_snippet_shows_its_name_and_what_was_asked() -> None:
    row = tuple(Cell(f"Column {number}", f"{'harbour' if number == 17 else 'value'} {number}") for number in range(20))
    shown = row_snippet(row, frozenset(passage_keys("harbour", "en")), frozenset({"en"}), 80)
    assert shown.startswith("Column 0: value 0 | ") and len(shown) <= 80
    assert " | … | Column 17: harbour 17" in shown
    assert row_snippet(row[:2], frozenset(), frozenset(), 320) == labelled(row[:2])
    assert len(row_snippet((Cell("A", "long " * 200),), frozenset(), frozenset(), 320)) <= 320
