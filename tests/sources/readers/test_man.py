"""Manual pages say what a terminal shows of them: characters by name, conditions, macros of man and mdoc."""
# ruff: noqa: E501  # sources are read as they stand

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document_types import read
from tests.support.documents import headings, line_of


def text_of(source: str, head: str = ".TH WALK 1\n") -> str:
    return read("a.1", (head + source).encode()).text.rstrip("\n")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"Don\[cq]t go\[em]here, say \[lq]fir\[rq] or \(lqoak\(rq.", "Don’t go—here, say “fir” or “oak”."),
        (r"Bj\(:orn caf\[\'e] \[u00E9]t\[u0065_0301] \[e aa] \[o ad] \N'233' \(ss \(AE", "Björn café été é ö é ß Æ"),
        (r"a\[->]b \(co 1999 \[eacute] \[unknown]x \(bu", "a→b © 1999 é  x •"),
        (r"\fB\-x\fR, \f[BI]file\f[] \s-1NAME\s0 \m[red]red\m[] \&.ad co\%op a\ b a\~c d\|e", "-x, file NAME red .ad coop a b a c de"),
        (r"C:\eusers \\ end\c", r"C:\users \ end"),
        (r"\h'-04'\(bu\h'+03' x\w'abc'y\v'1'z", "•  xyz"),
        (r"\*(lqfir\*(rq \*R \*[Tm]", "“fir” ® ™"),
        (".ds Nx the \\fIfir\\fR\nIn \\*(Nx wood", "In the fir wood"),
        ("seen \\\" not seen\n.\\\" nor this\n'\\\" nor that\nend", "seen\nend"),
        (".BR ls (1),\n.B one two\n.IR \"a b\" c\n.SM SMALL", "ls(1),\none two\na bc\nSMALL"),
        ('.IP """quoted""" 4\n.IP \\(bu 2\n.IP\n.TP 4\ntag', '"quoted"\n•\ntag'),
        ('.ie n .IP """verbose""" 4\n.el .IP "\\f(CWverbose\\fR" 4\n.if t printed\n.if n shown\n.if !n gone', '"verbose"\nshown'),
        (".ie t \\{\\\npaper\n.if n \\{ also \\}\n.\\}\n.el \\{\\\nscreen\n.\\}\nend", "screen\nend"),
        (".if n \\{\\\none\n.\\}\n.if t \\{ two\n.\\}\n.if '\\*(.T'x' three\nend", "one\nend"),
        (".de XX\nnot this\n..\n.de YY ZZ\nnor\n..\n.ZZ\n.ig\nnor that\n..\nend", "end"),
        (".TS\nallbox tab(;);\nl l\nl l.\nfir;oak\n_\nT{\nelm\nT};ivy\n.TE\nend", "fir oak\nelm\nivy\nend"),
        (".SY cmd\n.OP \\-f name\n.YS\n.UR https://fir.example\n.UE\n.IX Item x\n.PD 0", "cmd\n[-f name]\nhttps://fir.example"),
    ],
)  # fmt: skip
def test_man(source: str, text: str) -> None:
    assert re.sub(r" +$", "", text_of(source), flags=re.MULTILINE) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (".Op Fl a Ar file", "[-a file]"),
        (".Nm walk\n.Nm\n.Op Fl abc\n.Fl Fl long Ns = Ns Ar n", "walk\nwalk\n[-abc]\n--long=n"),
        (".Nd go on foot\n.Xr ls 1 ,\n.Pq see Xr cp 1 .", "- go on foot\nls(1),\n(see cp(1))."),
        (".It Fl x Ns Ar y , Fl z\n.Ar\n.Fl\n.Em a b .", "-xy, -z\nfile ...\n-\na b."),
        (".Oo Fl a Oc Ar b\n.Dq Li fir\n.Sq oak ,\n.Pf ( Em elm )\n.No a Ns b", "[-a] b\n“fir”\n‘oak’,\n(elm)\nab"),
        (".Fn walk \"int n\" \"char *p\" ;\n.In stdio.h\n.Lk https://fir.example Fir", "walk(int n, char *p);\n#include <stdio.h>\nhttps://fir.example Fir"),
        (".Bl -tag -width Ds\n.It Cm go\non\n.El\n.Pp\n.Bd -literal\ncode\n.Ed\n.Fx 13", "go\non\ncode\nFreeBSD 13"),
    ],
)  # fmt: skip
def test_mdoc(source: str, text: str) -> None:
    assert text_of(source, ".Dd May 1, 2020\n.Dt WALK 1\n.Os\n") == text


