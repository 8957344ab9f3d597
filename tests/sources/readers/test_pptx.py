"""PowerPoint: what is said of groups and pictures, and where links lead."""
# ruff: noqa: E501  # XML is read as it stands

from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.sources.readers.office_parts import OFFICE, changed
from tests.support.documents import headings
from tests.support.office import slides


def deck(shapes: str, links: dict[str, str]) -> Document:
    """A slide with more `shapes`; `links`: id -> address."""
    rows = "".join(
        f'<Relationship Id="{number}" Type="{OFFICE}/hyperlink" Target="{target}" TargetMode="External"/>'
        for number, target in links.items()
    )
    return read(
        "a.pptx",
        changed(
            slides(["Plan"], "Raise the sluice"),
            {},
            {
                "ppt/slides/_rels/slide1.xml.rels": ("</Relationships>", f"{rows}</Relationships>"),
                "ppt/slides/slide1.xml": ("</p:spTree>", f"{shapes}</p:spTree>"),
            },
        ),
    )


def run(text: str, link: str = "") -> str:
    return (
        f"<a:r><a:rPr>{f'<a:hlinkClick r:id={chr(34)}{link}{chr(34)}/>' if link else ''}</a:rPr><a:t>{text}</a:t></a:r>"
    )


def shape(paragraph: str, properties: str = "") -> str:
    return f"<p:sp><p:nvSpPr><p:cNvPr id='5' name='s'>{properties}</p:cNvPr><p:nvPr/></p:nvSpPr><p:txBody><a:p>{paragraph}</a:p></p:txBody></p:sp>"


def test_links_of_texts() -> None:
    document = deck(
        shape(run("See ") + run("the ", "rA") + run("plan", "rA") + run(" or ask ") + run("Jo", "rB") + run("."))
        + shape(run("weir.example/plan", "rA")),
        {"rA": "https://weir.example/plan", "rB": "mailto:jo@weir.example"},
    )
    assert "See the plan (weir.example/plan) or ask Jo (jo@weir.example).\n\nweir.example/plan\n\n" in document.text


def test_links_and_alternative_texts_of_shapes_and_groups() -> None:
    picture = "<p:pic><p:nvPicPr><p:cNvPr id='9' name='x' descr='Otter at dusk'><a:hlinkClick r:id='rA'/></p:cNvPr></p:nvPicPr></p:pic>"
    document = deck(
        f"<p:grpSp><p:nvGrpSpPr><p:cNvPr id='7' name='g' title='Sluice' descr='The sluice in parts'/></p:nvGrpSpPr>{picture}"
        f"{shape(run('Gate'))}</p:grpSp>" + shape(run("Next"), "<a:hlinkClick r:id='rB'/>"),
        {"rA": "https://otters.example"},
    )
    assert document.text.endswith(
        "Sluice\n\nThe sluice in parts\n\nOtter at dusk\n\notters.example\n\nGate\n\nNext\n\n"
    )


def test_links_of_titles_and_symbols() -> None:
    title = "<p:sp><p:nvSpPr><p:cNvPr id='5' name='s' descr='A banner'/><p:nvPr><p:ph type='title'/></p:nvPr></p:nvSpPr><p:txBody><a:p>{}</a:p></p:txBody></p:sp>"
    symbols = "<a:r><a:rPr><a:sym typeface='Wingdings'/></a:rPr><a:t>&#xF0FC;</a:t></a:r>"
    data = slides(["Plan"], "Raise the sluice")
    document = read(
        "a.pptx",
        changed(
            data, {},
            {
                "ppt/slides/slide1.xml": ("<p:spTree>", "<p:spTree>" + title.format(run("The weir", "rA") + symbols)),
                "ppt/slides/_rels/slide1.xml.rels": (
                    "</Relationships>",
                    f'<Relationship Id="rA" Type="{OFFICE}/hyperlink" Target="https://weir.example" TargetMode="External"/></Relationships>',
                ),
            },
        ),
    )  # fmt: skip
    assert headings(document)[0] == ("The weir (weir.example)✓", ("The weir (weir.example)✓",))
    assert document.text.count("A banner") == 1


def test_line_ends_that_are_escaped() -> None:
    assert "one\ntwo" in deck(shape(run("one_x000B_two")), {}).text


def test_slides_with_numbers_that_are_none_are_passed_over() -> None:
    parts = {"ppt/_rels/presentation.xml.rels": "<cut", "ppt/slides/slide²99999999999.xml": "x"}
    parts |= {f"ppt/slides/slide{'9' * 5000}.xml": "x"}
    document = read("a.pptx", changed(slides(["One", "Two"], "body"), parts))
    assert [section.page for section in document.sections] == [1, 2]


def test_a_slide_that_is_listed_many_times_is_read_once() -> None:
    shapes = shape(run("word")) * 2000
    deck_of_one = deck(shapes, {})
    assert deck_of_one.text.count("word") == 2000
    data = slides(["One"], "body")
    listed = '<p:sldId id="256" r:id="rId7"/>'
    many = changed(data, {}, {"ppt/presentation.xml": (listed, listed * 30_000)})
    assert read("a.pptx", many).text == read("a.pptx", data).text


def test_a_slide_without_a_title_is_under_no_heading() -> None:
    document = read("a.pptx", slides(["One", "", "Three"], "body"))
    assert [section.heading for section in document.sections] == [("One",), (), ("Three",)]
