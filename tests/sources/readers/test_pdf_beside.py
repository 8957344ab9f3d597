"""What lies on PDF pages beside their text: fields of forms, notes, stamps, links."""
# ruff: noqa: E501  # a case a line

import io
from typing import Any

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)

from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.pdf import make_pdf

PUSH_BUTTON, RADIO, COMBO, PASSWORD = 1 << 16, 1 << 15, 1 << 17, 1 << 13


def made(value: Any, writer: pypdf.PdfWriter) -> PdfObject:
    """`value` as an object of pypdf: text that begins with "/" is a name, bytes are the content of a stream.

    Every value is an object of its own, to which a reference leads.
    """
    return writer._add_object(_made(value, writer))


def _made(value: Any, writer: pypdf.PdfWriter) -> PdfObject:
    match value:
        case dict():
            return DictionaryObject({NameObject(key): made(one, writer) for key, one in value.items()})
        case list():
            return ArrayObject(made(one, writer) for one in value)
        case bool():
            return BooleanObject(value)
        case int():
            return NumberObject(value)
        case bytes():
            stream = StreamObject()
            stream.set_data(value)
            stream[NameObject("/Resources")] = made(
                {"/Font": {"/F1": {"/Subtype": "/Type1", "/BaseFont": "/Helvetica"}}}, writer
            )
            return stream
        case str():
            return NameObject(value) if value.startswith("/") else TextStringObject(value)
    return value


