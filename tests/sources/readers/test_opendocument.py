"""OpenDocument: numbers of lists, values as they are shown, fields of slides, and damaged parts."""
# ruff: noqa: E501  # XML is read as it stands

import pytest

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.sources.readers.office_parts import changed
from tests.support.office import open_document

SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "style", "presentation", "form", "draw", "fo", "xlink")
)


def flat(kind: str, body: str, styles: str = "") -> Document:
    return read(
        "a.fodt",
        f'<office:document {SPACES} office:mimetype="application/vnd.oasis.opendocument.{kind}"><office:automatic-styles>{styles}'
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>".encode(),
    )


def level(number: int, form: str, more: str = "") -> str:
    return f'<text:list-level-style-number text:level="{number}" style:num-format="{form}" {more}/>'


def listed(items: str, more: str = 'text:style-name="L"') -> str:
    return f"<text:list {more}>{items}</text:list>"


def item(text: str, within: str = "", more: str = "") -> str:
    return f"<text:list-item {more}><text:p>{text}</text:p>{within}</text:list-item>"


STYLE = (
    '<text:list-style style:name="L">'
    + level(1, "1", 'style:num-suffix="."')
    + level(2, "a", 'style:num-prefix="(" style:num-suffix=")"')
    + level(3, "I", 'text:display-levels="3"')
    + '</text:list-style><text:list-style style:name="B"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/></text:list-style>'
)


def test_numbers_of_lists() -> None:
    deep = listed(item("Cedar", listed(item("Damson"), "")), "")
    document = flat(
        "text",
        listed(item("Alder</text:p><text:p>goes on") + item("") + item("Birch", deep)) + "<text:p>between</text:p>"
        + listed(item("Elm"), 'text:style-name="L" text:continue-numbering="true"')
        + listed(item("Fir") + item("Gorse", more='text:start-value="7"')) + listed(item("Hazel"), 'text:style-name="B"')
        + listed("<text:list-header><text:p>Head</text:p></text:list-header>" + item("Ivy")),
        STYLE,
    )  # fmt: skip
    assert document.text.split("\n\n")[:-1] == [
        "1. Alder", "goes on", "3. Birch", "(a) Cedar", "3.a.I Damson", "between", "4. Elm", "1. Fir", "7. Gorse", "Hazel",
        "Head", "1. Ivy",
    ]  # fmt: skip


def test_lists_that_go_on_by_name_and_by_pattern() -> None:
    pattern = level(1, "1", 'style:num-list-format="Art. %1%"') + level(2, "1", 'style:num-list-format="%1%-%2%"')
    document = flat(
        "text",
        listed(item("Alder"), 'text:style-name="P" xml:id="one"') + listed(item("Birch"), 'text:style-name="P"')
        + listed(item("Cedar", listed(item("Damson"), "")), 'text:style-name="P" text:continue-list="one"'),
        f'<text:list-style style:name="P">{pattern}</text:list-style>',
    )  # fmt: skip
    assert document.text.split("\n\n")[:-1] == ["Art. 1 Alder", "Art. 1 Birch", "Art. 2 Cedar", "2-1 Damson"]


def test_numbers_of_headings_and_in_cells() -> None:
    outline = (
        '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1"/><text:outline-level-style text:level="2" '
        'style:num-format="1" text:display-levels="2"/><text:outline-level-style text:level="3" style:num-format=""/></text:outline-style>'
    )
    row = "<table:table-row><table:table-cell>{}</table:table-cell><table:table-cell><text:p>{}</text:p></table:table-cell></table:table-row>"
    going_on = 'text:style-name="L" text:continue-numbering="true"'
    document = flat(
        "text",
        "".join(f'<text:h text:outline-level="{level}">{text}</text:h>' for level, text in
                [(1, "Trees"), (2, "Broad"), (2, "Narrow"), (3, "Fir"), (1, "Herbs"), (2, "Tall")])
        + '<text:h text:outline-level="2" text:is-list-header="true">Aside</text:h>'
        + f"<table:table>{row.format(listed(item('')), 'Ivy')}{row.format(listed(item(''), going_on), 'Juniper')}</table:table>",
        outline + STYLE,
    )  # fmt: skip
    assert document.text.split("\n\n")[:-1] == [
        "1 Trees", "1.1 Broad", "1.2 Narrow", "Fir", "2 Herbs", "2.1 Tall", "Aside", "1. | Ivy\n2. | Juniper",
    ]  # fmt: skip
    assert document.sections[1].heading == ("1 Trees", "1.1 Broad")


