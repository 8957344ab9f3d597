"""Word, PowerPoint, Excel: what their programs keep beside the plain paragraphs is read, in its place and once."""
# ruff: noqa: E501  # XML is read as it stands

import io
import zipfile

import pytest

from semsearch.sources.document_types import read
from semsearch.sources.readers.docx_numbering import Numbering
from semsearch.sources.readers.docx_styles import Styles
from semsearch.sources.readers.number_format import shown_number
from tests.sources.readers.office_parts import A, W, changed, chart, docx, p
from tests.support.documents import headings, line_of
from tests.support.office import sheet, slides, word


def test_heads_feet_notes_and_comments_of_word() -> None:
    document = docx(
        p("Opening", '<w:outlineLvl w:val="0"/>')
        + "<w:p><w:r><w:t>The weir was lowered</w:t><w:footnoteReference w:id='2'/><w:commentReference w:id='0'/></w:r></w:p>"
        + p("Closing", '<w:outlineLvl w:val="0"/>') + p("The end."),
        {"h": ("header", "header1.xml"), "g": ("header", "header2.xml"), "f": ("footnotes", "footnotes.xml"),
         "c": ("comments", "comments.xml")},
        {
            "word/header1.xml": f"<w:hdr {W}>{p('Reference TK-4471')}</w:hdr>",
            "word/header2.xml": f"<w:hdr {W}>{p('Reference TK-4471')}</w:hdr>",
            "word/footnotes.xml": f"<w:footnotes {W}><w:footnote w:id='0' w:type='separator'>{p('-')}</w:footnote>"
            f"<w:footnote w:id='2'>{p('By order of Sigrun.')}</w:footnote></w:footnotes>",
            "word/comments.xml": f"<w:comments {W}><w:comment w:id='0' w:author='Jo'>{p('Is that so?')}</w:comment></w:comments>",
        },
    )  # fmt: skip
    assert document.text.count("TK-4471") == 1
    assert (
        document.text.index("Sigrun")
        < document.text.index("Comment by Jo: Is that so?")
        < document.text.index("Closing")
    )
    note = next(part for part in document.sections if part.start <= document.text.index("Sigrun") < part.end)
    assert note.heading == ("Opening",)


def test_deleted_and_moved_text_nested_tables_and_readings() -> None:
    document = docx(
        "<w:p><w:r><w:t>The toll is </w:t></w:r><w:del><w:r><w:delText>sixpence</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>free</w:t></w:r></w:ins></w:p>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
        "<w:p><w:moveFrom><w:r><w:t>away</w:t></w:r></w:moveFrom><w:ruby><w:rt><w:r><w:t>kana</w:t></w:r></w:rt><w:rubyBase>"
        "<w:r><w:t>漢字</w:t></w:r></w:rubyBase></w:ruby></w:p>"
        f"<w:tbl><w:tr><w:tc>{p('left')}</w:tc><w:tc><w:tbl><w:tr><w:tc>{p('in one')}</w:tc><w:tc>{p('in two')}</w:tc></w:tr>"
        f"</w:tbl>{p('after')}</w:tc></w:tr></w:tbl>"
    )
    assert document.text == "The toll is free\n\n漢字 (kana)\n\nleft | in one in two after\n\n"


def test_pictures_links_charts_and_diagrams_of_word() -> None:
    document = docx(
        "<w:p><w:hyperlink r:id='l'><w:r><w:t>the permit</w:t></w:r></w:hyperlink><w:r><w:drawing>"
        "<wp:inline xmlns:wp='x'><wp:docPr id='1' name='n' descr='Heron on a post'/><a:graphic><a:graphicData>"
        "<c:chart xmlns:c='y' r:id='c'/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
        "<w:p><w:r><w:drawing><a:graphicData><dgm:relIds xmlns:dgm='z' r:dm='d'/></a:graphicData></w:drawing></w:r></w:p>",
        {"l": ("hyperlink", "https://permits.example.com/x"), "c": ("chart", "charts/chart1.xml"),
         "d": ("diagramData", "diagrams/data1.xml")},
        {
            "word/charts/chart1.xml": chart("surface3DChart"),
            "word/diagrams/data1.xml": f"<d:dataModel xmlns:d='q' {A}><d:pt><d:t><a:p><a:r><a:t>Card the wool</a:t></a:r></a:p>"
            "</d:t></d:pt></d:dataModel>",
        },
    )  # fmt: skip
    for said in ("the permit (permits.example.com/x)", "Heron on a post", "Swifts by month", "Tower | May: 12 | June: 31",
                 "Card the wool"):  # fmt: skip
        assert document.text.count(said) == 1


def test_a_part_that_cannot_be_read_costs_only_itself() -> None:
    document = docx(p("Body stays."), {"f": ("footnotes", "footnotes.xml")}, {"word/footnotes.xml": "<w:foot"})
    assert document.text.startswith("Body stays.")
    assert document.notice == "word/footnotes.xml cannot be read"


def test_parts_are_found_without_relations() -> None:
    damaged = "<Relationships"
    document = read("a.pptx", changed(slides(["One", "Two"], "body"), {"ppt/_rels/presentation.xml.rels": damaged}))
    assert [section.heading for section in document.sections] == [("One",), ("Two",)]
    assert document.notice == "ppt/_rels/presentation.xml.rels cannot be read"
    assert "Ahlen" in read("a.xlsx", changed(sheet([["Ahlen"]]), {"xl/_rels/workbook.xml.rels": damaged})).text
    document = read("a.docx", changed(word("Pilots", "wait", comment="why"), {"word/_rels/document.xml.rels": damaged}))
    assert headings(document) == [("Pilots", ("Pilots",))]
    assert "Comment by Olan: why" in document.text


