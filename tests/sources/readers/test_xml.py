"""XML of all kinds: words and lines as they stand, feeds, damaged files, files of Office 2003."""
# ruff: noqa: E501  # sources are read as they stand

import base64
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.documents import line_of

WORDS = """alder birch cedar damson elder fir gorse hazel ivy juniper larch maple
 nettle oak poplar quince rowan""".split()  # noqa: SIM905
BYTES = base64.b64encode(random.Random(7).randbytes(900)).decode()


def text_of(source: str, name: str = "a.xml") -> str:
    return " ".join(read(name, source.encode()).text.split())


def assert_places(document: Document, source: str) -> None:
    """Every tree of `source` stands once in the document, and is told in its line."""
    for number, line in enumerate(source.split("\n"), 1):
        for word in WORDS:
            if re.search(rf"\b{word}\b", line):
                assert len(re.findall(rf"\b{word}\b", document.text)) == 1, word
                assert line_of(document, word) == number, word


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<d><a>12 Main St<br/>Springfield</a></d>", "12 Main St Springfield"),
        ("<d><p>one<lb/>two hy<lb break='no'/>phen</p></d>", "one two hyphen"),
        ("<d><para>word<footnote><para>note</para></footnote>more</para></d>", "word note more"),
        ("<d><para>By <author><first>Ann</first><last>Bell</last></author>, editor</para></d>", "By Ann Bell , editor"),
        ("<d><p>un<b><i>lock</i></b>ed, <b>un</b><i>lock</i><u>ed</u> H<sub>2</sub>O</p></d>", "unlocked, unlocked H2O"),
        ("<d><p>soft<wbr/>ware and the <anchor id='a'/>sea</p></d>", "software and the sea"),
        ("<d><li>first<p>second</p>third</li></d>", "first second third"),
        ("<d><p>proven<xref ref-type='bibr'>1</xref>.</p></d>", "proven 1 ."),
        ("<svg><text>left<tspan x='9'>right</tspan></text><path d='M0 0 L1 1' transform='skew(2) turn(3)'/></svg>", "left right"),
    ],
)  # fmt: skip
def test_words_in_mixed_text_are_cut_where_a_reader_sees_it(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    "source",
    [
        f"<FictionBook><p>Kept.</p><binary id='a'>{BYTES}</binary></FictionBook>",
        "<plist><string>Kept.</string><data>aGVsbG8=</data></plist>",
        f"<d><p>Kept.</p><photo>\n{BYTES[:76]}\n{BYTES[76:152]}\n{BYTES[152:300]}\n</photo></d>",
        f"<d><p>Kept.</p><img href='data:image/png;base64,{BYTES}' title='data:image/png;base64,{BYTES}'/></d>",
        "<svg><style>.a{fill:red}</style><script>var secret = 1;</script><text>Kept.</text></svg>",
    ],
)
def test_what_only_programs_read_is_left_out(source: str) -> None:
    assert text_of(source) == "Kept."


def test_what_looks_like_bytes_and_is_text_is_kept() -> None:
    protein = "MKTAYIAKQR" * 30
    path = "/usr/local/share/documents" * 12
    resource = "<root><data name='greeting'><value>Hello there</value></data><style>Gothic</style></root>"
    assert text_of(f"<d><seq>{protein}</seq><path>{path}</path></d>") == f"{protein} {path}"
    assert text_of(resource) == "greeting Hello there Gothic"


ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<title>Woods</title>
<author><name>Ann
 alder</name><uri>https://birch.example</uri><email>cedar@example.org</email></author>
<link href="https://damson.example/feed"/>
<updated>2024-05-06T07:08:09Z</updated>
<entry>
<title type="html">It&amp;#8217;s elder</title>
<category term="fir"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>first gorse</p><p>second hazel</p>