def test_numbers_that_the_text_says() -> None:
    assert flat("text", listed(item("<text:number>1.</text:number> Alder")), STYLE).text == "1. Alder\n\n"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('office:value-type="boolean" office:boolean-value="true"', "TRUE"),
        ('office:value-type="time" office:time-value="PT27H05M00S"', "27:05:00"),
        ('office:value-type="time" office:time-value="PT00H01M02.500S"', "00:01:02"),
        ('office:value-type="percentage" office:value="0.125"', "12.5%"),
        ('office:value-type="currency" office:currency="EUR" office:value="12.5"', "12.5 EUR"),
        ('office:value-type="float" office:value="4.0"', "4"),
        ('office:value-type="date" office:date-value="2026-03-15T00:00:00"', "2026-03-15"),
        ('office:value-type="date" office:date-value="2026-03-15T18:00:00"', "2026-03-15 18:00:00"),
        ('office:value-type="string" office:string-value="Ahlen"', "Ahlen"),
        ('office:value-type="percentage" office:value="n/a"', "n/a"),
    ],
)
def test_values_without_text(cell: str, shown: str) -> None:
    document = flat(
        "spreadsheet",
        f'<table:table table:name="T"><table:table-row><table:table-cell {cell}/></table:table-row></table:table>',
    )
    assert document.text == f"{shown}\n"


def test_heads_feet_and_dates_of_slides() -> None:
    document = flat(
        "presentation",
        '<presentation:footer-decl presentation:name="f1">Harbour office</presentation:footer-decl>'
        '<presentation:footer-decl presentation:name="f2">never shown</presentation:footer-decl>'
        '<presentation:date-time-decl presentation:name="d1">15 March</presentation:date-time-decl>'
        + '<draw:page presentation:use-footer-name="f1" presentation:use-date-time-name="d1"><text:p>Plan</text:p></draw:page>' * 2,
    )  # fmt: skip
    assert document.text == "Plan\n\nPlan\n\nHarbour office\n\n15 March\n\n"


def test_links() -> None:
    document = flat(
        "text",
        '<text:p><text:a xlink:href="mailto:jo@weir.example?subject=x">Jo</text:a>, <text:a xlink:href="https://weir.example/plan">the plan'
        '</text:a>.</text:p><draw:a xlink:href="https://map.example"><draw:frame><draw:text-box><text:p>Map</text:p></draw:text-box>'
        '</draw:frame></draw:a><text:p><text:a xlink:href="#Chapter 1">one</text:a></text:p>',
    )
    assert document.text == "Jo (jo@weir.example), the plan (weir.example/plan).\n\nmap.example\n\nMap\n\none\n\n"


def test_values_of_forms_are_not_settings() -> None:
    document = flat(
        "text",
        '<office:forms><form:form><form:text form:current-value="Ahlen"><form:properties><form:property form:property-name="X" '
        'office:value-type="float" office:value="4471"/></form:properties></form:text></form:form></office:forms><text:p>x</text:p>',
    )
    assert document.text == "x\n\nAhlen\n\n"


@pytest.mark.parametrize("damage", ["<cut", ""])
@pytest.mark.parametrize("part", ["meta.xml", "styles.xml", "META-INF/manifest.xml", "Object 1/content.xml"])
def test_a_damaged_part_costs_only_itself(part: str, damage: str) -> None:
    body = '<text:p>Body stays.</text:p><draw:object xlink:href="./Object 1" xmlns:xlink="x"/>'
    document = read("a.odt", changed(open_document("text", body), {part: damage}))
    assert document.text.strip() == "Body stays."
    assert document.notice == f"{part} cannot be read"


def test_a_part_that_is_said_to_be_encrypted_costs_only_itself() -> None:
    data = bytearray(changed(open_document("text", "<text:p>Body stays.</text:p>"), {"meta.xml": "<m/>"}))
    data[data.find(b"meta.xml") - 30 + 6] |= 1  # the flag in the header of the part
    data[data.rfind(b"meta.xml") - 46 + 8] |= 1  # and in the list of all parts
    document = read("a.odt", bytes(data))
    assert document.text.strip() == "Body stays."
    assert document.notice == "meta.xml cannot be read"


def test_encrypted_files_are_told() -> None:
    manifest = "<m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
    data = changed(open_document("text", "<text:p>x</text:p>"), {"META-INF/manifest.xml": manifest})
    with pytest.raises(ReadError, match="encrypted OpenDocument file"):
        read("a.odt", data)


