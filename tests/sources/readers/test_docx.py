"""Word: automatic numbers, fields, links, symbols and files within are read as they are shown."""
# ruff: noqa: E501  # XML is read as it stands

import pytest
from lxml import etree

from semsearch.sources.document_types import read
from semsearch.sources.readers.docx_numbering import Numbering
from semsearch.sources.readers.docx_styles import Styles
from semsearch.sources.readers.numerals import numeral
from semsearch.sources.readers.ooxml import Package
from semsearch.sources.readers.symbol_fonts import symbol
from tests.sources.readers.office_parts import OFFICE, R, W, changed, chart, docx, p
from tests.support.documents import headings
from tests.support.office import zipped


def level(number: int, form: str, text: str, more: str = "", start: int = 1) -> str:
    return f"<w:lvl w:ilvl='{number}'><w:start w:val='{start}'/><w:numFmt w:val='{form}'/>{more}<w:lvlText w:val='{text}'/></w:lvl>"


def kind(levels: str, number: int = 7) -> str:
    return f"<w:abstractNum w:abstractNumId='{number}'>{levels}</w:abstractNum>"


def one_list(more: str = "", number: int = 1, of: int = 7) -> str:
    return f"<w:num w:numId='{number}'><w:abstractNumId w:val='{of}'/>{more}</w:num>"


def in_list(number: int = 1, place: int = 0) -> str:
    return f"<w:numPr><w:ilvl w:val='{place}'/><w:numId w:val='{number}'/></w:numPr>"


def labels(numbering: str, *places: tuple[int, int]) -> list[str]:
    counting = Numbering(etree.fromstring(f"<w:numbering {W}>{numbering}</w:numbering>"), Styles(None))
    return [
        counting.label(etree.fromstring(p("x", in_list(*place)).replace("<w:p>", f"<w:p {W}>", 1))) for place in places
    ]


def field(instruction: str, result: str) -> str:
    return (
        "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>" + instruction + "</w:instrText></w:r>"
        f"<w:r><w:fldChar w:fldCharType='separate'/></w:r>{result}<w:r><w:fldChar w:fldCharType='end'/></w:r>"
    )


def run(text: str) -> str:
    return f"<w:r><w:t xml:space='preserve'>{text}</w:t></w:r>"


NUMBERED = {"word/numbering.xml": f"<w:numbering {W}>{kind(level(0, 'decimal', '%1.'))}{one_list()}</w:numbering>"}
HAS_NUMBERS = {"n": ("numbering", "numbering.xml")}


def test_numbers_in_cells_and_of_empty_paragraphs() -> None:
    row = f"<w:tr><w:tc>{p('', in_list())}</w:tc><w:tc>{p('{}')}</w:tc></w:tr>"
    document = docx(
        p("Alder", in_list()) + p("", in_list()) + p("Birch", in_list())
        + f"<w:tbl>{row.format('Cedar')}{row.format('Damson')}</w:tbl>"
        + f"<w:tbl><w:tr><w:tc>{p('Elm', in_list())}{p('Fir', in_list())}</w:tc></w:tr></w:tbl>",
        HAS_NUMBERS, NUMBERED,
    )  # fmt: skip
    assert document.text == "1. Alder\n\n3. Birch\n\n4. | Cedar\n5. | Damson\n\n6. Elm 7. Fir\n\n"


def test_numbers_of_text_boxes_and_notes() -> None:
    document = docx(
        p("Alder", in_list())
        + f"<w:p>{run('Box')}<w:r><w:pict><w:txbxContent>{p('Birch', in_list())}</w:txbxContent></w:pict>"
        "<w:footnoteReference w:id='2'/></w:r></w:p>",
        {**HAS_NUMBERS, "f": ("footnotes", "footnotes.xml")},
        {
            **NUMBERED,
            "word/footnotes.xml": f"<w:footnotes {W}><w:footnote w:id='2'>{p('Cedar', in_list())}</w:footnote></w:footnotes>",
        },
    )
    assert document.text == "1. Alder\n\nBox\n2. Birch\n\n3. Cedar\n\n"