<p>third ivy</p></div></content>
<summary type="html"><![CDATA[caf&eacute; juniper

<p>larch</p>
<p>maple]]></summary>
</entry>
</feed>
"""


def test_an_atom_feed() -> None:
    document = read("a.atom", ATOM.encode())
    assert_places(document, ATOM)
    for said in ("It’s elder", "café juniper", "first gorse\nsecond hazel", "https://damson.example/feed"):
        assert said in document.text
    assert document.metadata["author"] == "Ann alder"
    assert document.metadata["updated"] == "2024-05-06T07:08:09Z"


def test_a_feed_tells_its_editor_and_link() -> None:
    source = (
        "<rss><channel><title>Woods</title>\n<link>https://oak.example</link>\n<managingEditor>Ida Moe</managingEditor>"
        "\n<item><title>AT&amp;T &amp; more</title><guid>poplar</guid></item></channel></rss>"
    )
    document = read("a.rss", source.encode())
    assert_places(document, source)
    assert document.metadata["author"] == "Ida Moe" and "AT&T & more" in document.text


def test_a_feed_in_a_title_without_an_end_is_text() -> None:
    feed = "<rss><channel><title>Tides<item><title>Spring tide</title><description>" + "The ford is closed. " * 20
    document = read("a.rss", (feed + "</description></item></channel></rss>").encode())
    assert document.title == "" and "Spring tide" in document.text and "The ford is closed." in document.text


def test_empty_lines_in_an_element_part_paragraphs() -> None:
    source = "<page><text>The fir\nwood.\n\nThe <i>oak</i>\n\nwood.</text><article-title>Woods</article-title></page>"
    document = read("a.xml", source.encode())
    assert document.text == "The fir wood.\nThe oak\nwood.\nWoods\n" and document.title == "Woods"
    assert_places(document, source)


def test_html_in_an_element_is_read_as_html() -> None:
    source = "<kml><d><![CDATA[<b>oak</b><br>\nmaple &lt;3<ul><li>one</li><li>ivy</li></ul>]]></d><n>vector&lt;int&gt;</n></kml>"
    document = read("a.kml", source.encode())
    assert_places(document, source)
    assert text_of(source) == "oak maple <3 one ivy vector<int>"


@given(st.lists(st.sampled_from(["<p>{}</p>", "<p\n  n='1'>{}</p>", "<!-- a\n -->", "<p title='{}'/>", "<p\n a='b'\n title='two\n {}'/>",
                                 "<![CDATA[\n{}]]> ", "text {}\n", "<p>x <b>{}</b></p>", "<p>Q&A {}</p>", "<p>&amp; {}</p>\n"]), max_size=17),
       st.sampled_from(["", " & ", "</q>", "<p>", "<", "\x0b"]), st.sampled_from(["", "\n", "<!DOCTYPE d [\n<!ENTITY e 'x'>\n]>\n"]))  # fmt: skip
def test_places_in_whole_and_damaged_files(parts: list[str], damage: str, prolog: str) -> None:
    filled = [part.format(word) for part, word in zip(parts, WORDS, strict=False)]
    filled.insert(len(filled) // 2, damage)
    source = f'<?xml version="1.0"\n encoding="utf-8"?>\n{prolog}<d>start\n' + "".join(filled) + "</d>\n"
    assert_places(read("a.xml", source.encode()), source)


def test_an_ampersand_alone_is_no_damage() -> None:
    document = read("a.xml", b"<d><a>R&D in the fir<!-- & --> wood</a>\n<b><![CDATA[Q&A]]></b></d>")
    assert document.text == "R&D in the fir wood\nQ&A\n" and document.notice == ""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<a>one</a>\n<a>two</a>", "one two"),
        ("<d>one<b>two</d>", "onetwo"),
        ("<d><a x=1 x='2' title=Sea>one < two</a></d> after", "one < two after Sea"),
        ("<d>cut off <b>here", "cut off here"),
    ],
)
def test_of_damaged_files_all_text_is_read(source: str, text: str) -> None:
    assert text_of(source) == text
    assert read("a.xml", source.encode()).notice.startswith("what follows may be missing: ")


@pytest.mark.parametrize(
    "source",
    [
        "<rss>" + "<item>x " * 3000 + "</item>" * 3000 + "</rss>",
        "<a title='some words'>x " * 10_000 + "</a>" * 10_000,
        "<r>" + "<a>x" * 50_000,
        "<!DOCTYPE r [<!ENTITY a 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1 if n else str()};' * 10}'>" for n in range(12)) + "]><r t='&a11;'>x</r>",
        "<!DOCTYPE r [" * 20_000,
        "<!--" * 50_000,
        "<a " + "b" * 300_000 + "></c>text",
        "<a><" + "b" * 300_000 + "</c>text",
    ],
)  # fmt: skip
def test_odd_files_end_soon(source: str) -> None:
    begin = time.process_time()
    try:
        assert len(read("a.xml", source.encode()).text) <= len(source) + 1
    except ReadError as error:
        assert "\n" not in error.message
    assert time.process_time() - begin < 5


WORKBOOK = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<DocumentProperties xmlns="urn:schemas-microsoft-com:office:office"><Author>Ida Moe</Author><Created>2004-05-06T00:00:00Z</Created></DocumentProperties>
<Styles><Style ss:ID="s1"><Font ss:FontName="Old Gothic"/></Style></Styles>
<Worksheet ss:Name="Woods"><Table>
<Row><Cell><Data ss:Type="String">alder</Data></Cell>
<Cell ss:Index="4"><Data ss:Type="Number">7</Data><Comment ss:Author="Ove"><Data>a birch note</Data></Comment></Cell></Row>
<Row><Cell><Data>cedar</Data></Cell><Cell/></Row>
</Table></Worksheet></Workbook>"""
LETTER = """<?xml version="1.0"?>
<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"><o:DocumentProperties><o:Title>Walks</o:Title><o:Author>Ida Moe</o:Author></o:DocumentProperties>
<w:fonts><w:font w:name="Old Gothic"/></w:fonts><w:body><w:p><w:r><w:t>Un</w:t></w:r><w:r><w:t>locked</w:t></w:r><w:r><w:tab/><w:t>alder</w:t></w:r><w:r><w:delText>gone</w:delText></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>birch</w:t></w:r></w:p></w:tc>
<w:tc><w:p><w:r><w:t>cedar</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
<w:p><w:r><w:pict><w:binData>iVBORw0KGgo=</w:binData></w:pict><w:t>damson</w:t></w:r></w:p></w:body></w:wordDocument>"""


