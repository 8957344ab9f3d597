"""Texts that PDF pages give for what they draw."""

import io

import pypdf
import pytest
from pypdf.generic import DictionaryObject, NameObject, StreamObject, TextStringObject

from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.pdf import make_pdf


def read_drawn(content: bytes, properties: dict[str, str] | None = None) -> Document:
    """A page with `content`; `properties`: name -> text that the page gives for what is marked with it."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["text"])))
    stream = StreamObject()
    stream.set_data(content)
    page = writer.pages[0]
    page[NameObject("/Contents")] = writer._add_object(stream)
    page["/Resources"][NameObject("/Properties")] = DictionaryObject(
        {
            NameObject(name): DictionaryObject({NameObject("/ActualText"): TextStringObject(text)})
            for name, text in (properties or {}).items()
        }
    )
    saved = io.BytesIO()
    writer.write(saved)
    return read("a.pdf", saved.getvalue())


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        (b"(the ) Tj /Span <</ActualText (finest)>> BDC (xx) Tj (yy) Tj EMC ( fin) Tj", "the finest fin"),
        (b"(the ) Tj /Span <</ActualText <FEFF00660069>>> BDC (x) Tj EMC (nest fish) Tj", "the finest fish"),
        (b"(the ) Tj /Span /MC0 BDC (xx) Tj EMC ( fin) Tj", "the finest fin"),
        (b"/Span <</ActualText <FEFF06280627>>> BDC (xx) Tj EMC", "با"),
        (b"(the col) Tj /Span <</ActualText <FEFF00AD>>> BDC (-) Tj EMC 0 -14 Td (our) Tj", "the col- our"),
        (b"(the ) Tj /Span <</MCID 3>> BDC (finest) Tj EMC", "the finest"),
    ],
)
def test_the_text_that_is_given_stands_for_what_is_drawn(marked: bytes, words: str) -> None:
    document = read_drawn(b"BT /F1 12 Tf 72 720 Td " + marked + b" ET", {"/MC0": "finest"})
    assert " ".join(document.text.split()) == words


def test_the_text_of_a_picture_is_read_beside_the_others() -> None:
    document = read_drawn(
        b"/Figure <</ActualText (Kestrel & Sons)>> BDC 0 0 9 9 re f EMC BT /F1 12 Tf (since 1911) Tj ET"
    )
    assert document.text.split("\n")[:2] == ["since 1911", "Kestrel & Sons"]


def test_text_of_layers_that_can_be_hidden_is_read() -> None:
    document = read_drawn(b"BT /F1 12 Tf 72 720 Td /OC /MC0 BDC (the quay) Tj EMC ET", {"/MC1": "x"})
    assert document.text.split() == ["the", "quay"]