def test_lists_that_begin_at_another_number() -> None:
    start = "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='5'/></w:lvlOverride>"
    own = f"<w:lvlOverride w:ilvl='0'>{level(0, 'upperRoman', '%1)', start=3)}</w:lvlOverride>"
    numbering = kind(level(0, "decimal", "%1.")) + one_list() + one_list(start, 2) + one_list(own, 3)
    assert labels(numbering, (1, 0), (2, 0), (2, 0), (1, 0), (2, 0)) == ["1.", "5.", "6.", "7.", "8."], "one counting"
    assert labels(numbering, (3, 0), (3, 0)) == ["III)", "IV)"]


def test_a_list_begins_the_chapters_of_another_one() -> None:
    chapter = "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='18'/></w:lvlOverride>"
    numbering = (
        kind(level(0, "decimal", "%1") + level(1, "decimal", "Listing %1-%2")) + one_list(chapter, 1) + one_list("", 2)
    )
    assert labels(numbering, (1, 0), (2, 1), (2, 1), (1, 0)) == ["18", "Listing 18-1", "Listing 18-2", "19"]


def test_legal_numbers_and_levels_that_go_on() -> None:
    legal = level(0, "upperRoman", "%1.") + level(1, "decimal", "%1.%2", "<w:isLgl/>")
    assert labels(kind(legal) + one_list(), (1, 0), (1, 0), (1, 1)) == ["I.", "II.", "2.1"]
    going_on = level(0, "decimal", "Part %1") + level(1, "decimal", "Chapter %2", "<w:lvlRestart w:val='0'/>")
    assert labels(kind(going_on) + one_list(), (1, 0), (1, 1), (1, 0), (1, 1))[1::2] == ["Chapter 1", "Chapter 2"]
    by_first = (
        level(0, "decimal", "%1")
        + level(1, "decimal", "%1.%2")
        + level(2, "decimal", "(%3)", "<w:lvlRestart w:val='1'/>")
    )
    places = [(1, 0), (1, 1), (1, 2), (1, 1), (1, 2), (1, 0), (1, 2)]
    assert labels(kind(by_first) + one_list(), *places)[2::2] == ["(1)", "(2)", "(1)"]


def test_lists_by_a_style_of_lists() -> None:
    numbering = (
        "<w:abstractNum w:abstractNumId='3'><w:numStyleLink w:val='Clauses'/></w:abstractNum>"
        + kind("<w:styleLink w:val='Clauses'/>" + level(0, "lowerLetter", "(%1)"))
        + one_list(of=3) + one_list(number=2)
    )  # fmt: skip
    assert labels(numbering, (1, 0), (2, 0), (1, 0)) == ["(a)", "(b)", "(c)"]


def test_custom_formats_of_numbers() -> None:
    custom = (
        "<w:lvl w:ilvl='0'><mc:AlternateContent xmlns:mc='m'><mc:Choice><w:numFmt w:val='custom' w:format='001, 002, 003, ...'/>"
        "</mc:Choice><mc:Fallback><w:numFmt w:val='decimal'/></mc:Fallback></mc:AlternateContent><w:lvlText w:val='A-%1'/></w:lvl>"
    )
    assert labels(kind(custom) + one_list(), (1, 0), (1, 0)) == ["A-001", "A-002"]


@pytest.mark.parametrize(
    ("number", "form", "shown"),
    [
        (1, "ordinal", "1st"), (2, "ordinal", "2nd"), (11, "ordinal", "11th"), (23, "ordinal", "23rd"),
        (112, "ordinal", "112th"), (21, "cardinalText", "Twenty-one"), (12, "ordinalText", "Twelfth"),
        (20, "ordinalText", "Twentieth"), (121, "ordinalText", "One hundred twenty-first"), (28, "lowerLetter", "bb"),
        (1994, "upperRoman", "MCMXCIV"), (3, "russianUpper", "В"), (3, "decimalEnclosedCircle", "③"),
        (12, "chineseCounting", "十二"), (7, "decimalZero", "07"), (3, "chicago", "‡"), (0, "upperRoman", "0"), (2_000_000_000, "lowerLetter", "2000000000"),
    ],
)  # fmt: skip
def test_numerals(number: int, form: str, shown: str) -> None:
    assert numeral(number, form) == shown


