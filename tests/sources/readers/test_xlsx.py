"""Excel: cells as they are shown, what belongs to them, and what can be read of a damaged workbook."""
# ruff: noqa: E501  # XML is read as it stands

import datetime
import io
from collections.abc import Mapping
from decimal import Decimal

import pytest
import xlsxwriter
from lxml import etree

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.document_types import read
from semsearch.sources.readers.charts import chart_lines
from semsearch.sources.readers.number_format import shown_number
from semsearch.sources.readers.ooxml import Package
from semsearch.sources.readers.spreadsheet import _shown
from semsearch.sources.readers.xlsx import _head
from semsearch.sources.table_writer import TableWriter
from tests.sources.readers.office_parts import OFFICE, A, changed
from tests.support.documents import line_of
from tests.support.office import sheet, zipped

S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = f'xmlns:r="{OFFICE}"'


def relations(*rows: tuple[str, str, str]) -> str:
    """(id, kind, target) of each."""
    listed = "".join(
        f'<Relationship Id="{number}" Type="{OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"/>' if ":" in target else "/>")
        for number, kind, target in rows
    )
    return f"<Relationships>{listed}</Relationships>"


def xlsx(
    rows: str, behind: str = "", of_sheet: tuple[tuple[str, str, str], ...] = (), parts: Mapping[str, str] | None = None
) -> Document:
    """A workbook of one sheet of the XML `rows`; `behind`: what follows them; `of_sheet`: its relations."""
    return read(
        "a.xlsx",
        zipped(
            {
                "[Content_Types].xml": "<Types/>",
                "_rels/.rels": relations(("a", "officeDocument", "xl/workbook.xml")),
                "xl/workbook.xml": f'<workbook {S} {R}><sheets><sheet name="Berths" r:id="s"/></sheets></workbook>',
                "xl/_rels/workbook.xml.rels": relations(
                    ("s", "worksheet", "worksheets/sheet1.xml"), ("t", "sharedStrings", "sharedStrings.xml"),
                    ("p", "person", "persons/person.xml"),
                ),
                "xl/worksheets/sheet1.xml": f"<worksheet {S} {R}><sheetData>{rows}</sheetData>{behind}</worksheet>",
                "xl/worksheets/_rels/sheet1.xml.rels": relations(*of_sheet),
                **(parts or {}),
            }
        ),
    )  # fmt: skip


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.125, "0%", "13%"), (0.285, "0%", "29%"), (0.285, "0.#%", "28.5%"), (12.345, "#,##0%", "1,235%"),
        (2.5, "0", "3"), (-2.5, "0", "-3"), (2.675, "0.00", "2.68"), (1.005, "0.00", "1.01"), (3.14159, "0.00", "3.14"),
        (1234, "#,##0", "1,234"), (1234567.891, "#,##0.00", "1,234,567.89"), (5, "0,000", "0,005"), (-0.001, "0.0", "0.0"),
        (1.5, "0.##", "1.5"), (1, "0.##", "1"), (0, "#", "0"),
        (5550134, "000-0000", "555-0134"), (5555550134, "(000) 000-0000", "(555) 555-0134"), (12, "00000", "00012"),
        (123456789, "000-00-0000", "123-45-6789"), (1234567.5, r"#\ ##0.0", "1234 567.5"), (7, "000-000", "000-007"),
        (12345, '00" "000', "12 345"), (-5, "000-000", "-000-005"),
        (1e15, "", "1000000000000000"), (1234567890123456.0, "", "1234567890123456"), (1e20, "0", "100000000000000000000"),
        (1e300, "", "1e+300"), (1e300, "0.00", "1e+300"), (Decimal("1234567890123456789"), "0", "1234567890123456789"),
        (0.75, "# ?/?", "0.75"), (12345678, '0.0,,"M"', "12345678"), (12345, "0.00E+00", "12345"),
        (5551234567, "[<=9999999]###-####;(###) ###-####", "(555) 123-4567"), (5551234, "[<=9999999]###-####;(###) ###-####", "555-1234"),
        (-1.25, "0.00;-0.0", "-1.3"), (0, "0.00;-0.00;0", "0"), (0, '0.00;-0.00;"none"', "0.00"), (-5, "0.00;(0.00)", "-5.00"),
        (0, "0.00;-0.0", "0.00"), (150, "[>100]0.0;[<0]0.00;0", "150.0"), (-1, "[>100]0.0;[<0]0.00;0", "-1.00"),
        (50, "[>100]0.0;[<0]0.00;0", "50"), (7, '0";"0.0;0', "0;7.0"), (7, "[Red]0.0;@", "7.0"), (7, "[=1]0.0;[=2]0.00", "7.0"),
        (45292, "[$-409]yyyy-mm-dd;@", "2024-01-01"),
        (0.1, '"a"', "0.1"), (1.5, "0." + "0" * 99, "1.5" + "0" * 29), (9e20, "0." + "0" * 20, "9" + "0" * 20 + "." + "0" * 20),
    ],
)  # fmt: skip
def test_numbers_are_rounded_and_masked_as_excel_does(value: float, code: str, shown: str) -> None:
    assert shown_number(value, 0, code) == shown


