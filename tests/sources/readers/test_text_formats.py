"""Text formats: what they say about themselves, odd bytes, notebooks, subtitles, RTF."""
# ruff: noqa: E501  # sources are read as they stand

import base64
import io
import json
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.dates import document_date, parse
from semsearch.sources.document_types import documents, read
from semsearch.sources.encodings import encoding_of
from semsearch.sources.readers import number_format, outline, pdf_beside, pdf_running_lines
from tests.support.documents import headings, line_of

TREES = "alder birch cedar damson elder gorse hazel juniper larch maple nettle oak poplar quince rowan spruce".split()  # noqa: SIM905


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "+++\ntitle = 'Ferry'\nauthor = 'Ida Moe'\ndate = 2024-02-03\ntags = ['sea', 'ice']\n+++\nText.\n"),
        ("a.md", "---\ntitle: Ferry: the second\nauthor: Ida Moe\ndate: 2024-02-03\ntags: [sea, ice]\n---\nText.\n"),
        ("a.md", "% Ferry\n% Ida Moe\n% 2024-02-03\n\nText.\n"),
        ("a.md", "Title: Ferry\nAuthor: Ida Moe\nDate: 2024-02-03\n\nText.\n"),
        ("a.txt", "Title: Ferry\nAuthor: Ida Moe\nDate: 2024-02-03\n\nText.\n"),
        ("a.rst", "Ferry\n=====\n\n:Author: Ida Moe\n:Date: 2024-02-03\n\nText.\n"),
        ("a.org", "#+title: Ferry\n#+author: Ida Moe\n#+date: 2024-02-03\n* One\nText.\n"),
        ("a.tex", r"\title{Ferry}\author{Ida Moe\thanks{x}}\date{2024-02-03}\begin{document}Text.\end{document}"),
        ("a.adoc", "= Ferry\nIda Moe <i@example.org>\nv1.0, 2024-02-03\n:keywords: sea, ice\n\nText.\n"),
    ],
)  # fmt: skip
def test_header_blocks(name: str, source: str) -> None:
    document = read(name, source.encode())
    assert document.metadata["author"] == "Ida Moe"
    assert str(document.metadata["date"]).startswith("2024-02-03")
    assert document.title.startswith("Ferry")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "---\nauthor:\n  - name: Ann Bell\n    affiliation: Fir Wood\n  - Bo Ek\ndate: 2 January 2020\n---\n"),
        ("a.md", "---\ntitle: Fir: a tree\nauthor:\n  - name: Ann Bell\n    affiliation: Fir Wood\n  - Bo Ek\ndate: 2020-01-02\n---\n"),
        ("a.md", "---\nauthors: [{name: {given: Ann, family: Bell}, url: x}, Bo Ek]\ndate: 2020/01/02\n---\n"),
        ("a.md", "+++\ndate = 2020-01-02\n[[author]]\nname = 'Ann Bell'\n[[author]]\nname = 'Bo Ek'\n+++\n"),
    ],
)  # fmt: skip
def test_authors_with_an_affiliation(name: str, source: str) -> None:
    metadata = read(name, (source + "Text.").encode()).metadata
    assert metadata["author"] == ["Ann Bell", "Bo Ek"]
    assert document_date(metadata) == parse("2020-01-02")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.org", "#+DATE: <2020-01-02 Thu>\n"),
        ("a.tex", "\\date{January 2, 2020}\n"),
        ("a.rst", "Fir\n===\n\n:Date: $Date: 2020/01/02 $\n"),
        ("a.adoc", "= Fir\nIda Moe\nv1.0, 2 January 2020\n"),
        ("a.txt", "Title: Fir\nDate: Thursday, Jan. 2nd, 2020\n"),
    ],
)
def test_dates_as_people_write_them(name: str, source: str) -> None:
    assert document_date(read(name, (source + "\nText.").encode()).metadata) == parse("2020-01-02")


