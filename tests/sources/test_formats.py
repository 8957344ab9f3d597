"""Every binary and structured format: its text, its places, its metadata."""

import gzip
import io
import zipfile

import pypdf
import pytest

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_types import documents, read
from tests.support.documents import headings, line_of
from tests.support.office import (
    book,
    mail,
    one_of_each,
    open_document,
    sheet,
    slides,
    word,
    zipped,
)
from tests.support.pdf import encrypted, make_pdf

TEXT = "The night ferry leaves the harbour at ten."


@pytest.mark.parametrize(("name", "data"), one_of_each(TEXT).items(), ids=list(one_of_each(TEXT)))
def test_every_type_gives_its_text(name: str, data: bytes) -> None:
    document = read(name, data)
    assert TEXT in document.text
    assert document.sections[0].start == 0
    assert document.sections[-1].end == len(document.text)
    assert all(
        before.end == after.start for before, after in zip(document.sections, document.sections[1:], strict=False)
    )


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.odt", "a.epub", "a.pdf", "a.txt.gz", "a.rtf"])
def test_a_type_is_told_by_its_content(name: str) -> None:
    data = one_of_each(TEXT)[name]
    assert TEXT in read("without a suffix", data).text
    assert TEXT in read("wrong.txt", data).text


def test_word_headings_tables_comments_properties_and_hidden_places() -> None:
    data = word("Heading", TEXT, [["berth", "depth"], ["four", "3 m"]], "check the time")
    # Text that python-docx's own paragraphs leave out: inserted, in a content control, in a text box; and deleted.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    extra = (
        b"<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
        b"<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    parts["word/document.xml"] = parts["word/document.xml"].replace(b"<w:sectPr", extra + b"<w:sectPr", 1)
    document = read("a.docx", zipped(parts))
    assert "four | 3 m" in document.text
    assert "Comment by Olan: check the time" in document.text
    assert "inserted" in document.text
    assert "controlled" in document.text
    assert "deleted" not in document.text
    assert headings(document) == [("Heading", ("Heading",))]
    assert document.metadata["author"] == "Ines Aldous"


def test_slides_are_pages_and_have_notes() -> None:
    document = read("a.pptx", slides(["First", "Second"], "body of", "say hello"))
    assert [(section.page, section.heading) for section in document.sections] == [(1, ("First",)), (2, ("Second",))]
    assert document.text.count("Notes: say hello") == 2