@pytest.mark.parametrize(
    "body",
    [
        '<text:h text:outline-level="²">Body stays.</text:h>',
        '<text:p>Body<text:s text:c="²"/>stays.</text:p>',
        '<table:table><table:table-row table:number-rows-repeated="²"><table:table-cell><text:p>Body stays.</text:p>'
        "</table:table-cell></table:table-row></table:table>",
        f'<text:p>Body stays.</text:p><table:table><table:table-row><table:table-cell office:value-type="time" office:time-value="PT{"9" * 5000}H"/>'
        "</table:table-row></table:table>",
    ],
)
def test_numbers_that_are_none_cost_no_document(body: str) -> None:
    assert "Body stays." in flat("text", body).text


def test_levels_that_no_list_has_are_not_counted() -> None:
    def styled(more: str) -> str:
        return f'<text:list-style style:name="L">{level(1, "1", more)}</text:list-style>'

    many = styled('text:display-levels="999999999"')
    assert flat("text", listed(item("one")), many).text.strip() == "1 one"
    deep = '<text:list text:style-name="L"><text:list-item>' * 30 + "<text:p>deep</text:p>"
    assert flat("text", deep + "</text:list-item></text:list>" * 30, many).text.strip() == "deep"
    long = styled(f'style:num-suffix="{")" * 100_000}"')
    assert len(flat("text", listed(item("one")), long).text) < 300


def test_headings_have_ten_levels() -> None:
    document = flat("text", "".join(f'<text:h text:outline-level="{n}">h{n}</text:h>' for n in range(1, 40)))
    assert max(len(section.heading) for section in document.sections) == 10


def test_an_empty_cell_keeps_its_column() -> None:
    cells = "".join(f"<table:table-cell>{text}</table:table-cell>" for text in ("", "<text:p>9 m</text:p>", ""))
    table = f"<table:table><table:table-row>{cells}</table:table-row></table:table>"
    assert read("a.odt", open_document("text", table)).text == " | 9 m\n\n"


def test_cells_far_out_take_no_room() -> None:
    far = '<table:table-cell table:number-columns-repeated="16384"/>' * 2000
    table = f"<table:table><table:table-row>{far}<table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>"
    assert flat("text", table).text == "x\n\n"


def test_cells_that_fill_a_sheet_are_told_once() -> None:
    cell = f'<table:table-cell table:number-columns-repeated="1000"><text:p>{"a b " * 5000}</text:p></table:table-cell>'
    rows = f'<table:table-row table:number-rows-repeated="1000">{cell}</table:table-row>'
    document = flat("spreadsheet", f'<table:table table:name="S">{rows}</table:table>')
    assert len(document.text) == 20_000
    assert document.notice == "cells that are repeated many times are told once"
    few = '<table:table-row><table:table-cell table:number-columns-repeated="3"><text:p>a</text:p></table:table-cell></table:table-row>'
    assert flat("spreadsheet", f'<table:table table:name="S">{few}</table:table>').text == "a | a | a\n"


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("<text:p>a<draw:frame><draw:text-box>", "</draw:text-box></draw:frame></text:p>"),
        ("<text:p>a<text:note><text:note-body>", "</text:note-body></text:note></text:p>"),
    ],
)
def test_what_is_nested_too_deep_is_left_out_and_told(begin: str, end: str) -> None:
    document = flat("text", f"{begin * 400}<text:p>deep</text:p>{end * 400}<text:p>Body stays.</text:p>")
    assert document.text.count("a") >= 50
    assert "Body stays." in document.text
    assert document.notice == "text nested more than 50 deep left out"


def test_links_in_links_and_an_object_that_holds_itself_end() -> None:
    links = (
        '<text:a xlink:href="http://weir.example/y">' * 500 + "<text:span>x</text:span>" * 20_000 + "</text:a>" * 500
    )
    assert flat("text", f"<text:p>{links}</text:p>").text.strip() == "x" * 20_000 + " (weir.example/y)"
    twice = '<draw:frame><draw:object href="./Object 1"/></draw:frame>' * 2
    body = f"<text:p>Body stays.{twice}</text:p>"
    inner = f"<content {SPACES}><text:p>Tower{twice}</text:p></content>"
    document = read("a.odt", changed(open_document("text", body), {"Object 1/content.xml": inner}))
    assert document.text.split() == ["Body", "stays.", "Tower"]


def test_the_title_of_a_slide_is_its_heading() -> None:
    def frame(kind: str, text: str) -> str:
        return f'<draw:frame presentation:class="{kind}"><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>'

    document = flat(
        "presentation",
        f"<draw:page>{frame('title', 'Plan')}{frame('outline', 'Raise the sluice')}</draw:page>"
        f"<draw:page>{frame('outline', 'No title')}</draw:page>",
    )
    assert document.text == "Plan\n\nRaise the sluice\n\nNo title\n\n"
    assert [(section.heading, section.page) for section in document.sections] == [(("Plan",), 1), ((), 2)]