@pytest.mark.parametrize("text", ["31 June 2020", "version 2020", "1.2.3", "<soon>", "Marched 5, 2020", "12 2020"])
def test_what_is_no_date(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (r"\title{On \emph{X} and {\bf {two} more} things}", "On X and two more things"),
        ("\\title{A long \\\\\n title\\thanks{us}}", "A long title"),
        (r"\title[short]{In full}\section{One}\label{sec:one}", "In full"),
    ],
)
def test_titles_of_tex(source: str, title: str) -> None:
    document = read("a.tex", (source + "\n\\section{Two \\emph{x}}\\label{sec:two}\ntext\n").encode())
    assert document.title == title
    assert headings(document)[-1][1] == (title, "Two x")


@pytest.mark.parametrize(
    "mark", ["\\title{", "\\title{{", "{", "\\section{", "\n\\section{", "\\author{{}", "\\title[", "\\title{{{a}"]
)
def test_odd_tex_is_read_soon(mark: str) -> None:
    begin = time.process_time()
    read("a.tex", ("x" + mark * (300_000 // len(mark))).encode())
    assert time.process_time() - begin < 3


def test_letters_of_java_properties_are_read() -> None:
    document = read("a.properties", b"greeting=\\u00e9t\\u00e9\npath=C:\\users\nafter=1\n")
    assert document.text.startswith("greeting=\u00e9t\u00e9\npath=C:\\users") and line_of(document, "after") == 3


def test_text_without_a_header_block_has_none() -> None:
    assert read("a.md", b"Note: this\nis text.\n").metadata == {}
    assert read("a.txt", b"Warning: hot\nCaution: cold\n\nText\n").metadata == {}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_without_a_mark(encoding: str) -> None:
    assert "The abbey bell" in read("a.txt", "The abbey bell rang at noon.\n".encode(encoding)).text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("length", [10, 4_500_000])
def test_wide_text_that_is_cut_off_or_large(encoding: str, length: int) -> None:
    text = "The abbey bell é rang at noon.\n" * (length // 30)
    data = text.encode(encoding) + "The last".encode(encoding)[-4:-1]
    found = "".join(part.text for part in documents(io.BytesIO(data), "a.txt"))
    assert found.startswith(text[:1000]) and found.count("abbey bell é rang") == length // 30


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_large_text_whose_first_accent_comes_late(encoding: str) -> None:
    data = b"The abbey bell rang at noon.\n" * 200_000 + "The café opened.\n".encode(encoding)
    assert "".join(part.text for part in documents(io.BytesIO(data), "a.log")).endswith("The café opened.\n")


def test_one_bad_byte_does_not_change_the_others() -> None:
    good = "Die Schläuche und Ventile prüft Jörg täglich über Öl.\n".encode()
    document = read("a.txt", good * 3 + b"bad \xff byte\n" + good)
    assert document.text.count("Schläuche") == 4
    assert document.notice == "bytes that are not UTF-8 in line 4"
    for name in ("a.txt", "a.csv", "a.json"):
        several = (good * 3 + b"bad \xff byte \xfe\n") * 100_000
        first = next(documents(io.BytesIO(several), name))
        assert first.notice == "bytes that are not UTF-8 in lines 4, 8, 12, 16, 20, ..."
        cut_off = good * 100_000 + "é".encode()[:1]
        assert next(documents(io.BytesIO(cut_off), name)).notice == "bytes that are not UTF-8 in line 100001"
    assert encoding_of("Bürgermeister prüfte die Brücke täglich".encode("cp1252")) != "utf-8"


@pytest.mark.parametrize(
    "text",
    ["It’s a cat’s home", "L’eau d’ici", "north–south, east—west", "‘a’ or ‘b’", "The cafés", "9 °C at dawn", "copyright © 1998", "pay £3 or £4", "a – c", "about 7 €", "Gasse Straße",
     "perché è così", "“So” it goes", "½ a loaf", "§ 9 applies", "hôtel à côté", "¿Qué año?", "Smörgås på ön", "Brand™ or Sign®"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "The long road goes on and on beside the river.\n" * 9000])
def test_a_few_letters_of_windows_1252(text: str, before: str) -> None:
    assert read("a.txt", (before + text + "\n").encode("cp1252")).text == before + text + "\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Příští týden přijede vlak o něco později."), ("iso8859-2", "Wczoraj byliśmy w górach, a jutro będziemy nad morzem."),
        ("cp1250", "Tegnap este későn értünk haza, mert esett az eső."), ("cp1251", "Вчера мы долго гуляли по берегу реки."),
        ("koi8-r", "Вчера мы долго гуляли по берегу реки."), ("cp1253", "Χθες περπατήσαμε δίπλα στο ποτάμι."),
        ("cp1254", "Dün akşam nehir kıyısında uzun süre yürüdük."), ("cp1255", "אתמול הלכנו לאורך הנהר."),
        ("cp1256", "مشينا أمس على ضفة النهر."), ("shift_jis", "昨日は川のそばを歩きました。"), ("euc-jp", "昨日は川のそばを歩きました。"),
        ("gb18030", "昨天我们沿着河边散步。"), ("big5", "昨天我們沿著河邊散步。"), ("euc-kr", "어제 우리는 강가를 걸었습니다."),
        ("iso2022_jp", "昨日は川のそばを歩きました。"), ("mac-roman", "Hier, nous avons marché longtemps près de la rivière, à côté du pré."),
        ("cp850", "Gestern gingen wir über die Brücke und durch das grüne Tal."),
    ],
)  # fmt: skip
def test_a_sentence_in_an_old_encoding(encoding: str, text: str) -> None:
    assert read("a.txt", (text + "\n").encode(encoding)).text == text + "\n"


def test_nul_bytes_in_a_log_are_passed_over() -> None:
    document = read("a.log", b"10:00 pump started\n" * 40 + b"\0" * 200 + b"10:05 valve stuck\n")
    assert "valve stuck" in document.text and "\0" not in document.text


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("alder\r\nbirch\r\n", ["alder", "birch"]),
        ("alder\rbirch\rcedar", ["alder", "birch", "cedar"]),
        ("alder\r\r\nbirch\r\r\n\r\r\ncedar", ["alder", "birch", "", "cedar"]),
        ("alder 10%\ralder 20%\rdone\nbirch\n", ["alder 10% alder 20% done", "birch"]),
        ("alder\n\rbirch\n", ["alder", " birch"]),
    ],
)
@pytest.mark.parametrize("length", [0, 4_500_000, (1 << 20) * 5 - 6])
def test_carriage_returns(source: str, lines: list[str], length: int) -> None:
    end = "\r" if "\n" not in source else "\n"
    before = "x" * 20 + end
    before = before * (length // 21) + "y" * (length % 21) + (end if length else "")
    found = "".join(part.text for part in documents(io.BytesIO((before + source).encode()), "a.log"))
    assert found.split("\n")[before.count(end) :] == [*lines, ""][: len(lines) + source.endswith("\n")]


def test_a_long_run_of_carriage_returns_takes_no_time() -> None:
    began = time.process_time()
    source = "alder\n" + "\r" * 1_000_000 + "birch\n"
    head = "From: a@b.c\nSubject: s\nContent-Transfer-Encoding: base64\n\n"
    encoded = head + base64.encodebytes(source.encode()).decode()
    for name, content in (("a.txt", source), ("a.eml", encoded)):
        assert "alder\n" + " " * 1_000_000 + "birch" in read(name, content.encode()).text
    assert time.process_time() - began < 10


def test_notebooks_of_both_versions() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "heading", "level": 1, "source": "Moths"}]},
                          {"cells": [{"cell_type": "code", "input": "count()", "outputs": [
                              {"output_type": "pyerr", "ename": "KeyError", "evalue": "x", "traceback": ["\x1b[31mline 9\x1b[0m"]}]}]}],
           "nbformat": 3}  # fmt: skip
    document = read("a.ipynb", json.dumps(old).encode())
    assert document.title == "Moths" and "KeyError: x" in document.text and "line 9" in document.text
    outputs = [
        {"output_type": "display_data", "data": {"text/plain": "<Table>", "text/html": "<td>hawkmoth</td>"}},
        {"output_type": "stream", "text": ["10%\r20%\rdone\n", "z" * 5000]},
    ]
    new = {
        "cells": [
            {"cell_type": "raw", "source": "Raw words."},
            {"cell_type": "code", "source": ["a = 1\n", "b"], "outputs": outputs},
        ]
    }
    document = read("a.ipynb", json.dumps(new, indent=1).encode())
    for said in ("Raw words.", "a = 1\nb", "hawkmoth", "done"):
        assert said in document.text
    assert document.text.count("z") == 5000 and "10%" not in document.text and "<Table>" not in document.text
    assert json.dumps(new, indent=1).split("\n")[line_of(document, "a = 1") - 1].strip().startswith('"a = 1')


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Edda>Mind <i>the</i> gap.\n", "Edda: Mind the gap.\n"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nwe go\n\n00:02.000 --> 00:03.000\nwe go\nalong\n", "we go\nalong\n"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nYes.\n\n2\n00:00:09,000 --> 00:00:10,000\nNo.\n\n3\n00:01:09,000 --> 00:01:10,000\nMay.\n\n"
                  "4\n00:02:00,000 --> 00:02:01,000\nYes.\n", "Yes.\nNo.\nMay.\nYes.\n"),
        ("a.ass", "[Events]\nFormat: Start, End, Name, Text\nDialogue: 0:01,0:02,Ove,{\\i1}The barge\\Nsank, twice{\\i0}\n", "Ove: The barge sank, twice\n"),
        ("a.sbv", "0:00:01.000,0:00:02.000\nThe heron\n", "The heron\n"),
        ("a.sub", "{10}{20}One|two\n", "One two\n"),
        ("b.sub", "[10][20]One|/two\n[30][40]three\n", "One two\nthree\n"),
        ("c.sub", "{1}{1}23.976\n{10}{20}{y:i}One|two\n", "One two\n"),
        ("d.sub", "[INFORMATION]\n[SUBTITLE]\n00:00:01.00,00:00:02.00\nOne[br]two\n", "One two\n"),
        ("b.srt", "1\n00:00:01,000 --> 00:00:02,000\nOne\n\ntwo {laughs}\n\n2\n00:00:03,000 --> 00:00:04,000\n1984\n3\n00:00:05,000 --> 00:00:06,000\na < b > c<br>d\n",
                  "One\ntwo {laughs}\n1984\na < b > c d\n"),
        ("b.vtt", "WEBVTT - x\n\n00:01.000 --> 00:02.000\nOne <00:01.500><c.loud>two</c>\n\nno cue\n\nNOTE not\nthis\n", "One two\n"),
        ("b.ass", "[Events]\nDialogue: 0,0:01,0:02,D,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}Shown{note}\nDialogue: 0,0:01,0:02,D,,0,0,0,,{\\an7\\p2}m 0 0\n", "Shown\n"),
        ("a.lrc", "[ti:x]\n[00:12.00]A line\n", "[ti:x]\nA line\n"),
    ],
)  # fmt: skip
def test_subtitles(name: str, source: str, text: str) -> None:
    assert read(name, source.encode()).text == text