def test_relations_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = Package.content
    monkeypatch.setattr(Package, "content", lambda self, name: asked.append(name) or original(self, name))
    docx("".join(p(f"paragraph {number}") for number in range(50)))
    assert asked.count("word/_rels/document.xml.rels") == 1


def test_links_of_notes_comments_and_heads() -> None:
    link = "<w:p><w:hyperlink r:id='l'><w:r><w:t>{}</w:t></w:r></w:hyperlink></w:p>"
    address = (
        f"<Relationships><Relationship Id='l' Type='{R[9:-1]}/hyperlink' Target='https://{{}}.example' TargetMode='External'/>"
        "</Relationships>"
    )
    parts = {"footnotes": "footnotes", "comments": "comments", "header1": "header"}
    document = docx(
        link.format("the body") + "<w:p><w:r><w:footnoteReference w:id='2'/><w:commentReference w:id='0'/></w:r></w:p>",
        {"l": ("hyperlink", "https://body.example"), **{name: (kind, f"{name}.xml") for name, kind in parts.items()}},
        {
            "word/footnotes.xml": f"<w:footnotes {W} {R}><w:footnote w:id='2'>{link.format('a note')}</w:footnote></w:footnotes>",
            "word/comments.xml": f"<w:comments {W} {R}><w:comment w:id='0'>{link.format('a comment')}</w:comment></w:comments>",
            "word/header1.xml": f"<w:hdr {W} {R}>{link.format('a head')}</w:hdr>",
            **{f"word/_rels/{name}.xml.rels": address.format(kind) for name, kind in parts.items()},
        },
    )
    for said in (
        "the body (body.example)",
        "a note (footnotes.example)",
        "a comment (comments.example)",
        "a head (header.example)",
    ):
        assert document.text.count(said) == 1
    assert document.text.count(".example") == 4


def test_a_line_ends_behind_text_boxes_and_drawings() -> None:
    box = f"<w:r><w:pict><w:txbxContent>{p('one')}{p('two')}</w:txbxContent></w:pict></w:r>"
    shape = "<w:r><w:drawing><a:graphicData><a:p><a:r><a:t>drawn</a:t></a:r></a:p></a:graphicData></w:drawing></w:r>"
    document = docx(f"<w:p>{run('before')}{box}{run('between')}{shape}{run('after')}</w:p>")
    assert document.text == "before\none\ntwo\nbetween\ndrawn\nafter\n\n"


@pytest.mark.parametrize(
    ("code", "font", "shown"),
    [
        (0xF0FC, "Wingdings", "✓"), (0xFE, "Wingdings", "☑"), (0xF0E0, "Wingdings", "→"), (0xF0A8, "Wingdings", "□"),
        (0xF061, "Symbol", "α"), (0x57, "Symbol", "Ω"), (0xF0AE, "symbol", "→"), (0xF0B3, "Symbol", "≥"),
        (0xF050, "Wingdings 2", "✓"), (0xF021, "Wingdings", ""), (0xF061, "Unheard Of", ""), (0x2192, "Arial", "→"),
    ],
)  # fmt: skip
def test_symbols(code: int, font: str, shown: str) -> None:
    assert symbol(code, font) == shown


def test_half_a_character_is_none() -> None:
    assert symbol(0xD800, "x") == ""


def test_symbols_of_word() -> None:
    document = docx(
        f"<w:p><w:r><w:sym w:font='Wingdings' w:char='F0FC'/></w:r>{run(' done, ')}<w:r><w:rPr><w:rFonts w:ascii='Symbol'/></w:rPr>"
        "<w:t>&#xF061; = 3</w:t></w:r><w:r><w:sym w:font='Wingdings' w:char='x'/></w:r></w:p>"
    )
    assert document.text == "✓ done, α = 3\n\n"


