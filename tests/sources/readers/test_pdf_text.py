"""What of PDFs is not in pypdf's text of a page: fields, notes, damage; and what is not text at all."""
# ruff: noqa: E501  # texts are read as they stand

import io

import pypdf
import pytest
from pypdf.annotations import FreeText, Text
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from semsearch.errors import ReadError
from semsearch.sources import dates
from semsearch.sources.document_types import read
from semsearch.sources.readers.pdf_text import cleaned, is_readable
from tests.support.pdf import make_pdf


def saved(writer: pypdf.PdfWriter) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_notes_fields_and_links() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["Application form", ""])))
    note = Text(rect=(0, 0, 9, 9), text="Check the spillway")
    note[NameObject("/T")] = TextStringObject("Ulla")
    writer.add_annotation(0, note)
    writer.add_annotation(1, FreeText(text="Kestrel count", rect=(0, 0, 9, 9)))
    page = writer.pages[0]
    for values in (
        {"/Subtype": NameObject("/Widget"), "/T": TextStringObject("applicant"), "/V": TextStringObject("Odalys V.")},
        {"/Subtype": NameObject("/Widget"), "/T": TextStringObject("agreed"), "/V": NameObject("/Off")},
        {
            "/Subtype": NameObject("/Link"),
            "/A": DictionaryObject({NameObject("/URI"): TextStringObject("https://p.example/f")}),
        },
    ):
        field = DictionaryObject({NameObject(name): value for name, value in values.items()})
        page[NameObject("/Annots")] = ArrayObject([*page["/Annots"], writer._add_object(field)])
    document = read("a.pdf", saved(writer))
    for said in (
        "Note by Ulla: Check the spillway",
        "applicant: Odalys V.",
        "Link: p.example/f",
        "Note: Kestrel count",
    ):
        assert document.text.count(said) == 1
    assert "agreed" not in document.text
    assert [part.page for part in document.sections if "Kestrel" in document.text[part.start : part.end]] == [2]


def test_a_file_cut_off_before_its_cross_references_is_read() -> None:
    whole = make_pdf(["The granary roof leaks."])
    for end in (whole.rindex(b"xref\n0") + 30, whole.rindex(b"trailer")):
        assert "granary" in read("a.pdf", whole[:end]).text


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("The minutes of the quarry board were approved.", True), ("/g11/g17/g15/g10/g20/g18 /g21/g28/g27/g15/g26", False),
        ("7KH\x03PLQXWHV\x03RI\x03WKH\x03TXDUU\\\x03ERDUG\x03ZHUH", False), ("(cid:12)(cid:33)(cid:7)(cid:9)(cid:12)(cid:33)", False),
        ("\uf041\uf042\uf043\uf044\uf045 \uf046\uf047\uf048\uf049\uf041\uf042\uf043\uf044", False),
        ("東京の水道は長い。毎日の水は冷たい。", True), ("12.50 3,400 7% 2024-05-01 1999 18:30", True),
        ("Протокол заседания правления карьера", True), ("def main(argv):\n    return run(argv[1:])", True), ("3", True),
    ],
)  # fmt: skip
def test_text_that_was_not_decoded(text: str, readable: bool) -> None:
    assert is_readable(text) is readable


def test_ligatures_are_letters() -> None:
    assert cleaned("ﬁsh in the oﬃce") == "fish in the office"


def test_dates_have_zones() -> None:
    utc = dates.parse("2023-12-31T15:30:00+00:00")
    assert dates.parse("D:20240101003000+09'00'") == utc
    assert dates.parse("D:20231231153000Z") == utc
    assert dates.parse("D:20231231103000-05'00") == utc
    assert dates.parse("D:2023") is not None


def test_what_no_reader_can_open_is_damaged() -> None:
    with pytest.raises(ReadError, match="damaged PDF file: neither pypdf nor pypdfium2 can open it"):
        read("a.pdf", b"%PDF-1.4\n" + b"x" * 400)