def test_sheet_rows_stand_under_their_header_with_their_number() -> None:
    rows = [["Berths of the harbour"], [], ["Name", "Depth", "Since"], ["North", 3.5, 2019], ["South", 4.0, None]]
    document = read("a.xlsx", sheet(rows))
    assert document.text.splitlines() == [
        "Berths of the harbour",
        "Name | Depth | Since",
        "Name: North | Depth: 3.5 | Since: 2019",
        "Name: South | Depth: 4",
    ]
    assert line_of(document, "Name: South") == 5
    assert document.sections[0].heading == ("Berths",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_table_rows_stand_under_their_header_with_their_line(delimiter: str) -> None:
    source = f'name{delimiter}note\nNorth{delimiter}"two\nlines"\nSouth{delimiter}x\n'
    document = read("a.csv", source.encode())
    assert "name: North | note: two lines" in document.text
    assert line_of(document, "name: South") == 4


def test_a_table_without_a_header_is_written_as_it_is() -> None:
    assert read("a.csv", b"1,2\n3,4\n").text == "1 | 2\n3 | 4\n"


def test_opendocument_headings_notes_tables_and_pages() -> None:
    body = (
        '<text:h text:outline-level="1">One</text:h><text:p>a<text:s text:c="3"/>b<text:line-break/>c<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>noted</text:p></text:note-body></text:note>"
        "</text:p><table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell>"
        "<table:table-cell><text:p>y</text:p></table:table-cell></table:table-row></table:table>"
    )
    document = read("a.odt", open_document("text", body))
    assert document.text == "One\n\na   b\nc (noted)\n\nx | y\n\n"
    deck = read("a.odp", open_document("presentation", "<draw:page><text:p>x</text:p></draw:page>" * 2))
    assert [section.page for section in deck.sections] == [1, 2]


def test_book_chapters_are_headings() -> None:
    document = read("a.epub", book("The Book", [("One", "first text"), ("Two", "second text")]))
    assert document.title == "The Book"
    assert headings(document) == [("One", ("The Book", "One")), ("Two", ("The Book", "Two"))]
    assert document.metadata["author"] == "A. Author"


def test_mail_headers_and_attachments_are_metadata() -> None:
    document = read("a.eml", mail("Grüße vom Kai", TEXT, "plan.dwg"))
    assert document.title == "Grüße vom Kai"
    assert document.metadata["from"] == "Ines Aldous <ines@example.org>"
    assert document.metadata["attachments"] == ["plan.dwg"]
    assert document.text.count(TEXT) == 1  # not once more from the HTML part
    assert "Attached: plan.dwg" in document.text


def test_each_message_of_a_mailbox_stands_under_its_subject() -> None:
    first = b"From a\nSubject: First\n\none\n>From here\n\n"
    second = (
        b"From b@c.d\nSubject: Second\nFrom: Bea\nDate: Mon, 4 Mar 2024 10:00:00 +0000\n\ntwo\n\nFrom now on three\n"
    )
    box = io.BytesIO(first + second)
    one, two = documents(box, "a.mbox")
    assert (one.title, two.title) == ("First", "Second")
    assert one.own and two.own and two.metadata["from"] == "Bea"
    assert "From here" in one.text and line_of(one, "one") == 4
    assert line_of(two, "two") == 12 and line_of(two, "From now on") == 14, "no message begins there"


def test_notebook_cells() -> None:
    document = read(
        "a.ipynb",
        b'{"cells": [{"cell_type": "markdown", "source": "# Tides"}, {"cell_type": "code", "source": ["x = 1\\n", "y"],'
        b' "outputs": [{"output_type": "stream", "text": ["' + b"z" * 3000 + b'"]}]}], "nbformat": 4}',
    )
    assert headings(document) == [("# Tides", ("Tides",))]
    assert "x = 1\ny" in document.text
    assert document.text.count("z") == 3000


def test_json_escapes_are_characters() -> None:
    document = read("a.json", rb'{"a": "\ud55c\uad6d", "b": "\ud83d\ude00 \u0007 \\u0041"}')
    assert document.text == '{"a": "한국", "b": "😀 \\u0007 \\\\u0041"}'


def test_feed_entries_and_xml_lines() -> None:
    feed = (
        "<rss><channel><title>Blog</title><item><title>News</title>"
        "<description>&lt;p&gt;A &lt;b&gt;b&lt;/b&gt;</description></item></channel></rss>"
    )
    document = read("a.xml", feed.encode())
    assert (document.title, headings(document)) == ("Blog", [("News", ("Blog", "News"))])
    assert "A b" in document.text
    plain = read("a.xml", b"<r>\n<a>one <b>two</b> three</a>\n<c>four</c></r>")
    assert plain.text == "one two three\nfour\n"
    assert line_of(plain, "four") == 3


def test_xml_bombs_and_foreign_files_are_not_expanded() -> None:
    laughs = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    document = read("a.xml", f"{laughs}<r>x &b; &c;</r>".encode())
    assert "ha" not in document.text
    assert "root" not in document.text
    assert "words" in read("a.xml", b"<a>" * 100_000 + b"words" + b"</a>" * 100_000).text
    assert read("a.xml", b"<a>words<b></a>").notice.startswith("what follows may be missing: mismatched tag, line 1")


def test_subtitles_man_pages_and_outlines() -> None:
    srt = read(
        "a.srt", b"1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i>\nthere\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n"
    )
    assert srt.text == "Hello\nthere\nBye\n"
    assert line_of(srt, "Bye") == 8
    vtt = read("a.vtt", b"WEBVTT\n\nNOTE\nnothing\n\nname\n00:01.000 --> 00:02.000 align:start\nHi\n")
    assert vtt.text == "Hi\n"
    man = read("ls.1", b".TH LS 1\n.SH NAME\nls \\- list \\fBall\\fR\n.B ls\n")
    assert man.text == "NAME\nls - list all\nls\n"
    assert headings(man) == [("NAME", ("LS 1", "NAME"))]
    tex = read("a.tex", b"\\title{Tides}\n\\section{One {\\em a}}\nx\n\\subsection*{Two}\ny\n")
    assert headings(tex)[1:] == [
        ("\\section{One {\\em a}}", ("Tides", "One a")),
        ("\\subsection*{Two}", ("Tides", "One a", "Two")),
    ]
    org = read("a.org", b"#+TITLE: Log\n* TODO Storm :sea:\nx\n** After\ny\n")
    assert [path for _, path in headings(org)] == [("Log",), ("Log", "Storm"), ("Log", "Storm", "After")]


def test_all_of_a_page_is_read_in_its_order() -> None:
    page = (
        "<html><body><header>Menu</header><main><h1>Story</h1><p>"
        + "words " * 100
        + "</p></main><div>Related</div></body></html>"
    )
    document = read("a.html", page.encode())
    assert document.text.index("Menu") < document.text.index("words") < document.text.index("Related")
    short = read("a.html", b"<body><main>x</main><div>the rest of the page is what there is to read</div></body>")
    assert "the rest" in short.text


def outlined() -> bytes:
    pages = [f"Annual report\nPart {part}\nThe exam-\nple of part {part}\nmore\nlast\n{part}" for part in "ABCDE"]
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(pages)))
    parent = writer.add_outline_item("Part B", 1)
    writer.add_outline_item("Part C", 2, parent=parent)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_pdf_outline_running_lines_and_cut_words() -> None:
    document = read("a.pdf", outlined())
    assert document.text.count("Annual report") == 1, "once, where it stands first"
    assert [letter for letter in "ABCDE" if f"Part {letter}" in document.text] == list("ABCDE")
    assert "The exam-\nple of part" in document.text, "no word of the document tells how it is written"
    written = [part for part in document.sections if document.text[part.start : part.end].strip()]
    assert [(part.page, part.heading) for part in written] == [
        (1, ()),
        (2, ("Part B",)),
        (3, ("Part B", "Part C")),
        (4, ("Part B", "Part C")),
        (5, ("Part B", "Part C")),
    ]