def test_files_within_a_document() -> None:
    inner = zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {W}><w:body>{p('Third')}</w:body></w:document>",
        }
    )
    document = docx(
        f"{p('First')}<w:altChunk r:id='h'/><w:altChunk r:id='d'/><w:altChunk r:id='t'/>"
        f"<w:tbl><w:tr><w:tc>{p('Fifth')}<w:altChunk r:id='b'/></w:tc></w:tr></w:tbl>{p('Last')}",
        {name: ("aFChunk", target) for name, target in
         {"h": "c1.html", "d": "c2.docx", "t": "c3.txt", "b": "c4.docx"}.items()},
        {"word/c1.html": "<html><body><p>Second</p></body></html>", "word/c2.docx": inner, "word/c3.txt": "Fourth",
         "word/c4.docx": b"\0\1\2"},
    )  # fmt: skip
    assert document.text.split() == ["First", "Second", "Third", "Fourth", "Fifth", "Last"]
    assert document.notice == "word/c4.docx cannot be read"


def test_a_long_file_within_a_document_is_read_to_its_end() -> None:
    rows = "a,b\n" + "".join(f"{number},{number} and some words that fill a line\n" for number in range(25_000))
    document = docx("<w:altChunk r:id='c'/><w:altChunk r:id='c'/>", {"c": ("aFChunk", "c.csv")}, {"word/c.csv": rows})
    assert document.text.count("a: 24999") == 1


def test_what_a_file_within_a_document_lacks_is_told() -> None:
    inner = zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {W}><w:body>{p('Inner')}</w:body></w:document>",
            "word/styles.xml": "<cut",
        }
    )
    document = docx("<w:altChunk r:id='d'/>", {"d": ("aFChunk", "c.docx")}, {"word/c.docx": inner})
    assert document.text.strip() == "Inner"
    assert document.notice == "word/c.docx: word/styles.xml cannot be read"


def test_a_damaged_file_within_a_document_costs_only_itself() -> None:
    body = f"<w:document {W} {R}><w:body>{p('Before')}<w:altChunk r:id='h'/>{p('After')}</w:body></w:document>"
    relation = f"<Relationship Id='h' Type='{OFFICE}/aFChunk' Target='c.html'/>"
    data = zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": body,
            "word/_rels/document.xml.rels": f"<Relationships>{relation}</Relationships>",
        }
    )
    stored = changed(data, {"word/c.html": "<p>chunk words</p>"})
    document = read("a.docx", stored.replace(b"chunk words", b"Chunk words", 1))  # its checksum is another one
    assert document.text.split() == ["Before", "After"]
    assert document.notice == "word/c.html cannot be read"


def test_values_of_form_fields() -> None:
    form = "<w:p><w:r><w:fldChar w:fldCharType='begin'><w:ffData>{}</w:ffData></w:fldChar></w:r><w:r><w:instrText>FORM</w:instrText></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r>{}</w:p>"
    entries = "<w:listEntry w:val='Oak'/><w:listEntry w:val='Ash'/>"
    document = docx(
        form.format(f"<w:ddList><w:result w:val='1'/>{entries}</w:ddList>", "")
        + form.format(f"<w:ddList>{entries}</w:ddList>", run(" is the first"))
        + form.format("<w:checkBox><w:checked/></w:checkBox>", run("sold"))
        + form.format("<w:checkBox><w:default w:val='0'/></w:checkBox>", run("felled"))
    )
    assert document.text == "Ash\n\nOak is the first\n\n☒ sold\n\n☐ felled\n\n"


def test_links_by_fields_and_to_mailboxes() -> None:
    with_tip = field(' HYPERLINK "https://weir.example/plan" \\o "tip" ', run("the plan"))
    within = field('HYPERLINK \\l "_Toc1"', run("Chapter one"))
    document = docx(
        f"<w:p>{with_tip}{run('.')}</w:p><w:p>{within}</w:p>"
        f"<w:p><w:fldSimple w:instr='HYPERLINK mailto:jo@weir.example?subject=Plan'>{run('Jo')}</w:fldSimple></w:p>"
        f"<w:p><w:hyperlink r:id='m'>{run('Ines')}</w:hyperlink></w:p>"
        f"<w:p>{field('HYPERLINK &quot;https://weir.example&quot;', run('weir.example'))}</w:p>",
        {"m": ("hyperlink", "mailto:ines@weir.example")},
    )
    assert document.text == (
        "the plan (weir.example/plan).\n\nChapter one\n\nJo (jo@weir.example)\n\nInes (ines@weir.example)\n\nweir.example\n\n"
    )