@pytest.mark.parametrize(
    ("name", "head", "stray", "row"),
    [
        ("a.csv", "name,size", 'pan,"wide', "pot{},7"),
        ("a.csv", "name,size", '"pan,wide', 'pot{},"7"'),
        ("a.tsv", "name\tsize", '"The unclosed\t5', "pot{}\t7"),
        ("a.tsv", "name\tsize", '"The unclosed\t5', 'pot{}\t"7'),
        ("a.tsv", "name\tsize", '"The unclosed\t5', 'pot{}\t7"'),
        ("a.csv", "name;size", 'pan;"wide', "pot{};7"),
    ],
)
def test_a_stray_quotation_mark_takes_no_other_rows(name: str, head: str, stray: str, row: str) -> None:
    rows = [row.format(number) for number in range(300)]
    document = read(name, "\n".join([head, stray, *rows]).encode())
    assert document.text.count("\n") == 302
    for number in (0, 150, 299):
        assert f"\nname: pot{number} | size: " in document.text
        assert line_of(document, f"pot{number} ") == number + 3


@given(st.data())
def test_words_of_cells_with_line_breaks_are_told_in_their_lines(data: st.DataObject) -> None:
    trees = data.draw(st.lists(st.sampled_from(TREES), min_size=2, unique=True))
    delimiter = data.draw(st.sampled_from(",;\t|"))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    cells = data.draw(st.lists(st.lists(st.integers(0, len(trees) - 1), max_size=3), min_size=1, max_size=8))
    left = list(trees)
    rows = [f"id{delimiter}note{delimiter}more"]
    for number, some in enumerate(cells):
        texts = []
        for gap in some[:2] or [0]:
            said = [f'a "{left.pop()}" tree' for _ in range(min(len(left), 2))]
            texts.append('"' + ("\n" * (gap + 1)).join(said).replace('"', '""') + '"')
        rows.append(delimiter.join([f"no {number}", *texts]) + "\n" * data.draw(st.integers(0, 1)))
    source = "\n".join([*rows, f"last{delimiter}one{delimiter}row"])
    document = read("a.csv", source.replace("\n", end).encode())
    lines = source.split("\n")
    for tree in trees:
        held = [number for number, line in enumerate(lines, 1) if tree in line]
        assert document.text.count(tree) == len(held)
        if held:
            assert line_of(document, tree) == held[0]