def test_pdf_pages_without_text_are_told() -> None:
    document = read("a.pdf", make_pdf(["one", "", "", "four"]))
    assert document.notice == "no text on pages 2-3: needs OCR"
    with pytest.raises(ReadError, match="no text on any of its 2 pages: needs OCR") as caught:
        read("a.pdf", make_pdf(["", ""]))
    assert caught.value.skip


def test_encrypted_pdf_opens_with_its_password() -> None:
    with pytest.raises(ReadError, match=r"encrypted PDF: needs a password \(--password-file\)"):
        read("a.pdf", encrypted(TEXT, "tide"))
    with pytest.raises(ReadError, match="none of the given passwords opens it"):
        read("a.pdf", encrypted(TEXT, "tide"), ["ebb"])
    for algorithm in ("RC4-128", "AES-128", "AES-256"):
        assert TEXT in read("a.pdf", encrypted(TEXT, "tide", algorithm), ["ebb", "tide"]).text
    assert TEXT in read("a.pdf", encrypted(TEXT, "", "AES-256")).text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "Grüße vom Kai"),
        ("utf-16", "Grüße vom Kai"),
        ("utf-32", "Grüße vom Kai"),
        ("cp932", "名前,年齢,住所\n佐藤太郎,30,東京\n"),
        ("euc_jp", "今日は良い天気ですね。散歩に行きましょう。"),
        ("gb18030", "今天天气很好，我们去公园散步吧。"),
        ("cp949", "오늘은 날씨가 좋네요. 산책하러 갑시다."),
        ("big5", "今天天氣很好，我們去公園散步吧。"),
        ("cp1252", "Der Käufer trägt die Kosten für die Übergabe."),
        ("cp1251", "Сегодня хорошая погода, пойдём гулять в парк."),
        ("koi8_r", "Сегодня хорошая погода, пойдём гулять в парк."),
    ],
)
def test_encodings(encoding: str, text: str) -> None:
    document = read("a.txt", text.encode(encoding))
    assert document.text.strip() == text.strip()
    assert encoding.startswith("utf-8") == ("encoding" not in document.metadata)


def test_mixed_line_ends() -> None:
    document = read("a.txt", b"one\r\ntwo\rthree\nfour")
    assert document.text == "one\ntwo three\nfour"
    assert line_of(document, "four") == 3


