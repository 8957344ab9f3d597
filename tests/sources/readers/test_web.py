"""HTML, XML, books: nothing that a page shows is lost, and words are as they are read."""
# ruff: noqa: E501  # sources are read as they stand

import io
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document_types import read
from tests.support.documents import headings, line_of


def text_of(source: str, name: str = "a.html") -> str:
    return " ".join(read(name, source.encode()).text.split())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<main><p>Inside.</p></main><aside>Beside it.</aside>", "Inside. Beside it."),
        ("<p>Body.</p><footer>VAT 4711</footer>", "Body. VAT 4711"),
        ("<noscript>Plain words.</noscript>", "Plain words."),
        ("<x-card><template shadowrootmode=open><p>In shadow.</p></template></x-card>", "In shadow."),
        ("<template><p>Not shown.</p></template><p>Shown.</p>", "Shown."),
        ("<iframe srcdoc='&lt;p&gt;Framed.&lt;/p&gt;'></iframe>", "Framed."),
        ("<p>Before<img alt='a kestrel'>after</p>", "Before a kestrel after"),
        ("<input value='Dock 9'><input type=hidden value=token><button>Go</button>", "Dock 9 Go"),
        ("<svg><title>Map</title><text>Old ford</text><path d='M0'/></svg>", "Map Old ford"),
        ("<p>un<wbr>broken sub&shy;way H<sub>2</sub>O</p>", "unbroken sub\u00adway H2O"),
        ("<a href='https://a.example/x'>there</a> and <a href='https://a.example/x'>again</a>",
         "there (a.example/x) and again"),
        ("<script>var a;</script junk><p>After the script.</p>", "After the script."),
        ("<ruby>漢<rt>kan</rt></ruby>", "漢 (kan)"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rp>(<rt>ji<rp>)</ruby> end", "漢 (kan) 字 (ji) end"),
        ("<object data='a.pdf'><p>A map of the ford.</p></object>", "A map of the ford."),
        ("<select><option>One<option>Two</select>", "One Two"),
        ("<button>Save</button><button>Print</button> <center>Notice</center>Closed", "Save Print Notice Closed"),
        ("<![if IE]>Old<![endif]> and <![ endif]> new", "Old and new"),
        ("<![CDATA[ a < b & c ]]> holds", "a < b & c holds"),
        ("Mast <!-- never ended <b>and sail</b>", "Mast never ended and sail"),
        ("Hull <!-- hidden --!> and keel", "Hull and keel"),
    ],
)  # fmt: skip
def test_what_a_page_shows(source: str, shown: str) -> None:
    assert text_of(f"<html><body>{source}</body></html>") == shown


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ("<tr><th>Place<th>Depth<tr><td>Ostend<td>9 m", ["Place | Depth", "Ostend | 9 m"]),
        ("<tr><td><p>Ostend</p></td><td><p>9 m</p><p>at ebb</p></td></tr>", ["Ostend | 9 m at ebb"]),
        ("<tr><td>Ostend<br>Outer</td><td><div>9 m</div></td></tr>", ["Ostend Outer | 9 m"]),
        ("<tr><td></td><th>2023</th><th>2024</th></tr><tr><td>Coal<td><td>7</tr>", ["| 2023 | 2024", "Coal | | 7"]),
        ("<tr><td></td><td>Alone</td><td> </td></tr>", ["Alone"]),
        ("<tr><td></td></tr><tr><td>One</td></tr>", ["One"]),
        ("<tr><td><h2>Head</h2></td><td>Text</td></tr>", ["Head", "", "Text"]),
        (f"<tr><td><p>{'Long. ' * 60}</p><p>Apart.</p></td><td>{'Long. ' * 60}</td></tr>",
         [("Long. " * 60).strip(), "", "Apart.", "", ("Long. " * 60).strip()]),
        ("<tr><td><table><tr><td>a<td>b</table></td><td>c</td></tr>", ["a | b", "", "c"]),
    ],
)  # fmt: skip
def test_each_row_of_a_table_is_a_line(table: str, lines: list[str]) -> None:
    text = read("a.html", f"<body><p>Before.</p><table>{table}</table><p>After.</p>".encode()).text
    assert text.rstrip("\n").split("\n") == ["Before.", "", *lines, "", "After."]


def test_a_heading_with_line_breaks_is_one_heading() -> None:
    document = read("a.html", b"<h1>North<br>Harbour</h1><p>Text.</p><h2><div>Quay</div><div>Four</div></h2><p>More.")
    assert headings(document) == [("North Harbour", ("North Harbour",)), ("Quay Four", ("North Harbour", "Quay Four"))]


WORDS = "adze bolt cleat dowel easel froe gouge hoe ingot jig kiln lathe maul nail oar peg quoin rasp saw tongs".split()  # noqa: SIM905
AROUND = [
    "<p>{}</p>", "<p>one &eacute;\n<b\n class=a>{}</b> two</p>", "<pre>\n a\n<!-- x\n\n-->\n{}\n<span\n>b</span></pre>",
    "<img\n alt='a\n {}'>", "<a\n title='{}'\n href=x>go</a>", "<input\n value=\"x\n\n{}\">", "<h2>Big<br>\n{}</h2>",
    "<button>{}</button>", "<iframe\n srcdoc='<p>\nx</p>\n<p>{}'></iframe>", "<a href=\"https://{}.example/\">go\n\nthere</a>",
    "<![CDATA[\n{}\n]]>", "<td>&amp;{}&nbsp;x</td>", "<nav>{}</nav>", "<textarea>\n{}\n</textarea>", "<!--\n--!>{}",
]  # fmt: skip