@pytest.mark.parametrize("mark", ["<", "{", "<v ", "{1}", "[0:0]", "0", "00:", "{\\", "<b", "<c."])
@pytest.mark.parametrize("suffix", ["srt", "vtt", "lrc", "sub", "ass"])
def test_odd_subtitles_are_read_soon(mark: str, suffix: str) -> None:
    begin = time.process_time()
    head = "[Events]\nDialogue: 0,0:01,0:02,D,,0,0,0,," if suffix == "ass" else "1\n00:00:01,000 --> 00:00:02,000\n"
    read(f"a.{suffix}", (head + "shown" + mark * (300_000 // len(mark)) + "\nx").encode())
    assert time.process_time() - begin < 3


def test_a_cue_of_thousands_of_lines_is_read_soon() -> None:
    begin = time.process_time()
    lines = "".join(f"line {number}\n" for number in range(30_000))
    assert read("a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{lines}".encode()).text == lines
    assert time.process_time() - begin < 3


def test_tables_with_odd_beginnings() -> None:
    assert "name: pan | price: 8,10" in read("a.csv", b"sep=;\nname;price\npan;8,10\nkettle;9\n").text
    assert "1999: 4" in read("a.csv", b"land,1998,1999\nPeru,3,4\nChile,5,6\n").text
    assert line_of(read("a.csv", b"sep=;\nname;price\n\n\npan;8\n"), "pan") == 5


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"{\rtf1\mac Caf\'8e\par}", "Café"),
        (rb"{\rtf1\pca Br\'81cke}", "Brücke"),
        (rb"{\rtf1\ansi{\fonttbl{\f0\fcharset204 A;}}\f0 \'cc\'e0\'ff\'ea}", "Маяк"),
        (rb"{\rtf1\ansi\uc1 na\u239?ve \u-10179?\u-8703?}", "naïve 😁"),
        (rb"{\rtf1 a{\*\secret b}{\pict\bin3 }}}}c}", "ac"),
        (rb"{\rtf1 kept{\deleted gone} text}", "kept text"),
        (rb"{\rtf1{\footer Foot}{\headerf Head}body{\footnote note}}", "body note Foot Head"),
        (rb"{\rtf1{\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}}", "shown"),
        (rb"{\rtf1\trowd one\cell two\cell\row}", "one | two"),
    ],
)  # fmt: skip
def test_rtf(source: bytes, text: str) -> None:
    assert " ".join(read("a.rtf", source).text.split()) == text