@pytest.mark.parametrize(
    ("name", "data", "skip", "message"),
    [
        ("a.zip", zipped({"a.txt": "x"}), True, "an archive: unpack it to index its files"),
        ("a.docx", zipped({"a.txt": "x"}), True, "an archive: unpack it to index its files"),
        ("a.docx", one_of_each(TEXT)["a.docx"][:2000], False, "damaged .docx file: File is not a zip file"),
        ("a.docx", b"\0\1\2", False, "damaged .docx file: its content is not that of one"),
        ("a.gz", gzip.compress(b"x" * 9000, mtime=0)[:-9], False, "damaged gzip file: Compressed file ended"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", True, "an image (needs OCR)"),
        ("a.mp4", b"\0\0\0\x18ftypmp42", True, "a video"),
        ("a", b"\x7fELF\0\1", True, "a program"),
        (
            "a.epub",
            zipped({"mimetype": "application/epub+zip"}),
            False,
            "damaged EPUB, not read: the description of the book",
        ),
        ("a.html", b"<html><script>x</script></html>", True, "no text in it"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, data: bytes, skip: bool, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(name, data)
    assert caught.value.message.startswith(message)
    assert caught.value.skip == skip


def test_a_page_saved_as_a_sheet_is_read_as_a_page() -> None:
    assert read("table.xls", b"<html><body><table><tr><td>x</td></tr></table></body></html>").type == "html"


@pytest.mark.slow
def test_a_zip_bomb_is_named() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(61):
                part.write(bytes(10_000_000))
    with pytest.raises(ReadError, match="unpacks to 610 MB, more than 600: a zip bomb"):
        read("a.docx", stream.getvalue())


def whole(parts: list[Document]) -> str:
    return "".join(part.text for part in parts)


@pytest.mark.parametrize("name", ["big.log", "big.log.gz", "big.json"])
def test_a_large_text_comes_in_pieces_with_true_lines(name: str) -> None:
    lines = [f"line number {number} of the log, grün" for number in range(1, 200_001)]
    data = "\n".join(lines).encode()
    parts = list(documents(io.BytesIO(gzip.compress(data, mtime=0) if name.endswith("gz") else data), name))
    assert len(parts) > 1
    assert whole(parts) == data.decode()
    for part in parts:
        assert part.line_starts is not None
        for start, line in part.line_starts[:: len(part.line_starts) // 3 or 1]:
            if start < len(part.text):
                assert part.text[start:].split("\n", 1)[0] == lines[line - 1]


def test_a_large_table_keeps_its_header_in_every_piece() -> None:
    rows = "".join(f"berth {number},{number % 9} metres\n" for number in range(250_000))
    parts = list(documents(io.BytesIO(("name,depth\n" + rows).encode()), "a.csv"))
    assert len(parts) > 2
    last = parts[-1]
    assert "name: berth 249999 | depth: 6 metres" in last.text
    assert line_of(last, "name: berth 249999 ") == 250_001
    # The header itself is one line of the first piece.
    assert sum(part.text.count("\n") for part in parts) == 250_001


def test_text_that_mentions_a_format_is_text() -> None:
    assert read("notes.md", b"# Notes\n\nEvery file starts with `%PDF-1.7`.\n").type == "markdown"


def test_a_heading_keeps_all_its_text() -> None:
    assert read("a.docx", word("long " * 300 + "end", TEXT)).text.count("long") == 300


def test_a_page_without_the_end_of_its_head() -> None:
    assert (
        "all the text" in read("a.html", b"<!doctype html><html><head><title>T</title><h1>H</h1><p>all the text").text
    )


def test_mail_whose_plain_part_is_empty_and_whose_html_is_encoded() -> None:
    html = "<p>会議は十時です</p>".encode("iso-2022-jp")
    body = (
        b"--x\nContent-Type: text/plain\n\n \n--x\nContent-Type: text/html; charset=iso-2022-jp\n\n"
        + html
        + b"\n--x--\n"
    )
    document = read("a.eml", b'Subject: s\nContent-Type: multipart/alternative; boundary="x"\n\n' + body)
    assert "会議は十時です" in document.text


def test_rows_of_numbers_are_no_running_lines() -> None:
    pages = ["\n".join(f"{page * 10 + row}.0 {row} 1" for row in range(10)) for page in range(6)]
    assert read("a.pdf", make_pdf(pages)).text.count(".0 ") == 60


def test_all_of_a_feed_is_read() -> None:
    entry = "<entry><title>News</title><content>the article</content><m:content xmlns:m='m' url='u'/></entry>"
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Blog</title><subtitle>about</subtitle>\n{entry}</feed>"
    document = read("a.atom", feed.encode())
    assert "the article" in document.text
    assert "about" in document.text
    assert line_of(document, "News") == 2
