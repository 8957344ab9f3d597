"""For a word that occurs once in a file, the told line is the one that holds it, in every format that has lines."""

import base64
import io
import json
import quopri
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write

TREES = """alder birch cedar damson elder fir gorse hazel ivy juniper larch maple nettle oak poplar quince rowan spruce
thuja ulmus viburnum willow yew zelkova""".split()  # noqa: SIM905


def sentences(blanks: random.Random) -> list[str]:
    """One sentence for each tree, with blank lines between some of them."""
    lines = []
    for tree in TREES:
        lines.append(f"We pass the {tree} hedge and go on.")
        lines += [""] * blanks.randint(0, 2)
    return lines


def plain(lines: list[str]) -> str:
    return "\n".join(lines)


def html(lines: list[str]) -> str:
    return "<html>\n<body>\n<script>\nvar x;\n</script>\n" + "\n".join(
        f"<div\n  class='a'><p>\n{line}\n</p></div>" if line else "<!-- nothing\nhere -->" for line in lines
    )


def wrapped_html(lines: list[str]) -> str:
    return "<body><p>\n" + "\n".join(lines) + "\n</p>"


def xml(lines: list[str]) -> str:
    return "<?xml version='1.0'?>\n<walk>\n" + "\n".join(
        f"<step\n n='1'>\n<what>{line}</what></step>" if line else "" for line in lines
    ) + "\n</walk>"  # fmt: skip


def feed(lines: list[str]) -> str:
    items = "\n".join(
        f"<item>\n<title>x</title>\n<description>&lt;p&gt;{line}&lt;/p&gt;</description>\n</item>" for line in lines
    )
    return f"<rss><channel><title>Blog</title>\n{items}\n</channel></rss>"


def srt(lines: list[str]) -> str:
    return "\n".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{line or '-'}\n" for n, line in enumerate(lines, 1))


def man(lines: list[str]) -> str:
    return ".TH WALK 1\n.SH HEDGES\n" + "\n".join(line or ".PP" for line in lines)


def mail(lines: list[str], encoding: str = "8bit") -> str:
    body = "\n".join(lines)
    if encoding == "quoted-printable":
        body = quopri.encodestring(body.replace("hedge", "höhe").encode()).decode()
    elif encoding == "base64":
        body = base64.encodebytes(body.encode()).decode()
    return (
        "From: a@example.org\nTo: b@example.org\nSubject: walk\nDate: Mon, 4 Mar 2024 10:00:00 +0000\n"
        f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"
    )


def mailbox(lines: list[str]) -> str:
    half = len(lines) // 2
    return "\n".join(
        f"From x@example.org Mon Mar  4 10:00:00 2024\n{mail(part)}" for part in (lines[:half], lines[half:])
    )


def table(lines: list[str]) -> str:
    return "id,note\n" + "\n".join(f'{n},"{line}\nsecond line"' if line else "" for n, line in enumerate(lines))


def notebook(lines: list[str]) -> str:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": [line + "\n" for line in lines[:10]]}]
    cells += [{"cell_type": "code", "metadata": {}, "outputs": [], "source": [line + "\n" for line in lines[10:]]}]
    return json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}, indent=1)


def code(lines: list[str]) -> str:
    return "def walk(plan):\n" + "\n".join(f"    plan.visit('{line}')  # {line}" if line else "" for line in lines)


def settings(lines: list[str]) -> str:
    return "[walk]\n" + "\n".join(f"h{n} = {line}" if line else "# nothing" for n, line in enumerate(lines))


def poem(lines: list[str]) -> str:
    return "\n".join(line.replace("We pass", "and then").replace(" and go on.", ",") for line in lines)


def card(lines: list[str]) -> str:
    return "\n".join(f"BEGIN:VCARD\nFN:Person {n}\nNOTE:{line or '-'}\nEND:VCARD" for n, line in enumerate(lines))


FORMATS: dict[str, Callable[[list[str]], str]] = {
    "a.txt": plain, "b.md": plain, "poem.txt": poem, "a.html": html, "wrapped.html": wrapped_html, "a.xml": xml,
    "feed.xml": feed, "a.srt": srt, "walk.1": man, "a.eml": mail, "a.mbox": mailbox, "a.csv": table,
    "a.ipynb": notebook, "a.py": code, "a.c": code, "a.ini": settings, "a.yaml": settings, "a.rst": plain,
    "a.org": plain, "a.tex": plain, "a.vcf": card, "a.json": lambda lines: json.dumps(lines, indent=1),
    "qp.eml": lambda lines: mail(lines, "quoted-printable"), "crlf.txt": lambda lines: "\r\n".join(lines),
    "a.log": lambda lines: "\n".join(f"2024-05-01 12:00:00 {line}" for line in lines),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_told_line_holds_the_word(name: str, tmp_path: Path) -> None:
    source = FORMATS[name](sentences(random.Random(name)))
    write(tmp_path, {name: source})
    index_folders([str(tmp_path)], None, IndexOptions(model="static", chunk_size=64, embed=False))
    lines = source.replace("\r\n", "\n").split("\n")
    wrong = []
    with Searcher(str(tmp_path)) as searcher:
        for tree in TREES:
            held = [number for number, line in enumerate(lines, 1) if tree in line]
            if not held:
                continue
            hit = searcher.search(tree, SearchOptions(mode="lexical", fold=False)).hits[0]
            told, last = hit.sentence_lines()
            if told not in held:
                wrong.append((tree, told, held))
            assert hit.line_start is not None and hit.line_end is not None and last is not None
            assert hit.line_start <= held[0] <= hit.line_end, "within the passage"
    assert not wrong


@pytest.mark.slow
def test_the_told_row_of_a_sheet_holds_the_word(tmp_path: Path) -> None:
    stream = io.BytesIO()
    rows = {}
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Walk")
        for number, tree in enumerate(TREES):
            rows[tree] = number * 3 + 2
            sheet.write(rows[tree] - 1, 0, number)
            sheet.write(rows[tree] - 1, 2, f"the {tree} hedge")
    write(tmp_path, {"a.xlsx": stream.getvalue()})
    index_folders([str(tmp_path)], None, IndexOptions(model="static", chunk_size=64, embed=False))
    with Searcher(str(tmp_path)) as searcher:
        for tree, row in rows.items():
            hit = searcher.search(tree, SearchOptions(mode="lexical", fold=False)).hits[0]
            assert hit.sentence_lines()[0] == row


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=12), st.integers(0, 40))
def test_breaks_tell_the_lines_of_the_document(parts: list[tuple[int, int]], cut: int) -> None:
    from semsearch.sources.lines import breaks_in, line_in, line_of

    text, starts, line = "", [], 1
    for size, gap in parts:
        line += gap
        starts.append((len(text), line))
        text += "x" * size + "\n"
        line += 1
    begin = min(cut, len(text) - 1)
    part = text[begin:]
    first = line_of(starts, begin)
    breaks = breaks_in(part, first, starts, begin)
    for offset in range(len(part)):
        assert line_in(part, first, breaks, offset) == line_of(starts, begin + offset)