PICTURE = base64.b64encode(random.Random(3).randbytes(600)).decode()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "![fir][image1]\n\n[image1]: <data:image/png;base64,{}>\nafter"),
        ("a.rst", ".. image:: data:image/svg+xml;charset=utf-8;base64,{}\n   :alt: fir\n\nafter"),
        ("a.org", "* fir\n[[data:image/png;base64,{}]]\nafter"),
        ("a.adoc", "= fir\n\nimage::data:image/png;base64,{}[]\nafter"),
        ("a.css", ".fir {{ background: url('data:font/woff2;base64,{}') }}\n.after {{ }}"),
        ("a.json", '{{"fir": "data:image\\/png;base64,{}",\n"x": "{}",\n"after": 1}}'),
        ("a.yaml", "fir: data:image/png;base64,{}\nafter: 1"),
    ],
)  # fmt: skip
def test_pictures_in_text_are_no_words(name: str, source: str) -> None:
    wrapped = "\n".join(PICTURE[start : start + 76] for start in range(0, len(PICTURE), 76))
    for shown in (PICTURE, wrapped, PICTURE.replace("/", "\\/")):
        if shown is wrapped and name == "a.json":
            shown = wrapped.replace("\n", "\\n")
        filled = source.format(shown, shown)
        document = read(name, filled.encode())
        assert "fir" in document.text and PICTURE[80:140] not in document.text
        assert line_of(document, "after") == filled[: filled.index("after")].count("\n") + 1