def test_a_format_is_no_longer_than_those_of_excel() -> None:
    assert shown_number(1.5, 0, "[" * 1_000_000) == "1.5"


def test_long_numbers_keep_their_digits() -> None:
    assert "1234567890123456789" in xlsx('<row r="1"><c r="A1"><v>1234567890123456789</v></c></row>').text


def test_rows_are_let_go_of() -> None:
    rows = "".join(f'<row r="{number}">{cell(f"A{number}", "x")}</row>' for number in range(1, 20_000))
    data = zipped({"xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>"})
    kept = [len(row.getparent()) for row in Package(data).elements("xl/worksheets/sheet1.xml", "row")]
    assert len(kept) == 19_999
    assert max(kept) < 2000, "so many as are read at once"


def test_what_follows_the_rows() -> None:
    document = xlsx(
        f'<row r="3">{cell("A3", "the plan")}{cell("B3", "https://weir.example/told/")}{cell("C3", "jo@weir.example")}</row>',
        '<hyperlinks><hyperlink ref="A3" r:id="l"/><hyperlink ref="B3" r:id="m"/><hyperlink ref="C3" r:id="n"/></hyperlinks>'
        "<headerFooter><oddHeader>&amp;CAnnual report</oddHeader></headerFooter>",
        (("l", "hyperlink", "https://weir.example/plan"), ("m", "hyperlink", "https://weir.example/told"),
         ("n", "hyperlink", "mailto:jo@weir.example")),
    )  # fmt: skip
    assert (
        document.text == "the plan | https://weir.example/told/ | jo@weir.example\nweir.example/plan\nAnnual report\n"
    )


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("&LProfit && loss", "Profit & loss"), ("R&&B", "R&B"), ('&C&"Arial,Bold"&12Plan', "Plan"),
        ("&K01+000Plan", "Plan"), ("&KFF0000Plan", "Plan"), ("&K04-024Plan", "Plan"), ("&12 2024", "2024"),
        ("Page &P of &N", "Page of"), ("&P+1", ""), ("&RA&CB", "A B"),
    ],
)  # fmt: skip
def test_codes_in_heads_and_feet(code: str, shown: str) -> None:
    assert _head(code) == shown


def test_comments_of_conversations() -> None:
    comments = {
        "xl/comments1.xml": f"<comments {S}><authors><author>tc={{AB-1}}</author><author>Olan</author></authors>"
        "<commentList><comment ref='A1' authorId='0'><text><t>[Thread-Kommentar] Ihre Version zeigt das nicht</t></text></comment>"
        "<comment ref='B1' authorId='1'><text><t>Olan:_x000D_\nan old one</t></text></comment></commentList></comments>",
        "xl/persons/person.xml": "<personList><person displayName='Ines Aldous' id='{p-1}'/></personList>",
    }
    conversation = {
        "xl/threadedComments/threadedComment1.xml": "<ThreadedComments><threadedComment ref='A1' personId='{P-1}' id='{AB-1}'>"
        "<text>Is that so?</text></threadedComment></ThreadedComments>"
    }
    relations = (
        ("c", "comments", "../comments1.xml"), ("t", "threadedComment", "../threadedComments/threadedComment1.xml"),
    )  # fmt: skip
    row = f'<row r="1">{cell("A1", "x")}</row>'
    document = xlsx(row, "", relations, comments | conversation)
    assert document.text == "x\nComment by Ines Aldous: Is that so?\nComment by Olan: an old one\n"
    document = xlsx(row, "", relations, comments)
    assert document.text == "x\nComment: [Thread-Kommentar] Ihre Version zeigt das nicht\nComment by Olan: an old one\n"