@given(st.data())
def test_a_word_of_a_page_is_told_in_its_line(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
    source = "<html><body>" + "".join(
        data.draw(st.sampled_from(AROUND)).format(word) + data.draw(st.sampled_from(["", "\n", "\n\n"]))
        for word in words
    )
    document = read("a.html", source.encode())
    lines = source.split("\n")
    for word in words:
        assert document.text.count(word) == 1
        assert word in lines[line_of(document, word) - 1]


@pytest.mark.parametrize("begun", ["<!-- ", "<a x ", '<a b="', "</", "<![", "<!-- --!>"])
def test_what_is_never_ended_takes_no_time(begun: str) -> None:
    source = "<html><body>Before " + begun * 20_000
    began = time.process_time()
    assert text_of(source).startswith("Before")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "odd", ["<![CDATA[>" * 300_000, "<svg>" * 300_000 + "</style>" * 300_000, "<title>" + "a<b>" * 300_000],
    ids=["cdata", "svg", "title"],
)  # fmt: skip
def test_odd_pages_are_read_soon(odd: str) -> None:
    began = time.process_time()
    assert text_of(f"<p>Before</p>{odd}").startswith("Before")
    assert time.process_time() - began < 15


def test_a_title_without_an_end_is_cut() -> None:
    document = read("a.html", ("<title>" + "Old ford " * 500 + "<body><p>The text.</p>").encode())
    assert len(document.title) == 1000 and document.notice == "title cut after 1,000 characters"


def test_menus_stand_at_the_end_unless_they_are_the_page() -> None:
    assert text_of("<nav>Menu</nav><p>Text.</p>") == "Text. Menu"
    assert text_of("<nav><a href=a>Chapter one</a></nav>") == "Chapter one"


@pytest.mark.parametrize("declared", ["gb2312", "x-sjis", "windows-1251", "euc-kr", "iso-8859-9", "latin1"])
def test_declared_encodings_are_those_of_browsers(declared: str) -> None:
    words = {
        "gb2312": "朱镕基",
        "x-sjis": "①灯",
        "windows-1251": "маяк",
        "euc-kr": "등대",
        "iso-8859-9": "ağaç",
        "latin1": "“a”",
    }
    python = {"gb2312": "gbk", "x-sjis": "cp932", "euc-kr": "cp949", "iso-8859-9": "cp1254", "latin1": "cp1252"}
    page = f"<html><head><meta charset={declared}></head><p>{words[declared]}</p>"
    assert words[declared] in read("a.html", page.encode(python.get(declared, declared))).text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<d><p>The <b>left</b> gate, CO<sub>2</sub> and un<i>lock</i>ed.</p></d>", "The left gate, CO2 and unlocked."),
        ("<d><a>one</a><b>two</b></d>", "one two"),
        ("<opml><outline text='Quince Weekly' xmlUrl='https://q.example/feed' id='x9'/></opml>", "Quince Weekly https://q.example/feed"),
        ("<r><string name='err_pump'>Pump stuck</string></r>", "err_pump Pump stuck"),
        ("<!DOCTYPE d [<!ENTITY co 'Acme &#169;'>]><d>By &co; and &nbsp;more &unknown;</d>", "By Acme © and more"),
        ("<d><![CDATA[1 < 2]]> holds</d>", "1 < 2 holds"),
    ],
)  # fmt: skip
def test_xml_in_its_order(source: str, text: str) -> None:
    assert text_of(source, "a.xml") == text


def test_an_entity_that_holds_others_is_not_expanded() -> None:
    source = "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><d>x &b; y</d>"
    assert "haha" not in text_of(source, "a.xml")


def test_what_a_book_says_of_itself_is_metadata() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>',
        )
        book.writestr(
            "b.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Tides</dc:title>'
            "<dc:description>&lt;p&gt;A book of &lt;b&gt;ebbs&lt;/b&gt;&lt;/p&gt;</dc:description><dc:subject>sea</dc:subject>"
            "<dc:subject>moon</dc:subject></metadata><manifest><item id='a' href='my%20page.xhtml' "
            "media-type='application/xhtml+xml'/></manifest><spine><itemref idref='a'/></spine></package>",
        )
        book.writestr("my page.xhtml", "<html><body><aside>A note aside.</aside><footer>Motto.</footer></body></html>")
    document = read("a.epub", stream.getvalue())
    assert document.metadata["description"] == "A book of ebbs" and document.metadata["keywords"] == "sea, moon"
    assert "A note aside." in document.text and "Motto." in document.text


def test_feeds_keep_their_lines() -> None:
    feed = "<rss><channel><title>Blog</title>\n<item>\n<title>News</title>\n<description>\n&lt;p&gt;One&lt;/p&gt;\n&lt;p&gt;Two&lt;/p&gt;</description></item></channel></rss>"
    assert line_of(read("a.rss", feed.encode()), "Two") == 6
