"""Forms that PDFs keep as XML, and files attached to PDFs."""

import io

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    NameObject,
    StreamObject,
    TextStringObject,
)

from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.pdf import make_pdf

DATA = (
    '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><form><applicant>Odalys V.</applicant>'
    "<berth><number>17</number><empty/></berth></form></xfa:data></xfa:datasets>"
)
TEMPLATE = (
    '<template xmlns="http://www.xfa.org/schema/xfa-template/3.0/"><subform><draw><value><text>Harbour fees</text>'
    "</value></draw><field><caption><value><exData><p>Berth <b>number</b></p></exData></value></caption></field>"
    "</subform></template>"
)


def read_form(*parts: str, name: str = "", is_dynamic: bool = False, as_list: bool = True) -> Document:
    """A PDF with a form of `parts`; `name`: a field on its page that holds "Odalys V."."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["Please wait", "Second page"])))
    streams = []
    for part in parts:
        stream = StreamObject()
        stream.set_data(part.encode())
        streams.append(writer._add_object(stream))
    listed = ArrayObject(one for stream in streams for one in (TextStringObject("part"), stream))
    form = DictionaryObject({NameObject("/XFA"): listed if as_list else streams[0]})
    writer.root_object[NameObject("/AcroForm")] = writer._add_object(form)
    writer.root_object[NameObject("/NeedsRendering")] = BooleanObject(is_dynamic)
    if name:
        values = {"/T": name, "/V": "Odalys V."}
        field = DictionaryObject({NameObject(key): TextStringObject(value) for key, value in values.items()})
        field[NameObject("/Subtype")] = NameObject("/Widget")
        writer.pages[1][NameObject("/Annots")] = ArrayObject([writer._add_object(field)])
    return read("a.pdf", saved(writer))


def saved(writer: pypdf.PdfWriter) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


HEAD, END = '<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/">', "</xdp:xdp>"


@pytest.mark.parametrize("parts", [(HEAD, TEMPLATE, DATA, END), (HEAD + TEMPLATE + DATA + END,)])
def test_the_data_of_a_form_in_xml(parts: tuple[str, ...]) -> None:
    document = read_form(*parts, as_list=len(parts) > 1)
    assert document.text.split("\n")[:3] == ["Please wait", "applicant: Odalys V.", "number: 17"]
    assert document.notice == "a form in XML (XFA)"


def test_the_text_of_a_form_whose_pages_do_not_show_it() -> None:
    document = read_form(HEAD, TEMPLATE, DATA, END, is_dynamic=True)
    lines = ["Please wait", "Harbour fees", "Berth number", "applicant: Odalys V.", "number: 17"]
    assert document.text.split("\n")[:5] == lines


def test_what_a_field_of_a_page_says_too_stands_there_once() -> None:
    document = read_form(HEAD, DATA, END, name="Name of the applicant")
    assert document.text.count("Odalys V.") == 1 and "Name of the applicant: Odalys V." in document.text


@pytest.mark.parametrize("part", ["<xdp", "", '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><data>&e;</data>'])
def test_a_damaged_or_hostile_form_does_not_cost_the_text(part: str) -> None:
    document = read_form(part)
    assert "Second page" in document.text and "root:" not in document.text
    assert document.notice.startswith("a form in XML (XFA)")


def test_attached_files_are_named() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["See the table"])))
    writer.add_attachment("soundings.csv", b"1,2")
    assert read("a.pdf", saved(writer)).notice == "attached and not read: soundings.csv"