def test_escaped_characters() -> None:
    strings = f"<sst {S}><si><t>one_x000D_\ntwo</t></si><si><t>_x005F_x000D_</t></si><si><t>a_x0001_b _xD83D__xDE00_ _xZZZZ_</t></si></sst>"
    document = xlsx(
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c>'
        '<c r="D1" t="str"><v>x_x0041_y</v></c></row>',
        parts={"xl/sharedStrings.xml": strings},
    )
    assert document.text == "one two | _x000D_ | ab 😀 _xZZZZ_ | xAy\n"


def test_values_far_out_keep_the_names_of_their_columns() -> None:
    builder = DocumentBuilder("xlsx")
    table = TableWriter(builder)
    table.row_of({0: "town", 1: "berths", 2: "depth", 700: "remark"}, 1)
    table.row_of({0: "Ahlen", 1: "4", 2: "3"}, 2)
    table.row_of({2: "5", 700: "silted"}, 3)
    table.row_of({1: "6", 9000: "beyond"}, 4)
    table.end()
    assert builder.document().text.splitlines() == [
        "town | berths | depth | remark", "town: Ahlen | berths: 4 | depth: 3", "depth: 5 | remark: silted",
        "berths: 6 | beyond",
    ]  # fmt: skip


def test_points_of_charts_stand_at_their_place() -> None:
    def points(*pairs: tuple[int, str]) -> str:
        return "".join(f"<c:pt idx='{number}'><c:v>{text}</c:v></c:pt>" for number, text in pairs)

    root = etree.fromstring(
        f"<c:chartSpace xmlns:c='x' {A}><c:ser><c:tx><c:v>Tower</c:v></c:tx><c:cat><c:strCache>{points((0, 'May'), (1, 'June'), (2, 'July'))}"
        f"</c:strCache></c:cat><c:val><c:numCache><c:formatCode>0%</c:formatCode>{points((0, '0.125'), (2, '0.5'))}</c:numCache></c:val></c:ser>"
        f"<c:ser><c:cat><c:multiLvlStrCache><c:lvl>{points((0, 'May'), (1, 'June'), (2, 'May'))}</c:lvl><c:lvl>{points((0, '2024'), (2, '2025'))}"
        f"</c:lvl></c:multiLvlStrCache></c:cat><c:val><c:numCache>{points((1, '7'), (2, '#N/A'), (3, '9'))}</c:numCache></c:val></c:ser></c:chartSpace>"
    )
    assert chart_lines(root) == [
        "Tower | May: 13% | June | July: 50%", "2024 May | 2024 June: 7 | 2025 May: #N/A | 9",
    ]  # fmt: skip


def test_points_of_newer_charts() -> None:
    root = etree.fromstring(
        "<cx:chartSpace xmlns:cx='x'><cx:chartData><cx:data id='0'><cx:strDim type='cat'><cx:lvl><cx:pt idx='0'>May</cx:pt><cx:pt idx='2'>July</cx:pt>"
        "</cx:lvl></cx:strDim><cx:numDim type='val'><cx:lvl formatCode='General'><cx:pt idx='0'>12</cx:pt><cx:pt idx='2'>31</cx:pt></cx:lvl></cx:numDim>"
        "</cx:data></cx:chartData></cx:chartSpace>"
    )
    assert chart_lines(root) == ["May: 12 | July: 31"]


def test_alternative_texts_and_links_of_groups() -> None:
    drawing = (
        f"<xdr:wsDr xmlns:xdr='x' {A} {R}><xdr:twoCellAnchor><xdr:from><xdr:row>4</xdr:row></xdr:from><xdr:grpSp><xdr:nvGrpSpPr>"
        "<xdr:cNvPr id='1' name='g' descr='The harbour in parts'/></xdr:nvGrpSpPr><xdr:sp><xdr:nvSpPr><xdr:cNvPr id='2' name='s'>"
        "<a:hlinkClick r:id='l'/></xdr:cNvPr></xdr:nvSpPr><xdr:txBody><a:p><a:r><a:t>Quay</a:t></a:r></a:p></xdr:txBody></xdr:sp></xdr:grpSp>"
        "</xdr:twoCellAnchor></xdr:wsDr>"
    )
    document = xlsx(
        "", "", (("d", "drawing", "../drawings/drawing1.xml"),),
        {
            "xl/drawings/drawing1.xml": drawing,
            "xl/drawings/_rels/drawing1.xml.rels": relations(("l", "hyperlink", "https://quay.example")),
        },
    )  # fmt: skip
    assert document.text == "Berths\nThe harbour in parts\nQuay\nquay.example\n"