@pytest.mark.parametrize("name", ["a.xml", "a.xls", "a.xlsx", "a.doc"])
def test_a_workbook_of_2003(name: str) -> None:
    document = read(name, WORKBOOK.encode())
    assert document.text == "Woods\n\nalder | 7\nOve: a birch note\ncedar\n"
    assert document.metadata["author"] == "Ida Moe"
    assert_places(document, WORKBOOK)


@pytest.mark.parametrize("name", ["a.xml", "a.doc", "a.docx"])
def test_a_text_of_2003(name: str) -> None:
    document = read(name, LETTER.encode())
    assert document.text == "Unlocked alder\nbirch | cedar\ndamson\n"
    assert document.title == "Walks"
    assert_places(document, LETTER)


@pytest.mark.parametrize(
    ("name", "source", "kind"),
    [
        ("a.xls", b"<table><tr><td>alder</td></tr></table>", "html"),
        ("a.xls", b"<!-- made\nby x -->\n<meta charset=utf-8><table><tr><td>alder</td></tr></table>", "html"),
        ("a.xls", "<table><tr><td>alder</td></tr></table>".encode("utf-16"), "html"),
        ("a.doc", b"<body><p>alder</p></body>", "html"),
        ("a.doc", b"MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>alder</p>\n--b--\n", "mhtml"),
        ("a.xls", b"wood\theight\nalder\t9\n", "csv"),
        ("a.xls", b"alder is a tree\n", "text"),
        ("notes", b"<pale> alder\n", "text"),
    ],
)  # fmt: skip
def test_files_with_the_suffix_of_another_type(name: str, source: bytes, kind: str) -> None:
    document = read(name, source)
    assert document.type == kind and "alder" in document.text