def test_headings_and_dates() -> None:
    page = read("a.1", b'.TH WALK 1 "2020-01-02"\n.SH "SEE \\(em ALSO"\nx\n.ie n .SS "The ""first"""\n.el .SS x\ny\n')
    assert headings(page) == [("SEE — ALSO", ("WALK 1 2020-01-02", "SEE — ALSO")), ('The "first"', ("WALK 1 2020-01-02", "SEE — ALSO", 'The "first"'))]  # fmt: skip
    assert page.metadata["date"] == "2020-01-02"
    assert read("a.1", b".Dd $Mdocdate: May 1 2020 $\n.Dt W 1\n.Sh NAME\nx\n").metadata["date"] == "May 1 2020"


PARTS = [
    "{}",
    ".B {}",
    ".if n {}",
    ".ie n .IP {} 4\n.el .IP x",
    ".if t \\{\\\nx\n.\\}\n{}",
    "\\fB{}\\fR \\[em]",
    ".de M\nx\n..\n.SH {}",
    ".PP",
    "",
]


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=12))
def test_each_word_stands_in_its_line(parts: list[str]) -> None:
    source = ".TH A 1\n.SH START\nstart\n" + "\n".join(part.replace("{}", f"word{n}x") for n, part in enumerate(parts))
    document = read("a.1", source.encode())
    for number, line in enumerate(source.split("\n"), 1):
        for word in re.findall(r"word\d+x", line):
            assert document.text.count(word) == 1
            assert line_of(document, word) == number


MARKS = [
    "\\",
    "\\f[",
    "\\[",
    "\\*[",
    "\\*(",
    "\\h'",
    '\\"',
    ". ",
    "\n.if n \\{",
    "\n.ie t \\{",
    "\n.ie n x",
    '\n.B "',
    '"',
    "\\N'",
    "\n.ds a \\*a",
    "\n.el x",
    "[u0041_",
    " ",
    "\x0b ",
    ".if n ",
    ".ie n \\{",
]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("begin", ["", ".B ", ".if ", ".Op Fl "])
def test_odd_pages_are_read_soon(mark: str, begin: str) -> None:
    started = time.process_time()
    read("a.1", (".TH A 1\nx\n" + begin + mark * (300_000 // len(mark))).encode())
    assert time.process_time() - started < 3


@pytest.mark.parametrize("line", [".Op " + "a " * 1_500_000, ".B a" + " " * 200_000 + "\x0b"], ids=["mdoc", "blanks"])
def test_a_long_line_is_read_soon(line: str) -> None:
    started = time.process_time()
    assert "a" in read("a.1", f".TH A 1\n{line}\n".encode()).text
    assert time.process_time() - started < 15


def test_conditions_on_one_line() -> None:
    for condition in (".if n ", ".ie n \\{", ".if n \\{ .if !t "):
        assert read("a.1", (".TH A 1\nHull\n" + condition * 5000 + ".B and keel\n").encode()).text == "Hull\nand keel\n"
    assert read("a.1", b".TH A 1\nHull\n.if n .if t .B and mast\n").text == "Hull\n"


def test_strings_of_a_page_are_printed_up_to_a_limit() -> None:
    page = ".TH A 1\n.ds x " + "keel " * 40 + "\n" + "\\*x\n" * 30_000 + "The end.\n"
    document = read("a.1", page.encode())
    assert "keel keel" in document.text and "The end." in document.text and len(document.text) < 2_100_000
    assert document.notice == "strings of the page printed up to 2,000,000 characters"


def test_what_only_looks_like_a_digit() -> None:
    assert "Hull" in read("a.1", ".TH A 1\nHull \\N'\u00b2' \\[char\u00b2]\n".encode()).text