def test_numbers_of_lists() -> None:
    from lxml import etree

    levels = "".join(
        f"<w:lvl w:ilvl='{level}'><w:start w:val='1'/><w:numFmt w:val='{form}'/><w:lvlText w:val='{text}'/></w:lvl>"
        for level, (form, text) in enumerate([("decimal", "%1."), ("lowerLetter", "(%2)"), ("upperRoman", "%1.%3")])
    )
    root = etree.fromstring(
        f"<w:numbering {W}><w:abstractNum w:abstractNumId='7'>{levels}</w:abstractNum>"
        "<w:num w:numId='1'><w:abstractNumId w:val='7'/></w:num>"
        "<w:num w:numId='2'><w:abstractNumId w:val='7'/><w:lvlOverride w:ilvl='0'><w:startOverride w:val='1'/></w:lvlOverride>"
        "</w:num></w:numbering>"
    )
    numbering = Numbering(root, Styles(None))

    def label(number: int, level: int) -> str:
        mark = f"<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='{number}'/></w:numPr>"
        return numbering.label(etree.fromstring(p("x", mark).replace("<w:p>", f"<w:p {W}>", 1)))

    places = [(1, 0), (1, 1), (1, 1), (1, 0), (1, 1), (1, 2), (1, 2), (2, 0), (1, 0)]
    assert [label(*place) for place in places] == ["1.", "(a)", "(b)", "2.", "(a)", "2.I", "2.II", "1.", "2."]


def test_macro_template_and_strict_files() -> None:
    data = word("Pilots", "The pilot boat waits.")
    for suffix, kind in ((".docm", "document.macroEnabled"), (".dotx", "template"), (".dotm", "template.macroEnabled")):
        other = changed(data, {}, {"[Content_Types].xml": ("wordprocessingml.document.main", f"{kind}.main")})
        assert "The pilot boat waits." in read("a" + suffix, other).text
    strict = data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {
            name: archive.read(name).decode()
            .replace("http://schemas.openxmlformats.org/officeDocument/2006/relationships", "http://purl.oclc.org/ooxml/officeDocument/relationships")
            .replace("http://schemas.openxmlformats.org/wordprocessingml/2006/main", "http://purl.oclc.org/ooxml/wordprocessingml/main")
            for name in archive.namelist() if name.endswith((".rels", "document.xml", "styles.xml"))
        }  # fmt: skip
    strict = changed(data, parts)
    document = read("a.docx", strict)
    assert [path for _, path in headings(document)] == [("Pilots",)] and "The pilot boat waits." in document.text


def test_comments_charts_and_alternative_texts_of_slides() -> None:
    data = slides(["Plan"], "Raise the sluice")
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    extra = (
        f'<Relationship Id="rC" Type="{relation}/comments" Target="../comments/comment1.xml"/>'
        f'<Relationship Id="rG" Type="{relation}/chart" Target="../charts/chart1.xml"/></Relationships>'
    )
    picture = (
        "<p:pic><p:nvPicPr><p:cNvPr id='9' name='x' descr='Otter at dusk'/></p:nvPicPr></p:pic><p:graphicFrame><a:graphic>"
        "<a:graphicData><c:chart xmlns:c='y' r:id='rG'/></a:graphicData></a:graphic></p:graphicFrame></p:spTree>"
    )
    data = changed(
        data,
        {
            "ppt/comments/comment1.xml": "<p:cmLst xmlns:p='q'><p:cm authorId='0'><p:text>Wider, please</p:text></p:cm></p:cmLst>",
            "ppt/charts/chart1.xml": chart("stockChart"),
        },
        {
            "ppt/slides/_rels/slide1.xml.rels": ("</Relationships>", extra),
            "ppt/slides/slide1.xml": ("</p:spTree>", picture),
        },
    )
    document = read("a.pptx", data)
    for said in ("Otter at dusk", "Tower | May: 12 | June: 31", "Comment: Wider, please", "Raise the sluice"):
        assert said in document.text
    assert document.sections[0].page == 1


@pytest.mark.parametrize(
    ("value", "format_id", "code", "shown"),
    [
        (0.125, 10, "", "12.50%"), (0.3, 9, "", "30%"), (7, 0, "000", "007"), (1234.5, 4, "", "1,234.50"),
        (0.5, 20, "", "12:00"), (45000, 14, "", "2023-03-15"), (45000.75, 22, "", "2023-03-15 18:00"),
        (1.5, 46, "", "36:00:00"), (0.0625, 0, "[h]:mm", "1:30"), (45000, 31, "", "2023-03-15"),
        (45000, 0, 'yyyy"年"m"月"d"日"', "2023-03-15"), (12.3, 0, "#,##0.00 [$€-407]", "12.30"), (3, 1, "", "3"),
        (0.1 + 0.2, 0, "", "0.3"), (4915112345678, 0, "", "4915112345678"), (-5, 0, "0.0;[Red]-0.0", "-5.0"),
        (59, 14, "", "1900-02-28"), (61, 14, "", "1900-03-01"),
    ],
)  # fmt: skip
def test_numbers_as_a_sheet_shows_them(value: float, format_id: int, code: str, shown: str) -> None:
    assert shown_number(value, format_id, code) == shown


def test_years_as_columns_and_rows_far_apart() -> None:
    document = read("a.xlsx", sheet([["town", 2019, 2020], ["Ahlen", 5, 7], [], [], ["Brake", 6, 8]]))
    assert "town: Ahlen | 2019: 5 | 2020: 7" in document.text
    assert line_of(document, "Brake") == 5
