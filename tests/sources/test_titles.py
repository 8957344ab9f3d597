"""Which titles name a document, and which a program left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.titles import told_title


@pytest.mark.parametrize(
    "title",
    [
        "", "  ", "untitled", "Untitled-1", "Untitled Document", "Untitled 3", "Document1", "Book1", "Presentation2",
        "PowerPoint Presentation", "PowerPoint-Präsentation", "Présentation PowerPoint", "Slide 1", "Ohne Titel",
        "sans titre", "Sin título", "无标题", "無題", "Без названия", "Microsoft Word - Document1", "doc1.docx",
        "0001193125-18-012345", "d123456d10k", "20180314101512", "scan0001.pdf", "Scan_20180314", "IMG_20180314",
        "2018-03-14", "10.1016/j.cell.2018.01.002", "550e8400-e29b-41d4-a716-446655440000", "---", "(anonymous)",
        "untitled.indd", "Microsoft PowerPoint - Presentation1.ppt", "Title", "template.dvi", "None", "N/A",
    ],
)  # fmt: skip
def test_what_a_program_left_is_no_title(title: str) -> None:
    assert told_title(title) == ""


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("Pump manual", "Pump manual"),
        ("Microsoft Word - Pump manual.doc", "Pump manual"),
        ("  A  title\non two lines ", "A title on two lines"),
        ("1984", "1984"),
        ("2001: A Space Odyssey", "2001: A Space Odyssey"),
        ("Annual report 2018.indd", "Annual report 2018"),
        ("RFC 2616", "RFC 2616"),
        ("Minutes of 14 March 2018", "Minutes of 14 March 2018"),
        ("Untitled works of Turner", "Untitled works of Turner"),
        ("Documents", "Documents"),
        ("Template engines", "Template engines"),
        ("Testing", "Testing"),
        ("C", "C"),
        ("CVE-2021-44228", "CVE-2021-44228"),
        ("ISO-27001:2013", "ISO-27001:2013"),
        ("Last.fm", "Last.fm"),
        ("第10章 报销", "第10章 报销"),
        ("Book of hours", "Book of hours"),
        ("Node.js", "Node.js"),
        ("Guide (2nd edition)", "Guide (2nd edition)"),
        ("(Re)building the pier (draft)", "(Re)building the pier (draft)"),
    ],
)
def test_what_a_person_wrote_is(title: str, told: str) -> None:
    assert told_title(title) == told


@given(st.text())
def test_any_text_is_a_title_or_none(title: str) -> None:
    told = told_title(title)
    assert "\n" not in told and told == told.strip()
    assert told_title(told) in ("", told) or len(told_title(told)) < len(told)
