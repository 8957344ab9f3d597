import io
import json

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.documents import headings, line_of


def test_markdown_headings_front_matter_and_lines() -> None:
    source = (
        "---\ntitle: Key eviction\ntags: [a, b]\ndate: 2024-05-01\nnested: {x: 1}\n---\n\nIntro.\n\n# One\n\ntext\n\n"
        "## Two `code` [link](u)\n\n```\n# not a heading\n```\n\nSetext\n======\n\nend\n"
    )
    document = read("a.md", source.encode())
    assert document.title == "Key eviction"
    assert document.metadata == {"title": "Key eviction", "tags": ["a", "b"], "date": "2024-05-01"}
    assert document.text == source
    paths = [path for _, path in headings(document)]
    assert paths == [
        ("Key eviction",),
        ("Key eviction",),
        ("Key eviction", "One"),
        ("Key eviction", "One", "Two code link"),
        ("Key eviction", "Setext"),
    ]
    assert line_of(document, "# One") == 10
    assert line_of(document, "end") == source.split("\n").index("end") + 1


@pytest.mark.parametrize(
    "front",
    ["title: [unclosed", "&a [*a]", "a: &x [1,2]\nb: *x", "- just\n- a list", "x: !!python/object:os.system {}"],
)
def test_front_matter_that_is_no_mapping_of_plain_values_is_text(front: str) -> None:
    document = read("a.md", f"---\n{front}\n---\n\nbody words\n".encode())
    assert "body words" in document.text
    assert front.split("\n")[0] in document.text


def test_rst_sections_by_underline_and_overline() -> None:
    source = "=====\nTitle\n=====\n\nintro\n\nFirst\n-----\n\none\n\nInner\n~~~~~\n\ntwo\n\nSecond\n------\n\nthree\n"
    document = read("a.rst", source.encode())
    assert document.title == "Title"
    assert [path for _, path in headings(document)] == [
        ("Title",),
        ("Title", "First"),
        ("Title", "First", "Inner"),
        ("Title", "Second"),
    ]


def test_html_keeps_what_is_read_and_where_it_stands() -> None:
    source = (
        "<!doctype html>\n<html lang=de><head><meta charset=utf-8><title>A &amp; B</title>\n"
        "<style>p {color: red}</style></head>\n<body><nav>Menu</nav>\n<h1>Top</h1>\n<p>First\n  paragraph.</p>\n"
        "<h2>Sub</h2><table><tr><td>x</td><td>y</td></tr></table>\n<pre>a\n  b</pre>"
        "<script>var x = '<p>no</p>'</script>\n"
        "<footer>Imprint</footer></body></html>"
    )
    document = read("a.html", source.encode())
    assert document.title == "A & B"
    assert document.metadata["lang"] == "de"
    assert "First paragraph." in document.text
    assert "x | y" in document.text
    assert "a\n  b" in document.text
    for noise in ("color", "var x"):
        assert noise not in document.text
    assert document.text.index("Imprint") < document.text.index("Menu"), "menus stand at the end"
    assert line_of(document, "Menu") == 4
    assert line_of(document, "First") == 6
    assert line_of(document, "x | y") == 8
    assert line_of(document, "  b") == 10
    assert [path for _, path in headings(document)] == [("A & B", "Top"), ("A & B", "Top", "Sub")]


def test_html_in_its_declared_encoding() -> None:
    source = '<html><head><meta charset="shift_jis"></head><body><p>東京の水道</p></body></html>'
    document = read("a.html", source.encode("shift_jis"))
    assert "東京の水道" in document.text
    assert document.metadata["encoding"] == "shift_jis"


def test_code_is_cut_at_definitions() -> None:
    source = "import os\n\ndef first(a):\n    return a\n\n\nclass Second:\n    def method(self): ...\n"
    document = read("a.py", source.encode(), grammar=False)
    assert [path for _, path in headings(document)] == [(), ("first",), ("Second",), ("Second", "method")]
    document = read("a.go", b"package a\n\nfunc (t *T) First() {}\n\ntype Second struct{}\n", grammar=False)
    assert [path for _, path in headings(document)] == [(), ("First",)]