def test_results_in_instructions_are_not_shown() -> None:
    inner = field("MERGEFIELD due", run("overdue"))
    document = docx(
        "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText> IF </w:instrText></w:r>" + inner
        + "<w:r><w:instrText> = 1 </w:instrText></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r>" + run("Pay now")
        + "<w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>"
        + "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r></w:p>" + p("what follows a field that never ends")
    )  # fmt: skip
    assert document.text == "Pay now\n\nwhat follows a field that never ends\n\n"


def test_pictures_of_old_versions() -> None:
    document = docx(
        "<w:p xmlns:v='urn:schemas-microsoft-com:vml'><w:r><w:pict><v:shape alt='Heron on a post'><v:imagedata/></v:shape>"
        "<v:shape><v:textpath string='DRAFT'/></v:shape></w:pict></w:r></w:p>"
    )
    assert document.text == "Heron on a post\n\nDRAFT\n\n"


def test_links_of_pictures() -> None:
    document = docx(
        "<w:p><w:r><w:drawing><wp:docPr xmlns:wp='x' descr='Map'><a:hlinkClick r:id='l'/></wp:docPr></w:drawing></w:r></w:p>",
        {"l": ("hyperlink", "https://maps.example/weir")},
    )
    assert document.text == "Map\n\nmaps.example/weir\n\n"


def test_nothing_of_what_was_deleted() -> None:
    mark = "<w:rPr><w:del/></w:rPr>"
    gone = "<w:r><w:footnoteReference w:id='{}'/><w:drawing><wp:docPr xmlns:wp='x' descr='gone picture'/></w:drawing></w:r>"
    document = docx(
        f"<w:p>{run('Kept')}<w:del>{gone.format(2)}</w:del><w:moveFrom>{gone.format(3)}</w:moveFrom></w:p>"
        + f"<w:tbl><w:tr><w:tc><w:p><w:del>{gone.format(2)}</w:del></w:p></w:tc></w:tr></w:tbl>"
        + p("Alder", in_list())
        + f"<w:p><w:pPr>{in_list()}{mark}</w:pPr><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        + p("Birch", in_list())
        + p("The toll is ", mark) + p("free.") + "<w:p><w:del><w:r><w:commentReference w:id='0'/></w:r></w:del></w:p>",
        {**HAS_NUMBERS, "f": ("footnotes", "footnotes.xml"), "c": ("comments", "comments.xml")},
        {
            "word/comments.xml": f"<w:comments {W}><w:comment w:id='0' w:author='Jo'>{p('Why so dear?')}</w:comment></w:comments>",
            **NUMBERED,
            "word/footnotes.xml": f"<w:footnotes {W}><w:footnote w:id='2'>{p('gone')}</w:footnote><w:footnote w:id='3'>"
            f"{p('gone')}</w:footnote><w:footnote w:id='4'>{p('Nothing refers to it.')}</w:footnote></w:footnotes>",
        },
    )  # fmt: skip
    assert (
        document.text
        == "Kept\n\n1. Alder\n\n2. Birch\n\nThe toll is free.\n\nComment by Jo: Why so dear?\n\nNothing refers to it.\n\n"
    )


def test_fractions() -> None:
    document = docx(
        "<w:p xmlns:m='m'><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></w:p>"
    )
    assert document.text == "1/2\n\n"


def test_levels_that_are_no_numbers_cost_no_document() -> None:
    assert headings(docx(p("Body stays.", "<w:outlineLvl w:val='²'/>"))) == [("Body stays.", ())]
    styles = "<w:style w:styleId='s'><w:name w:val='own'/><w:pPr><w:outlineLvl w:val='²'/></w:pPr></w:style>"
    root = etree.fromstring(f"<w:styles {W}>{styles}</w:styles>")
    paragraph = etree.fromstring(
        f"<w:p {W}><w:pPr><w:pStyle w:val='s'/><w:numPr><w:ilvl w:val='²'/><w:numId w:val='1'/></w:numPr></w:pPr></w:p>"
    )
    assert Styles(root).heading_level(paragraph) is None
    assert Styles(root).numbering_of(paragraph) == ("1", 0)