def read_with(
    *annotations: dict[str, Any], text: str = "Application form", pages: int = 1, picture: bool = False
) -> Document:
    """A PDF of `pages` pages with `text`, the last of which has `annotations`; `picture`: and shows one."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf([text] * pages)))
    found = [made(one, writer) for one in annotations]
    writer.pages[-1][NameObject("/Annots")] = writer._add_object(ArrayObject(found))
    if picture:
        image = {"/Subtype": "/Image", "/Width": 1, "/Height": 1}
        writer.pages[-1]["/Resources"][NameObject("/XObject")] = made({"/Im1": image}, writer)
    stream = io.BytesIO()
    writer.write(stream)
    return read("a.pdf", stream.getvalue())


def lines(*annotations: dict[str, Any], text: str = "Application form") -> list[str]:
    """What is read beside the text."""
    return read_with(*annotations, text=text).text.strip().split("\n")[1:]


def field(kind: str, **values: Any) -> dict[str, Any]:
    return {"/Subtype": "/Widget", "/FT": kind, **{f"/{key}": value for key, value in values.items()}}


def shown(text: str) -> dict[str, Any]:
    """The appearance of an annotation that shows `text`."""
    return {"/N": b"BT /F1 12 Tf (%s) Tj ET" % text.encode()}


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (field("/Tx", T="applicant", V="Odalys V."), "applicant: Odalys V."),
        (field("/Tx", T="f1", TU="Name of the applicant", V="Odalys V."), "Name of the applicant: Odalys V."),
        (field("/Tx", V="Odalys V."), "Odalys V."),
        (field("/Tx", Parent={"/T": "mode", "/V": "Off"}), "mode: Off"),
        (field("/Tx", T="secret", V="hunter2", Ff=PASSWORD), None),
        (field("/Tx", T="empty", V=""), None),
        (field("/Ch", T="berth", V="b2", Opt=[["b1", "North quay"], ["b2", "South quay"]], Ff=COMBO), "berth: South quay"),
        (field("/Ch", T="berths", V=["b1", "b2"], Opt=[["b1", "North"], ["b2", "South"]]), "berths: North, South"),
        (field("/Ch", T="town", V="Aarlen", Opt=["Aarlen", "Bern"]), "town: Aarlen"),
        (field("/Ch", T="other", V="typed in", Opt=[["b1", "North"]], Ff=COMBO), "other: typed in"),
        (field("/Btn", T="agreed", V="/Yes", AS="/Yes"), "agreed: Yes"),
        (field("/Btn", T="agreed", V="/Off", AS="/Off"), None),
        (field("/Btn", T="agreed", AS="/On"), "agreed: On"),
        (field("/Btn", T="send", Ff=PUSH_BUTTON, MK={"/CA": "Send the form"}), "send: Send the form"),
        (field("/Btn", AS="/1", Parent={"/T": "sex", "/Ff": RADIO, "/V": "/1", "/Opt": ["male", "female"]}), "sex: female"),
        (field("/Btn", AS="/Off", Parent={"/T": "sex", "/Ff": RADIO, "/V": "/1", "/Opt": ["male", "female"]}), None),
        (field("/Btn", AP={"/N": {"/a": b""}}, Parent={"/T": "way", "/Ff": RADIO, "/V": "/a"}), "way: a"),
        (field("/Btn", AP={"/N": {"/b": b""}}, Parent={"/T": "way", "/Ff": RADIO, "/V": "/a"}), None),
        (field("/Sig", T="signed", V={"/Name": "Ulla Berg", "/Reason": "approved"}), "signed: Ulla Berg, approved"),
    ],
)  # fmt: skip
def test_a_field_says_what_it_shows(annotation: dict[str, Any], said: str | None) -> None:
    assert lines(annotation) == ([said] if said else [])


def test_a_value_that_stands_in_the_text_too_is_kept() -> None:
    assert lines(field("/Tx", T="seats", V="4"), text="Up to 4 seats") == ["seats: 4"]
    assert lines({"/Subtype": "/Text", "/Contents": "OK"}, text="BOOKS") == ["Note: OK"]


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"/Subtype": "/Text", "/Contents": "Check the spillway", "/T": "Ulla"}, "Note by Ulla: Check the spillway"),
        ({"/Subtype": "/FreeText", "/Contents": "Kestrel count"}, "Note: Kestrel count"),
        ({"/Subtype": "/FreeText", "/Contents": "Kestrel count", "/AP": shown("Kestrelcount")}, "Note: Kestrel count"),
        ({"/Subtype": "/FreeText", "/AP": shown("Kestrel count")}, "Note: Kestrel count"),
        ({"/Subtype": "/FreeText", "/T": "Ulla", "/RC": "<body><p>Kestrel &amp; owl</p></body>"}, "Note by Ulla: Kestrel & owl"),
        ({"/Subtype": "/Stamp", "/AP": shown("PAID 3 MAY"), "/Contents": "by post"}, "Note: by post PAID 3 MAY"),
        ({"/Subtype": "/Stamp", "/Name": "/Approved"}, "Note: Approved"),
        ({"/Subtype": "/Highlight", "/Contents": "Application form of 1912"}, "Note: Application form of 1912"),
        ({"/Subtype": "/Highlight", "/Contents": "Application form 1911"}, None),
        ({"/Subtype": "/Link", "/A": {"/URI": "https://p.example/f/"}}, "Link: p.example/f"),
        ({"/Subtype": "/Link", "/A": {"/URI": "https://q.example"}}, None),
        ({"/Subtype": "/Popup", "/Contents": "Check the spillway"}, None),
    ],
)  # fmt: skip
def test_notes_stamps_and_links(annotation: dict[str, Any], said: str | None) -> None:
    assert lines(annotation, text="Application form 1911, see q.example") == ([said] if said else [])


def test_they_stand_on_their_page_once() -> None:
    note = {"/Subtype": "/FreeText", "/Contents": "Kestrel count"}
    document = read_with(note, note, text="Form", pages=3)
    assert document.text.count("Kestrel") == 1
    assert [part.page for part in document.sections if "Kestrel" in document.text[part.start : part.end]] == [3]


def test_damage_costs_no_more_than_what_is_damaged() -> None:
    damaged = {"/Subtype": "/FreeText", "/AP": {"/N": b"BT /F1 ((("}, "/Contents": "Kestrel count"}
    assert lines({"/A": 7, "/Subtype": "/Link"}, damaged, field("/Tx", T="a", V="b")) == ["Note: Kestrel count", "a: b"]


def test_a_scan_with_a_stamp_on_it_needs_ocr_and_an_empty_form_does_not() -> None:
    stamp = {"/Subtype": "/Stamp", "/Name": "/Approved"}
    scan = read_with(stamp, text="", picture=True)
    assert "Note: Approved" in scan.text and scan.notice == "no text on page 1: needs OCR"
    assert read_with(stamp, text="").notice == ""


def stamped(count: int, drawn: bytes) -> Document:
    """A page with `count` stamps, by one author each, which show the one stream `drawn`."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["Application form"])))
    appearance = DictionaryObject({NameObject("/N"): made(drawn, writer)})
    stamps = ArrayObject()
    for number in range(count):
        stamp = made({"/Subtype": "/Stamp", "/T": f"Author {number}"}, writer)
        stamp.get_object()[NameObject("/AP")] = appearance  # type: ignore[index]
        stamps.append(stamp)
    writer.pages[0][NameObject("/Annots")] = stamps
    stream = io.BytesIO()
    writer.write(stream)
    return read("a.pdf", stream.getvalue())


def test_an_appearance_that_many_annotations_share_is_read_once() -> None:
    document = stamped(3000, b"BT /F1 9 Tf " + b"1 0 0 1 0 0 Tm " * 20_000 + b"(warbler) Tj ET")  # a second for each
    assert "Note by Author 2999: warbler" in document.text


def test_notes_that_share_a_long_text_are_told_as_far_as_a_page_goes() -> None:
    document = stamped(500, b"BT /F1 9 Tf " + b"(reed warbler ) Tj " * 2000 + b"ET")
    assert 900_000 < len(document.text) < 1_100_000
    assert document.notice == "more notes on page 1 left out"