def test_pdf_pages_title_and_what_cannot_be_read() -> None:
    from tests.support.pdf import make_pdf

    document = read("a.pdf", make_pdf(["page one words", "page two words"], title="Manual"))
    assert document.title == "Manual"
    assert [section.page for section in document.sections] == [1, 2]
    second = document.sections[1]
    assert "page two words" in document.text[second.start : second.end]
    assert document.line_starts is None

    with pytest.raises(ReadError, match="no text on its page: needs OCR") as caught:
        read("a.pdf", make_pdf([""]))
    assert caught.value.skip

    with pytest.raises(ReadError, match="damaged PDF"):
        read("a.pdf", b"%PDF-1.7\nnothing of the kind")

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["secret"])))
    writer.encrypt("password", algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    with pytest.raises(ReadError, match="encrypted PDF: needs a password"):
        read("a.pdf", locked.getvalue())


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty file"),
        ("a.txt", b" \n\t", "empty file"),
        ("a.txt", b"\0" * 5000, "filled with NUL bytes"),
        ("a.txt", b"text\0\1\2\3", "binary content in a .txt file"),
        ("a.png", b"\x89PNG\r\n\0\0", "an image (needs OCR)"),
        ("a.bin", b"\1\0\2", "binary file, no reader for .bin"),
        ("noname", b"\0\1\2", "binary file"),
        ("a.html", b"<html><head><title></title></head></html>", "no text in it"),
    ],
)
def test_what_is_left_out_says_why(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(name, data)
    assert caught.value.message == reason
    assert caught.value.skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis"])
def test_encodings(encoding: str) -> None:
    text = {
        "cp1252": "Der Bäcker verkauft süße Brötchen für 3 € – frisch aus dem Ofen, während draußen Schnee fällt. " * 4,
        "shift_jis": "東京都の水道は安全です。毎日検査をしています。海の近くの町では風力も使います。" * 4,
    }.get(encoding, "plain text: ä 東 €\r\nsecond\r\n\r\nthird\n")
    document = read("a.txt", text.encode(encoding))
    assert document.text == text.replace("\r\n", "\n")


@given(st.sampled_from(["a.md", "a.rst", "a.html", "a.py", "a.txt", "a.pdf", "a"]), st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    try:
        document = read(name, data)
    except ReadError:
        return
    _check(document)


@given(
    st.sampled_from(["a.md", "a.rst", "a.html", "a.py"]), st.text(alphabet="#=-~*`<>/ph1 \n\ta[]()&;:\"'", max_size=200)
)
def test_sections_cover_the_text_in_order(name: str, source: str) -> None:
    try:
        document = read(name, source.encode())
    except ReadError:
        return
    _check(document)


def _check(document: Document) -> None:
    position = 0
    for section in document.sections:
        assert section.start == position
        assert section.end >= section.start
        position = section.end
    assert position == len(document.text)
    lines = [line for _, line in document.line_starts or ()]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "---\nx: !!bool foo\n---\nwords\n"),
        ("a.md", "---\nx: !!int ''\n---\nwords\n"),
        ("a.md", "---\nx: .nan\ny: .inf\nz: 1" + "0" * 400 + "\n---\nwords\n"),
        ("a.md", "---\nx: '" + "[" * 5000 + "\n---\nwords\n"),
        ("a.md", "---\na0: &a0 {k: 1}\na1: &a1 {<<: [" + "*a0," * 99 + "]}\n---\nwords\n"),
        ("a.md", "# " + "[" * 100_000 + "\n\nwords\n"),
        ("a.c", "static\n" * 20_000 + "words"),
        ("a.html", "<meta charset=undefined><p>words"),
        ("a.html", "<meta charset=utf-7><p>words +2AA-"),
        ("a.html", "<meta charset=unicode_escape><p>words \\ud800"),
    ],
)
def test_hostile_text_is_read_all_the_same(name: str, source: str) -> None:
    document = read(name, source.encode())
    assert "words" in document.text
    document.text.encode()
    json.dumps(dict(document.metadata), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "---\ntitle: Untitled Document\n---\n\nwords\n"),
        ("a.txt", "Title: Document1\nAuthor: Ann\n\nwords\n"),
        ("a.rst", ".. meta::\n   :title: untitled\n\nwords\n"),
        ("a.tex", "\\title{Untitled}\nwords\n"),
        ("a.html", "<html><head><title>Untitled Document</title></head><body>words</body></html>"),
    ],
)
def test_a_title_that_a_program_left_is_not_told(name: str, source: str) -> None:
    document = read(name, source.encode())
    assert document.title == "" and all(section.heading == () for section in document.sections)


def test_a_title_of_the_header_block_stands_over_every_part() -> None:
    body = "\n\nwords\n"
    for name, source in (
        ("a.txt", f"Title: Pump manual\nAuthor: Ann{body}"),
        ("a.txt", f"From: Ann\nSubject: Pump manual{body}"),
        ("a.rst", f":title: Pump manual{body}"),
        ("a.md", f"---\ntitle: Pump manual\n---{body}"),
    ):
        document = read(name, source.encode())
        assert document.title == "Pump manual"
        assert {section.heading for section in document.sections} == {("Pump manual",)}


def test_a_markdown_heading_further_down_is_no_title() -> None:
    assert read("a.md", b"About groups.\n\n## Lag of groups\n\nwords\n").title == ""
    assert read("a.md", b"\n## Lag of groups\n\nwords\n").title == "Lag of groups"
    assert read("a.md", b"Badge\n\n# The tool\n\nwords\n").title == "The tool"