def test_a_chart_that_is_named_many_times_is_told_once() -> None:
    drawing = "<w:p><w:r><w:drawing><c:chart xmlns:c='c' r:id='c'/></w:drawing></w:r></w:p>"
    document = docx(drawing * 8000, {"c": ("chart", "chart.xml")}, {"word/chart.xml": chart("barChart")})
    assert document.text.count("Swifts by month") == 1


def test_fields_in_fields_and_links_in_links_are_read_once() -> None:
    begin = '<w:fldChar w:fldCharType="begin"/><w:fldChar w:fldCharType="separate"/>'
    assert docx(f"<w:p>{begin * 60_000}{run('x') * 1000}</w:p>").text.strip() == "x" * 1000
    link = '<w:hyperlink r:id="l">' * 150 + run("x") * 20_000 + "</w:hyperlink>" * 150
    document = docx(f"<w:p>{link}</w:p>", {"l": ("hyperlink", "https://weir.example/x")})
    assert document.text.strip() == "x" * 20_000 + " (weir.example/x)"


def test_tables_in_tables_are_read_once() -> None:
    begin, end = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
    document = docx(f"{begin * 600}{p('deep')}{'<w:p/>' * 20_000}{end * 600}")  # 36 million steps up else
    assert document.text == "deep\n\n"


def test_a_chain_of_notes_is_told_in_order() -> None:
    notes = "".join(
        f'<w:footnote w:id="{n}"><w:p>{run(f"note {n}.")}<w:r><w:footnoteReference w:id="{n + 1}"/></w:r></w:p></w:footnote>'
        for n in range(3000)
    )
    body = f'<w:p>{run("Body.")}<w:r><w:footnoteReference w:id="0"/></w:r></w:p>{p("After.")}'
    document = docx(body, {"n": ("footnotes", "n.xml")}, {"word/n.xml": f"<w:footnotes {W}>{notes}</w:footnotes>"})
    assert document.text.split("\n\n")[:3000] == ["Body.", *(f"note {n}." for n in range(2999))]
    assert document.text.endswith("After.\n\n")


def test_what_is_nested_too_deep_is_told() -> None:
    begin, end = "<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>"
    document = docx(f"<w:p>{begin * 120}{run('inner')}{end * 120}{run('Body stays.')}</w:p>")
    assert document.text == "Body stays.\n\n"
    assert document.notice == "text nested more than 200 deep left out"


def test_lists_have_nine_levels_and_labels_an_end() -> None:
    many = "".join(level(place, "decimal", f"%{place + 1}") for place in range(9))
    numbering = f"{kind(many + level(5000, 'decimal', 'x'))}{one_list()}"
    body = "".join(p("a", in_list(1, place)) for place in (0, 8, 9, 5000))
    parts = {"word/numbering.xml": f"<w:numbering {W}>{numbering}</w:numbering>"}
    assert docx(body, parts=parts).text.split("\n\n")[:-1] == ["1 a", "1 a", "2 a", "3 a"]
    parts = {
        "word/numbering.xml": f"<w:numbering {W}>{kind(level(0, 'decimal', '%1' * 100_000))}{one_list()}</w:numbering>"
    }
    assert len(docx(p("a", in_list()) * 2, parts=parts).text) < 500


def test_lists_that_override_nothing_share_their_levels() -> None:
    styles = Styles(None)
    lists = "".join(one_list(number=number) for number in range(1, 100))
    numbering = Numbering(
        etree.fromstring(f"<w:numbering {W}>{kind(level(0, 'decimal', '%1.'))}{lists}</w:numbering>"), styles
    )
    assert len({id(one.levels) for one in numbering._lists.values()}) == 1


def test_a_comment_without_an_author() -> None:
    comments = f'<w:comments {W}><w:comment w:id="0">{p("why")}</w:comment></w:comments>'
    body = '<w:p><w:r><w:t>x</w:t></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
    assert docx(body, parts={"word/comments.xml": comments}).text == "x\n\nComment: why\n\n"