def test_a_picture_longer_than_a_piece_is_no_word() -> None:
    source = '{"fir": "' + PICTURE.rstrip("=") * 6000 + '",\n"after": 1}'
    parts = list(documents(io.BytesIO(source.encode()), "a.json"))
    assert sum(len(part.text) for part in parts) < 100
    assert parts[-1].line_starts == ((0, 1), (4, 2))


def test_long_words_are_no_pictures() -> None:
    for word in ("/usr/local/share/documents" * 20, "ACGT" * 100, "0123456789" * 40, "camelCaseNames2" * 30):
        assert word in read("a.json", f'{{"a": "{word}"}}'.encode()).text


def test_headings_in_code_are_comments() -> None:
    document = read("a.py", b"# Not a heading\nx = 1\n\n\ndef walk():\n    # Neither\n    pass\n")
    assert [path for _, path in headings(document)] == [(), ("def walk()",)]


def test_long_markdown_is_read_without_a_parser_and_says_so() -> None:
    text = "# Boats\n\n" + "* a\n" * 30_000 + "```\n# no heading\n```\n## The `night` [ferry](x) ##\n\nLeaves.\n"
    document = read("a.md", text.encode())
    assert document.text == text and document.title == "Boats"
    assert [section.heading for section in document.sections] == [("Boats",), ("Boats", "The night ferry")]
    assert "more than 25,000 lines" in document.notice


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (pdf_beside._TAG, "<a" * 100_000),
        (number_format._BRACKETS, "[" * 200_000),
        (number_format._SYMBOLS, "[" * 200_000),
        (outline._ORG_NOISE, "a" + " " * 200_000 + "a"),
        (pdf_running_lines._PAGE_NUMBER, "1" * 200_000),
    ],
)
def test_no_pattern_looks_again_from_each_place(pattern: re.Pattern[str], text: str) -> None:
    began = time.process_time()
    pattern.sub("", text)
    assert time.process_time() - began < 1
