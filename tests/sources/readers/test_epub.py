"""What books say of themselves, of both versions of the Dublin Core."""

import io
import zipfile

import pytest

from semsearch.sources.dates import document_date, parse
from semsearch.sources.document import Document
from semsearch.sources.document_types import read

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="b.opf"/>'
    "</rootfiles></container>"
)


def book(metadata: str, version: str = "1.1", kind: str = "application/xhtml+xml") -> Document:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr(
            "b.opf",
            f'<package xmlns="http://www.idpf.org/2007/opf" xmlns:opf="http://www.idpf.org/2007/opf" '
            f'xmlns:dc="http://purl.org/dc/elements/{version}/"><metadata>{metadata}</metadata><manifest><item id="a" '
            f'href="a.xhtml" media-type="{kind}"/></manifest><spine><itemref idref="a"/></spine></package>',
        )
        archive.writestr("a.xhtml", "<html><body><p>Fir.</p></body></html>")
    return read("a.epub", stream.getvalue())


@pytest.mark.parametrize(
    ("metadata", "date"),
    [
        ("<dc:date>2001-02-03</dc:date><dc:date>2020-05-06</dc:date>", "2001-02-03"),
        ("<dc:date opf:event='conversion'>2020-05-06</dc:date><dc:date>2001-02-03</dc:date>", "2020-05-06"),
        ("<dc:date>2001-02-03</dc:date><meta property='dcterms:modified'>2020-05-06</meta>", "2020-05-06"),
        ("<dc:date>2001</dc:date>", "2001-01-01"),
    ],
)
def test_dates_of_a_book(metadata: str, date: str) -> None:
    document = book(metadata)
    assert document_date(document.metadata) == parse(date)


def test_an_old_book() -> None:
    document = book("<dc:Title>Woods</dc:Title><dc:Creator>Ida Moe</dc:Creator>", "1.0", "text/x-oeb1-document")
    assert (document.title, document.metadata["author"], document.text.strip()) == ("Woods", "Ida Moe", "Fir.")