@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/sharedStrings.xml", "docProps/core.xml", "xl/theme/theme1.xml"])
@pytest.mark.parametrize("damage", ["<cut", "no xml", ""])
def test_a_damaged_part_costs_only_itself(part: str, damage: str) -> None:
    document = read("a.xlsx", changed(sheet([["Ahlen", 4471]]), {part: damage}))
    assert "4471" in document.text
    assert document.notice == (f"{part} cannot be read" if "theme" not in part else "")


def test_what_can_be_read_of_damaged_strings_and_sheets() -> None:
    strings = f"<sst {S}><si><t>Ahlen</t></si><si><t>Brake"
    document = xlsx(
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>',
        parts={"xl/sharedStrings.xml": strings},
    )
    assert (document.text, document.notice) == ("Ahlen\n", "xl/sharedStrings.xml cannot be read")
    document = xlsx(f'<row r="1">{cell("A1", "Ahlen")}</row><row r="2"><c', "")
    assert (document.text, document.notice) == ("Ahlen\n", "xl/worksheets/sheet1.xml cannot be read")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime.timedelta(hours=27, minutes=5), "27:05"), (datetime.timedelta(minutes=1, seconds=2), "0:01:02"),
        (True, "TRUE"), (False, "FALSE"), (1e15, "1000000000000000"), (2.5, "2.5"), (4.0, "4"), ("x", "x"),
    ],
)  # fmt: skip
def test_cells_of_old_workbooks(value: object, shown: str) -> None:
    assert _shown(value) == shown


def test_names_of_empty_sheets() -> None:
    import xlsxwriter

    from semsearch.sources.readers import spreadsheet

    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        book.add_worksheet("Moorings")
        book.add_worksheet("Berths").write(0, 0, True)
    assert spreadsheet.read(stream.getvalue(), "xls").text == "Moorings\nTRUE\n"


@pytest.mark.parametrize(
    ("told", "row"), [("99999999999999999999999", 2), ("999999999", 1_048_576), ("²", 2), ("7", 7), ("0", 1)]
)
def test_a_row_has_a_number_that_a_sheet_can_have(told: str, row: int) -> None:
    document = xlsx(f'<row r="1">{cell("A1", "x")}</row><row r="{told}">{cell("A2", "far")}</row>')
    assert line_of(document, "far") == row


def test_a_comment_stands_in_a_row_that_a_sheet_can_have() -> None:
    comments = (
        f"<comments {S}><authors><author>Olan</author></authors><commentList>"
        "<comment ref='A99999999999999999999' authorId='²'><text><t>far out</t></text></comment></commentList></comments>"
    )
    document = xlsx("", "", (("c", "comments", "../comments1.xml"),), {"xl/comments1.xml": comments})
    assert document.line_starts is not None
    assert max(line for _, line in document.line_starts) <= 1_048_576
    assert "Comment: far out" in document.text


def test_a_string_that_all_cells_of_a_row_name_is_told_as_far_as_a_row_goes() -> None:
    strings = {"xl/sharedStrings.xml": f"<sst {S}><si><t>{'reed ' * 20_000}</t></si></sst>"}
    document = xlsx('<row r="1">' + '<c t="s"><v>0</v></c>' * 16_000 + "</row>", parts=strings)
    assert 900_000 < len(document.text) < 1_100_000
    assert document.notice == "cells beyond 1,000,000 characters of a row left out"


def test_sheets_and_what_lies_on_them_are_told_once() -> None:
    comments = f"<comments {S}><authors/><commentList><comment ref='A1'><text><t>why</t></text></comment></commentList></comments>"
    listed = '<sheet name="Berths" r:id="s"/>' * 3
    book = f"<workbook {S} {R}><sheets>{listed}</sheets></workbook>"
    document = xlsx(
        f'<row r="1">{cell("A1", "Ahlen")}</row>', "", (("c", "comments", "../comments1.xml"),) * 2,
        {"xl/workbook.xml": book, "xl/comments1.xml": comments},
    )  # fmt: skip
    assert document.text == "Ahlen\nComment: why\n"


def test_heads_feet_and_text_boxes_stand_in_rows_that_there_are() -> None:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        page = book.add_worksheet("Data")
        for number in range(30):
            page.write(number, 0, f"val{number}")
        page.insert_textbox(4, 3, "alpha\nbravo\ncharlie")
        page.set_footer("&LConfidential")
    document = read("a.xlsx", stream.getvalue())
    assert [line_of(document, word) for word in ("alpha", "bravo", "charlie")] == [5, 5, 5]
    assert line_of(document, "Confidential") == 1
