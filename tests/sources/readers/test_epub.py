"""What books say of themselves, of both versions of the Dublin Core, and books of which a part cannot be read."""

import io
import time
import zipfile

import pytest

from semsearch.errors import ReadError
from semsearch.sources.dates import document_date, parse
from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from semsearch.sources.readers.damaged_parts import Missing

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


def chapters(*spine: str, files: dict[str, str], damaged: str = "") -> bytes:
    """A book with the chapters `spine`, of `files`; the one called `damaged` does not fit its checksum."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        items = "".join(f'<item id="{name}" href="{name}" media-type="text/html"/>' for name in set(spine))
        references = "".join(f'<itemref idref="{name}"/>' for name in spine)
        inside = f"<manifest>{items}</manifest><spine>{references}</spine>"
        archive.writestr("b.opf", f'<package xmlns="http://www.idpf.org/2007/opf">{inside}</package>')
        for name, content in files.items():
            archive.writestr(name, content)
    data = stream.getvalue()
    return data.replace(files[damaged].encode(), files[damaged].upper().encode()) if damaged else data


PAGES = {name: f"<p>Chapter {name} of it.</p>" for name in ("one", "two", "three")}


def test_a_damaged_or_missing_chapter_leaves_the_others() -> None:
    document = read("a.epub", chapters("one", "four", "two", "three", files=PAGES, damaged="two"))
    assert document.text.split("\n\n")[:2] == ["Chapter one of it.", "Chapter three of it."]
    assert document.notice.startswith("chapters not read: four (missing), two (damaged chapter: BadZipFile")


@pytest.mark.parametrize("damage", [{"b.opf": "<package"}, {"META-INF/container.xml": "<"}])
def test_a_book_without_its_description(damage: dict[str, str]) -> None:
    pages = {f"{name}.html": page for name, page in PAGES.items()}
    whole = zipfile.ZipFile(io.BytesIO(chapters("one.html", "two.html", files=pages)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, damage.get(name, whole.read(name)))
    document = read("a.epub", stream.getvalue())
    assert "Chapter one of it.\n\nChapter two of it." in document.text
    assert document.notice.startswith("b.opf cannot be read") == ("b.opf" in damage)


def test_encrypted_chapters_are_told() -> None:
    def told(*names: str) -> dict[str, str]:
        of_each = "".join(f'<e:CipherReference URI="{name}"/>' for name in names)
        declared = 'xmlns:e="http://www.w3.org/2001/04/xmlenc#"'
        return {**PAGES, "META-INF/encryption.xml": f"<encryption {declared}>{of_each}</encryption>"}

    document = read("a.epub", chapters("one", "two", files=told("two", "a.otf")))
    assert "one" in document.text and document.notice == "chapters not read: two (encrypted)"
    with pytest.raises(ReadError, match="encrypted EPUB"):
        read("a.epub", chapters("one", "two", files=told("one", "two")))
    assert read("a.epub", chapters("one", files=told("a.otf"))).notice == ""


def test_a_chapter_that_is_named_thousands_of_times_is_read_once() -> None:
    began = time.process_time()
    page = "<p>It rains.</p>" * 20_000 + "<p>The end.</p>"
    assert read("a.epub", chapters(*["one"] * 5000, files={"one": page})).text.count("The end.") == 1
    assert time.process_time() - began < 15


def test_what_is_missing_in_a_book_is_told_shortly() -> None:
    missing = Missing()
    for number in range(100_000):
        missing.part(f"part{number}.xhtml")
        missing.tell(f"notice {number} " + "x" * 1000)
    notice = missing.notice()
    assert "part19.xhtml and 99,980 more cannot be read; notice 0" in notice and notice.endswith("; and 99,980 more")
    assert len(notice) < 6000
